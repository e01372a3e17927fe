"""/api/live: what is being stored, as it is stored."""

from contextlib import AsyncExitStack
from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation
from litestar.response.base import ASGIResponse

from wattline.api.bulk import Flow
from wattline.api.live import MEDIA_TYPE, Filters, batches, moments
from wattline.api.now import Board
from wattline.api.parameters import Devices, Metrics
from wattline.api.problems import Problem
from wattline.api.routes.resource import resource
from wattline.api.schema import encoded
from wattline.api.view import Seen
from wattline.errors import Refused

ViewName = Annotated[
    str | None, QueryParameter(name="view", description="`now`: once a second the answer of /api/now, and no batches.")
]


@resource("/api/live", "Live stream", tags=["live"])
async def live(  # noqa: PLR0917 - called by the framework, with names
    seen: Seen,
    board: NamedDependency[SkipValidation[Board]],
    filters: NamedDependency[SkipValidation[Filters]],
    device: Devices = None,
    metric: Metrics = None,
    view: ViewName = None,
) -> ASGIResponse:
    """Stream server-sent events `layout` and `batch` (and `lost`) of what the store has just acknowledged.

    With `view=now` the events are `now`, once a second.
    """
    if view not in (None, "now"):
        raise Problem(f"there is no view {view[:100]!r}; there is now", parameter="view")
    wanted = filters.find(device, metric)
    stack = AsyncExitStack()
    try:
        subscriber = await stack.enter_async_context(seen.live.subscribe(seen.site.clients.queue))
    except Refused as error:
        raise Problem(str(error), status=503) from error

    async def now() -> bytes:
        return encoded(await board.now())

    events = moments(subscriber, now) if view == "now" else batches(subscriber, wanted)
    return Flow(events, MEDIA_TYPE, stack.aclose)

"""/api/promotions: who wants which metrics of which devices at full detail, and until when."""

from typing import Annotated, Any

from litestar import Request, Response, delete, post
from litestar.params import JSONBody, QueryParameter
from msgspec import Struct

from wattline.api.guard import check_writer
from wattline.api.parameters import check_names
from wattline.api.problems import Problem
from wattline.api.routes.resource import resource
from wattline.api.schema import PromotionAnswer, answer
from wattline.api.view import Seen, View
from wattline.core.promotion import Promotion
from wattline.errors import Unreachable
from wattline.runtime.promotions import Promotions
from wattline.runtime.shape import FOREVER, Duration
from wattline.units import NANOSECONDS

_PATH = "/api/promotions"
_TAGS = ["meters"]


class Wanted(Struct, frozen=True, forbid_unknown_fields=True, rename={"lasting": "for"}):
    """What is asked for: metrics of `device` that match `metric`, `for` a duration such as 90 or "1h"."""

    device: str
    metric: str = ".*"
    lasting: float | str = "forever"
    owner: str = ""


@resource(_PATH, "Promotions", tags=_TAGS)
async def promotions(seen: Seen) -> Response[list[PromotionAnswer]]:
    """List the promotions in force, by device, metric and owner."""
    return answer([PromotionAnswer.of(one) for one in _table(seen).all()])


def _check(request: Request[Any, Any, Any]) -> None:
    check_writer(request)
    check_names(request)


@post(_PATH, summary="Promote", operation_id="promote", tags=_TAGS, before_request=_check, status_code=200)
async def promote(seen: Seen, data: JSONBody[Wanted]) -> Response[PromotionAnswer]:
    """Promote metrics of a device, by its name or an alias; one of the same device, metric and owner is replaced.

    The body is JSON: `device`; `metric`, a regular expression, matched from the beginning of the name (all, if
    missing); `for`, a duration such as 90 or "1h" (for ever, if missing); `owner`. It is in force within a second.
    """
    table, until = _table(seen), _until(data.lasting, seen.clock())
    try:
        wanted = Promotion(device=data.device, metric=data.metric, until=until, owner=data.owner)
    except ValueError as error:
        raise Problem(str(error), parameter=str(error).partition("`")[2].partition("`")[0]) from error
    try:
        await table.put(wanted)
    except Unreachable as error:
        raise Problem(str(error), status=503) from error
    return answer(PromotionAnswer.of(wanted))


@delete(_PATH, summary="Demote", operation_id="demote", tags=_TAGS, before_request=_check, status_code=200,
        opt={"query": {"device": False, "metric": False, "owner": False}})  # fmt: skip
async def demote(
    seen: Seen,
    device: Annotated[str, QueryParameter(name="device", description="Name or alias, as it was promoted.")],
    metric: Annotated[
        str | None, QueryParameter(name="metric", description="The expression, as it was promoted; all if missing.")
    ] = None,
    owner: Annotated[
        str | None, QueryParameter(name="owner", description="For whom it was promoted; all if missing.")
    ] = None,
) -> Response[list[PromotionAnswer]]:
    """Take back the promotions of a device, or of one metric or owner alone, and list them."""
    try:
        gone = await _table(seen).remove(device, metric, owner)
    except Unreachable as error:
        raise Problem(str(error), status=503) from error
    if not gone:
        raise Problem(f"nothing of that is promoted for {device[:200]!r}", status=404, parameter="device")
    return answer([PromotionAnswer.of(one) for one in gone])


def _table(seen: View) -> Promotions:
    if seen.promotions is None:
        raise Problem("this program reads no meters, so nothing can be promoted here", status=404)
    return seen.promotions


def _until(lasting: float | str, now: int) -> int | None:
    """Return when a promotion ends (ns); None: it does not."""
    try:
        seconds = Duration.parse(lasting)
    except ValueError as error:
        raise Problem(f"`for`: {error}", parameter="for") from error
    if not 0 < seconds <= 10 * 366 * 86_400 and seconds != FOREVER:
        raise Problem("`for` lies between 0 and ten years", parameter="for")
    return None if seconds == FOREVER else now + round(seconds * NANOSECONDS)

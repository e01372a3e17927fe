"""/api/now: the site as it is now."""

from litestar import Response
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from wattline.api.now import Board
from wattline.api.routes.resource import resource
from wattline.api.schema import Now, answer


@resource("/api/now", "Now", tags=["live"])
async def now(board: NamedDependency[SkipValidation[Board]]) -> Response[Now]:
    """Tell the site's watts, the energy and cost of today, and the devices by their watts."""
    return answer(await board.now())

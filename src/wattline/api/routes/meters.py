"""/api/meters: how each meter is doing."""

from litestar import Response

from wattline.api.parameters import Meters, chooser
from wattline.api.routes.resource import resource
from wattline.api.schema import MeterAnswer, answer
from wattline.api.view import Seen


@resource("/api/meters", "Meters", tags=["health"])
async def meters(seen: Seen, meter: Meters = None) -> Response[list[MeterAnswer]]:
    """List the meters by name: speaking or silent, since when and why, and how fast they answer."""
    is_wanted = chooser(meter, "meter")
    return answer([MeterAnswer.of(one) for one in seen.health.meters() if is_wanted(one.name)])

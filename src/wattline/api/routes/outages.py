"""/api/outages: the holes that are known."""

from litestar import Response

from wattline.api.parameters import End, Meters, Start, chooser, window
from wattline.api.routes.resource import resource, work
from wattline.api.schema import OutageAnswer, answer
from wattline.api.view import Seen


@resource("/api/outages", "Outages", tags=["health"])
async def outages(
    seen: Seen, meter: Meters = None, start: Start = None, end: End = None
) -> Response[list[OutageAnswer]]:
    """List the outages that touch a window, by start: which meter gave nothing, from when to when, and why."""
    is_wanted, asked = chooser(meter, "meter"), window(start, end, seen.clock())
    found = await work(seen, lambda: seen.store.outages(asked.start, asked.end))
    return answer([OutageAnswer.of(outage) for outage in found if is_wanted(outage.meter)])

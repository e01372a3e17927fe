"""/api/status: how the program is doing."""

from typing import Final

from litestar import Response

from wattline import __version__
from wattline.api.routes.resource import resource, work
from wattline.api.schema import MeterCounts, Status, answer
from wattline.api.stamps import now_text, stamp
from wattline.api.view import Seen
from wattline.units import NANOSECONDS

TIMES: Final = ("oldest", "newest")
"""Figures of a store that are times (ns)."""


@resource("/api/status", "Status", tags=["health"])
async def status(seen: Seen) -> Response[Status]:
    """Tell the version, the uptime, what the store holds, how many meters speak, and every loss that was counted."""
    held = await work(seen, seen.store.statistics)
    return answer(
        Status(
            version=__version__,
            started=now_text(seen.started),
            uptime=(seen.clock() - seen.started) / NANOSECONDS,
            timezone=seen.site.timezone,
            store={name: stamp(int(value)) if name in TIMES else value for name, value in held.items()},
            meters=MeterCounts.of(seen.health.meters()),
            counters=dict(seen.health.counters()),
        )
    )

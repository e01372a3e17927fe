"""Power of a host estimated from processor time: idle watts, and a straight line to full watts.

Without better knowledge the line is drawn from watts per hardware thread of whole servers under SPECpower_ssj2008, as
published by Cloud Carbon Footprint, "Methodology", section "Compute" (https://www.cloudcarbonfootprint.org/docs/methodology/):
the average over the processors of AWS is 0.74 W idle and 3.5 W full. Single micro-architectures lie between 0.43 W
(EPYC, 3rd generation) and 2.18 W idle, and 1.69 W and 8.61 W (Sandy Bridge) full. So the published line is stated with
an accuracy of 100 %, and its bounds are the extremes; a line given for this machine may be off by what lies between
its ends. Either way it is an estimate, and every series says so.
"""

from typing import Final

from msgspec import Struct

from wattline.plugin import Column, Misconfigured, Point

IDLE_PER_THREAD: Final = 0.74
FULL_PER_THREAD: Final = 3.5
LEAST_PER_THREAD: Final = 0.43
MOST_PER_THREAD: Final = 8.61
MILLI: Final = 1000


class Line(Struct, frozen=True):
    """Watts at no load and at full load, how the line was found, how far it may be off, and what is certain."""

    idle: float
    full: float
    source: str
    accuracy: float
    least: float
    most: float

    def milliwatts(self, busy: int, total: int) -> int:
        """Return the host's power with `busy` of `total` ticks in use, in whole milliwatts."""
        return round(MILLI * (self.idle + (self.full - self.idle) * busy / total))

    def share(self, ticks: int, total: int) -> int:
        """Return the power of one process: its part of what load adds, rounded down to a milliwatt; asleep, nothing."""
        return int(MILLI * (self.full - self.idle) * ticks / total)

    @property
    def host(self) -> Column:
        """Describe the column of the host's power."""
        return Column(
            resolution=1 / MILLI,
            accuracy=self.accuracy,
            rated=self.most,
            floor=self.least,
            point=Point.ESTIMATE,
            estimate=f"from processor time, {self.source}",
        )

    @property
    def process(self) -> Column:
        """Describe the column of a process's power."""
        return Column(
            resolution=1 / MILLI,
            accuracy=self.accuracy,
            rated=self.most,
            point=Point.ESTIMATE,
            estimate=f"from its share of processor time, {self.source}",
        )


def draw_line(idle: float | None, full: float | None, threads: int) -> Line:
    """Return the line of a host of so many hardware threads. Raises Misconfigured: half a line, or one downwards."""
    if idle is None and full is None:
        return Line(
            idle=IDLE_PER_THREAD * threads,
            full=FULL_PER_THREAD * threads,
            source=f"{IDLE_PER_THREAD} to {FULL_PER_THREAD} W a thread (Cloud Carbon Footprint, average of AWS)",
            accuracy=1.0,
            least=LEAST_PER_THREAD * threads,
            most=MOST_PER_THREAD * threads,
        )
    if idle is None or full is None:
        raise Misconfigured("host: idle_watts and full_watts belong together; one is missing")
    if not 0 <= idle < full < float("inf"):
        raise Misconfigured(f"host: idle_watts {idle:g} must be less than full_watts {full:g}, and not negative")
    source = f"{idle:g} W idle to {full:g} W full, as configured"
    return Line(idle, full, source, (full - idle) / (full + idle), idle, full)

"""Holes in what a meter gives, each noted with why: missing is not zero.

    spoke ──failed──▶ a hole begins, without an end ──spoke──▶ it ends
    spoke ── ticks missed, clock stepped, program away ──▶ spoke: a hole that is known when it is over

A hole begins with the last good sample and ends with the next one. What an earlier life of the program left open goes
on here; what it was not there to read is `poller down`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from wattline.core.integral import GAP_PERIODS, LEAST_GAP
from wattline.model import Cause, Layout, Outage, Series
from wattline.plugin import Store
from wattline.units import NANOSECONDS

REACH: Final = 31 * 86_400 * NANOSECONDS
"""How far back an earlier life is looked for, ns."""


class Past(Struct, frozen=True):
    """What the store remembers of earlier lives: the newest time of each series, and the holes left open by meter."""

    newest: Mapping[Series, int] = {}
    open: Mapping[str, Outage] = {}

    @classmethod
    def of(cls, store: Store[Any], now: int) -> "Past":
        """Ask a store; blocks."""
        last = store.last(now - REACH)
        return cls(
            {entry.series: last[entry.id][0] for entry in store.entries() if entry.id in last},
            {outage.meter: outage for outage in store.outages(now - REACH, now) if outage.end is None},
        )

    def before(self, layout: Layout, life: int) -> int | None:
        """Return when the newest sample of a layout's series before `life` (ns) was; None: there is none."""
        times = [time for one in layout.series if (time := self.newest.get(one)) is not None and time < life]
        return max(times, default=None)


class Holes:
    """The holes of one meter, from `since` (ns) on; `period` in ns."""

    def __init__(self, meter: str, period: int, since: int, left_open: Outage | None = None) -> None:
        self._meter = meter
        self._period = period
        self._since = since
        self._open = left_open
        self._last: int | None = None
        self.first = True
        """Nothing was read in this life yet."""

    @property
    def last(self) -> int | None:
        """When the meter last spoke in this life, ns."""
        return self._last

    def failed(self, cause: Cause, detail: str) -> Sequence[Outage]:
        """Note a failure: a hole begins, unless one is open already."""
        if self._open is not None:
            return ()
        self._open = Outage(self._meter, self._since if self._last is None else self._last, None, cause, detail)
        return (self._open,)

    def spoke(
        self, time: int, *, missed: int = 0, stepped: bool = False, before: int | None = None, usual: int | None = None
    ) -> list[Outage]:
        """Note a sample at `time` (ns): holes that end, or that are known now.

        `missed` ticks passed since the sample before; `stepped`: the clock did; `before` is when the last sample of an
        earlier life was, and counts for the first sample alone; `usual` is how often (ns) a meter speaks on its own.
        """
        known = self._away(before, time) if self.first and before is not None else []
        if self._open is not None:
            known.append(replace(self._open, end=max(time, self._open.start)))
        elif self._last is not None and time > self._last:
            if stepped:
                known.append(Outage(self._meter, self._last, time, Cause.CLOCK_STEP))
            elif missed:
                ticks = f"{missed} tick{'s' if missed > 1 else ''} missed"
                known.append(Outage(self._meter, self._last, time, Cause.OVERRUN, ticks))
            elif usual is not None and (silence := time - self._last) > max(GAP_PERIODS * usual, LEAST_GAP):
                said = f"nothing was said for {silence / NANOSECONDS:.0f} s"
                known.append(Outage(self._meter, self._last, time, Cause.TIMEOUT, said))
        self._open, self._last, self.first = None, time, False
        return known

    def _away(self, before: int, time: int) -> list[Outage]:
        """Return the hole while the program was away, unless one that was open then goes on."""
        if self._open is not None and self._open.start < self._since:
            return []
        end = time if self._open is None else self._since
        return [Outage(self._meter, before, end, Cause.POLLER_DOWN)] if end - before > 1.5 * self._period else []

    def ended(self, now: int) -> Sequence[Outage]:
        """Close what is open, because the meter is not to be read any more."""
        closed = () if self._open is None else (replace(self._open, end=max(now, self._open.start)),)
        self._open = None
        return closed

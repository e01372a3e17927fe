"""Holes in what a meter gives, each noted with why: missing is not zero.

    spoke ──failed──▶ a hole begins, without an end ──spoke──▶ it ends
    spoke ── ticks missed, clock stepped, program away ──▶ spoke: a hole that is known when it is over

A hole begins with the last good sample and ends with the next one. Where ticks are missed before every sample, it is
one hole from the first to the last of them, so that a program that cannot keep up does not spend its time on saying so.
What an earlier life of the program left open goes on here; what it was not there to read is `poller down`.
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
        self._overrun: Outage | None = None
        self._missed = 0
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
        return (*self._kept_up(), self._open)

    def spoke(
        self, time: int, *, missed: int = 0, stepped: bool = False, before: int | None = None, usual: int | None = None
    ) -> list[Outage]:
        """Note a sample at `time` (ns): holes that end, or that are known now.

        `missed` ticks passed since the sample before; `stepped`: the clock did; `before` is when the last sample of an
        earlier life was, and counts for the first sample alone; `usual` is how often (ns) a meter speaks on its own.
        """
        known = self._away(before, time) if self.first and before is not None else []
        if not missed or stepped:
            known += self._kept_up()
        if self._open is not None:
            known.append(replace(self._open, end=max(time, self._open.start)))
        elif self._last is not None and time > self._last:
            if stepped:
                known.append(Outage(self._meter, self._last, time, Cause.CLOCK_STEP))
            elif missed:
                known += self._fell_behind(self._last, time, missed)
            elif usual is not None and (silence := time - self._last) > max(GAP_PERIODS * usual, LEAST_GAP):
                said = f"nothing was said for {silence / NANOSECONDS:.0f} s"
                known.append(Outage(self._meter, self._last, time, Cause.TIMEOUT, said))
        self._open, self._last, self.first = None, time, False
        return known

    def _fell_behind(self, last: int, time: int, missed: int) -> list[Outage]:
        """Note ticks that were missed between two samples: a hole, and at the second one in a row that it lasts."""
        self._missed += missed
        if self._overrun is None:
            self._overrun = Outage(self._meter, last, time, Cause.OVERRUN, _ticks(missed))
        elif self._overrun.end is None:
            return []
        else:
            self._overrun = replace(self._overrun, end=None, detail="ticks are missed before every sample")
        return [self._overrun]

    def _kept_up(self) -> list[Outage]:
        """End an overrun with the last sample before which ticks were missed."""
        overrun, missed, self._overrun, self._missed = self._overrun, self._missed, None, 0
        if overrun is None or overrun.end is not None:
            return []
        return [replace(overrun, end=self._last, detail=_ticks(missed))]

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
        return (*self._kept_up(), *closed)


def _ticks(missed: int) -> str:
    return f"{missed} tick{'s' if missed > 1 else ''} missed"

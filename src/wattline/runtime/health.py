"""How it is going: the state of every meter, and the figures that count losses.

    Waiting ──first answer──▶ Speaking ◀──an answer──┐
       └──────a failure─────────────────────▶ Silent ┘

The loop of a meter owns its `Pulse`; everybody else reads `Health`. One second's work of a thousand meters is a
thousand additions to a ring of latencies: percentiles are computed when somebody asks.
"""

import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from wattline.model import Cause

WINDOW: Final = 256
"""Polls over which the latency percentiles reach back."""
_MICRO: Final = 10**6
_STEPS: Final = 2048
"""Steps in which a time doubles: 0.03 % each, so that 16 bits reach from a microsecond to an hour."""
_LARGEST: Final = 0xFFFF


class Waiting(Struct, frozen=True, tag="waiting", tag_field="state"):
    """Nothing has been asked yet, or the meter is optional and nobody has asked for it; since `since` (ns)."""

    since: int


class Speaking(Struct, frozen=True, tag="speaking", tag_field="state"):
    """The meter answers, since `since` (ns)."""

    since: int


class Silent(Struct, frozen=True, tag="silent", tag_field="state"):
    """The meter gives nothing, since `since` (ns), because of `cause`; `error` says more and holds no secret.

    `stopped`: it is not asked any more until the configuration is loaded again.
    """

    since: int
    cause: Cause
    error: str
    stopped: bool = False


State = Waiting | Speaking | Silent


class MeterHealth(Struct, frozen=True):
    """What is known of one meter. `period`, `p50` and `p99` in seconds, `last` in ns; `address` shows no secret.

    `period` None: it speaks when it likes.
    """

    name: str
    driver: str
    address: str
    period: float | None
    state: State
    polls: int = 0
    missed: int = 0
    failed: int = 0
    p50: float | None = None
    p99: float | None = None
    late: float | None = None
    """Seconds by which polls began late: the 99th percentile."""
    devices: tuple[str, ...] = ()
    last: int | None = None


class Ring:
    """The last `WINDOW` times (s) that were added, to 0.02 % and a microsecond: half a kB, and each meter has two."""

    __slots__ = ("_at", "_count", "_kept")

    def __init__(self) -> None:
        self._kept = array("H", bytes(2 * WINDOW))  # a list of floats would be most of what a meter takes
        self._at = 0
        self._count = 0

    def add(self, seconds: float) -> None:
        """Keep a time and forget the oldest; one below 0 is kept as 0, one beyond an hour as that."""
        self._kept[self._at] = min(round(_STEPS * math.log2(1 + max(seconds, 0) * _MICRO)), _LARGEST)
        self._at = (self._at + 1) % WINDOW
        self._count += 1

    def percentiles(self, *percents: float) -> tuple[float | None, ...]:
        """Return percentiles of what is kept, between two neighbours in proportion; None: nothing is kept.

        Sorting a list of so few is a tenth of what numpy takes, and a page asks it of a thousand meters.
        """
        kept = sorted(self._kept[: min(self._count, WINDOW)])
        return tuple(_between(kept, percent / 100 * (len(kept) - 1)) if kept else None for percent in percents)


def _between(ascending: Sequence[int], at: float) -> float:
    low = int(at)
    high = min(low + 1, len(ascending) - 1)
    a, b = _seconds(ascending[low]), _seconds(ascending[high])
    return a + (b - a) * (at - low)


def _seconds(code: int) -> float:
    return (math.exp2(code / _STEPS) - 1) / _MICRO


class Pulse:
    """The health of one meter as its loop writes it."""

    def __init__(self, name: str, driver: str, address: str, period: float | None, since: int) -> None:
        self.name = name
        self.driver = driver
        self.address = address
        self.period = period
        self.state: State = Waiting(since)
        self.polls = 0
        self.failed = 0
        self.missed = 0
        self.last: int | None = None
        self.latency = Ring()
        self.late = Ring()
        self.devices: tuple[str, ...] = ()

    def answered(self, now: int, last: int, seconds: float) -> bool:
        """Note an answer whose newest frame is of `last`; True: the meter was silent or waiting before."""
        self.polls += 1
        self.last = last
        self.latency.add(seconds)
        if isinstance(self.state, Speaking):
            return False
        self.state = Speaking(now)
        return True

    def fell_silent(self, now: int, cause: Cause, error: str, *, stopped: bool = False) -> bool:
        """Note a failure; True: the meter was not silent before, or is for another cause."""
        self.failed += 1
        before = self.state
        since = before.since if isinstance(before, Silent) else now
        self.state = Silent(since, cause, error, stopped)
        return not isinstance(before, Silent) or before.cause is not cause or before.stopped is not stopped

    def reading(self) -> MeterHealth:
        """Return what is known now."""
        p50, p99 = self.latency.percentiles(50, 99)
        return MeterHealth(
            name=self.name,
            driver=self.driver,
            address=self.address,
            period=self.period,
            state=self.state,
            polls=self.polls,
            missed=self.missed,
            failed=self.failed,
            p50=p50,
            p99=p99,
            late=self.late.percentiles(99)[0],
            devices=self.devices,
            last=self.last,
        )


class Health:
    """A view for reading: `pulses` and `counters` are asked each time."""

    def __init__(
        self,
        pulses: Callable[[], Iterable[Pulse]] = tuple,
        counters: Callable[[], Mapping[str, float]] = dict,
        figures: Callable[[], bytes] = bytes,
    ) -> None:
        self._pulses = pulses
        self._counters = counters
        self._figures = figures

    def meters(self) -> Sequence[MeterHealth]:
        """Return the health of every meter, by name."""
        return sorted((pulse.reading() for pulse in self._pulses()), key=lambda meter: meter.name)

    def counters(self) -> Mapping[str, float]:
        """Return the figures of losses and queues by their names in `/metrics`, e.g. `wattline_missed_ticks_total`."""
        return self._counters()

    def figures(self) -> bytes:
        """Return Wattline's own figures as a page of exposition text (UTF-8), ready to be part of `/metrics`."""
        return self._figures()

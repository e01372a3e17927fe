"""The only place with a clock: wall and monotonic time, ticks of a schedule, and steps of the wall clock.

A schedule is aligned to the epoch: its ticks are the wall times `k * period + phase`, where the phase is a hash of the
meter's name, so that a thousand meters of one period are spread over it, in the same way after every start. The wait
for a tick is computed from the wall time anew each time, so nothing drifts. A tick that has passed is counted as missed
and never caught up.

A step of wall against monotonic time of more than `STEP` begins a new life; slewing, at most 500 ppm (adjtimex(2)),
is none.
"""

import asyncio
import hashlib
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from wattline.units import NANOSECONDS
from wattline.wire.waits import Limit, Waits

STEP: Final = 100_000_000
"""Nanoseconds by which the wall clock must leave the monotonic one to have stepped."""
SLOT: Final = 100_000_000
"""Most nanoseconds between two phases; ..."""
_FEWEST_SLOTS: Final = 10
"""... a period has so many at least."""
_SLEW_PPM: Final = 500
_EARLY: Final = 2_000_000
"""Nanoseconds by which a timer may ring early: uvloop counts milliseconds, from the beginning of a turn; ..."""
_ROUNDED: Final = 500_000
"""... of which this one is half."""
_MICROSECOND: Final = 1000

log = logging.getLogger("wattline.clock")


class Timer(Protocol):
    """What `Clock.call_at` returns."""

    def cancel(self) -> None:
        """See that the callback is not called any more."""


class Clock(ABC):
    """Where time comes from; a test gives one that it moves itself."""

    @abstractmethod
    def now(self) -> int:
        """Wall time, ns since the epoch."""

    @abstractmethod
    def monotonic(self) -> int:
        """Time since some beginning, ns; it never steps."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`, never before."""

    async def until(self, tick: int) -> None:
        """Return when the wall clock shows `tick` (ns), or would if nobody had set it meanwhile."""
        await self.sleep((tick - self.now()) / NANOSECONDS)

    @abstractmethod
    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """Raise TimeoutError from the block when it has lasted `seconds`."""

    @abstractmethod
    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call back once after `seconds`."""


class SystemClock(Clock):
    """The clocks of this machine and of the running event loop."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}
        """Who is to be woken, by tick: those of one slot share a timer."""
        self._waits: dict[float, Waits] = {}

    def now(self) -> int:
        """See `Clock.now`."""
        return time.time_ns()

    def monotonic(self) -> int:
        """See `Clock.monotonic`."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(seconds)

    async def until(self, tick: int) -> None:
        """See `Clock.until`."""
        woken = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(tick)
        if waiting is None:
            self._waiting[tick] = [woken]
            self._set(tick)
        else:
            waiting.append(woken)
        await woken

    def _set(self, tick: int) -> None:
        left = tick - self.now() + _ROUNDED
        asyncio.get_running_loop().call_later(left / NANOSECONDS, self._ring, tick)

    def _ring(self, tick: int) -> None:
        if 0 < tick - self.now() < _EARLY:
            self._set(tick)
            return
        for woken in self._waiting.pop(tick):
            if not woken.done():
                woken.set_result(None)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """See `Clock.timeout`."""
        waits = self._waits.get(seconds)
        if waits is None:
            waits = self._waits[seconds] = Waits(seconds)
        return Limit(waits)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """See `Clock.call_later`."""
        return asyncio.get_running_loop().call_later(seconds, callback)


def midpoint(now: int, elapsed: int) -> int:
    """Return the middle of a request that lasted `elapsed` (monotonic ns) until `now`, in whole microseconds (ns).

    It is counted back from the reply, so that it belongs to the life in which the reply came.
    """
    return (now - elapsed // 2) // _MICROSECOND * _MICROSECOND


def phase(name: str, period: int) -> int:
    """Return where in its period (ns) a meter's ticks lie: a hash of the name, the same on every start.

    Meters share slots: to wake a loop whose memory is no longer in the CPU's caches costs as much as several polls, and
    those of one slot are woken together.
    """
    spread = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
    slot = min(SLOT, max(1, period // _FEWEST_SLOTS))
    return (spread * (period // slot) >> 64) * slot


class Life:
    """One life of this program's sources: `run` is its beginning (wall ns), and changes at every step of the wall.

    Shared by all meters; whoever looks at the time says `observe` first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mono = clock.monotonic()
        self._offset = clock.now() - self._mono
        self.run = clock.now()
        self.steps = 0

    def observe(self) -> int:
        """Return the run that lives now; begins a new one where the wall clock has stepped since the last look."""
        mono = self._clock.monotonic()
        now = self._clock.now()
        offset, elapsed = now - mono, mono - self._mono
        if abs(offset - self._offset) > STEP + elapsed * _SLEW_PPM // 1_000_000:
            self.steps += 1
            log.warning("the clock has stepped by %+.3f s", (offset - self._offset) / NANOSECONDS)
            self.run = max(now, self.run + 1) if offset > self._offset else min(now, self.run - 1)
        self._offset, self._mono = offset, mono
        return self.run


class Ticks:
    """The schedule of one meter: `period` and `phase` in ns. `missed` counts ticks that passed unused."""

    __slots__ = ("_clock", "_last", "_life", "_run", "late", "missed", "period", "phase")

    def __init__(self, clock: Clock, life: Life, period: int, phase: int = 0) -> None:
        self._clock = clock
        self._life = life
        self._last: int | None = None
        self._run = life.run
        self.period = period
        self.phase = phase
        self.missed = 0
        self.late = 0.0
        """Seconds by which the last tick was late."""

    async def next(self) -> int:
        """Wait for the next tick and return it (wall ns). Ticks that have passed since the one before are missed,
        but for those over which the clock has stepped.
        """
        tick = self._after(self._clock.now())
        while (wait := tick - self._clock.now()) > 0:
            if wait > self.period:  # the clock was set back: a meter must not wait for as long as that
                tick = self._after(self._clock.now())
                continue
            await self._clock.until(tick)
        if wait <= -self.period:  # the loop was blocked, or the clock was set forward: this is a later tick
            tick += -wait // self.period * self.period
        self.late = -wait % self.period / NANOSECONDS
        run = self._life.observe()
        if self._last is not None and run == self._run:
            self.missed += max(0, (tick - self._last) // self.period - 1)
        self._last, self._run = tick, run
        return tick

    def skip(self) -> None:
        """Let what passes until the next tick pass without counting it as missed: for a back-off."""
        self._last = None

    def until(self, now: int) -> int:
        """Return how far away the next tick is, ns."""
        return self._after(now) - now

    def _after(self, now: int) -> int:
        return (now - self.phase) // self.period * self.period + self.period + self.phase

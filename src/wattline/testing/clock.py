"""A clock that a test moves: nothing waits in real time, and everything that waits is woken in order."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from wattline.runtime.ticks import Clock, Timer
from wattline.units import NANOSECONDS

NOON: Final = 1_800_014_400 * NANOSECONDS
"""2027-01-15 12:00:00 UTC."""
_TURNS: Final = 60
"""Turns of the event loop in which tasks that were woken do what they have to do."""


class _Alarm:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeClock(Clock):
    """Wall and monotonic time that stand still until `advance`, and a wall that `step` moves alone."""

    def __init__(self, now: int = NOON) -> None:
        self._now = now
        self._monotonic = 1000 * NANOSECONDS
        self._alarms: list[tuple[int, int, _Alarm]] = []
        self._order = itertools.count()

    def now(self) -> int:
        """See `Clock.now`."""
        return self._now

    def monotonic(self) -> int:
        """See `Clock.monotonic`."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """See `Clock.sleep`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        timer = self.call_later(seconds, lambda: woken.set_result(None))
        try:
            await woken
        finally:
            timer.cancel()

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[object]:
        """See `Clock.timeout`."""
        return self._timeout(seconds)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """See `Clock.call_later`."""
        alarm = _Alarm(callback)
        due = self._monotonic + round(seconds * NANOSECONDS)
        heapq.heappush(self._alarms, (due, next(self._order), alarm))
        return alarm

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: every alarm due in them rings at its time, and tasks run in between."""
        target = self._monotonic + round(seconds * NANOSECONDS)
        await self.settle()
        while self._alarms and self._alarms[0][0] <= target:
            due, _, alarm = heapq.heappop(self._alarms)
            if alarm.callback is not None:
                self._move(max(0, due - self._monotonic))
                alarm.callback()
                await self.settle()
        self._move(target - self._monotonic)
        await self.settle()

    def step(self, seconds: float) -> None:
        """Set the wall clock, as an operator or NTP does; monotonic time does not notice."""
        self._now += round(seconds * NANOSECONDS)

    def block(self, seconds: float) -> None:
        """Let time pass while nothing runs: a loop that is busy, a machine that is suspended."""
        self._move(round(seconds * NANOSECONDS))

    async def settle(self) -> None:
        """Let tasks do what they can do now."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _move(self, elapsed: int) -> None:
        self._monotonic += elapsed
        self._now += elapsed

    @asynccontextmanager
    async def _timeout(self, seconds: float) -> AsyncIterator[object]:
        async with asyncio.timeout(None) as scope:
            timer = self.call_later(seconds, lambda: scope.reschedule(asyncio.get_running_loop().time()))
            try:
                yield scope
            finally:
                timer.cancel()

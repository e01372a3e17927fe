"""Watching meters: each is asked more often than it will be, for some seconds, by the driver that reads it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from wattline.doctor.observed import Gathering, Observed
from wattline.errors import Denied, Gone, Malformed, Misconfigured, Unreachable, WattlineError
from wattline.plugin import Driver, Polled, Streamed
from wattline.runtime.discreet import keep_quiet
from wattline.runtime.failure import scrub
from wattline.runtime.meters import hidden
from wattline.runtime.registry import Registry
from wattline.runtime.site import MeterConfig
from wattline.runtime.source import OPEN_PATIENCE
from wattline.runtime.ticks import Clock, midpoint
from wattline.units import NANOSECONDS

FASTEST, SLOWEST = 0.2, 1.0
"""Least and most seconds between two questions."""
_OFTENER: Final = 5
"""How many times as often as its period says a meter is asked."""
_FAILURES: Final = 3
"""Failures in a row, before any answer, after which a meter is given up."""
_STOPS: Final = (Denied, Misconfigured, Gone)


class Watch:
    """Watches one meter; what it has seen holds also when it is interrupted."""

    def __init__(self, meter: MeterConfig, registry: Registry, clock: Clock) -> None:
        self._meter, self._registry, self._clock = meter, registry, clock
        self._seen = Gathering()
        self._latency: list[float] = []
        self._offsets: list[float] = []
        self._asked = self._failed = 0
        self._failure = ""
        self._secrets = hidden(meter)

    def observed(self) -> Observed:
        """Return what was seen so far."""
        meter = self._meter
        return Observed(
            meter=meter.name, driver=meter.driver, address=meter.address, every=meter.every, asked=self._asked,
            failed=self._failed, failure=self._failure, latency=np.array(self._latency),
            offsets=np.array(self._offsets), tracks=self._seen.tracks(),
        )  # fmt: skip

    async def run(self, seconds: float) -> None:
        """Watch for `seconds`, no longer than opening and one answer may last beyond them."""
        keep_quiet(self._secrets)
        until = self._clock.monotonic() + round(seconds * NANOSECONDS)
        driver = self._registry.driver(self._meter.driver)(self._meter.options)
        while self._left(until) > 0:
            try:
                async with asyncio.timeout(max(self._meter.timeout, OPEN_PATIENCE)):
                    await driver.open()
                await self._converse(driver, until)
            except (WattlineError, TimeoutError) as error:
                self._fail(error)
                if isinstance(error, _STOPS) or (not self._latency and self._failed >= _FAILURES):
                    return
            finally:
                await self._close(driver)
            await asyncio.sleep(min(SLOWEST, max(self._left(until), 0)))

    async def _converse(self, driver: Driver[Any], until: int) -> None:
        if isinstance(driver, Polled):
            await self._ask(driver, until)
        elif isinstance(driver, Streamed):
            await self._listen(driver, until)

    async def _ask(self, driver: Polled[Any], until: int) -> None:
        gap = min(max(self._meter.every / _OFTENER, FASTEST), SLOWEST)
        while self._left(until) > 0:
            began = self._clock.monotonic()
            self._asked += 1
            try:
                async with asyncio.timeout(self._meter.timeout):
                    frames = await driver.read(self._clock.now())
            except Malformed as error:
                self._fail(error)
            else:
                elapsed = self._clock.monotonic() - began
                self._latency.append(elapsed / NANOSECONDS)
                self._offsets += self._seen.take(frames, midpoint(self._clock.now(), elapsed))
            spent = (self._clock.monotonic() - began) / NANOSECONDS
            await asyncio.sleep(max(0.0, min(gap - spent, self._left(until))))

    async def _listen(self, driver: Streamed[Any], until: int) -> None:
        try:
            async with asyncio.timeout(max(self._left(until), 0)):
                async for frames in driver.stream():
                    self._asked += 1
                    self._offsets += self._seen.take(frames, self._clock.now())
        except TimeoutError:
            if not self._asked:
                raise Unreachable("it has said nothing") from None

    def _fail(self, error: BaseException) -> None:
        self._failed += 1
        said = f"no answer within {self._meter.timeout:g} s" if isinstance(error, TimeoutError) else str(error)
        self._failure = scrub(said, self._secrets)

    def _left(self, until: int) -> float:
        return (until - self._clock.monotonic()) / NANOSECONDS

    async def _close(self, driver: Driver[Any]) -> None:
        try:
            async with asyncio.timeout(1):
                await driver.close()
        except (TimeoutError, WattlineError, OSError):
            pass  # it was to be let go


async def watch(watches: Sequence[Watch], seconds: float, second: Callable[[], None]) -> None:
    """Watch meters for some seconds, all at one time; calls `second` about once a second."""

    async def count() -> None:
        for _ in range(int(seconds)):
            await asyncio.sleep(1)
            second()

    async with asyncio.TaskGroup() as tasks:
        ticking = tasks.create_task(count())
        running = [tasks.create_task(one.run(seconds)) for one in watches]
        await asyncio.wait(running)
        ticking.cancel()

"""The loop of a meter that is asked: open, then one request at every tick, and one in flight.

    closed ──open──▶ open ──tick, read──▶ open      an answer, or one without meaning (Malformed)
       ▲               └──Unreachable, no answer in time──▶ closed, after a back-off
       └ stopped: Misconfigured, Gone, a bug

A slow meter delays no other: each has its own loop, and a tick that passes while a request is in flight is missed.
"""

from typing import Any, Final

from wattline.errors import Malformed
from wattline.plugin import Polled
from wattline.runtime.source import OPEN_PATIENCE, Source
from wattline.runtime.ticks import Ticks, midpoint, phase
from wattline.units import NANOSECONDS

AT_ONCE: Final = NANOSECONDS // 4
"""A first tick that is further away than this (ns) is not waited for: people look at what they have just started."""


async def poll(source: Source, driver: Polled[Any]) -> None:
    """Read a meter until it must be read no more; ends by cancellation, or when the meter has stopped."""
    around, period = source.around, int(source.meter.every * NANOSECONDS)
    ticks = Ticks(around.clock, around.life, period, phase(source.name, period))
    # A thousand meters are not opened in one instant.
    await around.clock.sleep(phase(source.name, min(period, NANOSECONDS)) / NANOSECONDS)
    while True:
        limit = max(source.meter.timeout, OPEN_PATIENCE)
        try:
            async with around.clock.timeout(limit):
                layouts = await driver.open()
            source.opened(layouts)
            limit = source.meter.timeout
            await _converse(source, driver, ticks)
        except Exception as error:  # noqa: BLE001 - every error is a decision; `failed` says which
            if source.failed(error, limit).stops:
                return
        finally:
            await source.close()
        await around.clock.sleep(source.back_off())
        ticks.skip()


async def _converse(source: Source, driver: Polled[Any], ticks: Ticks) -> None:
    """Ask at every tick until a failure ends the conversation."""
    clock, timeout, pulse = source.around.clock, source.meter.timeout, source.pulse
    tick = await _first(source, ticks)
    while True:
        asked = clock.monotonic()
        try:
            async with clock.timeout(timeout):
                await source.tell()
                frames = await driver.read(tick)
        except Malformed as error:
            source.failed(error, timeout)
        else:
            elapsed = clock.monotonic() - asked
            source.answered(frames, midpoint(clock.now(), elapsed), elapsed / NANOSECONDS, ticks.missed - pulse.missed)
        if ticks.missed != pulse.missed:
            source.around.measures.missed.add(ticks.missed - pulse.missed)
            pulse.missed = ticks.missed
        tick = await ticks.next()
        pulse.late.add(ticks.late)


async def _first(source: Source, ticks: Ticks) -> int:
    now = source.around.clock.now()
    if source.pulse.last is None and not source.pulse.failed and ticks.until(now) > AT_ONCE:
        return now
    return await ticks.next()

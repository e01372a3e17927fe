"""The loop of a meter that speaks on its own: open, then take frames as they come.

A stream that says nothing for longer than its timeout and its driver's patience is taken for dead and opened again, as
is one that ends.
"""

from contextlib import aclosing
from typing import Any

from wattline.errors import Unreachable
from wattline.plugin import Streamed
from wattline.runtime.source import OPEN_PATIENCE, Source
from wattline.runtime.ticks import midpoint


async def stream(source: Source, driver: Streamed[Any]) -> None:
    """Read a meter until it must be read no more; ends by cancellation, or when the meter has stopped."""
    clock = source.around.clock
    while True:
        limit = max(source.meter.timeout, OPEN_PATIENCE, driver.patience)
        try:
            async with clock.timeout(limit):
                layouts = await driver.open()
            source.opened(layouts)
            await _listen(source, driver, limit)
        except Exception as error:  # noqa: BLE001 - every error is a decision; `failed` says which
            if source.failed(error, limit).stops:
                return
        finally:
            await source.close()
        await clock.sleep(source.back_off())


async def _listen(source: Source, driver: Streamed[Any], patience: float) -> None:
    clock = source.around.clock
    async with aclosing(driver.stream()) as spoken:  # type: ignore[type-var]
        while True:
            async with clock.timeout(patience):
                frames = await anext(spoken, None)
            if frames is None:
                raise Unreachable("the meter has closed the stream")
            source.answered(frames, midpoint(clock.now(), 0), 0.0)
            await source.tell()

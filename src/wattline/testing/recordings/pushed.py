"""A recording that a meter pushes: said again and again behind a serial server, and read by its driver."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from wattline.errors import Malformed, Unreachable
from wattline.plugin import Streamed
from wattline.testing.recordings.reading import Reading, readings_of
from wattline.testing.serial_meter import serial_server

_PATIENCE: Final = 3.0
"""Seconds after which a recording has nothing to say."""


def first_words(said: bytes, driver: Callable[[str], Streamed[Any]]) -> list[Reading]:
    """Return what is read first of a recording by the driver of a line; nothing, where it makes no sense of it."""
    return asyncio.run(_first_words(said, driver))


async def _first_words(said: bytes, driver: Callable[[str], Streamed[Any]]) -> list[Reading]:
    async with serial_server(said) as port:
        reader = driver(f"tcp://127.0.0.1:{port}")
        try:
            async with asyncio.timeout(_PATIENCE):
                await reader.open()
                return readings_of(await anext(reader.stream()))
        except (Malformed, Unreachable, TimeoutError):
            return []
        finally:
            await reader.close()

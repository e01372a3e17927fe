"""Recorded M-Bus answers: files of hexadecimal digits in a folder `mbus`, one frame each."""

import asyncio
from pathlib import Path

from wattline.drivers.mbus.config import MbusConfig
from wattline.drivers.mbus.driver import Mbus
from wattline.errors import Malformed, Unreachable
from wattline.testing.mbus_meter import mbus_gateway
from wattline.testing.recordings.reading import Reading, readings_of


def matches(path: Path) -> bool:
    """Say whether a file is such a recording."""
    return path.suffix == ".hex" and path.parent.name == "mbus"


def readings(path: Path) -> list[Reading]:
    """Return what our driver reads; nothing, where it makes no sense of the frame."""
    return asyncio.run(_readings(bytes.fromhex(path.read_text()), path.stem))


async def _readings(frame: bytes, name: str) -> list[Reading]:
    async with mbus_gateway({1: [frame]}) as port:
        driver = Mbus(MbusConfig(line=f"tcp://127.0.0.1:{port}", device=name, wait=1))
        try:
            await driver.open()
            return readings_of(await driver.read(0))
        except (Malformed, Unreachable):
            return []
        finally:
            await driver.close()

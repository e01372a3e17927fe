"""Dumps of `upsc`: lines `name: value`, served by a server of ours as upsd would."""

import asyncio
import re
from pathlib import Path
from typing import Final

from wattline.drivers.nut.driver import Nut, NutConfig
from wattline.testing.driver_suite import NOW, opened
from wattline.testing.recordings.reading import Reading, readings_of
from wattline.testing.upsd import ReplayUpsd

_LINE: Final = re.compile(r"([a-z][\w.-]*\.[\w.-]+):\s?(.*)")


def matches(path: Path) -> bool:
    """Say whether a file is a dump: `.dev`, in a folder `nut`."""
    return path.suffix == ".dev" and path.parent.name == "nut"


def variables(path: Path) -> dict[str, str]:
    """Return the variables of a dump; comments are left out."""
    lines = path.read_text(errors="replace").splitlines()
    return {match[1]: match[2] for line in lines if (match := _LINE.fullmatch(line))}


def readings(path: Path) -> list[Reading]:
    """Return what the driver reads of a dump."""
    return asyncio.run(_read(path))


async def _read(path: Path) -> list[Reading]:
    async with ReplayUpsd({"ups": variables(path)}) as server:
        one = Nut(NutConfig(host="127.0.0.1", port=server.port))
        async with opened(one):
            return readings_of(await one.read(NOW))

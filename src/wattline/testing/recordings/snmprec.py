"""SNMP agents as recordings: lines `OID|TAG|VALUE` (`.snmprec`), or what `snmpwalk -On` printed (`.snmpwalk`)."""

import asyncio
from pathlib import Path
from typing import Final

from wattline.drivers.snmp.config import SnmpConfig
from wattline.drivers.snmp.driver import Snmp
from wattline.errors import Malformed
from wattline.plugin import Secret
from wattline.testing.recordings.reading import Reading, readings_of
from wattline.testing.replay import ReplayAgent

SUFFIXES: Final = (".snmprec", ".snmpwalk")
NOW: Final = 1_700_000_000_000_000_000


def matches(path: Path) -> bool:
    """Say whether a file is an SNMP agent."""
    return path.suffix in SUFFIXES


def readings(path: Path) -> list[Reading]:
    """Return what the driver reads of it by itself, without being told any OID; nothing where no profile fits."""
    return asyncio.run(_read(path))


async def _read(path: Path) -> list[Reading]:
    async with ReplayAgent.of(path) as agent:
        driver = Snmp(
            SnmpConfig(host="127.0.0.1", port=agent.port, community=Secret("public"), device=path.stem, wait=5)
        )
        try:
            await driver.open()
            return readings_of(await driver.read(NOW))
        except Malformed:
            return []
        finally:
            await driver.close()

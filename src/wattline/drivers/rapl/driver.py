"""RAPL: the energy registers of processors and memory that Linux shows in its powercap tree."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from wattline.drivers.rapl.parts import Part, choose, name_parts
from wattline.plugin import (
    Column,
    Device,
    DriverConfig,
    Frame,
    Kind,
    Layout,
    Malformed,
    Metric,
    Misconfigured,
    Point,
    Polled,
    Scale,
    Series,
    Unit,
    Unreachable,
)
from wattline.wire.powercap import Zone, find_zones, open_register, read_register, register

ENERGY: Final = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy register of a part of the processor")
MICRO: Final = 1_000_000


class RaplConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of RAPL."""

    path: str = "/sys/class/powercap"
    zones: str = "package,core,uncore,dram,psys"


class Rapl(Polled[RaplConfig]):
    """Keeps a descriptor on each register and reads them in one go: about 1 us and the hardware's own time each."""

    Config: ClassVar[type[DriverConfig]] = RaplConfig
    summary: ClassVar[str] = "energy registers of this machine's processors and memory (RAPL)"
    metrics: ClassVar[tuple[Metric, ...]] = (ENERGY,)
    example: ClassVar[str] = "rapl://"

    async def open(self) -> Sequence[Layout]:
        """Find the zones and open their registers. Raises Misconfigured with what to do when that cannot be."""
        self._descriptors: list[int] = []
        root, host = Path("/", self.config.path), self.config.device or os.uname().nodename
        parts = name_parts(choose(_zones(root), self.config.zones), host)
        if not parts:
            raise Misconfigured(f"{root} shows no zone of {self.config.zones}")
        for part in parts:
            try:
                self._descriptors.append(open_register(part.zone))
            except PermissionError as error:
                raise Misconfigured(_unreadable(part.zone.folder / "energy_uj")) from error
            except OSError as error:
                raise Unreachable(f"{part.zone.folder}: {error.strerror}") from error
        devices = [Device(host, "host"), *(part.device for part in parts)]
        series = [Series.of(part.device.name, ENERGY) for part in parts]
        self._layout = Layout.of(series, [_column(part) for part in parts], devices=devices)
        return [self._layout]

    async def read(self, now: int) -> Sequence[Frame]:
        """Read every register; one whose zone has left is absent. Raises Unreachable when all have."""
        try:
            counts = [read_register(descriptor) for descriptor in self._descriptors]
        except ValueError as error:
            raise Malformed(f"{Path('/', self.config.path)}: a register holds no number") from error
        present = np.array([count is not None for count in counts])
        if not present.any():
            raise Unreachable(f"{Path('/', self.config.path)}: every zone has left")
        values = np.array([count or 0 for count in counts], np.float64) / MICRO
        return [Frame(self._layout, values, present=None if present.all() else present)]

    async def close(self) -> None:
        """Close the registers."""
        while self._descriptors:
            os.close(self._descriptors.pop())


def _column(part: Part) -> Column:
    counting = register(part.zone.most)
    return Column(
        scale=Scale(1, MICRO),
        range=counting.modulus / MICRO,
        resolution=counting.step / MICRO,
        rated=part.limit / MICRO if part.limit else None,
        point=Point.COMPONENT,
    )


def _zones(root: Path) -> list[Zone]:
    try:
        zones = find_zones(root)
    except FileNotFoundError:
        zones = []
    except PermissionError as error:
        raise Misconfigured(_unreadable(Path(error.filename))) from error
    except (OSError, ValueError) as error:
        raise Unreachable(f"{root}: {error}") from error
    if not zones:
        raise Misconfigured(
            f"{root} shows no RAPL: this machine has none, is virtual, or lacks the module intel_rapl_msr; "
            "its power can be read from a PDU or BMC (snmp://, prometheus://) or estimated (host://)"
        )
    return zones


def _unreadable(path: Path) -> str:
    return (
        f"{path} may be read by root alone (since Linux 5.10, against CVE-2020-8694 'PLATYPUS'): run as root, or give "
        f"a group the right by a udev rule, or once by: chgrp wattline {path} && chmod g+r {path}"
    )

"""This host: what share of its processors is busy, its top processes, and estimated power where none is measured."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from msgspec import Meta

from wattline.drivers.host.estimate import MILLI, Line, draw_line
from wattline.drivers.host.top import Slot, Top
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
    Polled,
    Series,
    Unit,
    Unreachable,
)
from wattline.wire.powercap import find_zones
from wattline.wire.procfs import Proc

CPU: Final = Metric("cpu_ratio", Unit.RATIO, Kind.GAUGE, "Share of all processors that is in use, 0 to 1")
POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power, estimated from processor time")
OCCUPANT: Final = Metric("occupant", Unit.NONE, Kind.STATE, "Process in this slot: its name and number")
BASELINE: Final = 0.2
"""Seconds between opening and the first reading at least: twenty ticks of each processor."""


class HostConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of this host."""

    path: str = "/proc"
    top: Annotated[int, Meta(ge=0, le=100)] = 10
    power: Literal["auto", "always", "never"] = "auto"
    idle_watts: float | None = None
    full_watts: float | None = None
    powercap: str = "/sys/class/powercap"


class Host(Polled[HostConfig]):
    """Answers with one frame: the host, each slot of the top, and the rest."""

    Config: ClassVar[type[DriverConfig]] = HostConfig
    summary: ClassVar[str] = (
        "this host's processor share and top processes, with estimated power where none is measured"
    )
    metrics: ClassVar[tuple[Metric, ...]] = (CPU, POWER, OCCUPANT)
    example: ClassVar[str] = "host://"

    _proc: Proc | None = None

    async def open(self) -> Sequence[Layout]:
        """Take the first reading, from which use counts. Raises Misconfigured: no /proc, or half a line of watts."""
        try:
            self._proc = Proc(Path("/", self.config.path))
            self._before = self._proc.processors()
        except (OSError, ValueError) as error:
            raise Misconfigured(f"host://: {self.config.path} is no /proc of Linux: {error}") from error
        line = draw_line(self.config.idle_watts, self.config.full_watts, self._before.online)
        self._line = line if self._estimates() else None
        self._top = Top(self.config.top)
        self._layout = _layout(self.config.device or os.uname().nodename, self.config.top, self._line)
        for _ in self._proc.sweep():
            await asyncio.sleep(0)
        await asyncio.sleep(BASELINE)
        return [self._layout]

    async def read(self, now: int) -> Sequence[Frame]:
        """Say what was used since the reading before; nothing when no tick has passed since.

        Raises Unreachable: no descriptor is to be had, or the like. Raises Malformed: /proc/stat means nothing.

        The sweep runs on the loop and lets others run every millisecond: in a thread, each of its thousand calls into
        the kernel would have to win the interpreter back.
        """
        assert self._proc is not None
        try:
            after = self._proc.processors()
        except ValueError as error:
            raise Malformed(f"host://: {error}") from error
        total, busy = after.total - self._before.total, after.busy - self._before.busy
        if total <= 0:
            return []
        uses = []
        try:
            for part in self._proc.sweep():
                uses += part
                await asyncio.sleep(0)
        except OSError as error:
            raise Unreachable(f"host://: {error}") from error
        self._before = after
        return [_frame(self._layout, self._top.fill(uses), min(max(busy, 0), total), total, self._line)]

    async def close(self) -> None:
        """Close what is kept open below /proc."""
        if self._proc is not None:
            self._proc.close()
            self._proc = None

    def _estimates(self) -> bool:
        return self.config.power == "always" or (self.config.power == "auto" and not measured(self.config.powercap))


def measured(powercap: str) -> bool:
    """Say whether a register of this host's packages can be read, so that nothing need be estimated."""
    try:
        zones = find_zones(Path("/", powercap))
    except (OSError, ValueError):
        return False
    return any(os.access(zone.folder / "energy_uj", os.R_OK) for zone in zones if zone.name.startswith("package"))


def _layout(host: str, size: int, line: Line | None) -> Layout:
    """Describe host, slots and rest; each has its share, its power where that is estimated, and slots an occupant."""
    slots = [f"{host}/top-{k + 1:02}" for k in range(size)]
    series, columns = [], []
    for name in (host, *slots, f"{host}/rest"):
        series.append(Series.of(name, CPU))
        columns.append(Column())
        if line:
            series.append(Series.of(name, POWER))
            columns.append(line.process if name in slots else line.host)
        if name in slots:
            series.append(Series.of(name, OCCUPANT))
            columns.append(Column())
    parts = [Device(name, "process", (("", host),)) for name in (*slots, f"{host}/rest")]
    return Layout.of(series, columns, devices=[Device(host, "host"), *parts])


def _frame(layout: Layout, slots: Sequence[Slot], busy: int, total: int, line: Line | None) -> Frame:
    """Hand the host's use out to the slots; the rest is what is left, to the tick and to the milliwatt.

    Ticks are counted for host and processes apart: where processes show more than the host they share what it shows.
    """
    shown = sum(slot.ticks for slot in slots)
    of = max(shown, busy) or 1
    used = [slot.ticks * busy // of if shown > busy else slot.ticks for slot in slots]
    values, texts = [busy / total], {}
    watts = [line.share(ticks, total) for ticks in used] if line else []
    whole = line.milliwatts(busy, total) if line else 0
    if line:
        values.append(whole / MILLI)
    for k, slot in enumerate(slots):
        values.append(used[k] / total)
        if line:
            values.append(watts[k] / MILLI)
        texts[len(values)] = (slot.occupant,)
        values.append(0.0)
    values.append((busy - sum(used)) / total)
    if line:
        values.append((whole - sum(watts)) / MILLI)
    return Frame(layout, np.array(values, np.float64), texts=texts)

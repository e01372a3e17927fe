"""A simulated rack with known ground truth: see `rack` for what it gives, `truth` to recompute it."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Final

import numpy as np

from wattline.drivers.sim.rack import (
    BMC_WINDOW,
    CPU,
    CURRENT,
    ENERGY,
    JOB,
    LEAST,
    METRICS,
    OWN,
    POWER,
    RATED,
    SECOND,
    TEMPERATURE,
    TENTHS,
    VOLTAGE,
    Rack,
    SimConfig,
    truth,
)
from wattline.plugin import (
    Column,
    Device,
    DriverConfig,
    Frame,
    Layout,
    Mask,
    Metric,
    Point,
    Polled,
    Scale,
    Series,
    Times,
    Values,
)

__all__ = ["Rack", "Sim", "SimConfig", "truth"]

MICROSECOND: Final = 1_000


class Sim(Polled[SimConfig]):
    """Answers with one frame for each PDU (with its outlets), each server and the rack's door."""

    Config: ClassVar[type[DriverConfig]] = SimConfig
    summary: ClassVar[str] = "a simulated rack with known ground truth"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    example: ClassVar[str] = "sim://rack?servers=16"

    async def open(self) -> Sequence[Layout]:
        """Build the rack."""
        self._rack = await asyncio.to_thread(Rack, self.config)
        self._last: int | None = None
        self._pdus = [_pdu_layout(self._rack, k) for k in range(self.config.pdus)]
        self._servers = [_server_layout(self._rack, i) for i in range(self.config.servers)]
        self._door = _door_layout(self._rack)
        self._names = {layout: [series.device for series in layout.series] for layout in self._layouts()}
        return list(self._layouts())

    def _layouts(self) -> Iterator[Layout]:
        yield from (*self._pdus, *self._servers, self._door)

    async def read(self, now: int) -> Sequence[Frame]:
        """Give what is true at `now`, or at `frames` times since the read before; stamps are the rack's own."""
        rack, time = self._rack, self._times(now)
        outlets, servers = rack.outlet_values(time), rack.server_values(time)
        answer = [self._frame(layout, time, _pdu_matrix(rack, k, outlets, time)) for k, layout in enumerate(self._pdus)]
        for i, layout in enumerate(self._servers):
            values = np.stack([servers[series.metric.name][:, i] for series in layout.series], axis=1)
            answer.append(self._with_job(layout, time, values))
        answer.append(self._frame(self._door, time, rack.rack_values(time)[TEMPERATURE.name][:, None]))
        return [frame for frame in answer if frame is not None]

    def _times(self, now: int) -> Times:
        """Spread the frames over the time since the read before, ending at `now`, in whole us; the first is alone."""
        since = now if self._last is None else min(self._last, now)
        frames = self.config.frames if since < now else 1
        self._last = now
        time = since + (now - since) * np.arange(1, frames + 1, dtype=np.int64) // frames
        if self.config.jitter:
            late = np.random.default_rng([self.config.seed, now % 2**32]).random(len(time))
            time = np.sort(time - (late * self.config.jitter * SECOND).astype(np.int64))
        return time // MICROSECOND * MICROSECOND

    def _frame(self, layout: Layout, time: Times, values: Values) -> Frame | None:
        """Leave out what is silent; None when nothing is left."""
        if not self.config.gaps:
            return Frame(layout, values, time)
        silent = {name: self._rack.silent(name, time) for name in dict.fromkeys(self._names[layout])}
        present: Mask = np.stack([~silent[name] for name in self._names[layout]], axis=1)
        rows = present.any(axis=1)
        return Frame(layout, values[rows], time[rows], present[rows]) if rows.any() else None

    def _with_job(self, layout: Layout, time: Times, values: Values) -> Frame | None:
        """Name the jobs: the last column is an index into the names that occur in this frame."""
        column = len(layout) - 1
        numbers, places = np.unique(values[:, column], return_inverse=True)
        values[:, column] = places
        frame = self._frame(layout, time, values)
        return frame and frame._replace(texts={column: tuple(self._rack.job_names[int(n)] for n in numbers)})


def _pdu_layout(rack: Rack, k: int) -> Layout:
    """Describe PDU k: its own series, then those of each outlet."""
    behind, register = rack.fed_by(k), Column(scale=Scale(1, TENTHS), range=rack.range / TENTHS, resolution=1 / TENTHS)
    most, least = (watts * len(behind) + OWN / TENTHS for watts in (RATED, LEAST))
    series = [Series.of(rack.pdu(k), metric) for metric in (POWER, ENERGY, CURRENT, VOLTAGE)]
    columns = [_power(most, least), _rated(register, most, least), Column(resolution=0.01), Column(resolution=0.1)]
    devices = [Device(rack.pdu(k), "pdu", (("", rack.name),))]
    for i in behind:
        series += [Series.of(rack.outlet(i), metric) for metric in (POWER, ENERGY, CURRENT)]
        columns += [_power(RATED, LEAST), _rated(register, RATED, LEAST), Column(resolution=0.01)]
        devices.append(Device(rack.outlet(i), "outlet", (("", rack.pdu(k)),)))
    return Layout.of(series, columns, devices=devices)


def _pdu_matrix(rack: Rack, k: int, outlets: Mapping[str, Values], time: Times) -> Values:
    own, behind = rack.pdu_values(k, time), rack.fed_by(k)
    fed = [outlets[metric.name][:, i] for i in behind for metric in (POWER, ENERGY, CURRENT)]
    return np.stack([*own.values(), *fed], axis=1)


def _server_layout(rack: Rack, i: int) -> Layout:
    """Describe what the BMC of server i says, and which job it runs (last)."""
    name = rack.server(i)
    bmc = Column(resolution=1.0, window=float(BMC_WINDOW), accuracy=0.01, rated=RATED, floor=LEAST, point=Point.BMC)
    columns = [bmc, Column(resolution=0.001), Column(resolution=0.1), Column()]
    metrics = (POWER, CPU, TEMPERATURE, JOB)
    return Layout.of(
        [Series.of(name, metric) for metric in metrics],
        columns,
        devices=[Device(name, "server", (("", rack.outlet(i)),))],
    )


def _door_layout(rack: Rack) -> Layout:
    return Layout.of([Series.of(rack.name, TEMPERATURE)], [Column(resolution=0.1)], devices=[Device(rack.name, "rack")])


def _power(rated: float, least: float) -> Column:
    return Column(scale=Scale(1, TENTHS), resolution=1 / TENTHS, rated=rated, floor=least)


def _rated(register: Column, rated: float, least: float) -> Column:
    return Column(register.scale, register.range, register.resolution, rated=rated, floor=least)

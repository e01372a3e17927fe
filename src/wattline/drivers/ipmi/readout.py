"""The layout of an IPMI meter, and its rows: what the whole machine draws, then each sensor.

host                       DCMI power and its average, or the sum of what supplies say; temperatures with a label
└── host/PSU1 Input Power  one of several sensors in watts: a part, so that nothing is counted twice
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

import numpy as np

from wattline.drivers.ipmi.choice import Choice
from wattline.drivers.ipmi.meaning import AVERAGE, POWER, Meaning, meaning, renamed, table, value
from wattline.plugin import Column, Device, Frame, Kind, Layout, Misconfigured, Point, Scale, Series
from wattline.wire.ipmi.commands import Level, Power
from wattline.wire.ipmi.formula import Factors
from wattline.wire.ipmi.sdr import Sensor

_LONGEST_WINDOW: Final = 3600.0
"""Seconds; an average over a longer time says nothing of now."""
_WATT: Final = Column(resolution=1.0, point=Point.BMC)


class Readout:
    """What one answer holds: DCMI power (`power` is what it said first; None: not read) and the sensors of a choice."""

    __slots__ = ("_choice", "_means", "_tables", "_total", "_window", "layout", "sensors")

    def __init__(self, host: str, power: Power | None, choice: Choice) -> None:
        self.sensors = choice.sensors
        self._choice = choice
        self._window = power.window if power and 0 < power.window <= _LONGEST_WINDOW else None
        self._total = power is None and len(choice.total) > 1
        series: list[Series] = []
        columns: list[Column] = []
        self._means: list[Meaning] = []
        self._tables: list[tuple[float | None, ...]] = []
        devices = [Device(host, "server", power=POWER.name)]
        if power is not None or self._total:
            series.append(Series.of(host, POWER))
            columns.append(_WATT if power else Column(point=Point.BMC))
        if self._window is not None:
            series.append(Series.of(host, AVERAGE))
            columns.append(Column(resolution=1.0, point=Point.BMC, window=self._window))
        parts: list[Device] = []
        whole = power is not None or choice.total
        own = choice.own or (None,) * len(self.sensors)
        for sensor, other in zip(self.sensors, own, strict=True):
            if other is not None:
                means = renamed(sensor, other.metric, Scale.of(other.scale))
                series.append(Series.of(other.device or host, means.metric, other.labels))
                self._add(sensor, means, columns)
                continue
            means, name = meaning(sensor), _name(sensor, self.sensors)
            device, labels = host, {"sensor": name} if choice.labelled else {}
            if means.metric is POWER and whole and (power is not None or choice.total != (sensor,)):
                device, labels = f"{host}/{name}", {}
                parts.append(Device(device, "sensor", (("", host),)))
            series.append(Series.of(device, means.metric, labels))
            self._add(sensor, means, columns)
        try:
            self.layout = Layout.of(series, columns, devices=(*devices, *parts))
        except ValueError as error:
            raise Misconfigured(f"{error}: give one of the sensors another metric, device or label") from error

    def _add(self, sensor: Sensor, means: Meaning, columns: list[Column]) -> None:
        self._means.append(means)
        self._tables.append(_table(sensor, means))
        columns.append(_column(sensor, means))

    def frame(
        self, power: Power | None, levels: Sequence[Level], factors: Mapping[tuple[int, int], Factors]
    ) -> Frame | None:
        """Place what was read, `levels` in the order of `sensors`; None: there is nothing."""
        row: list[float | None] = []
        numbers = [self._number(i, level, factors) for i, level in enumerate(levels)]
        if power is not None:
            row.append(float(power.watts) if power.active or power.watts else None)
        elif self._total:
            row.append(self._sum(numbers, levels))
        if self._window is not None:
            steady = power is not None and power.active and power.window == self._window
            row.append(float(power.average) if power and steady else None)
        row += numbers
        if None not in row:
            return Frame(self.layout, np.array(row, np.float64))
        present = np.array([one is not None for one in row])
        if not present.any():
            return None
        return Frame(self.layout, np.array(row, np.float64), present=present)  # None becomes NaN

    def _number(self, place: int, level: Level, factors: Mapping[tuple[int, int], Factors]) -> float | None:
        if level.raw is None:
            return None
        lasting = self._tables[place]
        if lasting:
            return lasting[level.raw]
        sensor = self.sensors[place]
        of_reading = factors.get((sensor.record, level.raw))
        if of_reading is None or sensor.formula is None:
            return None
        return value(sensor.formula, self._means[place], level.raw, of_reading)

    def _sum(self, numbers: Sequence[float | None], levels: Sequence[Level]) -> float | None:
        """Add up those that are there. One that is there and has no reading now makes the sum unknown, not smaller."""
        total, some = 0.0, False
        for sensor, number, level in zip(self.sensors, numbers, levels, strict=True):
            if sensor not in self._choice.total or not level.enabled:
                continue
            if number is None:
                return None
            total, some = total + number, True
        return total if some else None


def _name(sensor: Sensor, sensors: Sequence[Sensor]) -> str:
    """Return a name that no other of the sensors has."""
    if sensor.name and len({other.record for other in sensors if other.name == sensor.name}) == 1:
        return sensor.name
    return f"{sensor.name or 'sensor'}-{sensor.record}"


def _table(sensor: Sensor, means: Meaning) -> tuple[float | None, ...]:
    formula = sensor.formula
    return table(formula, means) if formula and not formula.needs_factors else ()


def _column(sensor: Sensor, means: Meaning) -> Column:
    formula = sensor.formula
    if formula is None or not formula.is_linear:
        return Column(point=Point.BMC)
    step = formula.factors.step() * means.factor
    counter = means.metric.kind is Kind.COUNTER
    return Column(
        scale=_scale(formula.factors.grid(), means),
        range=float(step * 256) if counter and step else None,
        resolution=float(step),
        point=Point.BMC,
    )


def _scale(grid: Fraction, means: Meaning) -> Scale:
    """Return the scale of the decimals that a sensor gives, unless the base unit begins elsewhere."""
    return Scale() if means.offset else Scale.of(grid * means.factor)

"""What OBIS codes of electricity meters mean (IEC 62056-6-1, medium 1), whatever protocol carries them.

A code is A-B:C.D.E: C says which quantity, D how it is processed (7: now, 8: summed up), E which tariff.

    meter              energy, power (signed: what is fed in is negative), power factor, frequency
    ├── phase-1        its power, voltage and current
    ├── phase-2
    └── phase-3

Power comes as one signed value (16.7.0), or as what is drawn and what is fed in (1.7.0, 2.7.0), or without a sign
(15.7.0); the best of these that a message has is taken. A meter that counts by tariff alone gives their sum as well.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from wattline.core.roster import Roster
from wattline.model import Column, Device, Kind, Layout, Mask, Metric, Series, Values
from wattline.units import Scale, Unit

ENERGY: Final = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy register: drawn, or fed in")
POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Active power; negative: fed in")
REACTIVE: Final = Metric("reactive_power_var", Unit.VAR, Kind.GAUGE, "Reactive power; negative: fed in")
APPARENT: Final = Metric("apparent_power_va", Unit.VOLT_AMPERE, Kind.GAUGE, "Apparent power")
VOLTAGE: Final = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage")
CURRENT: Final = Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current")
FACTOR: Final = Metric("power_factor_ratio", Unit.RATIO, Kind.GAUGE, "Power factor")
FREQUENCY: Final = Metric("frequency_hertz", Unit.HERTZ, Kind.GAUGE, "Frequency")
BROKEN: Final = Metric("broken_messages_total", Unit.NONE, Kind.COUNTER, "Messages that were cut or failed their check")
METRICS: Final = (ENERGY, POWER, REACTIVE, APPARENT, VOLTAGE, CURRENT, FACTOR, FREQUENCY, BROKEN)

_EXPORT: Final = (("direction", "export"),)
_NOW: Final = 7
_SUMMED: Final = 8
_QUANTITIES: Final = {
    16: (POWER, 1, 0), 1: (POWER, 1, 1), 2: (POWER, -1, 1), 15: (POWER, 1, 2), 3: (REACTIVE, 1, 0),
    4: (REACTIVE, -1, 0), 9: (APPARENT, 1, 0), 11: (CURRENT, 1, 0), 12: (VOLTAGE, 1, 0), 13: (FACTOR, 1, 0),
    14: (FREQUENCY, 1, 0),
}  # fmt: skip
"""Metric, sign and rank of what C says, less the 20, 40 or 60 of a phase."""
_PHASES: Final = {20: "phase-1", 40: "phase-2", 60: "phase-3"}


class Reading(NamedTuple):
    """One value: `code` is (C, D, E), `number` times `scale` is in `unit`; a register has `digits`, 0: unknown."""

    code: tuple[int, int, int]
    number: int
    scale: Scale
    unit: Unit
    digits: int = 0


class Key(NamedTuple):
    """Which series a value belongs to: the part of the meter, the metric and its labels."""

    part: str
    metric: Metric
    labels: tuple[tuple[str, str], ...] = ()


class Meaning(NamedTuple):
    """Where a value goes, with which sign it is added there, and its rank: of several the least is taken."""

    key: Key
    sign: int = 1
    rank: int = 0


def meaning(code: tuple[int, int, int]) -> Meaning | None:
    """Return what a code means; None: nothing that is kept."""
    c, d, e = code
    phase = next((base for base in reversed(_PHASES) if base < c < base + 20), 0)
    part, quantity = _PHASES.get(phase, ""), c - phase
    if d == _SUMMED and quantity in (1, 2):
        labels = _EXPORT if quantity == 2 else ()
        return Meaning(Key(part, ENERGY, labels + ((("tariff", str(e)),) if e else ())))
    if d != _NOW or quantity not in _QUANTITIES:
        return None
    metric, sign, rank = _QUANTITIES[quantity]
    if e:  # some meters tell power in the tariff of the hour alone
        return Meaning(Key(part, POWER), sign, 3) if quantity in (1, 2) else None
    return Meaning(Key(part, metric), sign, rank)


class Sum(NamedTuple):
    """The value of a series, in base units, and what is known of it."""

    value: Fraction
    column: Column


def add_up(readings: Iterable[Reading], period: float | None = None) -> dict[Key, Sum]:
    """Return the series of a message; a value whose unit is not that of its metric, or that cannot be, is left out."""
    found: dict[Key, dict[int, list[tuple[int, Reading]]]] = {}
    for reading in readings:
        told = meaning(reading.code)
        if told is not None and told.key.metric.unit is reading.unit and _is_possible(told.key.metric, reading):
            found.setdefault(told.key, {}).setdefault(told.rank, []).append((told.sign, reading))
    for key in [key for key in found if key.metric is ENERGY and key.labels and key.labels[-1][0] == "tariff"]:
        total = Key(key.part, ENERGY, key.labels[:-1])
        if 0 not in found.get(total, {}):  # a total that the meter tells is better than our sum
            found.setdefault(total, {}).setdefault(1, []).extend(found[key][0])
    return {key: _sum(ranks[min(ranks)], period) for key, ranks in found.items()}


def _is_possible(metric: Metric, reading: Reading) -> bool:
    """Say whether a value is one: meters of some firmware send something else as a power factor (ESMR 5 of E.ON)."""
    return metric is not FACTOR or abs(reading.scale.base(reading.number)) <= 1


def _sum(parts: Sequence[tuple[int, Reading]], period: float | None) -> Sum:
    exact = sum((sign * Fraction(one.number * one.scale.num, one.scale.den) for sign, one in parts), Fraction(0))
    finest = min((one.scale for _, one in parts), key=lambda scale: Fraction(scale.num, scale.den))
    step = finest.base(1)
    only = parts[0][1] if len(parts) == 1 else None
    wraps = only is not None and only.digits > 0 and only.unit is Unit.JOULE
    most = only.scale.base(10**only.digits) if only is not None and wraps else None
    return Sum(exact, Column(scale=finest, range=most, resolution=step, period=period))


class Registers:
    """The series of one meter, growing with what it tells. `name` is the meter's device; one owner."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._columns: dict[Key, Column] = {}
        self._roster: Roster[Key] = Roster(self._describe, self._devices)

    def frame(self, sums: dict[Key, Sum], broken: int) -> tuple[Layout, Values, Mask]:
        """Return the layout of a message, its values and which are there; `broken` messages were passed over."""
        sums = {**sums, Key("", BROKEN): Sum(Fraction(broken), Column())}
        self._columns = {key: one.column for key, one in sums.items()}
        values = [one.value.numerator / one.value.denominator for one in sums.values()]
        return self._roster.frame(0, list(sums), values)

    def _describe(self, key: Key) -> tuple[Series, Column]:
        name = f"{self._name}/{key.part}" if key.part else self._name
        return Series.of(name, key.metric, dict(key.labels)), self._columns[key]

    def _devices(self, series: Sequence[Series]) -> list[Device]:
        parts = [name for name in dict.fromkeys(one.device for one in series) if name != self._name]
        return [Device(self._name, "meter"), *(Device(name, _type(name), self._above(name)) for name in parts)]

    def _above(self, name: str) -> tuple[tuple[str, str], ...]:
        """Return what a part is part of: what another meter on its bus counts is no part of this one's."""
        return (("", self._name),) if _type(name) == "phase" else ()


def _type(name: str) -> str:
    return "phase" if name.rpartition("/")[2] in _PHASES.values() else "meter"

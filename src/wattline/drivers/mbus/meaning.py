"""What M-Bus records say of energy and electricity (EN 13757-3, tables 10 to 14).

Only what is measured now is kept: no stored values of the past, no extremes. Records that cannot be told apart (some
meters tell a voltage four times) are numbered by a label `n`, in the order of the answer. What a maker adds for itself
is understood where it numbers the phases, as several do; else it is a label.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from wattline.plugin import Column, Kind, Metric, Scale, Unit
from wattline.wire.mbus import Record

ENERGY: Final = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy register")
POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Active or thermal power")
VOLTAGE: Final = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage")
CURRENT: Final = Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current")
FREQUENCY: Final = Metric("frequency_hertz", Unit.HERTZ, Kind.GAUGE, "Frequency")
METRICS: Final = (ENERGY, POWER, VOLTAGE, CURRENT, FREQUENCY)

_MAKER: Final = 0xFF
_PHASES: Final = (1, 2, 3)
_THOUSAND: Final = 0x7D


class Key(NamedTuple):
    """Which series a record belongs to: the meter on the bus, its part, the metric and labels."""

    address: int
    part: str
    metric: Metric
    labels: tuple[tuple[str, str], ...]


class Value(NamedTuple):
    """A value in base units, and what is known of it."""

    value: float
    column: Column


def values(address: int, records: Iterable[Record]) -> dict[Key, Value]:
    """Return the series of a meter's answer; tariffs are summed where the meter tells no total."""
    found: dict[Key, Value] = {}
    for record in records:
        if record.function or record.storage or record.value is None or (told := _quantity(record.vif)) is None:
            continue
        metric, scale, rest = told
        part, labels = _place(record, rest)
        if labels is None:
            continue
        key = Key(address, part, metric, labels)
        repeats = 1
        while key in found:
            repeats += 1
            key = Key(address, part, metric, (*labels, ("n", str(repeats))))
        most = scale.base(10**record.digits) if metric is ENERGY and record.digits else None
        column = Column(scale=scale, range=most, resolution=scale.base(1))
        found[key] = Value(scale.base(record.value), column)
    return found | _total(address, found)


def _total(address: int, found: dict[Key, Value]) -> dict[Key, Value]:
    total = Key(address, "", ENERGY, ())
    tariffs = [one for key, one in found.items() if key[:3] == total[:3] and [n for n, _ in key.labels] == ["tariff"]]
    if total in found or not tariffs:
        return {}
    finest = min((one.column for one in tariffs), key=lambda column: column.resolution)
    return {total: Value(sum(one.value for one in tariffs), Column(scale=finest.scale, resolution=finest.resolution))}


def _place(record: Record, rest: Sequence[int]) -> tuple[str, tuple[tuple[str, str], ...] | None]:
    """Return the part of the meter and the labels of a record; no labels: nobody knows what it is."""
    part, labels = "", []
    if record.tariff:
        labels.append(("tariff", str(record.tariff)))
    if record.subunit:
        labels.append(("subunit", str(record.subunit)))
    if rest and rest[0] == _MAKER:
        own = rest[1:]
        if record.subunit:  # mostly reactive power, told in watts
            return part, None
        if len(own) == 1 and own[0] in _PHASES:
            part = f"phase-{own[0]}"
        elif own:
            labels.append(("maker", bytes(own).hex()))
    elif rest:
        return part, None
    return part, tuple(labels)


def _quantity(vif: Sequence[int]) -> tuple[Metric, Scale, Sequence[int]] | None:
    """Return the metric of a record, the scale of its counts, and the extensions that are left."""
    first, rest = vif[0], list(vif[1:])
    if first in (0xFB, 0xFD):
        if not rest:
            return None
        told = _extended(first, rest.pop(0))
    else:
        told = _primary(first)
    if told is None:
        return None
    metric, factor, power = told
    while rest and (0x70 <= rest[0] <= 0x77 or rest[0] == _THOUSAND):
        power += 3 if rest[0] == _THOUSAND else rest[0] - 0x76
        rest.pop(0)
    if abs(power) > _FURTHEST:
        return None
    rest = [octet for octet in rest if octet]  # 0: no error of this record (table 17)
    scale = Scale(factor[0] * 10 ** max(power, 0), factor[1] * 10 ** max(-power, 0))
    return metric, scale, rest


_FURTHEST: Final = 12
"""Most powers of ten between what is counted and its unit: nothing that is metered needs more."""

_Told = tuple[Metric, tuple[int, int], int]
"""Metric, factor into the base unit, and power of ten."""


def _primary(vif: int) -> _Told | None:
    n = vif & 7
    match vif >> 3:
        case 0:
            return ENERGY, (3600, 1), n - 3
        case 1:
            return ENERGY, (1, 1), n
        case 5:
            return POWER, (1, 1), n - 3
        case 6:
            return POWER, (1, 3600), n
        case _:
            return None


def _extended(table: int, vif: int) -> _Told | None:
    if table == 0xFD:
        if vif >> 4 == 4:
            return VOLTAGE, (1, 1), (vif & 15) - 9
        return (CURRENT, (1, 1), (vif & 15) - 12) if vif >> 4 == 5 else None
    match vif:
        case 0x00 | 0x01:
            return ENERGY, (3600, 1), vif + 5
        case 0x08 | 0x09:
            return ENERGY, (1, 1), vif
        case 0x28 | 0x29:
            return POWER, (1, 1), vif - 0x28 + 5
        case 0x2C | 0x2D | 0x2E | 0x2F:
            return FREQUENCY, (1, 1), vif - 0x2F
        case _:
            return None

"""What the objects of a P1 telegram say: those of the electricity meter, and those of meters on its M-Bus.

DSMR 5.0.2 P1 companion standard, section 6.12; e-MUCS P1 1.7.1, section 6. The meter on channel n of the M-Bus is the
device `meter/mbus-n`; what it counts (gas, water, heat) is no part of what the electricity meter counts.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from wattline.core.obis import ENERGY, Key, Reading, Sum, add_up
from wattline.plugin import Column, Kind, Metric, Misconfigured, Scale, Unit, parse_unit
from wattline.wire.p1 import Line, Telegram

VOLUME: Final = Metric("volume_cubic_metres", Unit.NONE, Kind.COUNTER, "Register of gas or water, in cubic metres")
FAILURES: Final = Metric("power_failures_total", Unit.NONE, Kind.COUNTER, "Power failures of any phase")
LONG_FAILURES: Final = Metric("long_power_failures_total", Unit.NONE, Kind.COUNTER, "Power failures of over 3 minutes")
SAGS: Final = Metric("voltage_sags_total", Unit.NONE, Kind.COUNTER, "Voltage sags of a phase")
SWELLS: Final = Metric("voltage_swells_total", Unit.NONE, Kind.COUNTER, "Voltage swells of a phase")
METRICS: Final = (VOLUME, FAILURES, LONG_FAILURES, SAGS, SWELLS)

_NUMBER: Final = re.compile(r"(-?)(\d{1,16})(?:\.(\d{1,12}))?(?:\*([A-Za-z0-9]{1,8}))?")
_COUNTS: Final = {(96, 7, 21): FAILURES, (96, 7, 9): LONG_FAILURES}
_EVENTS: Final = {32: SAGS, 36: SWELLS}
_PHASES: Final = {32: "phase-1", 52: "phase-2", 72: "phase-3"}
_OWN: Final = (0, 1)
"""Media of the meter itself: abstract, and electricity."""
_BUS: Final = 24
"""C of the objects of a meter on the M-Bus."""
_OLD_GAS: Final = (_BUS, 3, 0)
"""The hourly gas value of DSMR 2 and 3: its number is in the last parentheses, its unit in those before."""
_VERSION: Final = ((1, 3, 0, 2, 8), (0, 0, 96, 1, 4))
"""Version of the telegram, in the Netherlands and in Belgium."""


def sums(telegram: Telegram) -> dict[Key, Sum]:
    """Return the series of a telegram."""
    period = period_of(telegram.lines)
    readings, found = [], {}
    for line in telegram.lines:
        a, b, c, d, e = line.code
        if a not in _OWN or not line.values:
            continue
        if a == 0 and b and c == _BUS:
            found.update(_on_the_bus(line))
        elif b == 0 and a == 0:
            found.update(_count(_COUNTS.get((c, d, e)), "", line.values))
        elif b == 0 and c in _PHASES and d in _EVENTS and not e:
            found.update(_count(_EVENTS[d], _PHASES[c], line.values))
        elif b == 0 and (reading := _reading((c, d, e), line.values[-1])) is not None:
            readings.append(reading)
    return {**add_up(readings, period), **found}


def period_of(lines: Iterable[Line]) -> float:
    """Return seconds between two telegrams: 1 since version 5, 10 before."""
    version = next((line.values[0] for line in lines if line.code in _VERSION and line.values), "")
    return 1.0 if version.startswith("5") else 10.0


def _reading(code: tuple[int, int, int], text: str) -> Reading | None:
    """Read a number with its unit; None: it is none, or of a unit that is not known."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, whole, decimals, symbol = match[1], match[2], match[3] or "", match[4]
    try:
        unit, scale = parse_unit(symbol) if symbol else (Unit.RATIO, Scale())  # a power factor has no unit
        scale *= Scale(1, 10 ** len(decimals))
    except Misconfigured:
        return None
    number, digits = int(f"{sign}{whole}{decimals}"), len(whole) + len(decimals)
    return Reading(code, number, scale, unit, digits)


def _count(metric: Metric | None, part: str, values: Sequence[str]) -> dict[Key, Sum]:
    if metric is None or not values[0].isascii() or not values[0].isdecimal() or len(values[0]) > 15:
        return {}
    return {Key(part, metric): Sum(Fraction(int(values[0])), Column())}


def _on_the_bus(line: Line) -> dict[Key, Sum]:
    """Return the register of a meter on the M-Bus; empty: this object is none, or holds no value yet."""
    _, channel, *code = line.code
    part = f"mbus-{channel}"
    if tuple(code) == _OLD_GAS and len(line.values) > 2:
        text = f"{line.values[-1]}*{line.values[-2]}"
    elif code[1] == 2 and len(line.values) == 2:
        text = line.values[1]
    else:
        return {}
    number, _, symbol = text.partition("*")
    if symbol == "m3":
        reading = _reading((0, 0, 0), number)
        metric = VOLUME
    else:
        reading = _reading((0, 0, 0), text) if symbol else None
        metric = ENERGY
        if reading is not None and reading.unit is not Unit.JOULE:
            return {}
    if reading is None:
        return {}
    scale, most = reading.scale, reading.scale.base(10**reading.digits)
    value = Fraction(reading.number * scale.num, scale.den)
    return {Key(part, metric): Sum(value, Column(scale=scale, range=most, resolution=scale.base(1)))}

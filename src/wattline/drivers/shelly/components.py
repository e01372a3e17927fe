"""What the status of a Shelly tells: the meters of generation 1, and the components of generations 2 to 4.

Sources: Shelly API documentation, "Gen1 devices" (`/status`, `/meter`, `/emeter`) and "Gen2+ devices" (components
Switch, Cover, Light, PM1, EM, EMData, EM1, EM1Data, Temperature).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from wattline.plugin import Kind, Metric, Scale, Unit
from wattline.units import IDENTITY

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Active power of a channel")
ENERGY: Final = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy drawn through a channel")
RETURNED: Final = Metric("energy_returned_joules", Unit.JOULE, Kind.COUNTER, "Energy given back through a channel")
VOLTAGE: Final = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage of a channel")
CURRENT: Final = Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current of a channel")
FREQUENCY: Final = Metric("frequency_hertz", Unit.HERTZ, Kind.GAUGE, "Mains frequency")
APPARENT: Final = Metric("apparent_power_va", Unit.VOLT_AMPERE, Kind.GAUGE, "Apparent power of a channel")
REACTIVE: Final = Metric("reactive_power_var", Unit.VAR, Kind.GAUGE, "Reactive power of a channel")
FACTOR: Final = Metric("power_factor_ratio", Unit.RATIO, Kind.GAUGE, "Power factor of a channel")
TEMPERATURE: Final = Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Temperature within the device")
METRICS: Final = (
    POWER, ENERGY, RETURNED, VOLTAGE, CURRENT, FREQUENCY, APPARENT, REACTIVE, FACTOR, TEMPERATURE
)  # fmt: skip

_MINUTE: Final = (Scale(60), Scale(60))
"""Watt-minutes as shown, and as counted: both in joules."""
_TENTHS: Final = (Scale(3600), Scale(360))
_HUNDREDTHS: Final = (Scale(3600), Scale(36))
_THOUSANDTHS: Final = (Scale(3600), Scale(36, 10))
"""Watt-hours as shown, and the parts of one that are counted."""
_LEVEL: Final = (IDENTITY, IDENTITY)

_Meaning = Mapping[str, tuple[Metric, tuple[Scale, Scale]]]
_METER: Final[_Meaning] = {"power": (POWER, _LEVEL), "total": (ENERGY, _MINUTE)}
_EMETER: Final[_Meaning] = {
    "power": (POWER, _LEVEL), "reactive": (REACTIVE, _LEVEL), "voltage": (VOLTAGE, _LEVEL),
    "current": (CURRENT, _LEVEL), "pf": (FACTOR, _LEVEL), "total": (ENERGY, _TENTHS),
    "total_returned": (RETURNED, _TENTHS),
}  # fmt: skip
_COMPONENT: Final[_Meaning] = {
    "apower": (POWER, _LEVEL), "act_power": (POWER, _LEVEL), "aprt_power": (APPARENT, _LEVEL),
    "voltage": (VOLTAGE, _LEVEL), "current": (CURRENT, _LEVEL), "pf": (FACTOR, _LEVEL), "freq": (FREQUENCY, _LEVEL),
    "total_act_energy": (ENERGY, _HUNDREDTHS), "total_act_ret_energy": (RETURNED, _HUNDREDTHS),
}  # fmt: skip
_TOTAL: Final[_Meaning] = {
    "total_act_power": (POWER, _LEVEL), "total_aprt_power": (APPARENT, _LEVEL), "total_current": (CURRENT, _LEVEL),
    "total_act": (ENERGY, _HUNDREDTHS), "total_act_ret": (RETURNED, _HUNDREDTHS),
}  # fmt: skip
_NAME: Final = re.compile(r"(switch|cover|light|rgb|rgbw|cct|pm1|em|emdata|em1|em1data|temperature):(\d{1,4})")
_MOST: Final = 64
"""Channels of one device: more is no Shelly."""


class Item(NamedTuple):
    """One number of a status as it stands there. `part` is a channel (`switch-0`), empty for the device as a whole."""

    part: str
    metric: Metric
    said: object
    scale: Scale = IDENTITY
    """From what is shown to the base unit."""
    step: Scale = IDENTITY
    """From what is counted to the base unit."""
    sensor: str = ""


def first_generation(status: Mapping[str, Any]) -> Iterator[Item]:
    """Tell the meters of `/status` of generation 1: `total` of `meters` in watt-minutes, of `emeters` in Wh.

    A meter that says of itself `is_valid: false` tells nothing.
    """
    for kind, meaning in (("meters", _METER), ("emeters", _EMETER)):
        for n, one in enumerate(_maps(status.get(kind))):
            valid = one.get("is_valid") is not False
            yield from _items(f"{kind[:-1]}-{n}", one if valid else dict.fromkeys(one), meaning)
    yield Item("", POWER, status.get("total_power"))
    inside = status.get("tmp")
    if isinstance(inside, Mapping) and inside.get("is_valid") is not False and inside.get("tC") is not None:
        yield Item("", TEMPERATURE, inside["tC"])
    else:
        yield Item("", TEMPERATURE, status.get("temperature"))


def later_generation(status: Mapping[str, Any]) -> Iterator[Item]:
    """Tell the components of `Shelly.GetStatus` of generations 2 to 4. Energy is in Wh."""
    for name, one in list(status.items())[: 4 * _MOST]:
        match = _NAME.fullmatch(name)
        if match is None or not isinstance(one, Mapping):
            continue
        kind, number = match[1], match[2]
        if kind in ("em", "emdata"):
            yield from _three_phases(one, "" if number == "0" else f"em-{number}")
        elif kind == "temperature":
            yield Item("", TEMPERATURE, one.get("tC"), sensor=f"temperature-{number}")
        else:
            yield from _component(f"{kind.removesuffix('data')}-{number}", one)


def _component(part: str, one: Mapping[str, Any]) -> Iterator[Item]:
    yield from _items(part, one, _COMPONENT)
    for key, metric in (("aenergy", ENERGY), ("ret_aenergy", RETURNED)):
        if isinstance(energy := one.get(key), Mapping):
            yield Item(part, metric, energy.get("total"), *_THOUSANDTHS)
    if isinstance(inside := one.get("temperature"), Mapping):
        yield Item("", TEMPERATURE, inside.get("tC"), sensor=part)


def _three_phases(one: Mapping[str, Any], part: str) -> Iterator[Item]:
    yield from _items(part, one, _TOTAL)
    for phase in "abc":
        values = {key.removeprefix(f"{phase}_"): value for key, value in one.items() if key.startswith(f"{phase}_")}
        yield from _items(f"{part}-{phase}" if part else f"phase-{phase}", values, _COMPONENT)


def _items(part: str, one: Mapping[str, Any], meaning: _Meaning) -> Iterator[Item]:
    for key, (metric, scales) in meaning.items():
        if key in one:
            yield Item(part, metric, one[key], *scales)


def _maps(given: object) -> list[Mapping[str, Any]]:
    return [one for one in given[:_MOST] if isinstance(one, Mapping)] if isinstance(given, list) else []

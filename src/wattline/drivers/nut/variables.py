"""What NUT's variables are: which metric, of which part, on which side (NUT, "Appendix: variables", nut-names.txt).

ups.realpower                what the UPS delivers: speaks for the device
input.L1-N.voltage           side input, phase L1-N
outlet.3.realpower           a part of its own, within its group where it has one
"""

import re
from collections.abc import Iterator, Mapping
from math import inf
from typing import Final, NamedTuple

from wattline.plugin import Kind, Malformed, Metric, Scale, Unit
from wattline.units import IDENTITY

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Active power")
APPARENT: Final = Metric("apparent_power_va", Unit.VOLT_AMPERE, Kind.GAUGE, "Apparent power")
VOLTAGE: Final = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage")
CURRENT: Final = Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current")
FREQUENCY: Final = Metric("frequency_hertz", Unit.HERTZ, Kind.GAUGE, "Frequency")
FACTOR: Final = Metric("power_factor_ratio", Unit.RATIO, Kind.GAUGE, "Power factor")
LOAD: Final = Metric("load_ratio", Unit.RATIO, Kind.GAUGE, "Load as a share of what it can carry")
EFFICIENCY: Final = Metric("efficiency_ratio", Unit.RATIO, Kind.GAUGE, "Output over input")
CHARGE: Final = Metric("charge_ratio", Unit.RATIO, Kind.GAUGE, "Charge of the battery")
RUNTIME: Final = Metric("runtime_seconds", Unit.SECOND, Kind.GAUGE, "Time that the battery lasts at this load")
TEMPERATURE: Final = Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Temperature")
HUMIDITY: Final = Metric("humidity_ratio", Unit.RATIO, Kind.GAUGE, "Relative humidity")
METRICS: Final = (
    POWER, APPARENT, VOLTAGE, CURRENT, FREQUENCY, FACTOR, LOAD, EFFICIENCY, CHARGE, RUNTIME, TEMPERATURE, HUMIDITY
)  # fmt: skip

_BOUNDS: Final[Mapping[Metric, tuple[float, float]]] = {
    VOLTAGE: (-1000, 1000), FREQUENCY: (1, 1000), TEMPERATURE: (-100, 150), LOAD: (0, 3), HUMIDITY: (0, 1),
}  # fmt: skip
"""What a metric lies between; beyond it NUT's driver has misread its UPS: kelvins, millivolts, -1.6e8 V."""

PERCENT: Final = Scale(1, 100)
_QUANTITIES: Final = {
    "realpower": (POWER, IDENTITY), "power": (APPARENT, IDENTITY), "voltage": (VOLTAGE, IDENTITY),
    "current": (CURRENT, IDENTITY), "frequency": (FREQUENCY, IDENTITY), "powerfactor": (FACTOR, IDENTITY),
    "load": (LOAD, PERCENT), "efficiency": (EFFICIENCY, PERCENT), "charge": (CHARGE, PERCENT),
    "runtime": (RUNTIME, IDENTITY), "temperature": (TEMPERATURE, IDENTITY), "humidity": (HUMIDITY, PERCENT),
}  # fmt: skip
_PLACE: Final = (
    r"(?P<side>ups|input|input\.bypass|output|battery|ambient|outlet)(?:\.(?P<phase>L\d(?:-N|-L\d)?|N))?"
    r"(?:\.(?P<sensor>\d{1,3}))?"
)
_VARIABLE: Final = re.compile(rf"{_PLACE}\.(?P<quantity>{'|'.join(_QUANTITIES)})")
_OUTLET: Final = re.compile(
    rf"(?P<kind>outlet|outlet\.group)\.(?P<number>\d{{1,3}})(?:\.(?P<phase>L\d(?:-N|-L\d)?))?"
    rf"\.(?P<quantity>{'|'.join(_QUANTITIES)})"
)
_WHOLE_NUMBER: Final = re.compile(r"\d{1,3}")


class Value(NamedTuple):
    """A variable in its base unit; `part` is empty for the device as a whole, `within` the part that holds it."""

    part: str
    within: str
    metric: Metric
    labels: tuple[tuple[str, str], ...]
    scale: Scale
    value: float


def values(variables: Mapping[str, str]) -> Iterator[Value]:
    """Tell the variables that are quantities; texts, limits, nominal values and what cannot be are left out."""
    groups = {group for name in variables if (group := _group_of(name))}
    for name, text in variables.items():
        if match := _OUTLET.fullmatch(name):
            metric, scale = _QUANTITIES[match["quantity"]]
            is_group, number = match["kind"] != "outlet", match["number"]
            belongs = variables.get(f"outlet.{number}.groupid", "").strip()
            within = f"group-{belongs}" if not is_group and belongs in groups else ""
            part = f"{'group' if is_group else 'outlet'}-{number}"
            labels = {"phase": match["phase"]}
        elif match := _VARIABLE.fullmatch(name):
            metric, scale = _QUANTITIES[match["quantity"]]
            part = within = ""
            side = match["side"].removeprefix("input.")
            labels = {"side": "" if side == "ups" else side, "phase": match["phase"], "sensor": match["sensor"]}
        else:
            continue
        value, (low, high) = number_of(text, scale), _BOUNDS.get(metric, (-inf, inf))
        if value is not None and low <= value <= high:
            yield Value(part, within, metric, tuple((k, v) for k, v in sorted(labels.items()) if v), scale, value)


def number_of(text: str | None, scale: Scale = IDENTITY) -> float | None:
    """Return a variable's text in base units; None: it is no number."""
    if text is None:
        return None
    try:
        return scale.base(text)
    except Malformed:
        return None


def _group_of(name: str) -> str:
    kind, _, rest = name.partition("outlet.group.")
    number = rest.partition(".")[0]
    return number if not kind and _OUTLET.fullmatch(name) and _WHOLE_NUMBER.fullmatch(number) else ""

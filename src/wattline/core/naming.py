"""The metric of a value of which an operator says no more than its unit."""

from collections.abc import Mapping
from typing import Final

from wattline.model import Kind, Metric
from wattline.units import Unit

NAMES: Final[Mapping[Unit, str]] = {
    Unit.WATT: "power_watts", Unit.JOULE: "energy_joules", Unit.VOLT: "voltage_volts", Unit.AMPERE: "current_amperes",
    Unit.HERTZ: "frequency_hertz", Unit.CELSIUS: "temperature_celsius", Unit.VOLT_AMPERE: "apparent_power_va",
    Unit.VAR: "reactive_power_var", Unit.SECOND: "time_seconds", Unit.BYTE: "size_bytes", Unit.RATIO: "share_ratio",
}  # fmt: skip
_OPEN: Final = (Unit.NONE, Unit.BYTE, Unit.SECOND)
"""Units that a running total and a level have in common, so that only the operator knows the kind."""


def plain_metric(unit: Unit, *, name: str, kind: Kind | None, otherwise: str) -> Metric:
    """Return the metric called `name`, or else the plain one of its unit; `otherwise` names what has no unit.

    Without a kind joules are a register, and other units of electricity and heat are levels.
    """
    if kind is None:
        kind = Kind.COUNTER if unit is Unit.JOULE else Kind.UNKNOWN if unit in _OPEN else Kind.GAUGE
    return Metric(name or NAMES.get(unit, otherwise), unit, kind)

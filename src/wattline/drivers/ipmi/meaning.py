"""What a sensor's unit means: the metric and the way into its base unit."""

from fractions import Fraction
from functools import lru_cache
from typing import Final

from msgspec import Struct

from wattline.plugin import Kind, Metric, Scale, Unit
from wattline.wire.ipmi.formula import Factors, Formula
from wattline.wire.ipmi.sdr import Sensor

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power")
AVERAGE: Final = Metric("power_average_watts", Unit.WATT, Kind.GAUGE, "Power, averaged by the controller (DCMI)")
_ENERGY: Final = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy as a sensor counts it")
_VOLTAGE: Final = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage")
_CURRENT: Final = Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current")
_APPARENT: Final = Metric("apparent_power_va", Unit.VOLT_AMPERE, Kind.GAUGE, "Apparent power")
_TEMPERATURE: Final = Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Temperature")
_FAN: Final = Metric("fan_speed_hertz", Unit.HERTZ, Kind.GAUGE, "Turns of a fan a second")
_FREQUENCY: Final = Metric("frequency_hertz", Unit.HERTZ, Kind.GAUGE, "Frequency")
_SHARE: Final = Metric("share_ratio", Unit.RATIO, Kind.GAUGE, "A share of a whole, as a sensor gives it in percent")
_VALUE: Final = Metric("ipmi_value", Unit.NONE, Kind.UNKNOWN, "A sensor in a unit that Wattline does not know")
METRICS: Final = (
    POWER, AVERAGE, _ENERGY, _VOLTAGE, _CURRENT, _APPARENT, _TEMPERATURE, _FAN, _FREQUENCY, _SHARE, _VALUE,
)  # fmt: skip


class Meaning(Struct, frozen=True):
    """A metric, and a number in its base unit as `factor` times the sensor's own, plus `offset`."""

    metric: Metric
    factor: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)


_FIFTH: Final = Fraction(5, 9)
_MEANINGS: Final = {
    "Watts": Meaning(POWER),
    "Joules/s": Meaning(POWER),
    "Joules": Meaning(_ENERGY),
    "Watts*h": Meaning(_ENERGY, Fraction(3600)),
    "Watts*s": Meaning(_ENERGY),
    "Volts": Meaning(_VOLTAGE),
    "Amps": Meaning(_CURRENT),
    "VA": Meaning(_APPARENT),
    "Volts*Amps": Meaning(_APPARENT),
    "degrees C": Meaning(_TEMPERATURE),
    "degrees F": Meaning(_TEMPERATURE, _FIFTH, -32 * _FIFTH),
    "degrees K": Meaning(_TEMPERATURE, offset=Fraction("-273.15")),
    "RPM": Meaning(_FAN, Fraction(1, 60)),
    "Hz": Meaning(_FREQUENCY),
    "percent": Meaning(_SHARE, Fraction(1, 100)),
}
QUANTITIES: Final = {
    "power": POWER, "energy": _ENERGY, "voltage": _VOLTAGE, "current": _CURRENT, "temperature": _TEMPERATURE,
    "fan": _FAN, "share": _SHARE,
}  # fmt: skip
"""The words of the option `all`."""


def meaning(sensor: Sensor) -> Meaning:
    """Return what the numbers of a sensor mean."""
    return _MEANINGS.get(sensor.measure, Meaning(_VALUE))


def renamed(sensor: Sensor, name: str, scale: Scale) -> Meaning:
    """Return what the numbers of a sensor mean under another name: in its own unit, which is ours where that is one."""
    means = meaning(sensor)
    is_ours = means.factor == 1 and means.offset == 0
    metric = Metric(name, means.metric.unit, means.metric.kind) if is_ours else Metric(name)
    return Meaning(metric, Fraction(scale.num, scale.den))


@lru_cache(maxsize=1024)
def table(formula: Formula, means: Meaning) -> tuple[float | None, ...]:
    """Return what each byte of a sensor with a lasting formula means, in base units; equal sensors share one."""
    return tuple(value(formula, means, raw) for raw in range(256))


def value(formula: Formula, means: Meaning, raw: int, factors: Factors | None = None) -> float | None:
    """Return one byte in base units, rounded once; None: it has no value there."""
    number = formula.number(raw, factors)
    return None if number is None else float(number * means.factor + means.offset)

"""What a resource says, as facts: the part it speaks of, a metric, and a value in base units. Pure.

A number may be a JSON number or a text of one; null, texts without a number, and what is of another type are absent.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from wattline.core.tree import number
from wattline.plugin import Kind, Metric, Scale, Unit

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power drawn now; with `side`, power given to a side.")
ENERGY: Final = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy drawn since the register began.")
VOLTAGE: Final = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage.")
CURRENT: Final = Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current.")
FREQUENCY: Final = Metric("frequency_hertz", Unit.HERTZ, Kind.GAUGE, "Frequency of the mains.")
TEMPERATURE: Final = Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Temperature at a sensor.")
APPARENT: Final = Metric("apparent_power_va", Unit.VOLT_AMPERE, Kind.GAUGE, "Apparent power.")
REACTIVE: Final = Metric("reactive_power_var", Unit.VAR, Kind.GAUGE, "Reactive power.")
FACTOR: Final = Metric("power_factor_ratio", Unit.RATIO, Kind.GAUGE, "Power factor.")
METRICS: Final = (
    POWER, ENERGY, VOLTAGE, CURRENT, FREQUENCY, TEMPERATURE, APPARENT, REACTIVE, FACTOR,
)  # fmt: skip

ONE: Final = Scale()
KILOWATT_HOUR: Final = Scale(3_600_000)
PERCENT: Final = Scale(1, 100)

Labels = tuple[tuple[str, str], ...]


class Key(NamedTuple):
    """What tells the facts of one meter apart. `part` is empty for the whole, else `psu-1`, `cpu`, `outlet-A1`."""

    part: str
    metric: Metric
    labels: Labels = ()


class Fact(NamedTuple):
    """One value in base units. `step` is the register's resolution (J), `window` the seconds of an average."""

    key: Key
    value: float
    scale: Scale = ONE
    step: float = 0.0
    window: float | None = None


def of(part: str, metric: Metric, given: Any, *, scale: Scale = ONE, labels: Labels = ()) -> list[Fact]:
    """Return the fact that a JSON value makes, or none."""
    value = number(given, scale)
    if value is None:
        return []
    step = abs(scale.base(str(_last_digit(given)))) if metric.kind is Kind.COUNTER else 0.0
    return [Fact(Key(part, metric, labels), value, scale, step)]


def positive(facts: Iterable[Fact]) -> list[Fact]:
    """Leave out watts of 0: what draws nothing answers nothing, so it is a meter that is not there."""
    return [fact for fact in facts if fact.value > 0 or fact.key.metric is not POWER]


def apart(facts: Sequence[Fact]) -> list[Fact]:
    """Give each fact a key of its own: what stands there again gets a label `n`."""
    seen: dict[Key, int] = {}
    told = []
    for fact in facts:
        seen[fact.key] = count = seen.get(fact.key, 0) + 1
        if count > 1:
            fact = fact._replace(key=fact.key._replace(labels=(*fact.key.labels, ("n", str(count)))))  # noqa: PLW2901
        told.append(fact)
    return told


def _last_digit(given: float | str) -> Decimal:
    """Return what the last digit of a number as it was written is worth: 0.01 of 46.15."""
    exponent = Decimal(str(given).strip()).as_tuple().exponent
    return Decimal(1).scaleb(min(int(exponent), 0))

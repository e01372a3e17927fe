"""From the body of each kind of resource to facts (DMTF DSP0268, the schema guide). Pure; any body gives facts or none.

EnvironmentMetrics, Circuit, Outlet,      excerpts of sensors, `{"PowerWatts": {"Reading": 344}}`
  PowerDistributionMetrics
PowerSupplyMetrics                        the same, of a supply's input and output
Power                                     deprecated in 2020, and what most BMCs have
Thermal, ThermalMetrics                   temperatures
SensorCollection, Sensor                  everything, by the names of its maker
"""

import re
from collections.abc import Callable
from typing import Final

from wattline.core.tree import at, dicts, number, text
from wattline.drivers.redfish import facts
from wattline.drivers.redfish.facts import Fact, Key, of, positive
from wattline.drivers.redfish.vendors import OWN_POWER, SENSORS, UNSOUND, OwnPower
from wattline.plugin import Metric, Scale
from wattline.wire.redfish import Body

Reader = Callable[[Body], list[Fact]]
"""Reads one kind of resource."""

OUTPUT: Final = (("side", "output"),)
AVERAGE: Final = (("statistic", "average"),)

_MINUTE: Final = 60.0
_RATING: Final = 1.15
"""A supply that takes in more than this many times what it can give is telling its rating (iDRAC 7 and 8)."""
_SYSTEM_OUTPUT: Final = 1.05
"""Outputs that add up to more than this many times what the chassis draws are the system's, told by every supply."""

_EXCERPTS: Final = (
    ("PowerWatts", facts.POWER, facts.ONE, ()), ("InputPowerWatts", facts.POWER, facts.ONE, ()),
    ("OutputPowerWatts", facts.POWER, facts.ONE, OUTPUT), ("Voltage", facts.VOLTAGE, facts.ONE, ()),
    ("InputVoltage", facts.VOLTAGE, facts.ONE, ()), ("CurrentAmps", facts.CURRENT, facts.ONE, ()),
    ("InputCurrentAmps", facts.CURRENT, facts.ONE, ()), ("FrequencyHz", facts.FREQUENCY, facts.ONE, ()),
)  # fmt: skip
_OF_POWER: Final = (
    ("ApparentVA", facts.APPARENT), ("ReactiveVAR", facts.REACTIVE), ("PowerFactor", facts.FACTOR),
)  # fmt: skip
_SUBSYSTEMS: Final = {"CPUSubsystem": "cpu", "MemorySubsystem": "memory", "GPUSubsystem": "gpu", "CPU": "cpu"}
_SUPPLY: Final = re.compile(r"^(?:power ?supply|psu?)?[._ -]*(?:slot|bay)?[._ -]*", re.IGNORECASE)
_TYPES: Final[dict[str, tuple[Metric, Scale]]] = {
    "Power": (facts.POWER, facts.ONE), "EnergyJoules": (facts.ENERGY, facts.ONE),
    "EnergykWh": (facts.ENERGY, facts.KILOWATT_HOUR), "Voltage": (facts.VOLTAGE, facts.ONE),
    "Current": (facts.CURRENT, facts.ONE), "Temperature": (facts.TEMPERATURE, facts.ONE),
    "Frequency": (facts.FREQUENCY, facts.ONE),
}  # fmt: skip


def excerpts(part: str = "") -> Reader:
    """Read the sensor excerpts of a resource about `part`."""

    def read(body: Body) -> list[Fact]:
        found = []
        for name, metric, scale, labels in _EXCERPTS:
            found += of(part, metric, _reading(body, name), scale=scale, labels=labels)
        for name, metric in _OF_POWER:
            found += of(part, metric, at(body, "PowerWatts", name))
        found += of(part, facts.ENERGY, _reading(body, "EnergyJoules")) or of(
            part, facts.ENERGY, _reading(body, "EnergykWh"), scale=facts.KILOWATT_HOUR
        )
        found += of(part, facts.TEMPERATURE, _reading(body, "TemperatureCelsius"))
        return positive(found) if not part else found

    return read


def power(body: Body) -> list[Fact]:
    """Read `Power`: the chassis, its subsystems and its supplies."""
    controls = dicts(body.get("PowerControl"))
    main = _main(controls)
    found: list[Fact] = []
    for place, control in enumerate(controls):
        part = "" if place == main else _subsystem(control, place)
        found += positive(of(part, facts.POWER, control.get("PowerConsumedWatts")))
        if not part:
            found += _average(control)
    own = next((row for row in OWN_POWER if number(at(body, *row.total))), None)
    if own and not any(fact.key == Key("", facts.POWER) for fact in found):
        found += positive(of("", facts.POWER, at(body, *own.total)))
    total = next((fact.value for fact in found if fact.key == Key("", facts.POWER)), None)
    return [*found, *_supplies(body, total), *(_own_supplies(body, own) if own else ())]


def thermal(chassis: str) -> Reader:
    """Read `Thermal` of a chassis by its Id: sensors that are enabled, each called `Id/Name`."""

    def read(body: Body) -> list[Fact]:
        found = []
        for place, one in enumerate(dicts(body.get("Temperatures"))):
            if (at(one, "Status", "State") or "Enabled") == "Enabled":
                name = text(one.get("Name")) or text(one.get("MemberId")) or str(place)
                found += of("", facts.TEMPERATURE, one.get("ReadingCelsius"), labels=_sensor(chassis, name))
        return found

    return read


def thermal_metrics(chassis: str) -> Reader:
    """Read `ThermalMetrics` of a chassis by its Id."""

    def read(body: Body) -> list[Fact]:
        found = []
        for place, one in enumerate(dicts(body.get("TemperatureReadingsCelsius"))):
            source = text(one.get("DataSourceUri")).rstrip("/").rpartition("/")[2]
            name = text(one.get("DeviceName")) or source or str(place)
            found += of("", facts.TEMPERATURE, one.get("Reading"), labels=_sensor(chassis, name))
        summary = body.get("TemperatureSummaryCelsius")
        for name, one in summary.items() if isinstance(summary, dict) else ():
            found += of("", facts.TEMPERATURE, at(one, "Reading"), labels=_sensor(chassis, name))
        return found

    return read


def sensors(chassis: str) -> Reader:
    """Read a SensorCollection that holds its members, or one Sensor, of a chassis by its Id."""

    def read(body: Body) -> list[Fact]:
        members = dicts(body.get("Members")) if "Members" in body else [body]
        return [fact for one in members for fact in _one_sensor(chassis, one)]

    return read


def _one_sensor(chassis: str, body: Body) -> list[Fact]:
    name, kind = text(body.get("Id")), text(body.get("ReadingType"))
    if not name or any(unsound.fullmatch(name) for unsound in UNSOUND):
        return []
    row, match = next(((row, match) for row in SENSORS if (match := row.pattern.fullmatch(name))), (None, None))
    if kind == "Percent":
        is_factor = bool(row) and "factor" in name.lower()
        metric, scale = (facts.FACTOR, facts.PERCENT) if is_factor else (None, facts.ONE)
    else:
        metric, scale = _TYPES.get(kind, (None, facts.ONE))
    if metric is None:
        return []
    if row is not None and match is not None:
        labels = (("side", row.side),) if row.side else ()
        part = row.part.format(*match.groups())
        found = of(part, metric, body.get("Reading"), scale=scale, labels=labels)
        return found if part else positive(found)
    if metric in (facts.POWER, facts.ENERGY):
        return of(name, metric, body.get("Reading"), scale=scale)
    label = f"{chassis}/{text(body.get('Name')) or name}" if metric is facts.TEMPERATURE else name
    return of("", metric, body.get("Reading"), scale=scale, labels=(("sensor", label),))


def _main(controls: list[Body]) -> int | None:
    """Say which PowerControl is the whole chassis: by its context, else number 0, else the first with a number."""
    for place, control in enumerate(controls):
        if control.get("PhysicalContext") == "Chassis":
            return place
    for place, control in enumerate(controls):
        if text(control.get("@odata.id")).endswith(("/PowerControl/0", "/PowerControl")):
            return place
    return next((place for place, one in enumerate(controls) if number(one.get("PowerConsumedWatts"))), None)


def _subsystem(control: Body, place: int) -> str:
    context = text(control.get("PhysicalContext"))
    return _SUBSYSTEMS.get(context, f"control-{text(control.get('MemberId')) or place}")


def _average(control: Body) -> list[Fact]:
    """Read the average of a chassis with the minutes over which it was taken; an average over 0 minutes is none."""
    minutes = number(at(control, "PowerMetrics", "IntervalInMin"))
    if not minutes or minutes < 0:
        return []
    told = of("", facts.POWER, at(control, "PowerMetrics", "AverageConsumedWatts"), labels=AVERAGE)
    return [fact._replace(window=minutes * _MINUTE) for fact in positive(told)]


def _supplies(body: Body, total: float | None) -> list[Fact]:
    supplies = dicts(body.get("PowerSupplies"))
    names = _names(supplies)
    inputs = [None if _is_rating(one) else number(one.get("PowerInputWatts")) for one in supplies]
    if not any(inputs):
        inputs = [None] * len(supplies)  # 0 at every supply of a running machine is not measured
    outputs = _outputs(supplies, total)
    found: list[Fact] = []
    for name, one, taken, given in zip(names, supplies, inputs, outputs, strict=True):
        found += of(name, facts.POWER, taken)
        found += of(name, facts.POWER, given, labels=OUTPUT)
        found += [fact for fact in of(name, facts.VOLTAGE, one.get("LineInputVoltage")) if fact.value > 0]
    return found


def supply_name(name: str) -> str:
    """Return the part that a supply is: `psu-1` for PSU1, PSU.Slot.1, powersupply1, Bay1 or 1."""
    return f"psu-{_SUPPLY.sub('', name) or name}"


def _names(supplies: list[Body]) -> list[str]:
    """Name supplies by their MemberId if each has its own, else by their place."""
    ids = [text(one.get("MemberId")) for one in supplies]
    if not all(ids) or len(set(ids)) < len(ids):
        ids = [str(place) for place in range(len(supplies))]
    return [supply_name(name) for name in ids]


def _is_rating(supply: Body) -> bool:
    ranges = [number(one.get("OutputWattage")) or 0.0 for one in dicts(supply.get("InputRanges"))]
    capacity = number(supply.get("PowerCapacityWatts")) or max(ranges, default=0.0)
    return bool(capacity) and (number(supply.get("PowerInputWatts")) or 0.0) > _RATING * capacity


def _outputs(supplies: list[Body], total: float | None) -> list[float | None]:
    given = [number(one.get("PowerOutputWatts")) for one in supplies]
    if any("PowerOutputWatts" in one for one in supplies):
        return given
    last = [number(one.get("LastPowerOutputWatts")) for one in supplies]
    if total is not None and sum(one or 0.0 for one in last) > _SYSTEM_OUTPUT * total:
        return [None] * len(supplies)
    return last


def _own_supplies(body: Body, row: OwnPower) -> list[Fact]:
    listed = dicts(at(body, *row.supplies)) if row.supplies else []
    chosen = [one for one in listed if one.get(row.kind[0]) == row.kind[1]]
    return [
        fact
        for place, one in enumerate(chosen)
        for fact in of(f"psu-{_digits(text(one.get(row.name))) or place}", facts.POWER, one.get(row.watts))
    ]


def _digits(name: str) -> str:
    return "".join(letter for letter in name if letter.isdecimal())


def _sensor(chassis: str, name: str) -> facts.Labels:
    return (("sensor", f"{chassis}/{name}"),)


def _reading(body: Body, name: str) -> object:
    excerpt = body.get(name)
    return excerpt.get("Reading") if isinstance(excerpt, dict) else excerpt

"""Which sensors are read: the named ones, those of a quantity, or the ones that say what the machine draws.

What is found by itself: the one sensor in watts; of several, those that a manufacturer's controllers have for the whole
machine, added up where they are one for each supply.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from wattline.drivers.ipmi.config import Named
from wattline.drivers.ipmi.meaning import POWER, QUANTITIES, meaning
from wattline.plugin import Misconfigured
from wattline.wire.ipmi.sdr import Sensor

_PATTERNS: Final = {
    11: "Power Meter",  # Hewlett-Packard
    343: "PS.* Input Power",  # Intel
    674: "Pwr Consumption",  # Dell
    2011: "Power[0-9]+|Power$",  # Huawei
    5771: "POWER_USAGE",  # Cisco
    10297: "BOARD_POWER",  # Advantech
    19046: "Sys Power",  # Lenovo
    20301: "Avg Power",  # IBM
    28458: "HSC Input Power",  # Nokia
    40092: "HSC Input Power",
}
"""Names of the sensors that say what the whole machine draws, by IANA enterprise number."""


class Choice(Struct, frozen=True):
    """What is read. `total` sensors add up to what the machine draws, as far as that is known; `labelled`:
    each carries its name as a label. `own` says which of them have metrics of their own, None where one has not.
    """

    sensors: tuple[Sensor, ...]
    total: tuple[Sensor, ...] = ()
    labelled: bool = False
    own: tuple[Named | None, ...] = ()


def named(wanted: Sequence[str | int | Named], sensors: Sequence[Sensor], *, add_up: bool) -> Choice:
    """Return the sensors of the numbers and names that were given.

    Raises Misconfigured when one is not there, is there more than once, or gives no number.
    """
    own = [(_one(str(one.sensor), sensors), one) for one in wanted if isinstance(one, Named)]
    found = tuple(dict.fromkeys(_one(str(name), sensors) for name in wanted if not isinstance(name, Named)))
    if add_up and (other := [one.name for one in found if meaning(one).metric is not POWER]):
        raise Misconfigured(f"`sum` adds up watts, and {other[0]!r} is in {_unit(sensors, other[0])}")
    both = (*found, *(sensor for sensor, _ in own))
    return Choice(both, found if add_up else (), labelled=True, own=(*(None for _ in found), *(one for _, one in own)))


def whole(sensors: Sequence[Sensor], manufacturer: int) -> Choice:
    """Return the sensors that say what the machine draws. Raises Misconfigured, with a list, where it is not clear."""
    total = _total(sensors, manufacturer)
    if total:
        return Choice(total, total)
    watts = _of(sensors, {"power"})
    if not watts:
        raise Misconfigured(f"it has neither DCMI power nor a sensor in watts; it has: {_listed(sensors)}")
    raise Misconfigured(
        f"it has {len(watts)} sensors in watts, and which of them are the whole is not known of manufacturer "
        f"{manufacturer}; name one, or several with `sum`: {_listed(watts)}"
    )


def of_quantities(sensors: Sequence[Sensor], quantities: frozenset[str], manufacturer: int) -> Choice:
    """Return every sensor that gives numbers of these quantities."""
    found = _of(sensors, quantities)
    return Choice(found, tuple(one for one in _total(sensors, manufacturer) if one in found), labelled=True)


def _total(sensors: Sequence[Sensor], manufacturer: int) -> tuple[Sensor, ...]:
    watts = _of(sensors, {"power"})
    pattern = _PATTERNS.get(manufacturer)
    if len(watts) > 1:
        return tuple(one for one in watts if pattern and re.search(pattern, one.name))
    return watts


def _of(sensors: Sequence[Sensor], quantities: set[str] | frozenset[str]) -> tuple[Sensor, ...]:
    metrics = {QUANTITIES[word].name for word in quantities}
    return tuple(one for one in sensors if one.formula and meaning(one).metric.name in metrics)


def _one(name: str, sensors: Sequence[Sensor]) -> Sensor:
    by_number = [one for one in sensors if name.isdecimal() and one.record == int(name)]
    by_name = [one for one in sensors if one.name == name]
    found = by_number or by_name or [one for one in sensors if one.name.casefold() == name.casefold()]
    if not found:
        raise Misconfigured(f"it has no sensor {name!r}; it has: {_listed(sensors)}")
    numeric = [one for one in found if one.formula]
    if not numeric:
        raise Misconfigured(f"sensor {name!r} says states, and gives no number")
    if len(numeric) > 1:
        raise Misconfigured(f"it has several sensors {name!r}; name one by its number: {_listed(numeric)}")
    return numeric[0]


def _unit(sensors: Sequence[Sensor], name: str) -> str:
    return next(one.measure for one in sensors if one.name == name)


def _listed(sensors: Sequence[Sensor]) -> str:
    numeric = [f"{one.record} {one.name!r} ({one.measure})" for one in sensors if one.formula]
    return ", ".join(numeric[:40]) + (", ..." if len(numeric) > 40 else "") if numeric else "none that gives a number"

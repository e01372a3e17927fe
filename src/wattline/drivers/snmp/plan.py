"""From options to cells: which OID is asked for which series, with templates and tables resolved by walking the agent.

A plan is made at the start and again at every refresh, because indices are the agent's to give: an outlet is renamed, a
card is put in, a probe moves. A series that both plans have stays the same series, whatever its OID.
"""

import re
import sys
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from wattline.drivers.snmp.config import SnmpConfig
from wattline.drivers.snmp.profile import Profile
from wattline.drivers.snmp.quantity import BOOLEAN, TEMPLATE, TEXT_MAX, Single, TableColumn
from wattline.drivers.snmp.rows import Place, Walks, lone_parts, rows
from wattline.plugin import Column, Device, Kind, Misconfigured, Point, Series
from wattline.wire.ber import MODULUS, Value
from wattline.wire.snmp import Agent, boolean, reading, text

H = TypeVar("H", bound=Hashable)
TYPES: Final = frozenset({"rack", "pdu", "ups", "outlet", "server", "socket", "memory", "process", "host"})


class Guard(Struct, frozen=True, gc=False):
    """A value counts only while the object at `oid` says one of `says`."""

    oid: str
    says: frozenset[str]


class Cell(Struct, frozen=True, gc=False):
    """One value of a poll: the OID at which it stands now, and what it means; a thousand meters have it in common.

    `more` are OIDs whose values are added to it; `zero` is the count that means 0 (temperatures in Fahrenheit). An
    unsigned one means the same below 0 and above: a power factor, the sign of which says lead or lag. What is not
    `between` these of the base unit is no measure. `number` finds it in a text.
    """

    oid: str
    column: Column
    is_text: bool = False
    absent: frozenset[float] = frozenset()
    guard: Guard | None = None
    more: tuple[str, ...] = ()
    zero: Fraction = Fraction(0)
    is_boolean: bool = False
    is_unsigned: bool = False
    between: tuple[float, float] | None = None
    number: re.Pattern[str] | None = None

    @property
    def is_simple(self) -> bool:
        """Whether it is one integer times its scale."""
        return not (self.is_text or self.guard or self.more or self.zero or self.is_boolean or self.number)

    def is_told(self, value: Value) -> bool:
        """Say whether the agent gave a number, even one that means that there is no value."""
        return self._told(value) is not None

    def says(self, value: Value) -> int | float | str | None:
        """Return the number, or the decimal text of one, that the agent gave; None: it is absent."""
        number = self._told(value)
        if number is None or (self.absent and float(number) in self.absent):
            return None
        return number

    def _told(self, value: Value) -> int | float | str | None:
        if self.is_boolean:
            return boolean(value)
        if self.number is None:
            return reading(value)
        match = self.number.search(text(value)[:TEXT_MAX])
        return reading(match[1].encode()) if match and match[1] else None


class Plan(Struct, frozen=True, eq=False):
    """All cells of a meter, the series that each is a value of, the devices that these are about, and the templates
    and columns that found nothing.
    """

    cells: tuple[Cell, ...]
    series: tuple[Series, ...]
    devices: tuple[Device, ...]
    unmatched: tuple[str, ...] = ()

    @property
    def oids(self) -> list[str]:
        """What has to be asked for, row by row, so that what belongs together is asked for in one PDU."""
        return [oid for cell in self.cells for oid in (cell.oid, *cell.more, *([cell.guard.oid] if cell.guard else []))]


async def make_plan(config: SnmpConfig, agent: Agent) -> Plan:
    """Plan what the operator's options name.

    Raises as `Agent` does, and Misconfigured when two values would be one series.
    """
    own, walks = config.device or config.host, Walks(agent)
    places: list[Place] = []
    unmatched: list[str] = []
    for single in config.oids:
        found = await _singles(single, walks, own)
        places += found
        unmatched += [] if found else [single.oid]
    lone = await lone_parts(config.tables, walks)
    for table in config.tables:
        found = await rows(table, walks, own, lone)
        there = {one.quantity.oid for one in found}
        unmatched += [column.oid for column in table.columns if column.oid not in there]
        places += _summed(found) if isinstance(table.names, tuple) else found
    cells = await _cells(places, agent, config.point or Point.WALL)
    series = tuple(map(_series, places))
    _refuse_twins(cells, series)
    return Plan(one(tuple(cells)), series, _devices(own, "", places), tuple(unmatched))


async def plan_of_profile(profile: Profile, config: SnmpConfig, agent: Agent) -> Plan:
    """Plan what a profile names and this device has; what is absent now is left to the next refresh."""
    own, walks = config.device or config.host, Walks(agent)
    there = await walks.scalars([single.oid for single in profile.values])
    places = [
        msgspec.structs.replace(place, value=there[place.oid])
        for single in profile.values
        for place in await _singles(single, walks, own)
        if place.oid in there
    ]
    lone = await lone_parts(profile.tables, walks)
    for table in profile.tables:
        places += _apart(await rows(table, walks, own, lone))
    cells = await _cells(places, agent, config.point or profile.point)
    kept: dict[bytes, tuple[Cell, Series, Place]] = {}
    for cell, series, place in zip(cells, map(_series, places), places, strict=True):
        if cell.is_text or cell.says(place.value) is not None:
            kept.setdefault(series.key, (cell, series, place))  # two MIBs tell the same: the first one is read
    return Plan(
        one(tuple(cell for cell, _, _ in kept.values())),
        tuple(series for _, series, _ in kept.values()),
        _devices(own, profile.type, [place for _, _, place in kept.values()]),
    )


async def _singles(single: Single, walks: Walks, own: str) -> list[Place]:
    device = single.device or (f"{own}/{single.part}" if single.part else own)
    trail = ((device, single.part.partition("-")[0]),) if single.part else ()
    match = TEMPLATE.fullmatch(single.oid)
    oid = single.oid.lstrip(".")
    if match is None and not single.subtree:
        return [Place(oid, single, device, single.labels, trail)]
    if match is None:
        told = boolean if single.unit == BOOLEAN else reading
        leaves = (f"{oid}.{index}" for index, value in (await walks.rows(oid)).items() if told(value) is not None)
        return [Place(leaf, single, device, {**single.labels, "oid": leaf}, trail) for leaf in leaves]
    prefix, table, wanted, suffix = match.groups()
    for index, value in (await walks.rows(table)).items():
        if text(value) == wanted:
            return [Place(f"{prefix}.{index}{suffix}", single, device, single.labels, trail)]
    return []


async def _cells(places: Sequence[Place], agent: Agent, point: Point) -> list[Cell]:
    tags = await agent.types([place.oid for place in places if place.quantity.wants_type])
    rated = dict.fromkeys(place.quantity.rated for place in places if isinstance(place.quantity.rated, str))
    told = await Walks(agent).scalars([str(oid).lstrip(".") for oid in rated])
    return [_cell(place, tags.get(place.oid), point, told) for place in places]


def _cell(place: Place, tag: int | None, point: Point, told: Mapping[str, Value]) -> Cell:
    quantity = place.quantity
    column = quantity.column(point, MODULUS.get(tag) if tag is not None else None)
    if isinstance(quantity.rated, str):
        watts = reading(told.get(quantity.rated.lstrip(".")))
        column = msgspec.structs.replace(column, rated=float(watts) if watts and float(watts) > 0 else None)
    when = quantity.when if isinstance(quantity, TableColumn) else None
    cell: Cell = one(
        Cell(
            sys.intern(place.oid),
            one(column),
            quantity.of_metric().kind is Kind.STATE,
            one(frozenset(quantity.absent)),
            Guard(sys.intern(place.guard), one(frozenset(map(str, when.says)))) if when and place.guard else None,
            place.more,
            one(quantity.zero()),
            quantity.unit == BOOLEAN,
            quantity.unsigned,
            one(quantity.bounds()),
            re.compile(quantity.number) if quantity.number else None,
        )
    )
    return cell


def _series(place: Place) -> Series:
    return Series.of(place.device, one(place.quantity.of_metric()), place.labels)


@lru_cache(maxsize=4096)
def one(value: H) -> H:
    """Return the first of equal values: a thousand meters of one family have their columns in common."""
    return value


def _summed(places: Sequence[Place]) -> list[Place]:
    """Make one place of the rows that have one name, where they are gauges: a server with two supplies."""
    found: dict[tuple[str, str], Place] = {}
    rest: list[Place] = []
    for place in places:
        key = (place.device, place.quantity.oid)
        if place.quantity.of_metric().kind is not Kind.GAUGE:
            rest.append(place)
        elif key in found:
            found[key] = msgspec.structs.replace(found[key], more=(*found[key].more, place.oid))
        else:
            found[key] = msgspec.structs.replace(place, labels=place.quantity.labels)
    return [*found.values(), *rest]


def _apart(places: Sequence[Place]) -> list[Place]:
    """Tell by their index what would be one series: two rows of a profile's table that the device names alike."""

    def key(place: Place) -> tuple[Any, ...]:
        return place.device, place.quantity.of_metric().name, tuple(sorted(place.labels.items()))

    often = Counter(map(key, places))
    return [
        msgspec.structs.replace(place, labels={**place.labels, "index": place.oid[len(place.quantity.oid) + 1 :]})
        if often[key(place)] > 1
        else place
        for place in places
    ]


def _devices(own: str, kind: str, places: Sequence[Place]) -> tuple[Device, ...]:
    """Return the tree of devices: each is a part of the one before it in its trail, the first of the meter's own."""
    devices = {own: Device(own, kind if kind in TYPES else "")}
    for place in places:
        above = own
        for name, part in place.trail:
            devices.setdefault(name, Device(name, part if part in TYPES else "", (("", above),)))
            above = name
    return tuple(devices.values())


def _refuse_twins(cells: Sequence[Cell], every: Sequence[Series]) -> None:
    seen: dict[bytes, str] = {}
    for cell, series in zip(cells, every, strict=True):
        if before := seen.get(series.key):
            raise Misconfigured(
                f"{before} and {cell.oid} would both be {series.metric.name} of {series.device}:"
                " give one of them another metric, device or label"
            )
        seen[series.key] = cell.oid

"""From options to cells: which OID is asked for which series, with templates and tables resolved by walking the agent.

A plan is made at the start and again at every refresh, because indices are the agent's to give: an outlet is renamed, a
card is put in, a probe moves. A series that both plans have stays the same series, whatever its OID.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from wattline.drivers.snmp.config import TEMPLATE, Quantity, Single, SnmpConfig, Table
from wattline.plugin import Column, Device, Kind, Misconfigured, Point, Series
from wattline.wire.ber import MODULUS
from wattline.wire.snmp import Agent, Value, text

_TYPES: Final = frozenset({"rack", "pdu", "outlet", "server", "socket", "memory", "process", "host"})


class Cell(Struct, frozen=True, eq=False):
    """One value of a poll: the OID at which it stands now, and what it means."""

    oid: str
    series: Series
    column: Column
    absent: frozenset[float] = frozenset()

    @property
    def is_text(self) -> bool:
        """Whether its value is a text and no number."""
        return self.series.metric.kind is Kind.STATE


class Plan(Struct, frozen=True, eq=False):
    """All cells of a meter, the devices that they are about, and the templates and columns that found nothing."""

    cells: tuple[Cell, ...]
    devices: tuple[Device, ...]
    unmatched: tuple[str, ...] = ()


class _Place(Struct, frozen=True):
    """Where a quantity stands and whose it is, before the agent has told its type."""

    oid: str
    quantity: Quantity
    device: str
    labels: dict[str, str]


class _Walks:
    """Each table is walked once for a plan, however many templates look into it."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._known: dict[str, Mapping[str, Value]] = {}

    async def rows(self, root: str) -> Mapping[str, Value]:
        bare = root.lstrip(".")
        if bare not in self._known:
            self._known[bare] = await self._agent.walk(bare)
        return self._known[bare]


async def make_plan(config: SnmpConfig, agent: Agent) -> Plan:
    """Walk what templates and tables need, ask for the types of registers, and return the cells.

    Raises as `Agent` does, and Misconfigured when two values would be one series.
    """
    own, walks = config.device or config.host, _Walks(agent)
    places: list[_Place] = []
    unmatched: list[str] = []
    for single in config.oids:
        if oid := await _resolve(single, walks):
            places.append(_Place(oid, single, single.device or own, single.labels))
        else:
            unmatched.append(single.oid)
    devices = {own: Device(own)}
    for table in config.tables:
        found = list(await _rows(table, walks, own))
        places += found
        kind = table.part if table.part in _TYPES else ""
        devices |= {one.device: Device(one.device, kind, (("", own),)) for one in found if one.device != own}
        there = {one.quantity.oid for one in found}
        unmatched += [column.oid for column in table.columns if column.oid not in there]
    tags = await agent.types([place.oid for place in places if place.quantity.wants_type])
    cells = tuple(_cell(place, tags.get(place.oid), config.point) for place in places)
    _refuse_twins(cells)
    return Plan(cells, tuple(devices.values()), tuple(unmatched))


async def _resolve(single: Single, walks: _Walks) -> str:
    match = TEMPLATE.fullmatch(single.oid)
    if match is None:
        return single.oid.lstrip(".")
    prefix, table, wanted, suffix = match.groups()
    for index, value in (await walks.rows(table)).items():
        if text(value) == wanted:
            return f"{prefix}.{index}{suffix}"
    return ""


async def _rows(table: Table, walks: _Walks, own: str) -> Iterator[_Place]:
    columns = [(column, await walks.rows(column.oid)) for column in table.columns]
    names: Mapping[str, str] = {}
    if isinstance(table.names, dict):
        names = table.names
    elif table.names:
        names = {index: f"{own}/{text(name)}" for index, name in (await walks.rows(table.names)).items() if text(name)}
    # Row by row, so that what belongs together is asked for in one PDU.
    indices = dict.fromkeys(index for _, rows in columns for index in rows)
    return (
        _Place(f"{column.oid.lstrip('.')}.{index}", column, *_whose(table, names, own, index, column))
        for index in indices
        if index in names or not isinstance(table.names, dict)
        for column, rows in columns
        if index in rows
    )


def _whose(
    table: Table, names: Mapping[str, str], own: str, index: str, column: Quantity
) -> tuple[str, dict[str, str]]:
    """Return device and labels of a value; a row without a name is called after its index.

    Two rows may have one name (two feeds of one server, outlets that nobody named): the label tells them apart.
    """
    if index in names:
        return names[index], {**column.labels, table.part: index}
    return f"{own}/{table.part}-{index}", column.labels


def _cell(place: _Place, tag: int | None, point: Point) -> Cell:
    quantity = place.quantity
    series = Series.of(place.device, quantity.of_metric(), place.labels)
    column = quantity.column(point, MODULUS.get(tag) if tag is not None else None)
    return Cell(place.oid, series, column, frozenset(quantity.absent))


def _refuse_twins(cells: Sequence[Cell]) -> None:
    seen: dict[bytes, str] = {}
    for cell in cells:
        if before := seen.get(cell.series.key):
            raise Misconfigured(
                f"{before} and {cell.oid} would both be {cell.series.metric.name} of {cell.series.device}:"
                " give one of them another metric, device or label"
            )
        seen[cell.series.key] = cell.oid

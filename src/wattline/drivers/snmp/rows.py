"""From a table to places: which object of which row means what, and whose it is."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from wattline.drivers.snmp.quantity import Quantity, Table, TableColumn, When
from wattline.plugin import Misconfigured, Scale
from wattline.wire.ber import Value
from wattline.wire.snmp import Agent, reading, text

INDEX: Final = "index"
_OPTIONAL: Final = "?"
_AT_ONCE: Final = 20

Trail = tuple[tuple[str, str], ...]
"""The devices from the meter's own, which is not in it, down to the one of a value: name and part of each."""


class Place(Struct, frozen=True):
    """Where a quantity stands and whose it is, before the agent has told its type."""

    oid: str
    quantity: Quantity
    device: str
    labels: dict[str, str] = {}
    trail: Trail = ()
    value: Value = None
    guard: str = ""
    more: tuple[str, ...] = ()


class Walks:
    """Each table is walked once for a plan, however many templates and columns look into it."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._known: dict[str, Mapping[str, Value]] = {}
        self._scalars: dict[str, Value] = {}

    async def rows(self, root: str) -> Mapping[str, Value]:
        """Return index to value of what stands below an OID."""
        bare = root.lstrip(".")
        if bare not in self._known:
            self._known[bare] = await self._agent.walk(bare)
        return self._known[bare]

    async def scalars(self, oids: Sequence[str]) -> Mapping[str, Value]:
        """Return those of these objects that are there; one that makes the agent refuse the others is left out."""
        found: dict[str, Value] = {}
        for at in range(0, len(oids), _AT_ONCE):
            found |= await self._some(list(oids[at : at + _AT_ONCE]))
        return found

    async def _some(self, oids: list[str]) -> Mapping[str, Value]:
        found = await self._agent.get(oids)
        if found or len(oids) == 1:
            return found
        middle = len(oids) // 2
        return {**await self._some(oids[:middle]), **await self._some(oids[middle:])}

    async def beside(self, root: str, index: str) -> tuple[str, Value]:
        """Return where and what a column says of a row: there, in a row of fewer arcs, or in its only one."""
        found = await self.rows(root)
        if not found:
            scalar = root.lstrip(".")
            if scalar not in self._scalars:
                self._scalars[scalar] = (await self.scalars([scalar])).get(scalar)
            return scalar, self._scalars[scalar]
        arcs = index.split(".")
        for n in range(len(arcs), 0, -1):
            if (shorter := ".".join(arcs[:n])) in found:
                return f"{root.lstrip('.')}.{shorter}", found[shorter]
        return (f"{root.lstrip('.')}.0", found["0"]) if len(found) == 1 and "0" in found else ("", None)


async def lone_parts(tables: Sequence[Table], walks: Walks) -> frozenset[str]:
    """Return the optional parts, `unit?`, of which there is not more than one in all tables together."""
    seen: dict[str, set[str]] = {}
    for table in tables:
        if not any(part.endswith(_OPTIONAL) for part in table.parts):
            continue
        for column in table.columns:
            for index in await walks.rows(column.oid):
                if table.where is not None and not await _says(table.where, walks, index):
                    continue
                for part, arc in zip(table.parts, _arcs(table, index), strict=False):
                    if part.endswith(_OPTIONAL):
                        seen.setdefault(part, set()).add(arc)
    return frozenset(part for part, arcs in seen.items() if len(arcs) == 1)


async def rows(table: Table, walks: Walks, own: str, lone: frozenset[str] = frozenset()) -> list[Place]:
    """Return the places of a table row by row, so that what belongs together is asked for in one PDU."""
    columns = [(column, await walks.rows(column.oid)) for column in table.columns]
    indices = list(dict.fromkeys(index for _, found in columns for index in found))
    if table.where is not None:
        indices = [index for index in indices if await _says(table.where, walks, index)]
    names = await _names(table, walks, indices)
    places: list[Place] = []
    for index in indices:
        if not isinstance(table.names, str) and index not in names:
            continue
        below = await _within(table, walks, index)
        if below is None:
            continue
        device, trail, labels = _whose(table, names, own, index, lone)
        for part, name in below:
            device = f"{device}/{part}-{name}"
            trail = (*trail, (device, part))
        for label, oid in table.texts.items():
            if said := text((await walks.beside(oid, index))[1]):
                labels = {**labels, label: said}
        for column, found in columns:
            if index not in found or (quantity := await _quantity(column, walks, index)) is None:
                continue
            if (guard := await _guard(column.when, walks, index)) is None:
                continue
            oid, labelled = f"{column.oid.lstrip('.')}.{index}", {**quantity.labels, **labels}
            places.append(Place(oid, quantity, device, labelled, trail, found[index], guard))
    return places


async def _guard(when: When | None, walks: Walks, index: str) -> str | None:
    """Return the OID to be asked beside a value, empty where there is none to ask; None: this row lacks it."""
    if when is None:
        return ""
    oid, told = await walks.beside(when.oid, index)
    if told is not None:
        return oid
    return None if await walks.rows(when.oid) else ""


async def _says(where: When, walks: Walks, index: str) -> bool:
    return text((await walks.beside(where.oid, index))[1]) in map(str, where.says)


async def _within(table: Table, walks: Walks, index: str) -> tuple[tuple[str, str], ...] | None:
    if table.within is None:
        return ()
    return table.within.parts(text((await walks.beside(table.within.oid, index))[1]))


async def _names(table: Table, walks: Walks, indices: Sequence[str]) -> Mapping[str, str]:
    if isinstance(table.names, dict):
        return table.names
    if not isinstance(table.names, str):
        return {index: name for index, name in zip(indices, table.names, strict=False) if name is not None}
    if not table.names:
        return {}
    told = {index: text((await walks.beside(table.names, index))[1]) for index in indices}
    return {index: name for index, name in told.items() if name}


async def _quantity(column: TableColumn, walks: Walks, index: str) -> TableColumn | None:
    """Return what a column means in one row, with all that the device tells of it; None: it is not read."""
    found: TableColumn | None = column
    if column.by:
        last = index.rpartition(".")[2]
        found = column.case(last if column.by == INDEX else text((await walks.beside(column.by, index))[1]))
    if found is None or not found.scaled:
        return found
    whole = Scale.of(found.scale)
    for scaled in found.scaled:
        told = reading((await walks.beside(scaled.oid, index))[1])
        factor = None if told is None else scaled.scale(told)
        if factor is None:
            return None  # without its scale a count means nothing
        try:
            whole *= Scale.of(factor)
        except Misconfigured:  # nothing that is metered is so large or so small
            return None
    return msgspec.structs.replace(found, scale=f"{whole.num}/{whole.den}", scaled=())


def _arcs(table: Table, index: str) -> list[str]:
    arcs = index.split(".")
    if table.arcs:
        return [arcs[at] for at in table.arcs if at < len(arcs)]
    return [index] if len(table.parts) == 1 else arcs[: len(table.parts)]


def _whose(
    table: Table, names: Mapping[str, str], own: str, index: str, lone: frozenset[str]
) -> tuple[str, Trail, dict[str, str]]:
    """Return device, trail and labels of a row; one without a name is called after its index.

    Two rows may have one name (two feeds of one server, outlets that nobody named): the label tells them apart.
    """
    named = list(zip(table.parts, _arcs(table, index), strict=False))
    parts = [(part.removesuffix(_OPTIONAL), arc) for part, arc in named if part not in lone]
    if not isinstance(table.names, str):
        device = names[index]
        part = table.parts[-1].removesuffix(_OPTIONAL)
        return device, ((device, part),), {part: index}
    device, labels = own, dict[str, str]()
    trail: Trail = ()
    for n, (part, arc) in enumerate(parts, start=1):
        leaf = n == len(parts) and named[-1][0] not in lone
        name = names.get(index, "") if leaf else ""
        device = f"{device}/{name or f'{part}-{arc}'}"
        labels = {part: arc} if name else {}
        trail = (*trail, (device, part))
    return device, trail, labels

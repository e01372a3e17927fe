"""Reading samples: compressed bodies are copied in short transactions, decoded outside, and given in slices of time.

    families that share a wanted series form a group; each group gives one block per slice
    hour by hour: chunk rows and staged batches of one snapshot -> pieces -> merge -> slices of bounded size

No transaction is open while the consumer works. Staged rows never change and their numbers are never given again, so
what was parsed once is kept by its number.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from wattline.core.chunk import Chunk, Decompressor
from wattline.core.integral import Nature, nature
from wattline.model import Column, Mask, Metric
from wattline.plugin import Block
from wattline.stores.sqlite.catalogue import STRIPE, Catalogue
from wattline.stores.sqlite.pieces import (
    Integers,
    Piece,
    Staged,
    batches_by_layout,
    chunk_piece,
    merge,
    spread,
    stage,
)
from wattline.stores.sqlite.schema import connect, plainly
from wattline.stores.sqlite.staging import Row, parse
from wattline.units import NANOSECONDS

HOUR: Final = 3600 * NANOSECONDS
COPIED: Final = 32 << 20
"""Most bytes copied in one transaction, give or take the rows of one family's hour."""
SLICE: Final = 1 << 20
"""Most samples of a slice, give or take those of one instant."""
UNREAD: Final = 10
"""Commits after which nobody is thought to read, so that no staged row is kept in memory for readers."""
_ROWS: Final = 1000
_PAGE: Final = 48


class Body(NamedTuple):
    """A chunk row as copied."""

    id: int
    family: int
    source: int
    start: int
    span: int
    stripe: int
    seq: int
    made: int
    body: bytes


class Group(Struct, frozen=True, eq=False):
    """Families that share wanted series: `ids` are those wanted; `outs` the column of each in the answer."""

    families: tuple[int, ...]
    ids: tuple[int, ...]
    outs: dict[int, int]


class Copy(NamedTuple):
    """What one snapshot held of some families between two hours."""

    bodies: dict[Group, list[Body]]
    staged: list[Row]


class Reader:
    """Connections for reading, lent one at a time, and the staged rows parsed before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._rows: dict[int, Row] = {}
        self._unread = UNREAD
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection inside a read transaction."""
        with plainly(self.path):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = connect(self.path, writing=False)
            connection.execute("begin")
            try:
                yield connection
            finally:
                connection.execute("rollback")
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def keep(self, row: Row) -> None:
        """Remember a row that was just committed, if anybody reads."""
        with self._lock:
            self._unread += 1
            if self._unread <= UNREAD:
                self._rows[row.seq] = row
            else:
                self._rows.clear()

    def each_staged(self, connection: sqlite3.Connection) -> Iterator[Row]:
        """Yield all staged rows, ascending, for who asks once: what is not in memory yet is not kept there."""
        for (seq,) in connection.execute("select seq from staged order by seq").fetchall():
            with self._lock:
                kept = self._rows.get(seq)
            yield kept or _row(connection, seq)

    def staged(self, connection: sqlite3.Connection, start: int | None = None, end: int | None = None) -> list[Row]:
        """Return the staged rows with a frame in [start, end), or all, ascending; forget those that are gone."""
        found = connection.execute("select seq, first, last from staged order by seq").fetchall()
        wanted = [seq for seq, first, last in found
                  if start is None or end is None or (first is not None and first < end and last >= start)]  # fmt: skip
        with self._lock:
            kept = {seq: self._rows[seq] for seq in wanted if seq in self._rows}
        for seq in wanted:
            if seq not in kept:
                kept[seq] = _row(connection, seq)
        with self._lock:
            self._unread = 0
            oldest = found[0][0] if found else None
            gone = [seq for seq in self._rows if oldest is None or seq < oldest]
            newest = max(self._rows, default=0)
            for seq in gone:
                if oldest is not None or seq < newest:  # a row committed after this snapshot stays
                    del self._rows[seq]
            self._rows.update(kept)
        return [kept[seq] for seq in wanted]

    def copy(self, groups: Sequence[Group], start: int, end: int) -> Iterator[Copy]:
        """Yield snapshots of groups between two hours, each of some of them and at most about COPIED bytes.

        All families of a group come from one snapshot, so that nothing is missed that a fold moves meanwhile.
        """
        left = deque(groups)
        while left:
            bodies: dict[Group, list[Body]] = {}
            copied = 0
            with self.snapshot() as connection:
                rows = self.staged(connection, start, end)
                while left and copied < COPIED:
                    group = left.popleft()
                    bodies[group] = [row for family in group.families for row in fetch(connection, family, start, end)]
                    copied += sum(len(row.body) for row in bodies[group])
            yield Copy(bodies, rows)


def _row(connection: sqlite3.Connection, seq: int) -> Row:
    return parse(seq, connection.execute("select body from staged where seq=?", (seq,)).fetchone()[0])


def fetch(connection: sqlite3.Connection, family: int, start: int, end: int) -> list[Body]:
    """Return the chunk rows of a family of hours in [start, end), by order of writing."""
    rows = connection.execute(
        "select id, family, source, start, span, stripe, seq, made, body from chunk "
        "where family=? and start>=? and start<? order by seq",
        (family, start, end),
    )
    return [Body(*row) for row in rows]


class Window:
    """Groups of families behind wanted series, and the pieces that a copy holds of them."""

    def __init__(self, catalogue: Catalogue, ids: Sequence[int], families: Sequence[int] | None = None) -> None:
        """Ask for series in all their families, or in the given ones alone."""
        self._catalogue = catalogue
        self.groups = _groups(catalogue, ids, None if families is None else set(families))
        self.group_of = {family: group for group in self.groups for family in group.families}
        self._columns_of: dict[int, tuple[list[int], list[int], set[int]]] = {}
        self._decompressor = Decompressor()

    def kinds(self, group: Group) -> tuple[list[Metric], list[Column]]:
        """Return the metric and the column of each series of a group."""
        catalogue = self._catalogue
        return [catalogue.metric(number) for number in group.ids], [catalogue.columns[n - 1] for n in group.ids]

    def places(self, group: Group) -> dict[int, int]:
        """Return the wanted series of a group of one family by their places in it."""
        members = self._catalogue.members_of(group.families[0])
        return {place: number for place, number in enumerate(members) if number in group.outs}

    def named(self, group: Group) -> Integers:
        """Return the wanted series of a group of one family by their places in it, int64; 0 where one is not wanted."""
        members = self._catalogue.members[group.families[0]]
        return np.where(np.isin(members, group.ids), members, 0)

    def shares(self, group: Group) -> bool:
        """Say whether a series of the group's families stands in other families too, so that no roll-up is kept."""
        return any(self._catalogue.shares(family) for family in group.families)

    def energy_places(self, group: Group) -> list[int]:
        """Return which of the group's series have energy between their samples."""
        metrics, _ = self.kinds(group)
        return [i for i, metric in enumerate(metrics) if nature(metric) is not Nature.LEVEL]

    def staged(self, rows: Sequence[Row]) -> dict[Group, list[Piece]]:
        """Return the pieces of staged rows by group."""
        catalogue = self._catalogue
        is_wanted = np.zeros(len(catalogue.family_by_layout) + 1, bool)
        for number, known in enumerate(catalogue.numbered):
            is_wanted[number] = known is not None and known.family in self.group_of

        def wanted(layouts: Integers) -> Mask:
            chosen: Mask = is_wanted[np.minimum(layouts, len(is_wanted) - 1)]
            return chosen

        pieces: dict[Group, list[Piece]] = {}
        table: Staged = stage(rows, wanted)
        for layout, batches in batches_by_layout(table):
            known = catalogue.numbered[layout]
            assert known is not None
            group = self.group_of[known.family]
            places = [i for i, number in enumerate(known.ids.tolist()) if number in group.outs]
            if places:
                outs = [group.outs[number] for number in known.ids[places].tolist()]
                piece = spread(table.piece(batches), places, outs, len(group.ids))
                pieces.setdefault(group, []).append(piece)
        return pieces

    def chunks(self, bodies: Sequence[Body]) -> list[Piece]:
        """Return the pieces of the chunk rows of one group."""
        by_chunk: dict[tuple[int, int, int, int], list[Body]] = {}
        for body in bodies:
            by_chunk.setdefault((body.seq, body.family, body.source, body.start), []).append(body)
        pieces = []
        for (seq, family, *_), stripes in by_chunk.items():
            places, outs, wanted = self._columns(family)
            chosen = [(b.stripe, Chunk(b.body, self._decompressor)) for b in stripes if b.stripe in wanted]
            if chosen:
                piece = chunk_piece(chosen, seq, places, STRIPE)
                pieces.append(spread(piece, range(len(places)), outs, len(self.group_of[family].ids)))
        return pieces

    def _columns(self, family: int) -> tuple[list[int], list[int], set[int]]:
        """Return which columns of a family's chunks are wanted, which of the group they are, and in which stripes."""
        found = self._columns_of.get(family)
        if found is None:
            outs = self.group_of[family].outs
            members = self._catalogue.members_of(family)
            places = [i for i, number in enumerate(members) if number in outs]
            found = places, [outs[members[i]] for i in places], {i // STRIPE for i in places}
            self._columns_of[family] = found
        return found


def hours(
    reader: Reader, window: Window, start: int, end: int, groups: Sequence[Group] | None = None
) -> Iterator[tuple[int, dict[Group, Piece]]]:
    """Yield (hour, merged frames by group) for each hour of [start, end) that has any, ascending; uncut."""
    groups = window.groups if groups is None else groups
    if not groups:
        return
    first, bound = start // HOUR * HOUR, -(-end // HOUR) * HOUR
    low, high = reach(reader)
    first, bound = max(first, low), min(bound, high)
    step = max(1, min(_PAGE, _ROWS // sum(len(group.families) for group in groups))) * HOUR
    while first < bound:
        last = min(bound, first + step)
        yield from copied(reader, window, groups, first, last)
        first = last


def reach(reader: Reader) -> tuple[int, int]:
    """Return the hours between which all samples lie, [low, high); (0, 0) when there is none."""
    with reader.snapshot() as connection:
        edges = [
            (connection.execute("select min(start) from chunk").fetchone()[0],
             connection.execute("select max(start) from chunk").fetchone()[0]),
            *connection.execute("select min(first), max(last) from staged"),
            *connection.execute("select value, null from meta where name='oldest'"),
        ]  # fmt: skip
    lows, highs = [low for low, _ in edges if low is not None], [high for _, high in edges if high is not None]
    return (min(lows) // HOUR * HOUR, max(highs) // HOUR * HOUR + HOUR) if lows else (0, 0)


def copied(
    reader: Reader, window: Window, groups: Sequence[Group], first: int, last: int
) -> Iterator[tuple[int, dict[Group, Piece]]]:
    """Yield (hour, merged frames by group) of hours in [first, last), copied at once."""
    bodies: dict[int, dict[Group, list[Body]]] = {}
    staged: dict[Group, list[Piece]] = {}
    for copy in reader.copy(groups, first, last):
        fresh = window.staged(copy.staged)
        for group, rows in copy.bodies.items():
            staged[group] = fresh.get(group, [])
            for row in rows:
                bodies.setdefault(row.start, {}).setdefault(group, []).append(row)
    for hour in range(first, last, HOUR):
        merged: dict[Group, Piece] = {}
        for group in groups:
            pieces = window.chunks(bodies.get(hour, {}).get(group, ()))
            pieces += [part for piece in staged.get(group, ()) if len((part := within(piece, hour, hour + HOUR)).time)]
            if pieces:
                merged[group] = merge(pieces)
        bodies.pop(hour, None)
        if merged:
            yield hour, merged


def within(piece: Piece, start: int, end: int) -> Piece:
    """Return the frames of [start, end) of a piece in any order."""
    inside = (piece.time >= start) & (piece.time < end)
    return piece if inside.all() else piece.where(inside)


def slices(merged: Mapping[Group, Piece], start: int, end: int) -> Iterator[list[Block]]:
    """Yield the blocks of one hour cut to [start, end), in slices of bounded size."""
    cut = {group: piece.cut(start, end) for group, piece in merged.items()}
    total = sum(piece.values.size for piece in cut.values())
    if not total:
        return
    parts = -(-total // SLICE)
    low = min(int(piece.time[0]) for piece in cut.values() if len(piece.time))
    high = max(int(piece.time[-1]) for piece in cut.values() if len(piece.time)) + 1
    for part in range(parts):
        a, b = low + (high - low) * part // parts, low + (high - low) * (part + 1) // parts
        blocks = [block(group.ids, piece.cut(a, b)) for group, piece in cut.items()]
        if blocks := [one for one in blocks if len(one.time) and len(one.ids)]:
            yield blocks


def block(ids: Sequence[int], piece: Piece) -> Block:
    """Return a piece as a block; series without a sample in it are left out, and frames of which nothing is left.

    Its lives are always told, for a run is one across slices and blocks.
    """
    time, life, values, present = piece.time, piece.life, piece.values, piece.present
    ids = tuple(ids)
    if present is not None:
        columns = present.any(axis=0)
        if not columns.all():
            ids = tuple(ids[column] for column in np.flatnonzero(columns).tolist())
            values, present = values[:, columns], present[:, columns]
        rows = present.any(axis=1)
        if not rows.all():
            time, life, values, present = time[rows], life[rows], values[rows], present[rows]
        present = None if present.all() else present
    return Block(ids, time, values, present, life)


def _groups(catalogue: Catalogue, ids: Sequence[int], only: set[int] | None) -> list[Group]:
    """Join families that share a wanted series; ids keep the order of asking."""

    def families_of(number: int) -> list[int]:
        return [f for f in catalogue.families_of(number) if only is None or f in only]

    leader: dict[int, int] = {}

    def find(family: int) -> int:
        while leader.setdefault(family, family) != family:
            family = leader[family]
        return family

    unique = list(dict.fromkeys(ids))
    for number in unique:
        families = families_of(number)
        for family in families:
            leader[find(family)] = find(families[0])
    members: dict[int, list[int]] = {}
    for number in unique:
        if families := families_of(number):
            members.setdefault(find(families[0]), []).append(number)
    joined: dict[int, list[int]] = {}
    for family in leader:
        joined.setdefault(find(family), []).append(family)
    return [
        Group(tuple(sorted(joined[root])), tuple(numbers), {number: i for i, number in enumerate(numbers)})
        for root, numbers in members.items()
    ]

"""Closing hours: the small chunks of an hour that is over, late ones and repeats, become one well packed chunk.

    a dirty hour: (family, hour) with samples that came since it was closed last, or whose neighbours changed
    1  forget that the hour is marked, so that who appends from now on marks it anew
    2  copy its chunks, merge, encode, make its roll-ups: no transaction is open
    3  one short transaction: put the new rows for the old ones; the mark goes unless something came meanwhile

The roll-ups of an hour depend on the nearest sample of each series on each side. A row keeps a digest of those it was
made with; who closes an hour compares, and marks the hours beside it that were made with other neighbours.
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattline.core.cells import Table
from wattline.core.chunk import Chunk, Decompressor, Frames, joined
from wattline.core.rollup import roll_table
from wattline.model import Column, Metric
from wattline.stores.sqlite.append import mark
from wattline.stores.sqlite.catalogue import Catalogue
from wattline.stores.sqlite.edges import after, before
from wattline.stores.sqlite.fold import INSERT, MERGED, ChunkRow, chunk_rows
from wattline.stores.sqlite.pieces import Piece, merge
from wattline.stores.sqlite.read import COPIED, HOUR, Body, Group, Window, fetch
from wattline.stores.sqlite.rollups import DAY, MINUTE, QUARTER, digests, pack, unpack_table
from wattline.stores.sqlite.vault import Vault

_FAMILIES: Final = 64


class Hour(NamedTuple):
    """A dirty hour of a family; `start` in ns."""

    family: int
    start: int
    seq: int


class Closed(NamedTuple):
    """What closing one hour of a family gives."""

    family: int
    replaced: list[int]
    chunks: list[ChunkRow]
    minutes: bytes
    edges: bytes
    quarters: Table
    changed: list[int]


def dirty_hours(connection: sqlite3.Connection, until: int) -> list[Hour]:
    """Return the dirty hours that end at or before `until` (ns), oldest first."""
    rows = connection.execute(
        "select family, hour, seq from dirty where hour < ? order by hour, family", (until // HOUR,)
    )
    return [Hour(family, hour * HOUR, seq) for family, hour, seq in rows]


def close_hours(vault: Vault, hours: Sequence[Hour]) -> int:
    """Close hours whose staged rows were folded; returns how many are done. Some at a time, oldest first."""
    batch = [hour for hour in hours[:_FAMILIES] if hour.start == hours[0].start]
    if not batch:
        return 0
    start = batch[0].start
    with vault.gate:
        vault.marked.difference_update(mark(hour.family, start // HOUR) for hour in batch)
    with vault.reader.snapshot() as connection:
        folded = connection.execute("select value from meta where name='folded'").fetchone()[0]
        bodies = _fetched(connection, batch)
    closed = _closed(vault, start, bodies)
    with vault.transaction() as connection:
        for one in closed:
            _put(connection, one, start)
        waits = connection.execute(
            "select 1 from staged where seq>? and first<? and last>=? limit 1", (folded, start + HOUR, start)
        ).fetchone()
        if waits is None:
            connection.executemany(
                "delete from dirty where family=? and hour=? and seq<=?",
                ((family, start // HOUR, folded) for family in bodies),
            )
        neighbours = [(one.family, hour // HOUR) for one in closed for hour in one.changed]
        connection.executemany("insert or ignore into dirty values(?,?,0)", neighbours)
    return len(bodies)


def _fetched(connection: sqlite3.Connection, batch: Sequence[Hour]) -> dict[int, list[Body]]:
    found: dict[int, list[Body]] = {}
    copied = 0
    for hour in batch:
        found[hour.family] = fetch(connection, hour.family, hour.start, hour.start + HOUR)
        copied += sum(len(body.body) for body in found[hour.family])
        if copied > COPIED:
            break
    return found


def _closed(vault: Vault, start: int, bodies: dict[int, list[Body]]) -> list[Closed]:
    """Merge, encode and roll up one hour of some families."""
    catalogue = vault.catalogue
    with vault.guard:
        windows = {family: Window(catalogue, catalogue.members_of(family), [family]) for family in bodies}
        alone = [family for family in bodies if bodies[family] and not catalogue.shares(family)]
        ids = [number for family in alone for number in catalogue.members_of(family)]
        window = Window(catalogue, ids, alone)
    sides = (before(vault.reader, window, start), after(vault.reader, window, start + HOUR))
    closed = []
    for family, rows in bodies.items():
        if not rows:
            continue
        hour, replaced, chunks = _repacked(windows[family], family, rows, catalogue)
        if catalogue.shares(family):
            closed.append(Closed(family, replaced, chunks, b"", b"", Table.of([]), []))
        else:
            group = window.group_of[family]
            before_it, after_it = (side.get(group, _nothing(len(group.ids))) for side in sides)
            closed.append(
                _rolled(vault, window, group, start, (before_it, hour, after_it))._replace(
                    replaced=replaced, chunks=chunks
                )
            )
    return closed


def _repacked(
    window: Window, family: int, rows: Sequence[Body], catalogue: Catalogue
) -> tuple[Piece, list[int], list[ChunkRow]]:
    """Return the frames of an hour merged, the rows that go, and those that take their place."""
    seq, replaced = max(body.seq for body in rows), [body.id for body in rows]
    if not catalogue.shares(family) and (frames := _as_written(rows, len(catalogue.members[family]))) is not None:
        time = frames.time
        chunk = ChunkRow(
            family, rows[0].source, rows[0].start, HOUR, 0, int(time[0]), len(time), int(time[-1]), seq,
            frames.whole.size, MERGED, frames.encode(),
        )  # fmt: skip
        return Piece(time, frames.run, 0, frames.values(), None), replaced, [chunk]
    pieces = window.chunks(rows)
    if all(body.made == MERGED for body in rows) and not _repeated(rows):
        return merge(pieces), [], []
    return merge(pieces), replaced, list(chunk_rows(family, pieces, catalogue, seq, MERGED))


def _as_written(rows: Sequence[Body], k: int) -> Frames | None:
    """Return the frames of an hour that came in order, all cells of all `k` columns, from one source; else None."""
    if any(body.made == MERGED or body.stripe or body.source != rows[0].source for body in rows):
        return None
    decompressor = Decompressor()
    chunks = [Chunk(body.body, decompressor) for body in rows]
    if any(chunk.k != k for chunk in chunks):
        return None
    frames = joined(chunks)
    return frames if frames is not None and (frames.time[1:] > frames.time[:-1]).all() else None


def _repeated(rows: Sequence[Body]) -> bool:
    return len({(body.source, body.stripe) for body in rows}) < len(rows)


def _rolled(vault: Vault, window: Window, group: Group, start: int, pieces: tuple[Piece, Piece, Piece]) -> Closed:
    """Make the roll-ups of an hour of a group, given as what is before it, the hour and what is after it."""
    family, hour, sides = group.families[0], pieces[1], pieces[::2]
    with vault.guard:
        metrics, columns = window.kinds(group)
    minutes, quarters = _tables(_joined(pieces), metrics, columns, start)
    edges = np.stack([digests(sides[0], -1), digests(sides[1], 0)])
    ends = np.stack([digests(hour, 0), digests(hour, -1)])
    changed = _changed(vault, family, start, ends, sides)
    return Closed(family, [], [], pack(minutes), edges.astype("<i8").tobytes(), quarters, changed)


def _tables(piece: Piece, metrics: Sequence[Metric], columns: Sequence[Column], start: int) -> tuple[Table, Table]:
    """Return the cells of a minute and of 15 minutes of an hour of a piece."""
    run = piece.life if len(piece.life) and (piece.life != piece.life[0]).any() else None
    with np.errstate(over="ignore", invalid="ignore"):  # sums of the largest doubles are infinite, and that is right
        minutes = roll_table(
            piece.time, piece.values, piece.present, metrics, columns, start=start, end=start + HOUR, span=MINUTE,
            run=run,
        )  # fmt: skip
        return minutes, minutes.coarser(QUARTER)


def _changed(vault: Vault, family: int, start: int, ends: NDArray[np.int64], sides: Sequence[Piece]) -> list[int]:
    """Return the hours beside this one whose kept roll-ups were made with other neighbours than this hour has.

    `ends` int64[2, k] are digests of the first and last sample of each series in this hour.
    """
    there = ends[0] != 0
    low, high = start - HOUR, start + HOUR
    if len(sides[0].time):
        low = min(low, int(_times(sides[0])[there].min(initial=start)) // HOUR * HOUR)
    if len(sides[1].time):
        high = max(high, int(_times(sides[1])[there].max(initial=start)) // HOUR * HOUR)
    with vault.reader.snapshot() as connection:
        rows = connection.execute(
            "select start, edges from rollup where family=? and level=? and start>=? and start<=? and start<>?",
            (family, MINUTE, low, high, start),
        ).fetchall()
    changed = []
    for other, blob in rows:
        made_with = np.frombuffer(blob, "<i8").reshape(2, -1)
        k = min(made_with.shape[1], len(there))  # the family may have grown since
        seen, now = (made_with[1], ends[0]) if other < start else (made_with[0], ends[1])
        if made_with.shape[1] < len(there) or (there[:k] & (seen[:k] != now[:k])).any():
            changed.append(other)
    return changed


def _times(side: Piece) -> NDArray[np.int64]:
    """Return the time of the one sample of each column; where there is none, one that bounds nothing."""
    there = np.ones(side.values.shape, bool) if side.present is None else side.present
    times = side.time[there.argmax(axis=0)]
    return np.where(there.any(axis=0), times, times[0] if len(times) else 0)


def _put(connection: sqlite3.Connection, one: Closed, start: int) -> None:
    """Write what closing gave, inside the caller's transaction."""
    connection.executemany("delete from chunk where id=?", ((number,) for number in one.replaced))
    connection.executemany(INSERT, one.chunks)
    if not one.minutes:
        connection.execute("delete from rollup where family=?", (one.family,))  # it shares a series since
        return
    replace = "insert or replace into rollup(family, level, start, edges, body) values(?,?,?,?,?)"
    connection.execute(replace, (one.family, MINUTE, start, one.edges, one.minutes))
    day = start // DAY * DAY
    row = connection.execute(
        "select body from rollup where family=? and level=? and start=?", (one.family, QUARTER, day)
    ).fetchone()
    quarters = one.quarters
    if row is not None:
        kept = unpack_table(row[0])
        is_before, is_after = kept.cells.start < start, kept.cells.start >= start + HOUR
        parts = [kept.where(is_before), quarters, kept.where(is_after)]
        quarters = Table.of([part for part in parts if len(part.place)])
    connection.execute(replace, (one.family, QUARTER, day, b"", pack(quarters)))


def _joined(pieces: Sequence[Piece]) -> Piece:
    """Return pieces as one, without those that are empty, which would cost a copy."""
    return merge([piece for piece in pieces if len(piece.time)] or pieces[:1])


def _nothing(k: int) -> Piece:
    empty = np.zeros(0, np.int64)
    return Piece(empty, empty, empty, np.zeros((0, k)), None)

"""Closing hours: the small chunks of an hour that is over, late ones and repeats, become one well packed chunk.

    a dirty hour: (family, hour) with samples that came since it was closed last, or ever
    1  forget that the hour is marked, so that who appends from now on marks it anew
    2  copy its chunks, merge, encode, make its roll-ups: no transaction is open
    3  one short transaction: put the new rows for the old ones; the mark goes unless something came meanwhile
"""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from wattline.stores.sqlite.append import mark
from wattline.stores.sqlite.fold import INSERT, MERGED, ChunkRow, chunk_rows
from wattline.stores.sqlite.read import COPIED, HOUR, Body, Window, fetch
from wattline.stores.sqlite.vault import Vault

_FAMILIES: Final = 64


class Hour(NamedTuple):
    """A dirty hour of a family; `start` in ns."""

    family: int
    start: int
    seq: int


def dirty_hours(connection: sqlite3.Connection, until: int) -> list[Hour]:
    """Return the dirty hours that end at or before `until` (ns), oldest first."""
    rows = connection.execute(
        "select family, hour, seq from dirty where hour < ? order by hour, family", (until // HOUR,)
    )
    return [Hour(family, hour * HOUR, seq) for family, hour, seq in rows]


def close_hours(vault: Vault, hours: Sequence[Hour]) -> int:
    """Close hours whose staged rows were folded; returns how many are done. Some at a time, oldest first."""
    batch: list[Hour] = []
    for hour in hours:
        if batch and (len(batch) == _FAMILIES or hour.start != batch[0].start):
            break
        batch.append(hour)
    if not batch:
        return 0
    with vault.gate:
        vault.marked.difference_update(mark(hour.family, hour.start // HOUR) for hour in batch)
    with vault.reader.snapshot() as connection:
        folded = connection.execute("select value from meta where name='folded'").fetchone()[0]
        found: dict[int, list[Body]] = {}
        copied = 0
        for hour in batch:
            found[hour.family] = fetch(connection, hour.family, hour.start, hour.start + HOUR)
            copied += sum(len(body.body) for body in found[hour.family])
            if copied > COPIED:
                break
    batch = [hour for hour in batch if hour.family in found]
    rows = [row for hour in batch for row in _merged(vault, found[hour.family])]
    with vault.transaction() as connection:
        for hour in batch:
            if any(body.made != MERGED for body in found[hour.family]) or len(found[hour.family]) > 1:
                connection.executemany("delete from chunk where id=?", ((b.id,) for b in found[hour.family]))
        connection.executemany(INSERT, rows)
        start = batch[0].start
        waits = connection.execute(
            "select 1 from staged where seq>? and first<? and last>=? limit 1", (folded, start + HOUR, start)
        ).fetchone()
        if waits is None:
            connection.executemany(
                "delete from dirty where family=? and hour=? and seq<=?",
                ((hour.family, hour.start // HOUR, folded) for hour in batch),
            )
    return len(batch)


def _merged(vault: Vault, bodies: Sequence[Body]) -> list[ChunkRow]:
    """Return the rows of an hour, or none where what is there is merged already."""
    if not bodies or (len(bodies) == 1 and bodies[0].made == MERGED):
        return []
    family = bodies[0].family
    with vault.guard:
        window = Window(vault.catalogue, vault.catalogue.members[family], [family])
    pieces = window.chunks(bodies)
    seq = max(body.seq for body in bodies)
    return list(chunk_rows(family, pieces, vault.catalogue, seq, MERGED))

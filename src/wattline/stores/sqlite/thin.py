"""Thinning: what a site does not want to keep for ever goes, an hour at a time, the oldest first.

Samples go when the hour is closed and its roll-ups are made; cells of 10 s, which are made from samples as long as
those are there, are written just before. From then on nothing is taken for that time: a late sample is refused and
counted. A series that stands in several layout families has no roll-ups, so its samples stay.
"""

import sqlite3
from typing import Final

import numpy as np
from msgspec import Struct, field

from wattline.core.cells import Table
from wattline.plugin import Config
from wattline.stores.sqlite.read import HOUR, Window
from wattline.stores.sqlite.rolled import FINEST, from_samples
from wattline.stores.sqlite.rollups import DAY, MINUTE, QUARTER, pack
from wattline.stores.sqlite.vault import Vault
from wattline.units import NANOSECONDS

_AT_ONCE: Final = 64
_FAST: Final = 5.0
"""Cells of 10 s are kept of energy series with samples more often than this (s)."""


class Retention(Config, frozen=True, kw_only=True):
    """Seconds for which samples and each kind of roll-up are kept; null: for ever. A day is made of its 15 minutes."""

    raw: float | None = None
    ten_seconds: float | None = field(default=None, name="10s")
    minute: float | None = field(default=None, name="1min")
    quarter: float | None = field(default=None, name="15min")
    day: float | None = field(default=None, name="1d")


class Due(Struct, frozen=True):
    """Before which times (ns) samples and roll-ups go; 0: they stay."""

    raw: int
    levels: dict[int, int]


def due(retention: Retention, now: int) -> Due:
    """Return what is over at `now` (ns): whole hours and days."""

    def before(seconds: float | None, step: int) -> int:
        return 0 if seconds is None else max(0, int(now - seconds * NANOSECONDS) // step * step)

    longest = None if retention.quarter is None or retention.day is None else max(retention.quarter, retention.day)
    levels = {FINEST: before(retention.ten_seconds, HOUR), MINUTE: before(retention.minute, HOUR)}
    return Due(before(retention.raw, HOUR), levels | {QUARTER: before(longest, DAY)})


def thin(vault: Vault, over: Due) -> bool:
    """Let some of what is over go; returns whether there is more to do."""
    with vault.transaction() as connection:
        for level, horizon in over.levels.items():
            if horizon:
                connection.execute("delete from rollup where level=? and start<?", (level, horizon))
    if not over.raw:
        return False
    with vault.guard:
        sharing = sorted(family for family in vault.catalogue.members if vault.catalogue.shares(family))
    with vault.transaction() as connection:  # from here on nothing comes for these hours
        connection.execute("update meta set value=max(value, ?) where name='thinned'", (over.raw,))
        vault.thinned = max(vault.thinned, over.raw)
    with vault.reader.snapshot() as connection:
        rows = _oldest(connection, over.raw, sharing)
    if not rows:
        return False
    finest = {place: _finest(vault, *place) for place in rows}
    with vault.transaction() as connection:
        for (family, start), body in finest.items():
            if body:
                connection.execute(
                    "insert or replace into rollup(family, level, start, edges, body) values(?,?,?,x'',?)",
                    (family, FINEST, start, body),
                )
            connection.execute("delete from chunk where family=? and start=?", (family, start))
        connection.execute(
            "insert into meta values('oldest', ?) on conflict do update set value=min(value, excluded.value)",
            (min(start for _, start in rows),),
        )
    return True


def _oldest(connection: sqlite3.Connection, horizon: int, sharing: list[int]) -> list[tuple[int, int]]:
    """Return the family and start of the oldest hours before a time that are closed."""
    holes = ",".join("?" * len(sharing))
    return connection.execute(
        f"select distinct family, start from chunk where start<? and family not in ({holes}) "  # noqa: S608 - holes
        "and not exists (select 1 from dirty where dirty.family=chunk.family and hour=start/?) order by start limit ?",
        (horizon, *sharing, HOUR, _AT_ONCE),
    ).fetchall()


def _finest(vault: Vault, family: int, start: int) -> bytes:
    """Return the cells of 10 s of an hour of a family, empty when no series deserves them."""
    with vault.guard:
        window = Window(vault.catalogue, vault.catalogue.members_of(family), [family])
    [group] = window.groups
    _, columns = window.kinds(group)
    fast = {group.ids[place] for place in window.energy_places(group) if _is_fast(columns[place].period)}
    if not fast:
        return b""
    made = from_samples(vault.reader, window, [group], (start, start + HOUR), FINEST)
    parts = sorted((group.outs[number], own) for number, own in made.items() if number in fast and len(own))
    tables = [Table(np.full(len(own), place), own) for place, own in parts]
    return pack(Table.of(tables)) if tables else b""


def _is_fast(period: float | None) -> bool:
    return period is not None and period < _FAST

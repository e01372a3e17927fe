"""Looking after a store as a whole: is everything readable and as it should be, and may it be smaller.

Both are generators that say how far they are, so that a command can show a bar and be interrupted: what was done is
done, and what was not is as it was.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from wattline.core.chunk import Chunk
from wattline.errors import Malformed
from wattline.stores.sqlite.catalogue import STRIPE
from wattline.stores.sqlite.pieces import has_order, width
from wattline.stores.sqlite.rollups import unpack
from wattline.stores.sqlite.staging import parse
from wattline.stores.sqlite.vault import Vault

_ROWS: Final = 256
_PAGES: Final = 512


class Progress(Struct, frozen=True):
    """How far a long task is: `done` of `total` steps of `task`, and what was found wrong since the one before."""

    task: str
    done: int
    total: int
    lines: tuple[str, ...] = ()


def verify(vault: Vault) -> Iterator[Progress]:
    """Check the file by SQLite's own check, then read every staged row, chunk and roll-up."""
    with vault.reader.snapshot() as connection:
        faults = [row[0] for row in connection.execute("pragma integrity_check") if row[0] != "ok"]
    yield Progress("pages", 1, 1, tuple(faults))
    yield from _each(vault, "staged", "select seq, samples, body from staged where seq>? order by seq", _staged)
    yield from _each(
        vault, "chunk",
        "select id, family, start, span, stripe, first, n, last, samples, body from chunk "
        "where id>? order by id", _chunk,
    )  # fmt: skip
    yield from _each(
        vault, "rollup", "select id, family, level, start, body from rollup where id>? order by id", _rollup
    )


def compact(vault: Vault) -> Iterator[Progress]:
    """Give free pages back to the file system, a few at a time, and empty the write-ahead log."""
    with vault.reader.snapshot() as connection:
        total = left = connection.execute("pragma freelist_count").fetchone()[0]
    while left:
        vault.shrink(_PAGES)
        with vault.reader.snapshot() as connection:
            now = connection.execute("pragma freelist_count").fetchone()[0]
        yield Progress("pages", total - now, total)
        if now >= left:  # the rest is not to be had
            break
        left = now
    vault.checkpoint()
    yield Progress("log", 1, 1)


Check = Callable[[Vault, Sequence[object]], str]


def _each(vault: Vault, table: str, query: str, check: Check) -> Iterator[Progress]:
    """Read a table in short transactions and check each row."""
    with vault.reader.snapshot() as connection:
        total = connection.execute(f"select count(*) from {table}").fetchone()[0]  # noqa: S608 - our own names
    last, done = 0, 0
    while True:
        with vault.reader.snapshot() as connection:
            rows = connection.execute(f"{query} limit {_ROWS}", (last,)).fetchall()
        if not rows:
            return
        vault.refresh()  # another program may have made layouts and sources for these very rows
        faults = [f"{table} {row[0]}: {fault}" for row in rows if (fault := check(vault, row))]
        last, done = rows[-1][0], done + len(rows)
        yield Progress(table, done, max(total, done), tuple(faults))


def _staged(vault: Vault, row: Sequence[object]) -> str:
    seq, samples, body = row
    assert isinstance(seq, int)
    assert isinstance(body, bytes)
    try:
        parsed = parse(seq, body)
    except Malformed as error:
        return str(error)
    layouts, lives = parsed.directory["layout"], parsed.directory["life"]
    with vault.guard:
        known = len(vault.catalogue.numbered)
        if len(parsed.directory) and (layouts.max() >= known or lives.max() >= len(vault.catalogue.life_by_number)):
            return "names a layout or a source that the store does not know"
    present = sum(
        values.size if mask is None else int(mask.sum())
        for _, values, mask in (parsed.batch(i) for i in range(len(parsed.directory)))
    )
    return "" if present == samples else f"holds {present} samples, not {samples}"


def _chunk(vault: Vault, row: Sequence[object]) -> str:
    _, family, start, span, stripe, first, n, last, samples, body = row
    assert isinstance(body, bytes)
    assert isinstance(start, int)
    assert isinstance(span, int)
    assert isinstance(stripe, int)
    try:
        chunk = Chunk(body)
        time, mask, life = chunk.time(), chunk.present(), chunk.run()
        chunk.values(range(width(chunk)))
    except Malformed as error:
        return str(error)
    with vault.guard:
        members = vault.catalogue.members.get(family, ()) if isinstance(family, int) else ()
    if stripe * STRIPE + width(chunk) > len(members):
        return "has more columns than its family has series"
    if (len(time), int(time[0]), int(time[-1])) != (n, first, last):
        return "holds other times than its row says"
    if first < start or last >= start + span or (np.diff(time) < 0).any():  # type: ignore[operator]
        return "holds times out of order or of another hour"
    if life is None or life.max() >= len(vault.catalogue.life_by_number):
        return "names a source that the store does not know"
    if not has_order(chunk) and ((np.diff(time) == 0) & (np.diff(life) <= 0)).any():
        return "holds a sample twice"
    present = chunk.n * width(chunk) if mask is None else int(mask[:, : width(chunk)].sum())
    return "" if present == samples else f"holds {present} samples, not {samples}"


def _rollup(_: Vault, row: Sequence[object]) -> str:
    level, start, body = row[2:]
    assert isinstance(body, bytes)
    try:
        cells = unpack(body, None)
    except Malformed as error:
        return str(error)
    wrong = [own for own in cells.values() if own.span != level or (own.start < start).any()]  # type: ignore[operator]
    return "holds cells of another span or time" if wrong else ""

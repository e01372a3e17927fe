"""The fold: staged rows become chunks, in one pass over arrays and one short transaction.

A family whose batches are all of the plain kind (one frame, nothing absent, one layout, one life, times ascending) is
folded together with all others of its shape; any other family goes the general way, through pieces.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from wattline.core.chunk import Codec, encode, encode_alike
from wattline.model import Mask
from wattline.stores.sqlite.catalogue import STRIPE, Catalogue
from wattline.stores.sqlite.pieces import Integers, Piece, Staged, batches_by_layout, merge, sort, spread, stage
from wattline.stores.sqlite.read import HOUR, within
from wattline.stores.sqlite.staging import Row
from wattline.stores.sqlite.vault import Vault

_BLOCK: Final = 1 << 17
"""Cells gathered at once."""
INSERT: Final = (
    "insert into chunk(family, source, start, span, stripe, first, n, last, seq, samples, made, body) "
    "values(?,?,?,?,?,?,?,?,?,?,?,?)"
)
FOLDED: Final = 0
MERGED: Final = 1
"""How a chunk was made: by a fold, or as the whole of an hour that has closed."""


class ChunkRow(NamedTuple):
    """A row of the table chunk, all but its number."""

    family: int
    source: int
    start: int
    span: int
    stripe: int
    first: int
    n: int
    last: int
    seq: int
    samples: int
    made: int
    body: bytes


def fold(vault: Vault) -> set[tuple[int, int]]:
    """Turn all staged rows to chunks, encoded outside the transaction; returns the (family, hour) they touched."""
    with vault.reader.snapshot() as connection:
        catalogue = vault.follow(connection)
        last, size = connection.execute("select max(seq), sum(length(body)) from staged").fetchone()
        # Read row by row into one table: what is staged is in memory once.
        table = stage(_leaving(vault, connection, catalogue), room=(size or 0) // 8)
    vault.staged_bytes, vault.staged_since = 0, None
    if last is None:
        return set()
    chunks = encoded(table, last, catalogue)
    with vault.transaction() as connection:
        connection.executemany(INSERT, chunks)
        _receive(connection, table, catalogue)
        connection.execute("delete from staged where seq<=?", (last,))
        connection.execute("update meta set value=max(value, ?) where name='folded'", (last,))
    return {(chunk.family, chunk.start) for chunk in chunks}


def _leaving(vault: Vault, connection: sqlite3.Connection, catalogue: Catalogue) -> Iterator[Row]:
    """Yield the rows that are to be folded, once the newest values know them."""
    for row in vault.reader.each_staged(connection):
        vault.newest.take_leaving(row, catalogue)
        yield row


def encoded(table: Staged, seq: int, catalogue: Catalogue) -> list[ChunkRow]:
    """Return the chunks of what was staged, up to the row `seq`."""
    if not len(table.layout):
        return []
    family = catalogue.family_by_layout[table.layout]
    is_plain = (table.n == 1) & (table.flags == 0) & _plain_layouts(catalogue)[table.layout]
    odd = np.unique(family[~is_plain])
    plain = np.flatnonzero(~np.isin(family, odd))
    chunks, more = _fold_plain(table, plain, catalogue, seq)
    rest = np.flatnonzero(np.isin(family, np.union1d(odd, more)))
    chunks += _fold_rest(table, rest, catalogue, seq)
    return chunks


def _plain_layouts(catalogue: Catalogue) -> Mask:
    """Say of each layout number whether its columns are the first ones of its family, in one stripe, unshared."""
    is_plain = np.zeros(len(catalogue.family_by_layout), bool)
    for known in catalogue.numbered:
        if known is not None:
            is_plain[known.number] = known.k <= STRIPE and known.in_order and not catalogue.shares(known.family)
    return is_plain


def _fold_plain(table: Staged, plain: Integers, catalogue: Catalogue, seq: int) -> tuple[list[ChunkRow], Integers]:
    """Fold families of plain batches; returns the chunks, and the families that are not plain after all."""
    if not len(plain):
        return [], np.zeros(0, np.int64)
    time, layout, life = table.words[table.offset[plain]], table.layout[plain], table.life[plain]
    family, source, hour = catalogue.family_by_layout[layout], catalogue.source_by_life[life], time // HOUR
    hour -= hour.min()
    if int(source.max()) >= 1 << 20 or int(hour.max()) >= 1 << 20:
        return [], np.unique(family)
    group = family << 40
    group |= source << 20
    group |= hour
    del source, hour  # each is as large as the times
    sorting = np.lexsort((time, group))
    group, time, layout, life = group[sorting], time[sorting], layout[sorting], life[sorting]
    same = group[1:] == group[:-1]
    odd = same & ((layout[1:] != layout[:-1]) | (life[1:] != life[:-1]) | (time[1:] <= time[:-1]))
    del time, layout
    more = np.unique(family[sorting[1:][odd]])
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    sizes = np.diff(np.append(starts, len(group)))
    widths = table.k[plain[sorting[starts]]]
    families = family[sorting[starts]]
    chosen = ~np.isin(families, more)
    chunks = []
    for n, k in np.unique(np.stack([sizes[chosen], widths[chosen]], axis=1), axis=0).tolist():
        alike = np.flatnonzero(chosen & (sizes == n) & (widths == k))
        step = max(1, _BLOCK // (n * (1 + k)))
        for at in range(0, len(alike), step):
            which = alike[at : at + step]
            rows = starts[which, None] + np.arange(n)
            batches = plain[sorting[rows]]
            words = table.words[table.offset[batches][:, :, None] + np.arange(1 + k)]
            times, values = np.ascontiguousarray(words[:, :, 0]), words[:, :, 1:].view(np.float64)
            lives = life[rows[:, 0]]
            bodies = encode_alike(times, values, lives.tolist())
            origins = catalogue.source_by_life[lives].tolist()
            owners = families[which].tolist()
            for i, body in enumerate(bodies):
                first, last = int(times[i, 0]), int(times[i, -1])
                chunks.append(
                    ChunkRow(owners[i], origins[i], first - first % HOUR, HOUR, 0, first, n, last, seq,
                             n * k, FOLDED, body)
                )  # fmt: skip
    return chunks, more


def _fold_rest(table: Staged, rest: Integers, catalogue: Catalogue, seq: int) -> list[ChunkRow]:
    """Fold batches of any kind, family by family, source by source, hour by hour."""
    by_family: dict[int, list[Piece]] = {}
    odd = _some(table, rest)
    for layout, batches in batches_by_layout(odd):
        known = catalogue.numbered[layout]
        assert known is not None
        k = len(catalogue.members[known.family])
        piece = spread(odd.piece(batches), range(known.k), known.places.tolist(), k)
        by_family.setdefault(known.family, []).append(piece)
    chunks: list[ChunkRow] = []
    for family, pieces in by_family.items():
        chunks += chunk_rows(family, pieces, catalogue, seq, FOLDED)
    return chunks


def chunk_rows(family: int, pieces: Sequence[Piece], catalogue: Catalogue, seq: int, made: int) -> Iterator[ChunkRow]:
    """Yield the chunks of pieces of all columns of a family: merged, by source, hour and stripe.

    Where a series stands in another family too, which write was last is told across families: there all frames are
    kept as they were written, each with its order.
    """
    shares = catalogue.shares(family)
    frames = sort(pieces) if shares else merge(pieces)
    sources = catalogue.source_by_life[frames.life]
    for source in np.unique(sources).tolist():
        own = frames if (sources == source).all() else frames.where(sources == source)
        for hour in np.unique(own.time // HOUR).tolist():
            part = within(own, hour * HOUR, hour * HOUR + HOUR)
            yield from _stripes(part, (family, source, hour * HOUR), seq, made, ordered=shares)


def _stripes(piece: Piece, place: tuple[int, int, int], seq: int, made: int, *, ordered: bool) -> Iterator[ChunkRow]:
    codec = Codec.PCO if made == MERGED else Codec.MATRIX
    for first in range(0, piece.values.shape[1], STRIPE):
        present = None if piece.present is None else piece.present[:, first : first + STRIPE]
        values = piece.values[:, first : first + STRIPE]
        samples = values.size if present is None else int(present.sum())
        if not samples:
            continue
        columns = np.ascontiguousarray(values.T)
        if ordered:
            assert not isinstance(piece.order, int)
            present = None if present is None else np.column_stack([present, np.ones(len(present), bool)])
            body = encode(piece.time, [*columns, piece.order], present, piece.life, codec=codec)
        else:
            body = encode(piece.time, columns.T, present, piece.life, codec=codec)
        yield ChunkRow(
            *place, HOUR, first // STRIPE, int(piece.time[0]), len(piece.time), int(piece.time[-1]), seq, samples, made,
            body,
        )  # fmt: skip


def _some(table: Staged, batches: Integers) -> Staged:
    return Staged._make([*(column[batches] for column in table[:-1]), table.words])


def _receive(connection: sqlite3.Connection, table: Staged, catalogue: Catalogue) -> None:
    """Let the tables say which sequences came and how new each layout is, for what goes."""
    numbers = np.unique(table.life).tolist()
    lives = [life for number in numbers if (life := catalogue.life_by_number[number]) is not None]
    connection.executemany("delete from received where life=?", ((life.number,) for life in lives))
    ranges = ((life.number, first, last) for life in lives for first, last in life.ranges())
    connection.executemany("insert into received values(?,?,?)", ranges)
    layouts = np.unique(table.layout).tolist()
    connection.executemany(
        "update layout set newest=max(newest, ?) where number=?",
        ((int(catalogue.newest[layout]), layout) for layout in layouts),
    )

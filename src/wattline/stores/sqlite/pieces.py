"""Pieces of samples, from staged rows and from chunks, and how they become one.

A piece is frames of some columns: of the batches of one layout in a commit, or of a chunk. `merge` makes one of many:
a sample is (series, time, life), the one written last wins, column by column, and an absent one replaces nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattline.core.chunk import Chunk
from wattline.model import Mask, Times, Values
from wattline.stores.sqlite.staging import PARTLY, Row, words_of

COMMIT: Final = 20
"""Bits for the place of a batch in its commit: order = seq << COMMIT | place."""
LAST: Final = (1 << COMMIT) - 1

Integers = NDArray[np.int64]
Narrow = NDArray[np.int32]


class Piece(NamedTuple):
    """Frames: int64[n] time, life and order of writing (one number: of all), float64[n, k], bool[n, k] or None."""

    time: Times
    life: Integers
    order: Integers | int
    values: Values
    present: Mask | None

    def where(self, chosen: Mask) -> "Piece":
        """Return the chosen frames."""
        order = self.order if isinstance(self.order, int) else self.order[chosen]
        present = None if self.present is None else self.present[chosen]
        return Piece(self.time[chosen], self.life[chosen], order, self.values[chosen], present)

    def cut(self, start: int, end: int) -> "Piece":
        """Return the frames of [start, end); the times must ascend."""
        first, last = np.searchsorted(self.time, [start, end]).tolist()
        if first == 0 and last == len(self.time):
            return self
        part = slice(first, last)
        order = self.order if isinstance(self.order, int) else self.order[part]
        present = None if self.present is None else self.present[part]
        return Piece(self.time[part], self.life[part], order, self.values[part], present)


class Staged(NamedTuple):
    """Batches of many commits as one table: `layout`, `life`, `n`, `k`, `flags`, `offset` into `words`, and `order`.

    A fold holds some for each of a million batches, so the numbers are no wider than they must be.
    """

    layout: Narrow
    life: Narrow
    n: Narrow
    k: Narrow
    flags: Narrow
    offset: Integers
    order: Integers
    words: Integers

    def piece(self, batches: Integers) -> Piece:
        """Return batches of one layout as a piece with the layout's columns, in the order given."""
        k = int(self.k[batches[0]])
        if (self.n[batches] == 1).all() and not self.flags[batches].any():
            block = self.words[self.offset[batches, None] + np.arange(1 + k)]
            return Piece(
                block[:, 0],
                self.life[batches].astype(np.int64),
                self.order[batches],
                block[:, 1:].view(np.float64),
                None,
            )
        parts = [self._batch(batch, k) for batch in batches.tolist()]
        repeats = self.n[batches]
        present = None
        if any(part[2] is not None for part in parts):
            present = np.concatenate([np.ones(v.shape, bool) if p is None else p for _, v, p in parts])
        return Piece(
            np.concatenate([part[0] for part in parts]),
            np.repeat(self.life[batches].astype(np.int64), repeats),
            np.repeat(self.order[batches], repeats),
            np.concatenate([part[1] for part in parts]),
            present,
        )

    def _batch(self, batch: int, k: int) -> tuple[Times, Values, Mask | None]:
        start, n = int(self.offset[batch]), int(self.n[batch])
        time = self.words[start : start + n]
        values = self.words[start + n : start + n + n * k].view(np.float64).reshape(n, k)
        if not self.flags[batch] & PARTLY:
            return time, values, None
        width = (k + 7) // 8
        bits = self.words[start + n + n * k :].view(np.uint8)[: n * width].reshape(n, width)
        return time, values, np.unpackbits(bits, axis=1, count=k, bitorder="little").view(bool)


def stage(rows: Iterable[Row], wanted: Callable[[Integers], Mask] | None = None, *, room: int = 0) -> Staged:
    """Put rows together; `wanted` says of the layout numbers of a row which batches to take.

    With `room` for all their words, rows are let go of one by one.
    """
    columns: list[tuple[Narrow | Integers, ...]] = []
    words: list[Integers] = []
    whole = np.empty(room, np.int64)
    base = 0
    for row in rows:
        directory, offset = row.directory, row.offset
        place = np.arange(len(directory))
        numbers = row.words
        if wanted is not None:
            chosen = wanted(directory["layout"])
            if not chosen.all():
                directory, offset, place = directory[chosen], offset[chosen], place[chosen]
                sizes = words_of(directory)
                starts = np.cumsum(sizes) - sizes
                numbers = numbers[np.repeat(offset - starts, sizes) + np.arange(int(sizes.sum()))]
                offset = starts
        if len(directory):
            fields = (directory[name].astype(np.int32) for name in ("layout", "life", "n", "k", "flags"))
            columns.append((*fields, offset + base, (row.seq << COMMIT) + place))
            if room:
                whole[base : base + len(numbers)] = numbers
            else:
                words.append(numbers)
            base += len(numbers)
    if not columns:
        narrow, empty = np.zeros(0, np.int32), np.zeros(0, np.int64)
        return Staged(narrow, narrow, narrow, narrow, narrow, empty, empty, empty)
    table = [np.concatenate(column) for column in zip(*columns, strict=True)]
    return Staged._make([*table, whole[:base] if room else np.concatenate(words)])


def chunk_piece(chunks: Sequence[tuple[int, Chunk]], seq: int, places: Sequence[int], stripe: int) -> Piece:
    """Return the columns `places` of one chunk; its stripes are given with their numbers.

    A place that the chunk does not have is absent throughout.
    """
    first, n = chunks[0][1], chunks[0][1].n
    where = np.array(places, np.int64)
    by_stripe = dict(chunks)
    plain = by_stripe.get(int(where[0]) // stripe) if len(where) else None
    if plain is not None and plain.present() is None and (where // stripe == where[0] // stripe).all():
        local = (where % stripe).tolist()
        if max(local) < width(plain):
            return _piece(first, plain.values(local), None, seq)
    columns = np.empty((len(places), n))
    present: Mask | None = None
    for number in np.unique(where // stripe).tolist():
        rows = np.flatnonzero(where // stripe == number)
        chunk = by_stripe.get(number)
        wide = 0 if chunk is None else width(chunk)
        missing = rows[where[rows] % stripe >= wide]
        if present is None and (len(missing) or (chunk is not None and chunk.present() is not None)):
            present = np.ones((len(places), n), bool)
        if len(missing):
            assert present is not None
            present[missing] = False
            rows = rows[where[rows] % stripe < wide]
        if chunk is not None and len(rows):
            local = (where[rows] % stripe).tolist()
            columns[rows] = chunk.values(local).T
            if (mask := chunk.present()) is not None:
                assert present is not None
                present[rows] = mask[:, local].T
    return _piece(first, columns.T, None if present is None or present.all() else present.T, seq)


def _piece(chunk: Chunk, values: Values, present: Mask | None, seq: int) -> Piece:
    order: Integers | int = (seq << COMMIT) | LAST
    if has_order(chunk):
        order = chunk.column(chunk.k - 1).astype(np.int64)
    life = chunk.run()
    assert life is not None, "every chunk of the store names its lives"
    return Piece(chunk.time(), life, order, values, present)


def has_order(chunk: Chunk) -> bool:
    """Say whether the last column of a chunk is the order in which its frames were written."""
    return chunk.k > 0 and chunk.is_whole(chunk.k - 1)


def width(chunk: Chunk) -> int:
    """Return how many value columns a chunk has."""
    k: int = chunk.k
    return k - 1 if has_order(chunk) else k


def merge(pieces: Sequence[Piece]) -> Piece:
    """Return one piece, ascending by (time, life), each pair once; `order` is the highest of each."""
    piece = pieces[0] if len(pieces) == 1 else _concatenated(pieces)
    if _ascends(piece):
        return piece
    order = np.full(len(piece.time), piece.order) if isinstance(piece.order, int) else piece.order
    sorting = np.lexsort((order, piece.life, piece.time))
    time, life, order = piece.time[sorting], piece.life[sorting], order[sorting]
    is_first = np.ones(len(time), bool)
    is_first[1:] = (time[1:] != time[:-1]) | (life[1:] != life[:-1])
    if is_first.all():
        present = None if piece.present is None else piece.present[sorting]
        return Piece(time, life, order, piece.values[sorting], present)
    starts = np.flatnonzero(is_first)
    ends = np.append(starts[1:], len(time)) - 1
    if piece.present is None:
        return Piece(time[starts], life[starts], order[ends], piece.values[sorting[ends]], None)
    rows = np.where(piece.present[sorting], np.arange(len(time))[:, None], -1)
    winner = np.maximum.reduceat(rows, starts, axis=0)
    present = winner >= 0
    values = np.take_along_axis(piece.values[sorting], np.maximum(winner, 0), axis=0)
    return Piece(time[starts], life[starts], order[ends], values, None if present.all() else present)


def sort(pieces: Sequence[Piece]) -> Piece:
    """Return one piece, ascending by (time, life, order), with repeats left in."""
    piece = _concatenated(pieces)
    assert not isinstance(piece.order, int)
    sorting = np.lexsort((piece.order, piece.life, piece.time))
    present = None if piece.present is None else piece.present[sorting]
    return Piece(piece.time[sorting], piece.life[sorting], piece.order[sorting], piece.values[sorting], present)


def spread(piece: Piece, columns: Sequence[int], outs: Sequence[int], k: int) -> Piece:
    """Return a piece of k columns: column `outs[i]` is column `columns[i]` of the given one, the rest are absent."""
    if list(outs) == list(range(k)) and list(columns) == list(range(piece.values.shape[1])):
        return piece
    if list(outs) == list(range(k)):
        present = None if piece.present is None else piece.present[:, columns]
        return piece._replace(values=piece.values[:, columns], present=present)
    values, there = np.full((len(piece.time), k), np.nan), np.zeros((len(piece.time), k), bool)
    values[:, outs] = piece.values[:, columns]
    there[:, outs] = True if piece.present is None else piece.present[:, columns]
    return piece._replace(values=values, present=there)


def _ascends(piece: Piece) -> bool:
    """Say whether (time, life) ascends strictly, as it does in what was merged before."""
    later = piece.time[1:] > piece.time[:-1]
    if later.all():
        return True
    return bool((later | ((piece.time[1:] == piece.time[:-1]) & (piece.life[1:] > piece.life[:-1]))).all())


def _concatenated(pieces: Sequence[Piece]) -> Piece:
    orders = (p.order if not isinstance(p.order, int) else np.full(len(p.time), p.order, np.int64) for p in pieces)
    present = None
    if any(p.present is not None for p in pieces):
        present = np.concatenate([np.ones(p.values.shape, bool) if p.present is None else p.present for p in pieces])
    return Piece(
        np.concatenate([p.time for p in pieces]),
        np.concatenate([p.life for p in pieces]),
        np.concatenate(list(orders)),
        np.concatenate([p.values for p in pieces]),
        present,
    )


def batches_by_layout(staged: Staged) -> Iterator[tuple[int, Integers]]:
    """Yield (layout, batches) for each layout of a table, batches in the order of writing."""
    sorting = np.argsort(staged.layout, kind="stable")
    edges = np.flatnonzero(np.diff(staged.layout[sorting])) + 1
    for group in np.split(sorting, edges):
        if len(group):
            yield int(staged.layout[group[0]]), group

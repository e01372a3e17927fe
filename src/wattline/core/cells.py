"""Cells: what is kept of the samples of a bucket of time, mergeable without loss of meaning.

One ladder: 10 s cells are made from samples (`core/rollup`), and every longer cell is the sum of shorter ones, 10 s to
1 min to 15 min to 1 UTC day; a span beside the ladder is summed from the longest rung that divides it. So a roll-up of
roll-ups is the roll-up of the samples, bit for bit: integers add in any order, and the one float (`sum`) is added one
after another in the order of time, on the same rungs.

`count`, `sum`, `min`, `max`, `first` and `last` speak of finite samples: NaN and infinities are values of the raw
history, but a mean or an energy of them means nothing. `min` .. `last` are NaN in a cell that has energy but no sample.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from wattline.model import Mask, Times, Values
from wattline.units import NANOSECONDS

FINEST: Final = 10 * NANOSECONDS
LADDER: Final = (FINEST, 60 * NANOSECONDS, 900 * NANOSECONDS, 86_400 * NANOSECONDS)

_DENSE: Final = 256
"""From so many samples in a cell on, cells are added one by one instead of side by side; the sums are the same."""


class Cells(Struct, frozen=True, eq=False):
    """Buckets of one series, ascending by `start`, each `span` ns long; a bucket of which nothing is known is left out.

    All arrays have one length. Energy columns are zero for a series that is no energy series. `joules`, `lower` and
    `upper` are microjoules of what is covered, additive over buckets; what lies in gaps is added by who asks, from
    `span - covered`. `down_*` and `up_*` say by how many microjoules the true energy curve may lie below or above the
    interpolated one at the first and last edge of the bucket; where buckets join, the slack of the common edge cancels.
    """

    span: int
    start: Times
    count: NDArray[np.int64]
    sum: Values
    min: Values
    max: Values
    first: Values
    last: Values
    joules: NDArray[np.int64]
    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    down_head: NDArray[np.int64]
    up_head: NDArray[np.int64]
    down_tail: NDArray[np.int64]
    up_tail: NDArray[np.int64]
    covered: NDArray[np.int64]
    gaps: NDArray[np.int64]
    resets: NDArray[np.int64]
    method: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.start)


class Table(NamedTuple):
    """Cells of many series, one series after the other: `place` int64[n] ascending names the series of each cell."""

    place: NDArray[np.int64]
    cells: Cells

    @classmethod
    def of(cls, parts: Sequence["Table"]) -> "Table":
        """Join tables; what two of them say of one series ascends from the first to the second."""
        if not parts:
            return cls(np.zeros(0, np.int64), empty(FINEST))
        if len(parts) == 1:
            return parts[0]
        place, cells = np.concatenate([part.place for part in parts]), concat([part.cells for part in parts])
        if (place[1:] >= place[:-1]).all():
            return cls(place, cells)
        order = np.argsort(place, kind="stable")
        return cls(place[order], chosen(cells, order))

    def coarser(self, span: int) -> "Table":
        """Return cells of a longer span, summed rung by rung. Raises ValueError when it is no multiple of theirs."""
        table, own = self, self.cells.span
        if span % own:
            raise ValueError(f"cells of {own} ns do not add up to cells of {span} ns")
        for rung in LADDER:
            if own < rung < span and rung % own == 0 and span % rung == 0:
                table, own = table._merged(rung), rung
        return table if own == span else table._merged(span)

    def where(self, rows: Mask) -> "Table":
        """Return the chosen cells."""
        return Table(self.place[rows], chosen(self.cells, rows))

    def split(self, k: int) -> list[Cells]:
        """Return the cells of each of the series 0 to k."""
        edges = np.searchsorted(self.place, np.arange(k + 1)).tolist()
        return [chosen(self.cells, slice(a, b)) for a, b in pairwise(edges)]

    def _merged(self, span: int) -> "Table":
        place, cells = self
        if not len(cells):
            return Table(place, structs.replace(cells, span=span))
        bucket = cells.start - cells.start % span
        is_head = np.ones(len(bucket), bool)
        is_head[1:] = (bucket[1:] != bucket[:-1]) | (place[1:] != place[:-1])
        head = np.flatnonzero(is_head)
        return Table(place[head], merged(cells, head, bucket, span))


FLOATS: Final = ("sum", "min", "max", "first", "last")
ADDED: Final = ("count", "joules", "lower", "upper", "covered", "gaps", "resets")
SLACKS: Final = ("down_head", "up_head", "down_tail", "up_tail")
_COLUMNS: Final = Cells.__struct_fields__[1:]


def coarser(cells: Cells, span: int) -> Cells:
    """Return cells of a longer span, summed rung by rung. Raises ValueError when `span` is no multiple of theirs."""
    return Table(np.zeros(len(cells), np.int64), cells).coarser(span).cells


def merged(cells: Cells, head: NDArray[np.intp], bucket: Times, span: int) -> Cells:
    """Merge consecutive cells into groups that begin at `head`; `bucket` int64[n] is the start of each cell's group.

    Slack cancels where two cells share an edge: they touch, and say the same of it. Elsewhere nothing joins them, and
    the slack stays, as wider bounds. So does the slack of an edge that is not the edge of the group.
    """
    tail = np.append(head[1:], len(cells)) - 1
    joined = cells.start[1:] == cells.start[:-1] + cells.span
    joined &= (cells.down_tail[:-1] == cells.down_head[1:]) & (cells.up_tail[:-1] == cells.up_head[1:])
    opens = np.concatenate([[True], ~joined])  # the cell's first edge is nobody else's
    closes = np.append(~joined, True)
    opens[head] = cells.start[head] != bucket[head]
    closes[tail] = cells.start[tail] + cells.span != bucket[tail] + span
    lower = cells.lower - np.where(opens, cells.up_head, 0) - np.where(closes, cells.down_tail, 0)
    upper = cells.upper + np.where(opens, cells.down_head, 0) + np.where(closes, cells.up_tail, 0)
    fields: dict[str, NDArray[Any]] = {name: np.add.reduceat(getattr(cells, name), head) for name in ADDED}
    fields |= {"lower": np.add.reduceat(lower, head), "upper": np.add.reduceat(upper, head)}
    for name in ("down_head", "up_head"):
        fields[name] = np.where(opens[head], 0, getattr(cells, name)[head])
    for name in ("down_tail", "up_tail"):
        fields[name] = np.where(closes[tail], 0, getattr(cells, name)[tail])
    fields["method"] = np.bitwise_or.reduceat(cells.method, head)
    return Cells(span=span, start=bucket[head], **fields, **_values_merged(cells, head, tail))


def grouped(fields: Mapping[str, NDArray[Any]], n: int) -> dict[str, NDArray[Any]]:
    """Merge `n` cells at a time, as `merged` does, where each cell holds a sample and none is left out.

    `fields` are columns of cells as [c, k] or [c], c being a multiple of n: one row a cell, one column a series.
    """
    return {
        name: _GROUPED.get(name, _total)(values.reshape(-1, n, *values.shape[1:])) for name, values in fields.items()
    }


def _total(parts: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(parts.sum(axis=1))


def _one_after_another(parts: NDArray[Any]) -> NDArray[Any]:
    total = parts[:, 0].copy()
    for place in range(1, parts.shape[1]):
        total += parts[:, place]
    return total


def _earliest(parts: NDArray[Any]) -> NDArray[Any]:
    return parts[:, 0]


def _latest(parts: NDArray[Any]) -> NDArray[Any]:
    return parts[:, -1]


_GROUPED: Final[Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]]] = {
    "sum": _one_after_another,
    "min": lambda parts: np.fmin.reduce(parts, axis=1),
    "max": lambda parts: np.fmax.reduce(parts, axis=1),
    "method": lambda parts: np.bitwise_or.reduce(parts, axis=1),
    **dict.fromkeys(("first", "down_head", "up_head"), _earliest),
    **dict.fromkeys(("last", "down_tail", "up_tail"), _latest),
}
"""How a column of neighbouring cells becomes one; what is not named is added."""


def _values_merged(cells: Cells, head: NDArray[np.intp], tail: NDArray[np.intp]) -> dict[str, NDArray[Any]]:
    sums = folded(cells.sum[:, None], head, tail - head + 1)[0][:, 0]
    place = np.arange(len(cells))
    first = np.minimum.reduceat(np.where(cells.count > 0, place, len(cells)), head)
    last = np.maximum.reduceat(np.where(cells.count > 0, place, -1), head)
    return {
        "sum": sums,
        "min": np.fmin.reduceat(cells.min, head),
        "max": np.fmax.reduceat(cells.max, head),
        "first": np.where(last < 0, np.nan, cells.first[np.minimum(first, len(cells) - 1)]),
        "last": np.where(last < 0, np.nan, cells.last[last]),
    }


def concat(parts: Sequence[Cells]) -> Cells:
    """Join cells of one span that ascend from part to part. Raises ValueError for none, or for several spans."""
    spans = {part.span for part in parts}
    if len(spans) != 1:
        raise ValueError(f"cells of one span are needed, not of {sorted(spans)}")
    if len(parts) == 1:
        return parts[0]
    return Cells(spans.pop(), *(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS))


def chosen(cells: Cells, rows: slice | Mask | NDArray[np.intp]) -> Cells:
    """Return some of the cells."""
    return Cells(cells.span, *(getattr(cells, name)[rows] for name in _COLUMNS))


def empty(span: int) -> Cells:
    """Return no cells."""
    kinds = {**dict.fromkeys(_COLUMNS, np.int64), **dict.fromkeys(FLOATS, np.float64), "method": np.uint8}
    return Cells(span, *(np.zeros(0, kinds[name]) for name in _COLUMNS))


def folded(values: Values, first: NDArray[np.intp], count: NDArray[np.intp]) -> tuple[Values, Values, Values]:
    """Return sum, min and max of groups of consecutive rows, none empty, added one after another in order."""
    common, most = int(count.min()), int(count.max())
    if most > _DENSE:
        groups = [values[a : a + n] for a, n in zip(first.tolist(), count.tolist(), strict=True)]
        sums = np.stack([np.add.accumulate(group, axis=0)[-1] for group in groups])
        return sums, np.stack([g.min(axis=0) for g in groups]), np.stack([g.max(axis=0) for g in groups])
    end = int(first[-1]) + common
    block: Values | None = None
    if end - int(first[0]) == common * len(first) and (count[:-1] == common).all():  # groups without gaps, all alike
        block = values[first[0] : end].reshape(len(first), common, -1)
    sums = values[first]
    least, most_of, row = sums.copy(), sums.copy(), np.empty_like(sums)
    for j in range(1, common):
        if block is None:
            np.take(values, first + j, axis=0, out=row, mode="clip")
        else:
            row = block[:, j]
        sums += row
        np.minimum(least, row, out=least)
        np.maximum(most_of, row, out=most_of)
    for j in range(common, most):
        some = np.flatnonzero(count > j)
        more = values[first[some] + j]
        sums[some] += more
        least[some] = np.minimum(least[some], more)
        most_of[some] = np.maximum(most_of[some], more)
    return sums, least, most_of

"""The neighbours of a window: the last sample of each series before it, and the first after it."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattline.stores.sqlite.pieces import Piece
from wattline.stores.sqlite.read import HOUR, Group, Reader, Window, copied

_PAGE = 48


class Side(NamedTuple):
    """One side of a window: which frames lie there, which sample is nearest, and the hours to look at."""

    cut: Callable[[Piece], Piece]
    nearest: Callable[[NDArray[np.bool_]], NDArray[np.int64]]
    step: int
    hours: str


def before(reader: Reader, window: Window, start: int, groups: Sequence[Group] | None = None) -> dict[Group, Piece]:
    """Return the last sample before `start` of each series that has one."""
    side = Side(
        lambda piece: piece.cut(-(2**63), start),
        lambda there: len(there) - 1 - there[::-1].argmax(axis=0),
        -1,
        "select distinct start from chunk where family=? and start<=? order by start desc limit ?",
    )
    return _neighbours(reader, window, side, (start - 1) // HOUR * HOUR, groups)


def after(reader: Reader, window: Window, end: int, groups: Sequence[Group] | None = None) -> dict[Group, Piece]:
    """Return the first sample at or after `end` of each series that has one."""
    side = Side(
        lambda piece: piece.cut(end, 2**63 - 1),
        lambda there: there.argmax(axis=0),
        1,
        "select distinct start from chunk where family=? and start>=? order by start limit ?",
    )
    return _neighbours(reader, window, side, end // HOUR * HOUR, groups)


def _neighbours(
    reader: Reader, window: Window, side: Side, hour: int, groups: Sequence[Group] | None
) -> dict[Group, Piece]:
    """Try the nearest hour for all groups at once, then walk on for those that lack a series."""
    groups = window.groups if groups is None else groups
    found = {group: _Found(len(group.ids)) for group in groups}
    for _, merged in copied(reader, window, groups, hour, hour + HOUR):
        for group, piece in merged.items():
            found[group].take(side.cut(piece), side)
    for group, samples in found.items():
        if samples.lacks():
            for other in _hours(reader, window, group, side, hour):
                for _, merged in copied(reader, window, [group], other, other + HOUR):
                    samples.take(side.cut(merged[group]), side)
                if not samples.lacks():
                    break
    return {group: piece for group, samples in found.items() if len((piece := samples.piece()).time)}


def _hours(reader: Reader, window: Window, group: Group, side: Side, hour: int) -> Iterator[int]:
    """Yield the hours beyond `hour` in which a group has chunks or staged batches, nearest first."""
    with reader.snapshot() as connection:
        rows = reader.staged(connection)
    times = [piece.time for piece in window.staged(rows).get(group, ())]
    staged = np.unique(np.concatenate([np.zeros(0, np.int64), *times]) // HOUR * HOUR).tolist()
    waiting = sorted((h for h in staged if (h - hour) * side.step > 0), reverse=side.step < 0)
    while True:
        edge = hour + side.step * HOUR
        with reader.snapshot() as connection:
            pages = [
                [row[0] for row in connection.execute(side.hours, (family, edge, _PAGE))] for family in group.families
            ]
        chunks = sorted({h for page in pages for h in page}, reverse=side.step < 0)
        full = [page[-1] for page in pages if len(page) == _PAGE]
        bound = (max(full) if side.step < 0 else min(full)) if full else None
        page = sorted(
            {h for h in (*chunks, *waiting) if bound is None or (bound - h) * side.step >= 0}, reverse=side.step < 0
        )
        yield from page
        if bound is None:
            return
        waiting = [h for h in waiting if (h - bound) * side.step > 0]
        hour = bound


class _Found:
    """The nearest sample of each of k series, as far as found."""

    def __init__(self, k: int) -> None:
        self._there = np.zeros(k, bool)
        self._time = np.zeros(k, np.int64)
        self._life = np.zeros(k, np.int64)
        self._value = np.zeros(k)

    def lacks(self) -> bool:
        """Say whether a series has none yet."""
        return not self._there.all()

    def take(self, piece: Piece, side: Side) -> None:
        """Take the nearest samples of a piece for the series that have none; pieces come nearest first."""
        n, k = piece.values.shape
        if not n:
            return
        there = np.ones((n, k), bool) if piece.present is None else piece.present
        fresh = np.flatnonzero(there.any(axis=0) & ~self._there)
        rows = side.nearest(there)[fresh]
        self._there[fresh] = True
        self._time[fresh], self._life[fresh] = piece.time[rows], piece.life[rows]
        self._value[fresh] = piece.values[rows, fresh]

    def piece(self) -> Piece:
        """Return what was found, as frames that hold it."""
        chosen = np.flatnonzero(self._there)
        pairs = np.stack([self._time[chosen], self._life[chosen]], axis=1)
        keys, rows = np.unique(pairs, axis=0, return_inverse=True)
        values, present = np.full((len(keys), len(self._there)), np.nan), np.zeros((len(keys), len(self._there)), bool)
        values[rows.ravel(), chosen], present[rows.ravel(), chosen] = self._value[chosen], True
        return Piece(keys[:, 0], keys[:, 1], 0, values, None if present.all() else present)

"""Samples of a store as rows that ascend by time, then device, metric and labels, in pieces of bounded size.

A store yields blocks: some series with common times. Frames of several blocks are merged by sorting frames, not
samples; only where two blocks hold series of one instant in alternating order are the samples themselves sorted.
A piece is made from views of the blocks, so that memory is that of a slice of the store plus that of a piece.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wattline.core.cells import Cells
from wattline.model import Kind, Mask, Times, Values
from wattline.plugin import Block, Entry
from wattline.units import MICROJOULES

Places = NDArray[np.int32]

FIRST_ROWS: Final = 2048
"""Rows of the first piece: few, so that the first byte leaves at once."""
MOST_ROWS: Final = 16_384
"""Rows of every other piece; one instant with more samples is one piece."""


class Catalogue:
    """The series of an answer in the order of its rows; `place` of a series is its number there."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = tuple(
            sorted(entries, key=lambda entry: (entry.series.device, entry.series.metric.name, entry.series.labels))
        )
        self.ids = tuple(entry.id for entry in self.entries)
        self._place = {number: place for place, number in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.entries)

    def places(self, ids: Sequence[int]) -> Places:
        """Return the places of series numbers, int32[k]."""
        return np.fromiter((self._place[number] for number in ids), np.int32, len(ids))

    def states(self) -> tuple[int, ...]:
        """Return the places of the series that give texts."""
        return tuple(i for i, entry in enumerate(self.entries) if entry.series.metric.kind is Kind.STATE)


class Rows(Struct, frozen=True, eq=False):
    """Samples in order: `time` int64[n] (ns), `place` int32[n] in the catalogue, `value` float64[n]."""

    time: Times
    place: Places
    value: Values

    def __len__(self) -> int:
        return len(self.time)


class CellRows(Struct, frozen=True, eq=False):
    """Roll-ups in order: `start` (ns) and `place` as in `Rows`, then one column a figure.

    `min`, `mean` and `max` mean nothing where `is_level` is false: in a bucket that has energy of an interval across it
    and no sample, and of a state. `joules` and `coverage` mean nothing where `is_energy` is false.
    """

    start: Times
    place: Places
    min: Values
    mean: Values
    max: Values
    count: NDArray[np.int64]
    joules: Values
    coverage: Values
    is_level: Mask
    is_energy: Mask

    def __len__(self) -> int:
        return len(self.start)


def sample_rows(slices: Iterator[Sequence[Block]], catalogue: Catalogue) -> Iterator[Rows]:
    """Yield the samples of a store's slices as rows; a piece is never empty and never parts an instant."""
    most = FIRST_ROWS
    for blocks in slices:
        waiting = [[block for block in blocks if len(block.time)]]
        while waiting:
            part = waiting.pop()
            if not part:
                continue
            edge = _edge(part, most)
            if edge is not None:
                waiting += [[b for block in part if len((b := _after(block, edge)).time)]]
                waiting += [[b for block in part if len((b := _before(block, edge)).time)]]
                continue
            rows = _merge(part, catalogue)
            if len(rows):
                most = MOST_ROWS
                yield rows


def _edge(blocks: Sequence[Block], most: int) -> int | None:
    """Return a time at which to part the blocks, None where they are small enough or of one instant."""
    if sum(len(block.time) * len(block.ids) for block in blocks) <= most:
        return None
    largest = max(blocks, key=lambda block: len(block.time) * len(block.ids))
    first, last = (
        int(f(edges)) for f, edges in ((min, [b.time[0] for b in blocks]), (max, [b.time[-1] for b in blocks]))
    )
    if first == last:
        return None
    middle = int(largest.time[len(largest.time) // 2])
    return middle if first < middle else first + 1


def _before(block: Block, edge: int) -> Block:
    return _frames(block, slice(0, int(np.searchsorted(block.time, edge))))


def _after(block: Block, edge: int) -> Block:
    return _frames(block, slice(int(np.searchsorted(block.time, edge)), None))


def _frames(block: Block, part: slice) -> Block:
    present = None if block.present is None else block.present[part]
    run = None if block.run is None else block.run[part]
    return Block(block.ids, block.time[part], block.values[part], present, run)


def _merge(blocks: Sequence[Block], catalogue: Catalogue) -> Rows:
    ordered = sorted(((catalogue.places(block.ids), block) for block in blocks), key=lambda pair: int(pair[0].min()))
    places, values, masks = [], [], []
    for place, block in ordered:
        order = np.argsort(place, kind="stable")
        places.append(np.broadcast_to(place[order], block.values.shape).ravel())
        values.append(np.ravel(block.values[:, order]))
        masks.append(np.ones(block.values.size, bool) if block.present is None else np.ravel(block.present[:, order]))
    time = np.concatenate([block.time for _, block in ordered])
    width = np.concatenate([np.full(len(block.time), len(block.ids)) for _, block in ordered])
    start = np.cumsum(width) - width
    frames = np.argsort(time, kind="stable")
    width = width[frames]
    within = np.arange(int(width.sum())) - np.repeat(np.cumsum(width) - width, width)
    cells = np.repeat(start[frames], width) + within
    there = np.concatenate(masks)[cells]
    cells = cells[there]
    rows = Rows(np.repeat(time[frames], width)[there], np.concatenate(places)[cells], np.concatenate(values)[cells])
    return rows if _ascends(rows) else _sorted(rows)


def _ascends(rows: Rows) -> bool:
    return not ((rows.time[1:] == rows.time[:-1]) & (rows.place[1:] < rows.place[:-1])).any()


def _sorted(rows: Rows) -> Rows:
    order = np.lexsort((rows.place, rows.time))
    return Rows(rows.time[order], rows.place[order], rows.value[order])


def cell_rows(
    slices: Iterator[Mapping[int, Cells]], catalogue: Catalogue, energies: Sequence[bool]
) -> Iterator[CellRows]:
    """Yield the roll-ups of a store's slices as rows; `energies[place]` says which series carry energy."""
    is_energy = np.array(energies, bool)
    is_text = np.zeros(len(catalogue), bool)
    is_text[list(catalogue.states())] = True
    most = FIRST_ROWS
    for found in slices:
        rows = _cell_columns(found, catalogue, is_energy, is_text)
        first = 0
        while rows is not None and first < len(rows):
            yield _cut(rows, first, first + most)
            first, most = first + most, MOST_ROWS


def _cell_columns(found: Mapping[int, Cells], catalogue: Catalogue, energies: Mask, texts: Mask) -> CellRows | None:
    cells = [one for one in found.values() if len(one)]
    if not cells:
        return None
    place = np.repeat(
        catalogue.places([number for number, one in found.items() if len(one)]), [len(one) for one in cells]
    )
    start = np.concatenate([one.start for one in cells])
    order = np.lexsort((place, start))
    column = {
        name: np.concatenate([getattr(one, name) for one in cells])[order]
        for name in ("sum", "count", "min", "max", "joules", "covered")
    }
    place = place[order]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.clip(column["sum"] / column["count"], column["min"], column["max"])  # a sum of doubles is rounded
    return CellRows(
        start=start[order], place=place, min=column["min"], mean=mean, max=column["max"], count=column["count"],
        joules=column["joules"] / MICROJOULES, coverage=column["covered"] / cells[0].span,
        is_level=(column["count"] > 0) & ~texts[place], is_energy=energies[place],
    )  # fmt: skip


def _cut(rows: CellRows, first: int, last: int) -> CellRows:
    return CellRows(*(getattr(rows, name)[first:last] for name in CellRows.__struct_fields__))

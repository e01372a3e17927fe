"""The sums of a question about energy while its parts come in, in order of time: one row of numbers per series."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wattline.core.counter import Joules
from wattline.core.curve import PER_NS
from wattline.core.integral import Nature, nature
from wattline.core.rollup import Cells
from wattline.core.window import Part
from wattline.plugin import Entry

_NOWHERE = -1


class Account:
    """Adds parts of a window up, for series by their place among `entries`; read the arrays when all is in.

    `lower` and `upper` hold what is covered with the slack of all inner edges settled; that of the outer edges is in
    `down_head`, `up_head`, `down_tail`, `up_tail`. An inner edge settles itself where both sides say the same of it.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        n = len(entries)
        self.joules, self.lower, self.upper = (np.zeros(n, np.int64) for _ in range(3))
        self.covered, self.gaps, self.resets, self.method = (np.zeros(n, np.int64) for _ in range(4))
        self.down_head, self.up_head, self.down_tail, self.up_tail = (np.zeros(n, np.int64) for _ in range(4))
        self.peak = np.zeros(n)
        """Highest watts seen."""
        self._edge = np.full(n, _NOWHERE, np.int64)
        self._natures = [nature(entry.series.metric) for entry in entries]

    def add_part(self, part: Part, start: int, end: int) -> None:
        """Add what samples gave for [start, end)."""
        known = (part.joules != 0) | (part.covered > 0) | (part.gaps > 0) | (part.resets > 0)
        places = np.asarray(part.places)[known]
        self._settle(places, start, part.down_head[known], part.up_head[known])
        self.joules[places] += part.joules[known]
        self.lower[places] += part.lower[known]
        self.upper[places] += part.upper[known]
        self.covered[places] += part.covered
        self.gaps[places] += part.gaps
        self.resets[places] += part.resets
        self.method[places] |= part.method
        self.peak[places] = np.maximum(self.peak[places], part.peak[known])
        self._edge[places], self.down_tail[places], self.up_tail[places] = (
            end, part.down_tail[known], part.up_tail[known],
        )  # fmt: skip

    def add_cells(self, place: int, cells: Cells) -> None:
        """Add cells of one series, ascending."""
        if self._natures[place] is Nature.LEVEL or not len(cells):
            return
        self._settle(np.array([place]), int(cells.start[0]), cells.down_head[:1], cells.up_head[:1])
        lower, upper = int(cells.lower.sum()), int(cells.upper.sum())
        if len(cells) > 1 and (cells.up_tail.any() or cells.down_tail.any() or cells.up_head.any()):
            lost, more = _unsettled(cells)
            lower, upper = lower - lost, upper + more
        self.joules[place] += cells.joules.sum()
        self.lower[place] += lower
        self.upper[place] += upper
        self.covered[place] += cells.covered.sum()
        self.gaps[place] += cells.gaps.sum()
        self.resets[place] += cells.resets.sum()
        self.method[place] |= int(np.bitwise_or.reduce(cells.method))
        self.peak[place] = max(self.peak[place], self._peak(place, cells))
        self._edge[place] = cells.start[-1] + cells.span
        self.down_tail[place], self.up_tail[place] = cells.down_tail[-1], cells.up_tail[-1]

    def _settle(self, places: NDArray[np.intp], start: int, down: Joules, up: Joules) -> None:
        """Close the edge between what was added last and what begins at `start`."""
        fresh = self._edge[places] == _NOWHERE
        self.down_head[places[fresh]], self.up_head[places[fresh]] = down[fresh], up[fresh]
        apart = (self._edge[places] != start) | (self.down_tail[places] != down) | (self.up_tail[places] != up)
        apart &= ~fresh
        some = places[apart]
        self.lower[some] -= self.down_tail[some] + up[apart]
        self.upper[some] += self.up_tail[some] + down[apart]

    def _peak(self, place: int, cells: Cells) -> float:
        if self._natures[place] is Nature.POWER:
            return float(np.fmax.reduce(cells.max, initial=0.0))
        some = cells.covered > 0
        return float((cells.joules[some] / (cells.covered[some] * PER_NS)).max(initial=0.0))


def _unsettled(cells: Cells) -> tuple[int, int]:
    """Return the slack, down and up, of inner edges of which two cells do not say the same."""
    down, up = cells.down_tail[:-1], cells.up_tail[:-1]
    apart = (cells.start[1:] != cells.start[:-1] + cells.span) | (down != cells.down_head[1:])
    apart |= up != cells.up_head[1:]
    lost = down[apart].sum() + cells.up_head[1:][apart].sum()
    more = up[apart].sum() + cells.down_head[1:][apart].sum()
    return int(lost), int(more)

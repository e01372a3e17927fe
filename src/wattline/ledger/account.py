"""The sums of a question about energy while its parts come in, in order of time: one row of numbers per series."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from wattline.core.counter import Joules
from wattline.core.curve import PER_NS
from wattline.core.integral import Nature, nature
from wattline.core.tally import Tally
from wattline.core.window import Part
from wattline.model import Times, Values
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
        """Highest watts seen, where nothing is rated."""
        self._edge = np.full(n, _NOWHERE, np.int64)
        self._is_power = np.array([nature(entry.series.metric) is Nature.POWER for entry in entries], bool)
        self._rated = np.array([entry.column.rated is not None for entry in entries], bool)

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

    def add_tally(self, tally: Tally, places: Mapping[int, int]) -> None:
        """Add cells of some series, none of which is a level; `places` numbers the series by id."""
        if not len(tally):
            return
        head = np.flatnonzero(np.diff(tally.series, prepend=-1))
        tail = np.append(head[1:], len(tally)) - 1
        own = np.array([places[number] for number in tally.series[head].tolist()], np.intp)
        self._settle(own, tally.start[head], tally.down_head[head], tally.up_head[head])
        lower, upper = _settled(tally, head)
        self.joules[own] += np.add.reduceat(tally.joules, head)
        self.lower[own] += np.add.reduceat(lower, head)
        self.upper[own] += np.add.reduceat(upper, head)
        self.covered[own] += np.add.reduceat(tally.covered, head)
        self.gaps[own] += np.add.reduceat(tally.gaps, head)
        self.resets[own] += np.add.reduceat(tally.resets, head)
        self.method[own] |= np.bitwise_or.reduceat(tally.method, head)
        if not self._rated[own].all():
            self.peak[own] = np.maximum(self.peak[own], np.maximum.reduceat(self._watts(tally, own, head), head))
        self._edge[own] = tally.start[tail] + tally.span
        self.down_tail[own], self.up_tail[own] = tally.down_tail[tail], tally.up_tail[tail]

    def _settle(self, places: NDArray[np.intp], start: int | Times, down: Joules, up: Joules) -> None:
        """Close the edge between what was added last and what begins at `start`."""
        fresh = self._edge[places] == _NOWHERE
        self.down_head[places[fresh]], self.up_head[places[fresh]] = down[fresh], up[fresh]
        apart = (self._edge[places] != start) | (self.down_tail[places] != down) | (self.up_tail[places] != up)
        apart &= ~fresh
        some = places[apart]
        self.lower[some] -= self.down_tail[some] + up[apart]
        self.upper[some] += self.up_tail[some] + down[apart]

    def _watts(self, tally: Tally, places: NDArray[np.intp], head: NDArray[np.intp]) -> Values:
        """Return the highest power that each cell tells of: that of its samples, or else its mean."""
        is_power = np.repeat(self._is_power[places], np.diff(head, append=len(tally)))
        mean = tally.joules / np.where(tally.covered > 0, tally.covered * PER_NS, np.inf)
        return np.where(is_power, np.fmax(tally.max, 0.0), mean)


def _settled(tally: Tally, head: NDArray[np.intp]) -> tuple[Joules, Joules]:
    """Return the bounds, widened by the slack of the inner edges of which two cells do not say the same."""
    down, up = tally.down_tail[:-1], tally.up_tail[:-1]
    down_next, up_next = tally.down_head[1:], tally.up_head[1:]
    if not (up.any() or down.any() or up_next.any() or down_next.any()):
        return tally.lower, tally.upper
    apart = (tally.start[1:] != tally.start[:-1] + tally.span) | (down != down_next) | (up != up_next)
    apart[head[1:] - 1] = False  # these are of two series
    lower, upper = tally.lower.copy(), tally.upper.copy()
    lower[:-1] -= np.where(apart, down, 0)
    lower[1:] -= np.where(apart, up_next, 0)
    upper[:-1] += np.where(apart, up, 0)
    upper[1:] += np.where(apart, down_next, 0)
    return lower, upper

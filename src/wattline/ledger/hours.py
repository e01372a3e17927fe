"""From the slices of a store to hours of samples with their neighbours, without ever holding more than an hour.

Energy of an hour needs the sample before it and the one after it. So an hour waits until a later sample of the same
series comes, or the end. Series that share times stay side by side as a matrix for as long as they do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from wattline.core.rollup import HOUR, Samples, believed, hours, split
from wattline.core.window import Hour, joined
from wattline.model import Metric, Times
from wattline.plugin import Block

Evaluate = Callable[[Hour, int, int], None]
"""Called with an hour and the piece of the window, within that hour, that it is to tell."""


class Hours:
    """Gathers blocks, ascending, and calls `evaluate` for each hour of [start, end) once its neighbours are known."""

    def __init__(
        self, places: Mapping[int, int], metrics: Sequence[Metric], start: int, end: int, evaluate: Evaluate
    ) -> None:
        """`places` numbers the series by id, as `evaluate` is to know them; `metrics` are theirs, by that number."""
        self._place = places
        self._most = believed(metrics)
        self._start, self._end, self._evaluate = start, end, evaluate
        self._waiting: dict[tuple[int, ...], Hour] = {}
        self._group: dict[int, tuple[int, ...]] = {}

    def take(self, slices: Iterable[Sequence[Block]]) -> None:
        """Take all slices of a store, to the end."""
        for blocks in slices:
            for block in blocks:
                for piece in self._pieces(block):
                    self._arrive(piece)
        for hour in list(self._waiting.values()):
            self._tell(hour, None)
        self._waiting.clear()

    def _pieces(self, block: Block) -> Iterator[Samples]:
        """Yield the samples of a block, all present, cut at hours, with places instead of ids."""
        if not len(block.time):
            return
        edges = np.arange(block.time[0] // HOUR * HOUR, block.time[-1] + 1, HOUR)
        bounds = [*np.searchsorted(block.time, edges).tolist(), len(block.time)]
        most = self._most[[self._place[one] for one in block.ids]]
        for a, b in pairwise(bounds):
            if a < b:
                present = None if block.present is None else block.present[a:b]
                run = None if block.run is None else block.run[a:b]
                for part in split(block.time[a:b], block.values[a:b], present, run, most):
                    if len(part.time):
                        places = [self._place[block.ids[i]] for i in part.places]
                        yield part._replace(places=places, run=_numbered(part, run))

    def _arrive(self, fresh: Samples) -> None:
        key = tuple(fresh.places)
        if key not in self._waiting and self._break_up(key) and len(key) > 1:
            for i, place in enumerate(key):
                self._arrive(_column(fresh, i, place))
            return
        old = self._waiting.get(key)
        if old is None:
            self._waiting[key] = Hour(fresh)
        elif fresh.time[0] // HOUR == old.inside.time[0] // HOUR:
            self._waiting[key] = Hour(_together(old.inside, fresh), old.before)
        else:
            self._tell(old, fresh)
            self._waiting[key] = Hour(fresh, old.inside.rows(len(old.inside.time) - 1, len(old.inside.time)))
        self._group.update(dict.fromkeys(key, key))

    def _break_up(self, key: tuple[int, ...]) -> bool:
        """Make the series of `key` wait one by one, where any of them waits in other company; say whether one did."""
        companies = {self._group[place] for place in key if place in self._group}
        for company in companies:
            hour = self._waiting.pop(company)
            for i, place in enumerate(company):
                self._group[place] = (place,)
                before = None if hour.before is None else _column(hour.before, i, place)
                self._waiting[place,] = Hour(_column(hour.inside, i, place), before)
        return bool(companies)

    def _tell(self, hour: Hour, later: Samples | None) -> None:
        """Evaluate an hour, and the hours without samples between it and `later`."""
        begin = int(hour.inside.time[0]) // HOUR * HOUR
        after = None if later is None else later.rows(0, 1)
        for a, b in hours(max(begin, self._start), min(begin + HOUR, self._end)):
            self._evaluate(hour._replace(after=after), a, b)
        if after is None:
            return
        n = len(hour.inside.time)
        empty = Hour(hour.inside.rows(n, n), hour.inside.rows(n - 1, n), after)
        until = int(after.time[0]) // HOUR * HOUR
        for a, b in hours(max(begin + HOUR, self._start), min(until, self._end)):
            self._evaluate(empty, a, b)


def _numbered(part: Samples, run: Times | None) -> Times | None:
    """Keep the run of samples that are all of one run: the next hour may be of another."""
    if run is None or part.run is not None:
        return part.run
    return np.full(len(part.time), run[0], np.int64)


def _column(samples: Samples, i: int, place: int) -> Samples:
    return samples._replace(places=[place], values=samples.values[:, i : i + 1])


def _together(old: Samples, fresh: Samples) -> Samples:
    """Join samples of one hour, sorted by time and run."""
    both = joined([old, fresh])
    if old.time[-1] < fresh.time[0]:
        return both
    run = np.zeros(len(both.time), np.int64) if both.run is None else both.run
    order = np.lexsort((run, both.time))
    return both._replace(time=both.time[order], values=both.values[order], run=None if both.run is None else run[order])

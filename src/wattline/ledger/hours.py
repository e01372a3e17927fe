"""From the slices of a store to hours of samples with their neighbours, without ever holding more than an hour.

Energy of an hour needs the sample before it and the one after it. So an hour waits until a later sample of the same
series comes, or the end. Series that share times stay side by side as a matrix for as long as they do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from wattline.core.rollup import HOUR, Samples, hours, split
from wattline.model import Times
from wattline.plugin import Block

Evaluate = Callable[[Samples, int, int], None]
"""Called with an hour's samples and neighbours and the piece of the window, within that hour, that they are to tell."""


class Hours:
    """Gathers blocks, ascending, and calls `evaluate` for each hour of [start, end) once its neighbours are known."""

    def __init__(self, places: Mapping[int, int], start: int, end: int, evaluate: Evaluate) -> None:
        """`places` numbers the series by id, as `evaluate` is to know them."""
        self._place = places
        self._start, self._end, self._evaluate = start, end, evaluate
        self._waiting: dict[tuple[int, ...], Samples] = {}
        self._group: dict[int, tuple[int, ...]] = {}

    def take(self, slices: Iterable[Sequence[Block]]) -> None:
        """Take all slices of a store, to the end."""
        for blocks in slices:
            for block in blocks:
                for piece in self._pieces(block):
                    self._arrive(piece)
        for samples in list(self._waiting.values()):
            self._tell(samples, None)
        self._waiting.clear()

    def _pieces(self, block: Block) -> Iterator[Samples]:
        """Yield the samples of a block, all present, cut at hours, with places instead of ids."""
        if not len(block.time):
            return
        edges = np.arange(block.time[0] // HOUR * HOUR, block.time[-1] + 1, HOUR)
        bounds = [*np.searchsorted(block.time, edges).tolist(), len(block.time)]
        for a, b in zip(bounds[:-1], bounds[1:], strict=True):
            if a < b:
                present = None if block.present is None else block.present[a:b]
                run = None if block.run is None else block.run[a:b]
                for part in split(block.time[a:b], block.values[a:b], present, run):
                    if len(part.time):
                        places = [self._place[block.ids[i]] for i in part.places]
                        yield part._replace(places=places, last=len(part.time), run=_numbered(part, run))

    def _arrive(self, fresh: Samples) -> None:
        key = tuple(fresh.places)
        if key not in self._waiting and (len(key) > 1 or key[0] in self._group) and self._break_up(key):
            for i, place in enumerate(key):
                self._arrive(fresh._replace(places=[place], values=fresh.values[:, i : i + 1]))
            return
        old = self._waiting.get(key)
        if old is not None and fresh.time[0] // HOUR == old.time[old.first] // HOUR:
            fresh = _together(old, fresh)
        elif old is not None:
            self._tell(old, fresh)
            fresh = _behind(_row(old, old.last - 1), fresh)
        self._waiting[key] = fresh
        self._group.update(dict.fromkeys(key, key))

    def _break_up(self, key: tuple[int, ...]) -> bool:
        """Make the series of `key` wait one by one, where any of them waits in other company; say whether one did."""
        companies = {self._group[place] for place in key if place in self._group}
        for company in companies:
            samples = self._waiting.pop(company)
            for i, place in enumerate(company):
                self._group[place] = (place,)
                self._waiting[place,] = samples._replace(places=[place], values=samples.values[:, i : i + 1])
        return bool(companies) and (len(key) > 1)

    def _tell(self, samples: Samples, later: Samples | None) -> None:
        """Evaluate the hour of some samples, and the hours without any until `later`."""
        hour = int(samples.time[samples.first]) // HOUR * HOUR
        whole = samples if later is None else _behind(samples, _row(later, 0), samples.first, samples.last)
        for a, b in hours(max(hour, self._start), min(hour + HOUR, self._end)):
            self._evaluate(whole, a, b)
        if later is None:
            return
        until = int(later.time[0]) // HOUR * HOUR
        two = _behind(_row(samples, samples.last - 1), _row(later, 0))
        for a, b in hours(max(hour + HOUR, self._start), min(until, self._end)):
            self._evaluate(two._replace(first=1, last=1), a, b)


def _numbered(part: Samples, run: Times | None) -> Times | None:
    """Keep the run of samples that are all of one run: the next hour may be of another."""
    if run is None or part.run is not None:
        return part.run
    return np.full(len(part.time), run[0], np.int64)


def _row(samples: Samples, i: int) -> Samples:
    run = None if samples.run is None else samples.run[i : i + 1]
    return Samples(samples.places, samples.time[i : i + 1], samples.values[i : i + 1], run)


def _behind(before: Samples, after: Samples, first: int | None = None, last: int | None = None) -> Samples:
    """Put samples one behind the other; the hour is that of `after`, unless `first` and `last` say otherwise."""
    n = len(before.time)
    run = None
    if before.run is not None and after.run is not None:
        run = np.concatenate([before.run, after.run])
    return Samples(
        after.places,
        np.concatenate([before.time, after.time]),
        np.concatenate([before.values, after.values]),
        run,
        n + after.first if first is None else first,
        n + after.last if last is None else last,
    )


def _together(old: Samples, fresh: Samples) -> Samples:
    """Join samples of one hour, sorted by time and run."""
    whole = _behind(old, fresh, old.first, old.last + len(fresh.time))
    if old.time[-1] < fresh.time[0]:
        return whole
    run = np.zeros(len(whole.time), np.int64) if whole.run is None else whole.run
    order = np.lexsort((run, whole.time))
    return whole._replace(
        time=whole.time[order], values=whole.values[order], run=None if whole.run is None else run[order]
    )

"""Roll-ups: cells made from samples.

One block of knowledge: the UTC hour. The samples of an hour with one neighbour on each side say all that is used for
that hour's cells (the median spacing that makes a gap, the jitter that a register catches up). Whoever gives whole
hours and neighbours gets the same cells as everybody else; with fewer samples only what needs them differs.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from wattline.core.cells import ADDED, FINEST, FLOATS, LADDER, SLACKS, Cells, Table, empty, folded, grouped
from wattline.core.curve import Curve
from wattline.core.integral import Nature, delta_curve, gap_limit, nature, power_curve, register_curves
from wattline.model import Column, Mask, Metric, Times, Values
from wattline.units import NANOSECONDS

HOUR: Final = 3600 * NANOSECONDS

MOST: Final = {Nature.POWER: 1e8, Nature.REGISTER: 1e15, Nature.DELTA: 1e12}
"""Watts and joules that no meter means: int64 microjoules hold 2.5 GWh, which 100 MW draw in a day."""
MOST_OF_LEVELS: Final = 1e290
"""A sum of as many as a day holds is finite."""


def roll(
    time: Times, values: Values, metric: Metric, column: Column, *, start: int, end: int, span: int,
    run: Times | None = None,
) -> Cells:  # fmt: skip
    """Roll up one series: `time` int64[n] ascending, `values` float64[n]; see `roll_many`."""
    return roll_many(time, values[:, None], None, [metric], [column], start=start, end=end, span=span, run=run)[0]


def roll_many(
    time: Times, values: Values, present: Mask | None, metrics: Sequence[Metric], columns: Sequence[Column], *,
    start: int, end: int, span: int, run: Times | None = None,
) -> list[Cells]:  # fmt: skip
    """Roll up k series with common times into cells of `span` ns within [start, end), one by one; see `roll_table`.

    Raises ValueError when start, end or span is no multiple of 10 s, or start or end none of span.
    """
    if span <= 0 or span % FINEST or start % span or end % span:
        raise ValueError(f"cells of {span} ns in [{start}, {end}): these are no multiples of 10 s and of each other")
    rung = FINEST if span % LADDER[1] else LADDER[1]
    table = roll_table(time, values, present, metrics, columns, start=start, end=end, span=rung, run=run).coarser(span)
    return table.split(len(metrics))


def roll_table(
    time: Times, values: Values, present: Mask | None, metrics: Sequence[Metric], columns: Sequence[Column], *,
    start: int, end: int, span: int = FINEST, run: Times | None = None,
) -> Table:  # fmt: skip
    """Roll up k series with common times into one table of cells of `span` ns, 10 s or 1 min, within [start, end).

    `time` int64[n] ascending; `values` float64[n, k]; `present` bool[n, k] or None; `run` int64[n] or None. Samples
    outside the window are neighbours; each hour is judged by its samples and the nearest one on each side, per series.
    Raises ValueError when start or end is no multiple of span.
    """
    if span not in LADDER[:2] or start % span or end % span:
        raise ValueError(f"cells of {span} ns in [{start}, {end}): these are no multiples of each other")
    blocks = list(split(time, values, present, run, believed(metrics)))
    parts: list[Table] = []
    for a, b in hours(start, end):
        edges = np.arange(a, b + FINEST, FINEST, dtype=np.int64)
        for block in blocks:
            near = block.within(a - a % HOUR, a - a % HOUR + HOUR)
            if len(near.time):
                parts.append(_roll_block(near, metrics, columns, edges, span))
    return Table.of(parts) if parts else Table(np.zeros(0, np.int64), empty(span))


def hours(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield [start, end) cut at UTC hours."""
    while start < end:
        yield start, (cut := min(start - start % HOUR + HOUR, end))
        start = cut


class Samples(NamedTuple):
    """Samples of some series, all present: `places` names the series, `values` is float64[n, len(places)].

    A value that is not finite is common to all of the series. `first` and `last` bound what lies within the hour.
    """

    places: list[int]
    time: Times
    values: Values
    run: Times | None
    first: int = 0
    last: int = 0

    def within(self, start: int, end: int) -> "Samples":
        """Return the samples of [start, end) and one neighbour on each side."""
        first, last = (int(i) for i in np.searchsorted(self.time, (start, end)))
        a, b = max(first - 1, 0), min(last + 1, len(self.time))
        run = None if self.run is None else self.run[a:b]
        return Samples(self.places, self.time[a:b], self.values[a:b], run, first - a, last - a)

    def rows(self, a: int, b: int) -> "Samples":
        """Return the samples a to b, of which nothing is said about the hour."""
        return Samples(self.places, self.time[a:b], self.values[a:b], None if self.run is None else self.run[a:b])

    def one_run_at_a_time(self) -> "Samples":
        """Let one run speak at a time, where two collectors read one meter, or a clock was set back: to go to and fro
        between them would look like resets. The run that covers more of the hour is believed for the time that it
        spans, of equals the newer.
        """
        if self.run is None or (keep := _heard(self.time, self.run)).all():
            return self
        first, last = (int(np.count_nonzero(keep[:i])) for i in (self.first, self.last))
        return Samples(self.places, self.time[keep], self.values[keep], self.run[keep], first, last)


def _heard(time: Times, run: Times) -> Mask:
    """Say which samples are heard when one run speaks at a time; `time` ascends."""
    runs = np.unique(run)
    keep = np.ones(len(time), bool)
    if np.count_nonzero(run[1:] != run[:-1]) < len(runs):  # each came after the other
        return keep
    spoken = {one: time[run == one] for one in runs.tolist()}
    best = sorted(spoken, key=lambda one: (_covered(spoken[one]), one))
    for place, better in enumerate(best[1:], start=1):
        span = spoken[better]
        keep &= ~np.isin(run, best[:place]) | (time < span[0]) | (time > span[-1])
    return keep


def _covered(time: Times) -> int:
    """Return the ns between samples that are no gaps."""
    spacing = np.diff(time)
    return int(spacing[spacing <= gap_limit(spacing, Column())].sum())


def believed(metrics: Sequence[Metric]) -> Values:
    """Return the magnitude from which a value of each metric is taken for none, float64[k] (`MOST`)."""
    return np.array([MOST.get(nature(metric), MOST_OF_LEVELS) for metric in metrics])


def split(time: Times, values: Values, present: Mask | None, run: Times | None, most: Values) -> Iterator[Samples]:
    """Yield the series that are there in every frame and finite, then the others, those with equal holes together.

    What is not smaller than `most` float64[k] in magnitude is taken for NaN.
    """
    flat, bound = values.ravel(order="K"), most.min(initial=np.inf)
    clean = bool(-bound < flat.min(initial=0.0) and flat.max(initial=0.0) < bound)  # of NaN, neither is true
    if not clean:
        values = np.where(np.abs(values) < most, values, np.nan)
    whole = np.full(values.shape[1], True) if clean else np.isfinite(values).all(axis=0)
    if present is not None:
        whole &= present.all(axis=0)
    if run is not None and len(run) and (run == run[0]).all():
        run = None
    if whole.all():
        yield Samples(list(range(values.shape[1])), time, values, run)
        return
    alike: dict[bytes, list[int]] = {b"": np.flatnonzero(whole).tolist()}
    for place in np.flatnonzero(~whole).tolist():
        pattern = np.isfinite(values[:, place]).tobytes()
        if present is not None:
            there = present[:, place]
            if not there.any():
                continue
            pattern = there.tobytes() + (pattern if there.all() else np.isfinite(values[there, place]).tobytes())
        alike.setdefault(pattern, []).append(place)
    for places in alike.values():
        if not places:
            continue
        if present is None or present[:, places[0]].all():
            yield Samples(places, time, values[:, places], run)
        else:
            rows = np.flatnonzero(present[:, places[0]])
            yield Samples(places, time[rows], values[rows][:, places], None if run is None else run[rows])


def curves(
    samples: Samples, metrics: Sequence[Metric], columns: Sequence[Column]
) -> list[tuple[list[int], Curve | None]]:
    """Return the curves of one hour's samples, each with the positions in `samples` that it is of; None: levels."""
    samples = samples.one_run_at_a_time()
    groups: dict[tuple[Nature, int, float | None], list[int]] = {}
    length = np.diff(samples.time) if samples.last > samples.first else np.zeros(0, np.int64)
    limits: dict[float | None, int] = {}
    for at, place in enumerate(samples.places):
        kind, column = nature(metrics[place]), columns[place]
        if kind is not Nature.LEVEL and column.period not in limits:
            limits[column.period] = gap_limit(length, column)
        key = (kind, 0, None) if kind is Nature.LEVEL else (kind, limits[column.period], column.window)
        groups.setdefault(key, []).append(at)
    found: list[tuple[list[int], Curve | None]] = []
    registers = [(at, limit) for (kind, limit, _), group in groups.items() if kind is Nature.REGISTER for at in group]
    if registers:
        found += _registers(samples, columns, registers)
    for (kind, limit, _), group in groups.items():
        own = [columns[samples.places[at]] for at in group]
        if kind is Nature.LEVEL:
            found.append((group, None))
        elif kind is Nature.POWER:
            values = samples.values if len(group) == len(samples.places) else samples.values[:, group]
            found.append((group, power_curve(samples.time, values, own, limit, samples.run)))
        elif kind is Nature.DELTA:
            for at, column in zip(group, own, strict=True):
                found.append(([at], delta_curve(samples.time, samples.values[:, at], column, limit, samples.run)))
    return found


def _registers(
    samples: Samples, columns: Sequence[Column], registers: Sequence[tuple[int, int]]
) -> list[tuple[list[int], Curve | None]]:
    """Return the curves of registers; what is not finite was no reading, and the register is exact across it."""
    group = [at for at, _ in registers]
    time, values, first, last = samples.time, samples.values[:, group], samples.first, samples.last
    run = samples.run
    known = np.isfinite(values[:, 0])
    if not known.all():
        time, values, run = time[known], values[known], None if run is None else run[known]
        first, last = (int(np.count_nonzero(known[:i])) for i in (first, last))
    if not len(time):
        return [(group, None)]
    own, limits = [columns[samples.places[at]] for at in group], [limit for _, limit in registers]
    return [
        ([group[i] for i in places], curve)
        for places, curve in register_curves(time, values, own, limits, inside=slice(first, last), run=run)
    ]


def _roll_block(
    samples: Samples, metrics: Sequence[Metric], columns: Sequence[Column], edges: Times, span: int
) -> Table:
    """Return the cells of `span` ns of one block, from those of 10 s between `edges`."""
    statistics = _statistics(samples, edges)
    n = span // FINEST if statistics["count"].all() else 1
    c, k = (len(edges) - 1) // n, len(samples.places)
    fields = {"start": edges[:-1:n], **grouped(statistics, n)}
    fields |= {name: np.zeros((c, k), np.int64) for name in (*ADDED, *SLACKS) if name not in fields}
    fields["method"] = np.zeros((c, k), np.uint8)
    keep = np.broadcast_to(fields["count"][:, None] > 0, (c, k)).copy()
    for group, curve in curves(samples, metrics, columns):
        if curve is not None and len(curve.covered):
            energy = grouped(_energy(curve, edges), n)
            for name, values in energy.items():
                fields[name][:, group] = values if values.ndim > 1 else values[:, None]
            any_known = (energy["covered"] > 0) | (energy["gaps"] > 0) | (energy["resets"] > 0)
            keep[:, group] |= (any_known | energy["joules"].any(axis=1))[:, None]
    kept = slice(None) if keep.all() else keep.T.ravel()
    rows = {name: _by_series(values, k)[kept] for name, values in fields.items()}
    return Table(np.repeat(samples.places, c)[kept], Cells(span=n * FINEST, **rows)).coarser(span)


def _by_series(values: NDArray[Any], k: int) -> NDArray[Any]:
    """Return [c, k], or [c] that k series have in common, series after series."""
    return np.tile(values, k) if values.ndim == 1 else values.T.ravel()


def _energy(curve: Curve, edges: Times) -> dict[str, NDArray[Any]]:
    """Return the energy columns of cells between edges: [c, k], or [c] where the series have them in common."""
    at = curve.read(edges)
    joules = np.diff(at.joules, axis=0)
    covered = np.diff(at.covered)
    method = np.where(covered > 0, int(curve.method), 0).astype(np.uint8)
    if curve.average.any():
        method = _methods(curve, edges)
    return {
        "joules": joules,
        "lower": np.minimum(at.low_down[1:] - at.low_up[:-1], joules),
        "upper": np.maximum(at.high_up[1:] - at.high_down[:-1], joules),
        "down_head": at.down[:-1], "up_head": at.up[:-1], "down_tail": at.down[1:], "up_tail": at.up[1:],
        "covered": covered, "method": method,
        "gaps": _ending(curve, curve.gap, edges), "resets": _ending(curve, curve.reset, edges),
    }  # fmt: skip


def _ending(curve: Curve, which: Mask, edges: Times) -> NDArray[np.int64]:
    """Count the intervals of a kind in the cell in which they end: only then are they known."""
    counts = np.zeros(len(edges) - 1, np.int64)
    if which.any():
        cell = np.searchsorted(edges, curve.time[1:][which], side="right") - 1
        np.add.at(counts, cell[(cell >= 0) & (cell < len(counts))], 1)
    return counts


def _methods(curve: Curve, edges: Times) -> NDArray[np.uint8]:
    """Return the method bits of cells whose intervals differ in method."""
    from_average = structs.replace(curve, covered=curve.covered & curve.average).read(edges).covered
    from_ends = structs.replace(curve, covered=curve.covered & ~curve.average).read(edges).covered
    bits = np.where(np.diff(from_average) > 0, 4, 0) | np.where(np.diff(from_ends) > 0, int(curve.method), 0)
    return np.asarray(bits, np.uint8)


def _statistics(samples: Samples, edges: Times) -> dict[str, NDArray[Any]]:
    """Return count [c], and sum, min, max, first and last [c, k], of the finite samples between edges."""
    time, values = samples.time, samples.values
    known = np.isfinite(values[:, 0])
    if not known.all():
        time, values = time[known], values[known]
    place = np.searchsorted(time, edges)
    first, count = place[:-1], np.diff(place)
    fields: dict[str, NDArray[Any]] = {"count": count.astype(np.int64)}
    filled = np.flatnonzero(count)
    if len(filled):
        ends = values[first[filled]], values[(first + count - 1)[filled]]
        found = dict(zip(FLOATS, (*folded(values, first[filled], count[filled]), *ends), strict=True))
        if len(filled) == len(count):
            return fields | found
    for name in FLOATS:
        fields[name] = np.full((len(count), values.shape[1]), 0.0 if name == "sum" else np.nan)
        if len(filled):
            fields[name][filled] = found[name]
    return fields

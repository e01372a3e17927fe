"""Energy of a window straight from the samples of an hour, without cells between: for exact answers about raw history.

The same curves as the roll-ups, so the joules are those of the cells to the microjoule; the bounds are at least as
narrow, since they are rounded once and not cell by cell. Power without a window average has a way of its own that makes
no curve: sums over intervals, in slices that stay in the processor's cache.
"""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from wattline.core.counter import Joules
from wattline.core.curve import PER_NS, Curve, Method, quadratic
from wattline.core.integral import EXACT, Nature, gap_limit, nature, trapezoid
from wattline.core.rollup import Samples, curves
from wattline.model import Column, Mask, Metric, Times, Values

_SLICE = 1 << 16
"""Values per slice: 512 KiB, which with what it is made from fit into a second-level cache."""


class Part(Struct, frozen=True, eq=False):
    """Energy of some series, `places`, over one piece of a window: all int64[k] or numbers that they have in common.

    `peak` float64[k] is the highest power seen, in watts; the rest is named as in `Cells`.
    """

    places: list[int]
    joules: Joules
    lower: Joules
    upper: Joules
    down_head: Joules
    up_head: Joules
    down_tail: Joules
    up_tail: Joules
    covered: int
    gaps: int
    resets: int
    method: int
    peak: Values


class Hour(NamedTuple):
    """The samples of one hour, which may be none, and the sample before and after it, if there is one."""

    inside: Samples
    before: Samples | None = None
    after: Samples | None = None

    def whole(self) -> Samples:
        """Return all in one."""
        n = len(self.inside.time)
        parts = [part for part in (self.before, self.inside, self.after) if part is not None and len(part.time)]
        first = 0 if self.before is None else 1
        return joined(parts)._replace(first=first, last=first + n)


def joined(parts: Sequence[Samples]) -> Samples:
    """Put samples of the same series one behind the other."""
    if len(parts) == 1:
        return parts[0]
    runs = [part.run for part in parts if part.run is not None]
    return Samples(
        parts[0].places,
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate(runs) if len(runs) == len(parts) else None,
    )


def between(hour: Hour, metrics: Sequence[Metric], columns: Sequence[Column], start: int, end: int) -> list[Part]:
    """Return the energy of an hour's samples from `start` to `end` within that hour; of levels nothing."""
    own = [columns[place] for place in hour.inside.places]
    if _plain_power(hour.inside, metrics, columns) and _forward(hour.inside.run):
        return [_power(hour, own, start, end)]
    samples = hour.whole()
    edges = np.array([start, end], np.int64)
    return [
        _of_curve([samples.places[at] for at in group], curve, edges)
        for group, curve in curves(samples, metrics, columns)
        if curve is not None and len(curve.covered)
    ]


def _forward(run: Times | None) -> bool:
    """Say whether no run speaks of a time after a newer one has begun."""
    return run is None or bool((run[1:] >= run[:-1]).all())


def _plain_power(samples: Samples, metrics: Sequence[Metric], columns: Sequence[Column]) -> bool:
    first = columns[samples.places[0]]
    return first.period is not None and all(
        nature(metrics[place]) is Nature.POWER
        and columns[place].window is None
        and not columns[place].accuracy
        and columns[place].period == first.period
        for place in samples.places
    )


def _of_curve(places: list[int], curve: Curve, edges: Times) -> Part:
    at = curve.read(edges)
    joules = at.joules[1] - at.joules[0]
    ending = (curve.time[1:] >= edges[0]) & (curve.time[1:] < edges[1])
    covered = int(at.covered[1] - at.covered[0])
    length = np.diff(curve.time)
    touched = curve.covered & (curve.time[1:] > edges[0]) & (curve.time[:-1] < edges[1]) & (length > 0)
    steps = curve.energy[touched] / (length[touched, None] * PER_NS)
    method = int(curve.method) if covered else 0
    slack = [np.broadcast_to(side, joules.shape) for side in (at.down[0], at.up[0], at.down[1], at.up[1])]
    if curve.average.any():
        used = (Method.WINDOW_AVERAGE, touched & curve.average), (Method.TRAPEZOID, touched & ~curve.average)
        method = sum(int(word) for word, which in used if which.any())
    return Part(
        places=places, joules=joules,
        lower=np.minimum(at.low_down[1] - at.low_up[0], joules),
        upper=np.maximum(at.high_up[1] - at.high_down[0], joules),
        down_head=slack[0], up_head=slack[1], down_tail=slack[2], up_tail=slack[3], covered=covered,
        gaps=int(np.count_nonzero(curve.gap & ending)), resets=int(np.count_nonzero(curve.reset & ending)),
        method=method, peak=steps.max(axis=0, initial=0.0),
    )  # fmt: skip


def _power(hour: Hour, columns: Sequence[Column], start: int, end: int) -> Part:
    """Sum the intervals that lie in [start, end) whole, and cut the two or four others."""
    inside = hour.inside
    time, watts, run = inside.time, inside.values, inside.run
    limit = gap_limit(time[:0], columns[0])  # the period is known, so no spacing matters
    first, last = np.searchsorted(time, [start, end]).tolist()
    if last < len(time) and time[last] == end:
        last += 1
    sums = _whole(time[first:last], watts[first:last], None if run is None else run[first:last], limit, end)
    for i in {first - 1, last - 1}:
        if 0 <= i < len(time) - 1:
            sums = sums.plus(_cut(inside.rows(i, i + 1), inside.rows(i + 1, i + 2), limit, start, end))
    later = inside if len(time) else hour.after
    if hour.before is not None and later is not None and (not len(time) or start <= time[0]):
        sums = sums.plus(_cut(hour.before, later, limit, start, end))
    if hour.after is not None and len(time) and time[-1] < end:
        sums = sums.plus(_cut(inside, hour.after, limit, start, end))
    peak = sums.peak
    if any(column.rated is None for column in columns) and last > first:
        seen = watts[first:last]
        peak = np.maximum(peak, np.where(np.isfinite(seen), seen, 0.0).max(axis=0))
    none = np.zeros(len(columns), np.int64)
    return Part(
        places=inside.places, joules=sums.joules, lower=sums.joules - sums.below, upper=sums.joules + sums.above,
        down_head=none, up_head=none, down_tail=none, up_tail=none, covered=sums.covered, gaps=sums.gaps, resets=0,
        method=int(Method.TRAPEZOID) if sums.covered else 0, peak=peak,
    )  # fmt: skip


class _Sums(NamedTuple):
    """Joules [k] of some intervals, how much less and more it may be, covered ns, gaps, and the highest watts [k]."""

    joules: Joules
    below: Joules
    above: Joules
    covered: int
    gaps: int
    peak: Values

    def plus(self, more: "_Sums") -> "_Sums":
        return _Sums(
            self.joules + more.joules, self.below + more.below, self.above + more.above,
            self.covered + more.covered, self.gaps + more.gaps, np.maximum(self.peak, more.peak),
        )  # fmt: skip


def _cut(before: Samples, after: Samples, limit: int, start: int, end: int) -> _Sums:
    """Return what the interval from the last sample of `before` to the first of `after` gives from `start` to `end`."""
    t0, t1, p0, p1 = int(before.time[-1]), int(after.time[0]), before.values[-1], after.values[0]
    none = np.zeros(len(p0), np.int64)
    known = isfinite(p1[0])
    covered = t1 - t0 <= limit and known and isfinite(p0[0])
    if before.run is not None and after.run is not None and before.run[-1] != after.run[0]:
        covered = False
    gaps = int(known and not covered and start <= t1 < end)
    a, b = max(start, t0), min(end, t1)
    if not covered or a >= b:
        return _Sums(none, none, none, 0, gaps, np.zeros(len(p0)))
    joules = (_until(p0, p1, b, t0, t1) - _until(p0, p1, a, t0, t1)).astype(np.int64)
    most, least = np.maximum(p0, p1), np.minimum(p0, p1)
    below = np.ceil(np.maximum(joules - least * ((b - a) * PER_NS), 0)).astype(np.int64)
    above = np.ceil(np.maximum(most * ((b - a) * PER_NS) - joules, 0)).astype(np.int64)
    return _Sums(joules, below, above, b - a, gaps, most)


def _until(p0: Values, p1: Values, t: int, t0: int, t1: int) -> Values:
    """Return the curve of one interval at `t`, rounded: exactly the curve of core/integral."""
    if t == t1:
        return trapezoid(p0, p1, t1 - t0)
    return quadratic(p0, p1, t - t0, t1 - t0) if t > t0 else np.zeros(len(p0))


def _whole(time: Times, watts: Values, run: Times | None, limit: int, end: int) -> _Sums:
    """Return the sums over all intervals between the samples given; the peak is left to who needs it."""
    none = np.zeros(watts.shape[1], np.int64)
    if len(time) < 2:
        return _Sums(none, none, none, 0, 0, np.zeros(len(none)))
    length = np.diff(time)
    covered, known = _covered(length, watts, run, limit)
    if not known.all():
        watts = np.where(known[:, None], watts, 0.0)
    gaps = 0
    if not covered.all():
        gaps = int(np.count_nonzero(~covered & known[1:] & (time[1:] < end)))
        length = np.where(covered, length, 0)
    if max(float(watts.max()), -float(watts.min())) * PER_NS * 4 * int(time[-1] - time[0]) >= EXACT:
        steps = trapezoid(watts[:-1], watts[1:], length[:, None]).astype(np.int64)
        half = np.abs(np.diff(watts, axis=0)) * (length[:, None] * (PER_NS / 2))
        joules, spread = steps.sum(axis=0), half.sum(axis=0)
    else:
        joules, spread = _sums(watts, length)
    # The relative part covers what the sum of floats lost; half a microjoule an interval what rounding did.
    slack = np.ceil(spread * (1 + 1e-12) + 0.5 * len(length)).astype(np.int64)
    return _Sums(joules, slack, slack, int(length.sum()), gaps, np.zeros(len(none)))


def _covered(length: Times, watts: Values, run: Times | None, limit: int) -> tuple[Mask, Mask]:
    covered = length <= limit
    known = np.isfinite(watts[:, 0])
    if not known.all():
        covered &= known[1:] & known[:-1]
    if run is not None:
        covered &= run[1:] == run[:-1]
    return covered, known


def _sums(watts: Values, length: Times) -> tuple[Joules, Values]:
    """Return the rounded trapezoids of all intervals summed, and half of |step| x dt summed: each [k].

    Sums of whole numbers below 2^53 are exact in any order. No BLAS: its threads would spin beside so little work.
    """
    series = np.ascontiguousarray(watts.T)  # which is how a store gives them
    k, rows = series.shape
    scale = length * (PER_NS / 2)
    size = max(_SLICE // k, 1)
    buffer = np.empty((k, min(size, rows)))
    joules, spread = np.zeros(k), np.zeros(k)
    for a in range(0, rows - 1, size):
        b = min(a + size, rows - 1)
        start, end, work, by = series[:, a:b], series[:, a + 1 : b + 1], buffer[:, : b - a], scale[a:b]
        np.subtract(end, start, out=work)
        np.abs(work, out=work)
        spread += np.einsum("ij,j->i", work, by)
        np.add(start, end, out=work)
        work *= by
        np.rint(work, out=work)
        joules += np.einsum("ij->i", work)
    return joules.astype(np.int64), spread

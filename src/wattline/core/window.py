"""Energy of a window straight from the samples of an hour, without cells between: for exact answers about raw history.

The same curves as the roll-ups, so the joules are those of the cells to the microjoule; the bounds are at least as
narrow, since they are rounded once and not cell by cell. Power without a window average has a way of its own that makes
no curve: sums over intervals, in slices that stay in the processor's cache.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wattline.core.counter import Joules
from wattline.core.integral import EXACT, PER_NS, Curve, Method, Nature, gap_limit, nature, power_curve, trapezoid
from wattline.core.rollup import Samples, curves
from wattline.model import Column, Mask, Metric, Times, Values

_SLICE = 1 << 14
"""Values per slice: 128 KiB, a few of which fit into a second-level cache."""


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


def between(samples: Samples, metrics: Sequence[Metric], columns: Sequence[Column], start: int, end: int) -> list[Part]:
    """Return the energy of one hour's samples (and neighbours) from `start` to `end` within that hour; no levels."""
    if _plain_power(samples, metrics, columns):
        return [_power(samples.one_run_at_a_time(), [columns[place] for place in samples.places], start, end)]
    edges = np.array([start, end], np.int64)
    return [
        _of_curve([samples.places[at] for at in group], curve, edges)
        for group, curve in curves(samples, metrics, columns)
        if curve is not None and len(curve.covered)
    ]


def _plain_power(samples: Samples, metrics: Sequence[Metric], columns: Sequence[Column]) -> bool:
    first = columns[samples.places[0]]
    return first.window is None and all(
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
    steps = np.diff(curve.total, axis=0)[touched] / (length[touched, None] * PER_NS)
    method = int(curve.method) if covered else 0
    if curve.average.any():
        used = (Method.WINDOW_AVERAGE, touched & curve.average), (Method.TRAPEZOID, touched & ~curve.average)
        method = sum(int(word) for word, which in used if which.any())
    return Part(
        places=places, joules=joules,
        lower=np.minimum(at.low_down[1] - at.low_up[0], joules),
        upper=np.maximum(at.high_up[1] - at.high_down[0], joules),
        down_head=at.down[0], up_head=at.up[0], down_tail=at.down[1], up_tail=at.up[1], covered=covered,
        gaps=int(np.count_nonzero(curve.gap & ending)), resets=int(np.count_nonzero(curve.reset & ending)),
        method=method, peak=steps.max(axis=0, initial=0.0),
    )  # fmt: skip


def _power(samples: Samples, columns: Sequence[Column], start: int, end: int) -> Part:
    """Sum the intervals that lie in [start, end) whole, and read the curve of the two that may be cut."""
    time, watts, run = samples.time, samples.values, samples.run
    limit = gap_limit(np.diff(time) if samples.last > samples.first else time[:0], columns[0])
    first, last = (int(i) for i in np.searchsorted(time, (start, end)))  # time[first] >= start, time[last - 1] < end
    if last < len(time) and time[last] == end:
        last += 1
    joules, lower, upper, peak, covered, gaps = _whole(
        time[first:last], watts[first:last], None if run is None else run[first:last], limit, end
    )
    edges = np.array([start, end], np.int64)
    for i in {i for i in (first - 1, last - 1) if 0 <= i < len(time) - 1}:
        two = slice(i, i + 2)
        cut = _of_curve(
            [], power_curve(time[two], watts[two], columns, limit, None if run is None else run[two]), edges
        )
        joules, lower, upper = joules + cut.joules, lower + cut.lower, upper + cut.upper
        covered, gaps, peak = covered + cut.covered, gaps + cut.gaps, np.maximum(peak, cut.peak)
    none = np.zeros(len(columns), np.int64)
    return Part(
        places=samples.places, joules=joules, lower=lower, upper=upper, down_head=none, up_head=none, down_tail=none,
        up_tail=none, covered=covered, gaps=gaps, resets=0, method=int(Method.TRAPEZOID) if covered else 0, peak=peak,
    )  # fmt: skip


def _whole(
    time: Times, watts: Values, run: Times | None, limit: int, end: int
) -> tuple[Joules, Joules, Joules, Values, int, int]:
    """Return joules, lower, upper, peak [k], covered ns and gaps of all intervals between the samples given."""
    k = watts.shape[1]
    none = np.zeros(k, np.int64)
    if not len(time):
        return none, none, none, np.zeros(k), 0, 0
    length = np.diff(time)
    covered, known = _covered(length, watts, run, limit)
    if not known.all():
        watts = np.where(known[:, None], watts, 0.0)
    peak = watts.max(axis=0)
    gaps = int(np.count_nonzero(~covered & known[1:] & (time[1:] < end)))
    if not covered.all():
        length = np.where(covered, length, 0)
    if max(float(peak.max()), -float(watts.min())) * PER_NS * 4 * int(time[-1] - time[0]) >= EXACT:
        steps = trapezoid(watts[:-1], watts[1:], length[:, None]).astype(np.int64)
        half = np.abs(np.diff(watts, axis=0)) * (length[:, None] * (PER_NS / 2))
        joules, spread = steps.sum(axis=0), half.sum(axis=0)
    else:
        joules, spread = _sums(watts, length)
    # The relative part covers what the sum of floats lost; half a microjoule an interval what rounding did.
    slack = np.ceil(spread * (1 + 1e-12) + 0.5 * len(length)).astype(np.int64)
    return joules, joules - slack, joules + slack, peak, int(length.sum()), gaps


def _covered(length: Times, watts: Values, run: Times | None, limit: int) -> tuple[Mask, Mask]:
    covered = length <= limit
    known = np.isfinite(watts[:, 0])
    if not known.all():
        covered &= known[1:] & known[:-1]
    if run is not None:
        covered &= run[1:] == run[:-1]
    return covered, known


def _sums(watts: Values, length: Times) -> tuple[Joules, Values]:
    """Return the rounded trapezoids of all intervals summed, and half of |step| x dt summed: each [k]."""
    rows, k = watts.shape
    scale = length * (PER_NS / 2)
    size = max(_SLICE // k, 1)
    buffer = np.empty((min(size, rows), k))
    joules, spread = np.zeros(k), np.zeros(k)
    for a in range(0, rows - 1, size):
        b = min(a + size, rows - 1)
        start, end, work, by = watts[a:b], watts[a + 1 : b + 1], buffer[: b - a], scale[a:b]
        np.subtract(end, start, out=work)
        np.abs(work, out=work)
        spread += by @ work
        np.add(start, end, out=work)
        work *= by[:, None]
        np.rint(work, out=work)
        joules += _column_sums(work)
    return joules.astype(np.int64), spread


def _column_sums(values: Values) -> NDArray[np.float64]:
    return np.ones(len(values)) @ values if values.shape[1] > 1 else values.sum(axis=0)

"""Energy of intervals: what two neighbouring samples say about the time between them.

Each interval has a curve C(t), the microjoules from its start to t, rounded to an integer. The energy between a and b
is C(b) - C(a), so cuts telescope: energies of adjacent windows add up exactly, wherever they are cut.

    nature     interval                                  curve        bounds of a whole interval
    power      trapezoid over watts                      quadratic    least .. greatest of the ends x dt, +- class
    power      `window` equals the spacing: average      linear       value x dt, +- class
    register   difference of joules (core/counter)       linear       itself; the resolution lies at the edges
    delta      joules since the sample before            linear       itself
    level      none

Where only the energy of an interval is known and not its shape (linear), an edge inside is uncertain: with c = C(t) and
d the energy of all, the truth at t lies in [max(0, d - rated (t1 - t)), min(d, rated (t - t0))], without `rated` in
[0, d]. An edge therefore has a slack (`down`, `up`), and what joins at an edge cancels there.

Covered is what was measured. A gap, a new era of a register and a change of run before a power sample are not covered;
a register is covered over any length, since its energy is exact and only its shape is unknown.
"""

import enum
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wattline.core import counter
from wattline.core.counter import Joules
from wattline.model import Column, Kind, Mask, Metric, Times, Values
from wattline.units import MICROJOULES, NANOSECONDS, Unit

LEAST_GAP: Final = 10 * NANOSECONDS
"""No interval of up to this length is a gap."""
GAP_PERIODS: Final = 3
WINDOW_TOLERANCE: Final = 0.05
"""By which share the spacing may differ from the averaging window that it is taken for."""
PER_NS: Final = 1e-3
"""Microjoules that a watt makes in a nanosecond."""
EXACT: Final = 2.0**53
"""Below it sums of integers are exact in float64."""
Totals = NDArray[np.int64] | NDArray[np.float64]


class Nature(enum.Enum):
    """How the samples of a metric turn into energy."""

    POWER = "power"
    REGISTER = "register"
    DELTA = "delta"
    LEVEL = "level"


class Method(enum.IntFlag):
    """How energy was had; the bits of `Cells.method`."""

    REGISTER = 1
    TRAPEZOID = 2
    WINDOW_AVERAGE = 4
    DELTA = 8


METHOD_WORDS: Final = {
    Method.REGISTER: "register",
    Method.WINDOW_AVERAGE: "window average",
    Method.TRAPEZOID: "trapezoid",
    Method.DELTA: "delta",
}

_NATURES: Final = {
    (Kind.GAUGE, Unit.WATT): Nature.POWER,
    (Kind.COUNTER, Unit.JOULE): Nature.REGISTER,
    (Kind.DELTA, Unit.JOULE): Nature.DELTA,
}


def nature(metric: Metric) -> Nature:
    """Return how a metric gives energy; kind and unit say it, nothing is guessed."""
    return _NATURES.get((metric.kind, metric.unit), Nature.LEVEL)


def gap_limit(length: Times, column: Column) -> int:
    """Return the ns above which an interval is a gap: three periods, else three medians of `length`, at least 10 s.

    `length` holds the intervals that touch an hour (ns); none where the hour holds no sample. Of an even number the
    lower median is taken, so that a sample alone at the end of an hour does not make the hole behind it a habit.
    """
    if column.period is not None:
        return max(round(GAP_PERIODS * column.period * NANOSECONDS), LEAST_GAP)
    if not len(length):
        return LEAST_GAP
    middle = (len(length) - 1) // 2
    return max(GAP_PERIODS * int(np.partition(length, middle)[middle]), LEAST_GAP)


class Reading(Struct, frozen=True, eq=False):
    """A curve read at m edges: int64[m, k] but for `covered` int64[m], all counted from the first sample.

    `low_*` and `high_*` are the bounds' own curves: rounded down and up, since a lower bound is read down at the end of
    a window and up at its start.
    """

    joules: Joules
    low_down: Joules
    low_up: Joules
    high_down: Joules
    high_up: Joules
    down: Joules
    up: Joules
    covered: Times


class Curve(Struct, frozen=True, eq=False):
    """The curves of k series with common times and a common fate (what is covered): n samples, n - 1 intervals.

    `total` [n, k] are microjoules from the first sample to each; `below` and `above` [n, k] by how much less and more
    it may be, None: by nothing. They are int64, or float64 that are integers below 2^53. `ends` are the watts at both
    ends of each interval where the curve is quadratic, None where it is linear. `resolution` is int64[k]; `rated`
    watts[k], inf where unknown; `accuracy` a ratio[k].
    """

    time: Times
    total: Totals
    below: Totals | None
    above: Totals | None
    covered: Mask
    gap: Mask
    reset: Mask
    method: Method
    average: Mask
    ends: tuple[Values, Values] | None
    resolution: Joules
    rated: Values
    accuracy: Values

    def read(self, edges: Times) -> Reading:
        """Read the curve at edges (ns, ascending); beyond the samples it is flat."""
        n = len(self.time)
        after = np.searchsorted(self.time, edges)  # samples[after - 1] < edge <= samples[after]
        whole = np.minimum(after, n - 1)
        cut = np.flatnonzero((after > 0) & (after < n) & (self.time[whole] != edges))
        whole[cut] -= 1
        joules = _integers(self.total[whole])
        low = joules if self.below is None else joules - _integers(self.below[whole])
        high = joules if self.above is None else joules + _integers(self.above[whole])
        covered = self.covered_until()[whole]
        up = np.repeat(self.resolution[None, :], len(edges), axis=0)
        reading = Reading(joules, low, low, high, high, np.zeros_like(joules), up, covered)
        return self._cut(reading, edges, cut, whole[cut]) if len(cut) else reading

    def covered_until(self) -> Times:
        """Return the covered ns from the first sample to each."""
        return np.concatenate([[0], np.cumsum(np.where(self.covered, np.diff(self.time), 0))])

    def _cut(self, at: Reading, edges: Times, cut: NDArray[np.intp], place: NDArray[np.intp]) -> Reading:
        """Add to a reading at the edges `cut` what the intervals `place`, in which they lie, give until there."""
        passed = (edges[cut] - self.time[place])[:, None]
        length = (self.time[place + 1] - self.time[place])[:, None]
        energy = _integers(self.total[place + 1]) - _integers(self.total[place])
        slack = _slack(energy, passed, length, self.rated)
        if self.ends is None:
            part = np.rint(energy * (passed / length))
            bounds = self._linear_bounds(place, energy, passed / length)
        else:
            part, bounds = self._power_bounds(place, passed, length)
            flat = self.average[place][:, None]
            slack = np.where(flat, slack[0], 0), np.where(flat, slack[1], 0)
        fields = (at.joules, at.low_down, at.low_up, at.high_down, at.high_up, at.down, at.up)
        sums = [_plus(field, cut, more) for field, more in zip(fields, (part, *bounds, *slack), strict=True)]
        covered = at.covered.copy()
        covered[cut] += np.where(self.covered[place], passed[:, 0], 0)
        joules, low_down, low_up, high_down, high_up, down, up = sums
        return Reading(joules, low_down, low_up, high_down, high_up, down, up, covered)

    def _power_bounds(self, place: NDArray[np.intp], passed: Times, length: Times) -> tuple[Values, list[Values]]:
        assert self.ends is not None
        start, end = self.ends[0][place], self.ends[1][place]
        counts = self.covered[place][:, None] * (passed * PER_NS)
        least, most = widened(np.minimum(start, end), np.maximum(start, end), self.accuracy)
        least, most = least * counts, most * counts
        part = np.where(self.covered[place][:, None], quadratic(start, end, passed, length), 0.0)
        return part, [np.floor(least), np.ceil(least), np.floor(most), np.ceil(most)]

    def _linear_bounds(self, place: NDArray[np.intp], energy: Joules, share: Values) -> list[Values]:
        # Where an era breaks, the resolution that is lost with it counts from the end of the interval on.
        lost = np.where(self.reset[place][:, None], self.resolution, 0)
        below = 0 if self.below is None else self.below[place + 1] - self.below[place] - lost
        above = 0 if self.above is None else self.above[place + 1] - self.above[place] - lost
        low, high = np.rint((energy - below) * share), np.rint((energy + above) * share)
        return [low, low, high, high]


def _plus(whole: Joules, cut: NDArray[np.intp], part: Values | Joules) -> Joules:
    result = whole.copy()
    result[cut] += _integers(part)
    return result


def _slack(energy: Joules, passed: Times, length: Times, rated: Values) -> tuple[Joules, Joules]:
    """Return by how much the truth may lie below and above a straight line inside intervals of known energy."""
    here = _integers(np.rint(energy * (passed / length)))
    low = np.maximum(0, energy - rated * ((length - passed) * PER_NS))  # an edge lies strictly inside: no inf x 0
    high = np.minimum(energy, rated * (passed * PER_NS))
    return np.maximum(here - _integers(np.floor(low)), 0), np.maximum(_integers(np.ceil(high)) - here, 0)


def quadratic(start: Values, end: Values, passed: Times | int, length: Times | int) -> Values:
    """Return the rounded microjoules after `passed` of `length` ns between linear watts, broadcast."""
    return np.asarray(np.rint((start + (end - start) * (passed / (2.0 * length))) * (passed * PER_NS)), np.float64)


def trapezoid(start: Values, end: Values, length: Times | int) -> Values:
    """Return the rounded microjoules of whole intervals (ns), broadcast."""
    result = start + end
    result *= length * (PER_NS / 2)
    return np.rint(result, out=result)


def spread(start: Values, end: Values, length: Times) -> Values:
    """Return by how many microjoules, at most, a monotone power differs from the rounded trapezoid, broadcast."""
    result = end - start
    np.abs(result, out=result)
    result *= length * (PER_NS / 2)
    result += 0.5  # what the trapezoid lost when it was rounded
    return np.ceil(result, out=result)


def widened(least: Values, most: Values, accuracy: Values) -> tuple[Values, Values]:
    """Widen watts by the accuracy class."""
    if not accuracy.any():
        return least, most
    return least - np.abs(least) * accuracy, most + np.abs(most) * accuracy


def power_curve(time: Times, watts: Values, columns: Sequence[Column], limit: int, run: Times | None) -> Curve:
    """Return the curve of power series, watts float64[n, k], that share `limit` and `Column.window`.

    A sample that is not finite must be common to all of them.
    """
    length = np.diff(time)
    covered = length <= limit
    known = np.isfinite(watts[:, 0])
    if not known.all():
        watts = np.where(known[:, None], watts, 0.0)
        covered &= known[1:] & known[:-1]
    if run is not None:
        covered &= run[1:] == run[:-1]
    start, end = watts[:-1], watts[1:]
    average = np.zeros(len(length), bool)
    if columns[0].window is not None:
        window = columns[0].window * NANOSECONDS
        average = covered & (np.abs(length - window) <= WINDOW_TOLERANCE * window)
        start = np.where(average[:, None], end, start)
    if not covered.all():
        start, end = np.where(covered[:, None], start, 0.0), np.where(covered[:, None], end, 0.0)
    scale = length[:, None]
    energy = trapezoid(start, end, scale)
    accuracy = np.array([column.accuracy or 0.0 for column in columns])
    below = above = spread(start, end, scale)
    if accuracy.any():
        least, most = widened(np.minimum(start, end), np.maximum(start, end), accuracy)
        below = np.ceil(np.maximum(energy - least * (scale * PER_NS), 0))
        above = np.ceil(np.maximum(most * (scale * PER_NS) - energy, 0))
    small = max(watts.max(), -watts.min()) * PER_NS * 4 * (time[-1] - time[0]) < EXACT
    total, below_total = _from_zero(energy, small), _from_zero(below, small)
    return Curve(
        time=time, total=total, below=below_total,
        above=below_total if above is below else _from_zero(above, small),
        covered=covered, gap=~covered & known[1:], reset=np.zeros(len(length), bool), method=Method.TRAPEZOID,
        average=average, ends=(start, end), resolution=np.zeros(len(columns), np.int64), rated=_rated(columns),
        accuracy=accuracy,
    )  # fmt: skip


def register_curves(
    time: Times, joules: Values, columns: Sequence[Column], limits: Sequence[int], inside: slice
) -> list[tuple[list[int], Curve]]:
    """Return curves of registers, joules float64[n, k] finite: the well-behaved together, the others one by one."""
    length = np.diff(time)
    delta = counter.differences(joules)
    odd: Mask = np.asarray((delta < 0).any(axis=0))
    for place, column in enumerate(columns):
        odd[place] |= bool((delta[:, place] > counter.step_limit(length, column)).any())
    groups: dict[int, list[int]] = {}
    for place in np.flatnonzero(~odd).tolist():
        groups.setdefault(limits[place], []).append(place)
    none = np.zeros(len(length), bool)
    curves = [
        (
            places,
            _linear(
                time, delta[:, places], [columns[p] for p in places], covered=~none, gap=length > limit, reset=none
            ),
        )
        for limit, places in groups.items()
    ]
    for place in np.flatnonzero(odd).tolist():
        found = counter.steps(time, joules[:, place], columns[place], inside)
        energy, gap = found.energy[:, None], length > limits[place]
        whole = ~found.broken
        curve = _linear(time, energy, [columns[place]], covered=whole, gap=gap & whole, reset=found.broken)
        curves.append(([place], curve))
    return curves


def delta_curve(time: Times, joules: Values, column: Column, limit: int, run: Times | None) -> Curve:
    """Return the curve of one series of deltas, joules float64[n].

    After a gap the value still counts, but what came before it was lost with the samples that are missing.
    """
    length = np.diff(time)
    value = joules[1:]
    known = np.isfinite(value) & (value >= 0)
    covered = known & (length <= limit)
    if run is not None:
        covered &= run[1:] == run[:-1]
    energy = _integers(np.rint(np.where(known, value, 0.0) * MICROJOULES))[:, None]
    none = np.zeros(len(length), bool)
    return _linear(time, energy, [column], covered=covered, gap=known & ~covered, reset=none, method=Method.DELTA)


def _linear(
    time: Times, energy: Joules, columns: Sequence[Column], *, covered: Mask, gap: Mask, reset: Mask,
    method: Method = Method.REGISTER,
) -> Curve:  # fmt: skip
    """Return a curve of intervals whose energy is known and whose shape is not."""
    resolution = np.array([_resolution(column) for column in columns], np.int64)
    below = above = None
    if not covered.all():
        # What is not covered gets floor x dt when it is asked for; together they must not exceed the truth.
        sure = np.ceil(np.diff(time)[:, None] * (PER_NS * np.array([c.floor for c in columns])))
        lost = np.where(reset[:, None], resolution, 0)
        below = _from_zero(np.where(covered[:, None], 0, np.minimum(energy, _integers(sure)) + lost))
        above = _from_zero(lost)
    return Curve(
        time=time, total=_from_zero(energy), below=below, above=above, covered=covered, gap=gap, reset=reset,
        method=method, average=np.zeros(len(covered), bool), ends=None, resolution=resolution, rated=_rated(columns),
        accuracy=np.zeros(len(columns)),
    )  # fmt: skip


def _resolution(column: Column) -> int:
    return int(np.ceil(column.resolution * MICROJOULES))


def _rated(columns: Sequence[Column]) -> Values:
    return np.array([np.inf if column.rated is None else column.rated for column in columns])


def _integers(values: Totals) -> Joules:
    return values.astype(np.int64, copy=False)


def _from_zero(steps: Totals, small: bool = False) -> Totals:
    """Return sums from the first sample to each, int64 or, where they stay `small`, in the type of the steps."""
    exact = steps if small else _integers(steps)
    start = np.zeros((1, exact.shape[1]), exact.dtype)
    return np.concatenate([start, np.cumsum(exact, axis=0)])

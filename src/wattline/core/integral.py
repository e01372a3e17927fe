"""Energy of intervals: what two neighbouring samples say about the time between them.

Each interval has a curve C(t), the microjoules from its start to t, rounded to an integer. The energy between a and b is
C(b) - C(a), so cuts telescope: energies of adjacent windows add up exactly, wherever they are cut.

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


def gap_limit(length: Times, period: float | None) -> int:
    """Return the ns above which an interval is a gap: three periods, else three medians of `length`, at least 10 s."""
    if period is not None:
        return max(round(GAP_PERIODS * period * NANOSECONDS), LEAST_GAP)
    return max(GAP_PERIODS * int(np.median(length)), LEAST_GAP) if len(length) else LEAST_GAP


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

    `energy`, `low` and `high` are int64[n - 1, k] microjoules of whole intervals. `ends` are the watts at both ends of
    each interval where the curve is quadratic, None where it is linear. `resolution` is int64[k]; `rated` watts[k], inf
    where unknown; `accuracy` a ratio[k].
    """

    time: Times
    energy: Joules
    low: Joules
    high: Joules
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
        place = after[cut] - 1
        joules, low, high = (total[whole] for total in self._totals())
        length = np.diff(self.time)
        covered = np.concatenate([[0], np.cumsum(np.where(self.covered, length, 0))])[whole]
        passed = edges[cut] - self.time[place]
        covered[cut] += np.where(self.covered[place], passed, 0)
        reading = Reading(
            joules, low, low.copy(), high, high.copy(), np.zeros_like(joules), self._rest(len(edges)), covered
        )
        if len(cut):
            self._cut(reading, cut, place, passed[:, None], length[place][:, None])
        return reading

    def _totals(self) -> tuple[Joules, Joules, Joules]:
        joules = _from_zero(self.energy)
        low = joules if self.low is self.energy else _from_zero(self.low)
        high = joules.copy() if self.high is self.energy else _from_zero(self.high)
        return joules, low.copy() if low is joules else low, high

    def _rest(self, m: int) -> Joules:
        return np.repeat(self.resolution[None, :], m, axis=0)

    def _cut(self, at: Reading, cut: NDArray[np.intp], place: NDArray[np.intp], passed: Times, length: Times) -> None:
        """Add to a reading what the interval `place` gives in the `passed` of its `length` (ns, [c, 1])."""
        if self.ends is None:
            self._cut_linear(at, cut, place, passed, length)
            return
        start, end = self.ends[0][place], self.ends[1][place]
        at.joules[cut] += quadratic(start, end, passed, length)
        least, most = widened(np.minimum(start, end), np.maximum(start, end), self.accuracy)
        counts = self.covered[place][:, None]
        least, most = np.where(counts, least, 0.0) * (passed * PER_NS), np.where(counts, most, 0.0) * (passed * PER_NS)
        at.low_down[cut] += _integers(np.floor(least))
        at.low_up[cut] += _integers(np.ceil(least))
        at.high_down[cut] += _integers(np.floor(most))
        at.high_up[cut] += _integers(np.ceil(most))
        average = self.average[place]
        if average.any():
            some = cut[average]
            at.down[some], at.up[some] = self._slack(place[average], passed[average], length[average])

    def _cut_linear(
        self, at: Reading, cut: NDArray[np.intp], place: NDArray[np.intp], passed: Times, length: Times
    ) -> None:
        share = passed / length
        at.joules[cut] += _integers(np.rint(self.energy[place] * share))
        # Where an era breaks, the resolution that is lost with it counts from the end of the interval on.
        lost = np.where(self.reset[place][:, None], self.resolution, 0)
        low, high = (self.low[place] + lost) * share, (self.high[place] - lost) * share
        for target, part in ((at.low_down, low), (at.low_up, low), (at.high_down, high), (at.high_up, high)):
            target[cut] += _integers(np.rint(part))
        down, up = self._slack(place, passed, length)
        at.down[cut] = down
        at.up[cut] += up

    def _slack(self, place: NDArray[np.intp], passed: Times, length: Times) -> tuple[Joules, Joules]:
        """Return by how much the truth may lie below and above the curve at edges inside intervals."""
        energy = self.energy[place]
        here = _integers(np.rint(energy * (passed / length)))
        with np.errstate(invalid="ignore"):  # inf x 0 never occurs: an edge lies strictly inside
            low = np.maximum(0, energy - self.rated * ((length - passed) * PER_NS))
            high = np.minimum(energy, self.rated * (passed * PER_NS))
        return np.maximum(here - _integers(np.floor(low)), 0), np.maximum(_integers(np.ceil(high)) - here, 0)


def quadratic(start: Values, end: Values, passed: Times, length: Times) -> Joules:
    """Return the rounded microjoules after `passed` of `length` ns between linear watts, broadcast."""
    return _integers(np.rint((start + (end - start) * (passed / (2.0 * length))) * (passed * PER_NS)))


def trapezoid(start: Values, end: Values, length: Times) -> Values:
    """Return the rounded microjoules of whole intervals, as floats that are integers (watts below 10^8 in an hour)."""
    result = start + end
    result *= length * (PER_NS / 2)
    return np.rint(result, out=result)


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
    energy = trapezoid(start, end, length[:, None])
    accuracy = np.array([column.accuracy or 0.0 for column in columns])
    least, most = widened(np.minimum(start, end), np.maximum(start, end), accuracy)
    scale = length[:, None] * PER_NS
    low, high = least * scale, most * scale
    np.minimum(np.floor(low, out=low), energy, out=low)
    np.maximum(np.ceil(high, out=high), energy, out=high)
    return Curve(
        time=time, energy=_integers(energy), low=_integers(low), high=_integers(high), covered=covered,
        gap=~covered & known[1:], reset=np.zeros(len(length), bool), method=Method.TRAPEZOID, average=average,
        ends=(start, end), resolution=np.zeros(len(columns), np.int64), rated=_rated(columns), accuracy=accuracy,
    )  # fmt: skip


def register_curves(
    time: Times, joules: Values, columns: Sequence[Column], limits: Sequence[int], inside: slice
) -> list[tuple[list[int], Curve]]:
    """Return curves of registers, joules float64[n, k] finite: the well-behaved together, the others one by one."""
    length = np.diff(time)
    delta = counter.differences(joules)
    odd = (delta < 0).any(axis=0)
    for place, column in enumerate(columns):
        odd[place] |= bool((delta[:, place] > counter.step_limit(length, column)).any())
    groups: dict[int, list[int]] = {}
    for place in np.flatnonzero(~odd).tolist():
        groups.setdefault(limits[place], []).append(place)
    none = np.zeros(len(length), bool)
    curves = [
        (places, _linear(time, delta[:, places], ~none, length > limit, none, [columns[p] for p in places]))
        for limit, places in groups.items()
    ]
    for place in np.flatnonzero(odd).tolist():
        found = counter.steps(time, joules[:, place], columns[place], inside)
        energy, gap = found.energy[:, None], length > limits[place]
        curve = _linear(time, energy, ~found.broken, gap & ~found.broken, found.broken, [columns[place]])
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
    curve = _linear(time, energy, covered, known & ~covered, np.zeros(len(length), bool), [column], Method.DELTA)
    return curve


def _linear(
    time: Times, energy: Joules, covered: Mask, gap: Mask, reset: Mask, columns: Sequence[Column],
    method: Method = Method.REGISTER,
) -> Curve:  # fmt: skip
    """Return a curve of intervals whose energy is known and whose shape is not."""
    resolution = np.array([_resolution(column) for column in columns], np.int64)
    low = high = energy
    if not covered.all():
        # What is not covered gets floor x dt when it is asked for; together they must not exceed the truth.
        sure = _integers(np.ceil(np.diff(time)[:, None] * (PER_NS * np.array([c.floor for c in columns]))))
        lost = np.where(reset[:, None], resolution, 0)
        low = np.where(covered[:, None], energy, np.maximum(energy - sure, 0) - lost)
        high = energy + lost
    return Curve(
        time=time, energy=energy, low=low, high=high, covered=covered, gap=gap, reset=reset, method=method,
        average=np.zeros(len(covered), bool), ends=None, resolution=resolution, rated=_rated(columns),
        accuracy=np.zeros(len(columns)),
    )  # fmt: skip


def _resolution(column: Column) -> int:
    return int(np.ceil(column.resolution * MICROJOULES))


def _rated(columns: Sequence[Column]) -> Values:
    return np.array([np.inf if column.rated is None else column.rated for column in columns])


def _integers(values: Values) -> Joules:
    return values.astype(np.int64)


def _from_zero(steps: Joules) -> Joules:
    total = np.empty((len(steps) + 1, steps.shape[1]), np.int64)
    total[0] = 0
    np.cumsum(steps, axis=0, out=total[1:])
    return total

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

from wattline.core import counter
from wattline.core.counter import Joules
from wattline.core.curve import PER_NS, Curve, Method, Steps, integers, widened
from wattline.model import Column, Kind, Mask, Metric, Times, Values
from wattline.units import MICROJOULES, NANOSECONDS, Unit

LEAST_GAP: Final = 10 * NANOSECONDS
"""No interval of up to this length is a gap."""
GAP_PERIODS: Final = 3
WINDOW_TOLERANCE: Final = 0.05
"""By which share the spacing may differ from the averaging window that it is taken for."""
EXACT: Final = 2.0**53
"""Below it sums of integers are exact in float64."""


class Nature(enum.Enum):
    """How the samples of a metric turn into energy."""

    POWER = "power"
    REGISTER = "register"
    DELTA = "delta"
    LEVEL = "level"


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
    energy: Steps = trapezoid(start, end, scale)
    accuracy = np.array([column.accuracy or 0.0 for column in columns])
    below: Steps = spread(start, end, scale)
    above = below
    if accuracy.any():
        least, most = widened(np.minimum(start, end), np.maximum(start, end), accuracy)
        below = np.ceil(np.maximum(energy - least * (scale * PER_NS), 0))
        above = np.ceil(np.maximum(most * (scale * PER_NS) - energy, 0))
    small = max(watts.max(), -watts.min()) * PER_NS * 4 * (time[-1] - time[0]) < EXACT
    if not small:
        energy, below, above = integers(energy), integers(below), integers(above)
    return Curve(
        time=time, energy=energy, below=below, above=above, covered=covered, gap=~covered & known[1:],
        reset=np.zeros(len(length), bool), method=Method.TRAPEZOID, average=average, ends=(start, end),
        resolution=np.zeros(len(columns), np.int64), rated=_rated(columns), accuracy=accuracy,
    )  # fmt: skip


def register_curves(
    time: Times, joules: Values, columns: Sequence[Column], limits: Sequence[int], *,
    inside: slice, run: Times | None = None,
) -> list[tuple[list[int], Curve]]:  # fmt: skip
    """Return curves of registers, joules float64[n, k] finite: the well-behaved together, the others one by one."""
    length = np.diff(time)
    delta = counter.differences(joules)
    odd = counter.unusual(delta, length, columns)
    groups: dict[int, list[int]] = {}
    for place in np.flatnonzero(~odd).tolist():
        groups.setdefault(limits[place], []).append(place)
    none = np.zeros(len(length), bool)
    curves = []
    for limit, places in groups.items():
        own = [columns[place] for place in places]
        steps = delta if len(places) == len(columns) else delta[:, places]
        curves.append((places, _linear(time, steps, own, covered=~none, gap=length > limit, reset=none)))
    for place in np.flatnonzero(odd).tolist():
        found = counter.steps(time, joules[:, place], columns[place], inside, run)
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
    energy = integers(np.rint(np.where(known, value, 0.0) * MICROJOULES))[:, None]
    none = np.zeros(len(length), bool)
    return _linear(time, energy, [column], covered=covered, gap=known & ~covered, reset=none, method=Method.DELTA)


def _linear(
    time: Times, energy: Joules, columns: Sequence[Column], *, covered: Mask, gap: Mask, reset: Mask,
    method: Method = Method.REGISTER,
) -> Curve:  # fmt: skip
    """Return a curve of intervals whose energy is known and whose shape is not."""
    resolution = np.array([_resolution(column) for column in columns], np.int64)
    below: Joules | None = None
    above: Joules | None = None
    if not covered.all():
        # What is not covered gets floor x dt when it is asked for; together they must not exceed the truth.
        sure = np.ceil(np.diff(time)[:, None] * (PER_NS * np.array([c.floor for c in columns])))
        lost = np.where(reset[:, None], resolution, 0)
        below = np.where(covered[:, None], 0, np.minimum(energy, integers(sure)) + lost)
        above = lost
    return Curve(
        time=time, energy=energy, below=below, above=above, covered=covered, gap=gap, reset=reset,
        method=method, average=np.zeros(len(covered), bool), ends=None, resolution=resolution, rated=_rated(columns),
        accuracy=np.zeros(len(columns)),
    )  # fmt: skip


def _resolution(column: Column) -> int:
    return int(np.ceil(column.resolution * MICROJOULES))


def _rated(columns: Sequence[Column]) -> Values:
    return np.array([np.inf if column.rated is None else column.rated for column in columns])

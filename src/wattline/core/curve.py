"""The curve of energy over time: microjoules from the first sample to any instant, with the bounds of each.

Between samples the curve is quadratic (power that changes linearly) or a straight line (energy that is known, shape
that is not). It is read at edges and rounded there; so energies of adjacent windows add up exactly, wherever the cut.
"""

import enum
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wattline.core.counter import Joules
from wattline.model import Mask, Times, Values

PER_NS: Final = 1e-3
"""Microjoules that a watt makes in a nanosecond."""
Steps = NDArray[np.int64] | NDArray[np.float64]
"""Whole microjoules: int64, or float64 below 2^53."""
_DENSE: Final = 256
"""From so many samples between edges on, each stretch is summed by itself: a sum is quicker than running sums."""


class Method(enum.IntFlag):
    """How energy was had; the bits of `Cells.method`."""

    REGISTER = 1
    TRAPEZOID = 2
    WINDOW_AVERAGE = 4
    DELTA = 8


class Reading(Struct, frozen=True, eq=False):
    """A curve read at m edges: int64[m, k] but for `covered` int64[m], all counted from the first sample.

    `low_*` and `high_*` are the bounds' own curves: rounded down and up, since a lower bound is read down at the end of
    a window and up at its start. `down` and `up`, the slack at the edges, are int64[m] where no series has any.
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

    `energy` [n - 1, k] are the microjoules of whole intervals; `below` and `above` [n - 1, k] by how much less and more
    it may be, None: by nothing. `ends` are the watts at both ends of each interval where the curve is quadratic, None
    where it is straight. `average` tells intervals of power whose curve is straight too. `resolution` is int64[k];
    `rated` watts[k], inf where unknown; `accuracy` a ratio[k].
    """

    time: Times
    energy: Steps
    below: Steps | None
    above: Steps | None
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
        place = whole[cut]
        passed = (edges[cut] - self.time[place])[:, None]
        length = (self.time[place + 1] - self.time[place])[:, None]
        joules = _until(self.energy, whole)
        low, high = joules, joules
        if self.below is not None and self.above is not None:
            below = _until(self.below, whole)
            low = joules - below
            high = joules + (below if self.above is self.below else _until(self.above, whole))
        parts = self._linear(place, passed / length) if self.ends is None else self._power(place, passed, length)
        if parts[1] is parts[0]:  # all five are one
            at = [_plus(joules, cut, parts[0])] * 5
        else:
            at = [_plus(total, cut, part) for total, part in zip((joules, low, low, high, high), parts, strict=True)]
        down, up = self._slacks(len(edges), cut, place, passed, length)
        covered = self.covered_until(whole, cut, place, passed[:, 0])
        return Reading(at[0], at[1], at[2], at[3], at[4], down, up, covered)

    def covered_until(
        self, whole: NDArray[np.intp], cut: NDArray[np.intp], place: NDArray[np.intp], passed: Times
    ) -> Times:
        """Return the covered ns from the first sample to the samples `whole`, and further where edges cut."""
        total = np.concatenate([[0], np.cumsum(np.where(self.covered, np.diff(self.time), 0))])[whole]
        total[cut] += np.where(self.covered[place], passed, 0)
        return np.asarray(total, np.int64)

    def _power(self, place: NDArray[np.intp], passed: Times, length: Times) -> list[Values]:
        assert self.ends is not None
        start, end = self.ends[0][place], self.ends[1][place]
        least, most = widened(np.minimum(start, end), np.maximum(start, end), self.accuracy)
        least, most = least * (passed * PER_NS), most * (passed * PER_NS)
        part = quadratic(start, end, passed, length)
        return [part, np.floor(least), np.ceil(least), np.floor(most), np.ceil(most)]

    def _linear(self, place: NDArray[np.intp], share: Values) -> list[Values]:
        energy = self.energy[place]
        part = np.rint(energy * share)
        if self.below is None or self.above is None:
            return [part] * 5
        # Where an era breaks, the resolution that is lost with it counts from the end of the interval on.
        lost = np.where(self.reset[place][:, None], self.resolution, 0)
        low = np.rint((energy - self.below[place] + lost) * share)
        high = np.rint((energy + self.above[place] - lost) * share)
        return [part, low, low, high, high]

    def _slacks(
        self, m: int, cut: NDArray[np.intp], place: NDArray[np.intp], passed: Times, length: Times
    ) -> tuple[Joules, Joules]:
        if self.ends is not None and not self.average.any():
            none = np.zeros(m, np.int64)
            return none, none
        down, up = _slack(integers(self.energy[place]), passed, length, self.rated)
        if self.ends is not None:
            flat = self.average[place][:, None]
            down, up = np.where(flat, down, 0), np.where(flat, up, 0)
        none = np.zeros((m, len(self.rated)), np.int64)
        return _plus(none, cut, down), _plus(none + self.resolution, cut, up)


def _until(steps: NDArray[Any], rows: NDArray[np.intp]) -> Joules:
    """Return the sums of the first `rows` steps, for each of the ascending `rows`: int64[m, k]."""
    first = np.concatenate([[0], rows[:-1]])
    count = rows - first
    if int(count.max()) <= _DENSE:
        sums = np.empty((len(steps) + 1, steps.shape[1]), steps.dtype)
        sums[0] = 0
        np.cumsum(steps, axis=0, out=sums[1:])
        return np.asarray(sums[rows].astype(np.int64, copy=False))
    sums = np.zeros((len(rows), steps.shape[1]), steps.dtype)
    for i in np.flatnonzero(count).tolist():
        steps[first[i] : rows[i]].sum(axis=0, out=sums[i])
    return np.asarray(np.cumsum(sums.astype(np.int64, copy=False), axis=0), np.int64)


def integers(values: Steps) -> Joules:
    """Return whole microjoules as int64."""
    return values.astype(np.int64, copy=False)


def _plus(whole: Joules, cut: NDArray[np.intp], part: Steps) -> Joules:
    if not len(cut):
        return whole
    result = whole.copy()
    result[cut] += integers(part)
    return result


def _slack(energy: Joules, passed: Times, length: Times, rated: Values) -> tuple[Joules, Joules]:
    """Return by how much the truth may lie below and above a straight line inside intervals of known energy."""
    here = integers(np.rint(energy * (passed / length)))
    low = np.maximum(0, energy - rated * ((length - passed) * PER_NS))  # an edge lies strictly inside: no inf x 0
    high = np.minimum(energy, rated * (passed * PER_NS))
    return np.maximum(here - integers(np.floor(low)), 0), np.maximum(integers(np.ceil(high)) - here, 0)


def quadratic(start: Values, end: Values, passed: Times | int, length: Times | int) -> Values:
    """Return the rounded microjoules after `passed` of `length` ns between linear watts, broadcast."""
    return np.asarray(np.rint((start + (end - start) * (passed / (2.0 * length))) * (passed * PER_NS)), np.float64)


def widened(least: Values, most: Values, accuracy: Values) -> tuple[Values, Values]:
    """Widen watts by the accuracy class."""
    if not accuracy.any():
        return least, most
    return least - np.abs(least) * accuracy, most + np.abs(most) * accuracy

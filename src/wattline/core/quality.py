"""How good a meter is, read out of its own history: refresh period, resolution, agreement, averaging window, wraps.

Everything here says None where the history does not show it: a constant load shows neither a refresh nor a step. Times
are ns, ascending; values are finite and in base units, registers raw.

The refresh period. A device that renews its values every P seconds, read every s, changes its values only at renewals;
the time between two changes is a multiple of P (a renewal may bring an equal value), seen through a grid of s. P is
what fits these times best: their sum by the sum of their multiples, where the smallest time tells the first guess. It
is believed if most times are one P and nearly all are a multiple of it within a reading's width; a load that changes
when it likes does not look so.

The averaging window. Where a register stands beside the power, the mean of its joules over the last W seconds is what
an average over W shows; the W that fits the power best is its window, if it fits much better than half of it and twice
it: a steady load, or a register of coarse steps, fits all alike and tells nothing.
"""

import math
from typing import Final

import numpy as np
from msgspec import Struct

from wattline.core import counter
from wattline.model import Column, Times, Values
from wattline.units import MICROJOULES, NANOSECONDS, Scale

LEAST_CHANGES: Final = 7
"""Changes of a value below which nothing is said of its refresh period."""
LEAST_STEPS: Final = 4
"""Different values below which nothing is said of the resolution."""
_SINGLE: Final = 0.6
"""Least share of times between changes that are one period."""
_REGULAR: Final = 0.85
"""Least share of times between changes that are a whole number of periods."""
_SAME: Final = 0.97
"""Share of times between changes that are as good as equal, from which none is taken for several periods."""
_ROUNDS: Final = 4
_SLOWER: Final = 1.5
"""A period below so many spacings of the readings is not told from them."""
_FINEST: Final = 6
"""Decimal places that a device's own numbers may have."""
_WHOLE: Final = 1e-6
_DISAGREES: Final = 0.05
"""Share of the energy by which power and register may differ beyond what their steps explain."""
_LEAST_TOLD: Final = 4.0
"""Energy, in units of what is uncertain of it, below which a comparison says nothing."""

_LONGEST_WINDOW: Final = 600.0
"""Seconds over which no device averages what it shows as its power."""
_FINER: Final = 1.1
"""Ratio of two windows that are told apart."""
_CLEARLY: Final = 2.0
"""How much better than its half and its double the window must fit."""
_LEAST_PAIRS: Final = 30
"""Values of the power below which nothing is said of its window."""

_STILL: Final = 10 * counter.JITTER_JOULES
"""Joules that a register may let pass without a step, whatever steps it declares."""


class Refresh(Struct, frozen=True):
    """How often a device renews a value: every `period` (s), or, where `at_most`, no slower than that."""

    period: float
    at_most: bool


class Agreement(Struct, frozen=True):
    """What a register and power x time say of one span: joules each, and by how much they may differ."""

    register: float
    power: float
    slack: float

    @property
    def agrees(self) -> bool:
        """Whether they differ by no more than they may."""
        return abs(self.register - self.power) <= self.slack

    @property
    def ratio(self) -> float:
        """The register's joules by those of power x time."""
        return self.register / self.power if self.power else math.inf


def spacing(time: Times) -> float | None:
    """Return the median seconds between two readings; None for fewer than two."""
    return float(np.median(np.diff(time))) / NANOSECONDS if len(time) > 1 else None


def refresh(time: Times, values: Values) -> Refresh | None:
    """Return how often a value is renewed; None where it changes too seldom, or as it likes, to tell."""
    step = spacing(time)
    changed = np.flatnonzero(np.diff(values)) + 1
    if step is None or step <= 0 or len(changed) < LEAST_CHANGES:
        return None
    gaps = np.diff(time[changed]) / NANOSECONDS
    if _share(gaps <= _SLOWER * step) >= _SINGLE:
        return Refresh(step, at_most=True)
    width = 1.05 * max(float(np.quantile(np.diff(time), 0.9)) / NANOSECONDS, step)
    period = _fitted(gaps, step, width)
    multiples = np.maximum(np.rint(gaps / period), 1)
    regular = np.abs(gaps - multiples * period) <= width
    few = multiples <= max(3.0, 0.25 * period / width)  # a multiple of many tells nothing through so coarse a grid
    if period < _SLOWER * step or _share(multiples == 1) < _SINGLE or _share(regular & few) < _REGULAR:
        return None
    if period < 3 * width and _share(np.abs(gaps - period) <= width) < _REGULAR:
        return None  # on so coarse a grid anything is a multiple
    return Refresh(float(period), at_most=False)


def _fitted(gaps: Values, step: float, width: float) -> float:
    mean = float(np.mean(gaps))
    if _share(np.abs(gaps - mean) <= width) >= _SAME:
        return mean  # all are one period, seen through the grid
    least = float(np.quantile(gaps, 0.05))
    period = float(np.mean(gaps[gaps <= least + 1.5 * step]))
    for _ in range(_ROUNDS):
        period = float(gaps.sum() / np.maximum(np.rint(gaps / period), 1).sum())
    return period


def resolution(values: Values, scale: Scale) -> float | None:
    """Return the greatest common divisor of the steps between values, in base units; None where they tell none.

    Steps are counted in what the device counts in, or in the decimal places that its numbers have.
    """
    different = np.unique(values)
    if len(different) < LEAST_STEPS + 1:
        return None
    counts = different * scale.den / scale.num
    if not np.all(np.abs(counts) < 2.0**53):
        return None
    for places in range(_FINEST + 1):
        tens = 10**places
        whole = np.rint(counts * tens)
        if np.all(np.abs(counts * tens - whole) <= _WHOLE * np.maximum(1.0, np.abs(whole) * 1e-3)):
            divisor = math.gcd(*(int(step) for step in np.diff(whole)))
            return abs(divisor / tens * scale.num / scale.den) if divisor else None
    return None


def watts_of(time: Times, joules: Values, column: Column) -> float | None:
    """Return the mean watts that a register tells between its first and its last reading; None: nothing between."""
    span = int(time[-1] - time[0]) if len(time) else 0
    return _total(time, joules, column) * NANOSECONDS / span if span > 0 else None


def agreement(
    power: tuple[Times, Values], register: tuple[Times, Values, Column], delay: float = 0.0
) -> Agreement | None:
    """Compare a register with power x time over the span that both cover; `delay` (s) is how old values may be.

    None where the span is too short for its steps to say anything, or nothing is drawn.
    """
    time, watts = power
    clock, joules, column = register
    if len(time) < 3 or len(clock) < 3:
        return None
    start, end = max(time[0], clock[0]), min(time[-1], clock[-1])
    inside, own = (clock >= start) & (clock <= end), (time >= start) & (time <= end)
    if inside.sum() < 3 or own.sum() < 3:
        return None
    clock, joules, time, watts = clock[inside], joules[inside], time[own], watts[own]
    told = _total(clock, joules, column)
    seconds = np.diff(time) / NANOSECONDS
    drawn = float((seconds * (watts[1:] + watts[:-1]) / 2).sum())
    drawn *= float(clock[-1] - clock[0]) / float(time[-1] - time[0])
    seen = np.diff(joules)
    coarse = max(float(seen[seen > 0].min(initial=math.inf)) if (seen > 0).any() else 0.0, column.resolution)
    late = float(np.abs(watts).max()) * (delay + 2 * float(np.median(seconds)))
    unknown = 2 * coarse + late
    still = not (seen > 0).any() and drawn < _STILL
    if drawn <= 0 or still or max(drawn, told) < _LEAST_TOLD * unknown:
        return None
    return Agreement(told, drawn, unknown + _DISAGREES * drawn)


def window(power: tuple[Times, Values], register: tuple[Times, Values, Column]) -> float | None:
    """Return over how many seconds a power is averaged, to a tenth of it; None where the register does not show it."""
    time, watts = power
    clock, joules, column = register
    if len(clock) < _LEAST_PAIRS or len(time) < _LEAST_PAIRS or (step := spacing(clock)) is None or step <= 0:
        return None
    steps = counter.steps(clock, joules, column)
    if steps.broken.any():
        return None
    seconds = (clock - clock[0]) / NANOSECONDS
    energy = np.concatenate([[0.0], np.cumsum(steps.energy)]) / MICROJOULES
    at = (time - clock[0]) / NANOSECONDS
    longest = min(_LONGEST_WINDOW, float(seconds[-1]) / 4)
    if longest < 4 * step:
        return None
    told = (at >= longest) & (at <= seconds[-1])
    at, watts = at[told], watts[told]
    if len(at) < _LEAST_PAIRS:
        return None

    def misfit(span: float) -> float:
        means = (np.interp(at, seconds, energy) - np.interp(at - span, seconds, energy)) / span
        return float(np.mean(np.abs(means - watts)))

    spans = 2 * step * _FINER ** np.arange(int(math.log(longest / (2 * step)) / math.log(_FINER)) + 1)
    misfits = [misfit(span) for span in spans.tolist()]
    best = float(spans[int(np.argmin(misfits))])
    beside = min(misfit(best / 2), misfit(min(2 * best, longest)))
    return best if 2 * step < best < longest / 2 and beside > _CLEARLY * min(misfits) else None


def wrap_period(column: Column, watts: float) -> float | None:
    """Return the seconds in which a register runs through its whole range at some watts; None: it does not wrap."""
    return column.range / watts if column.range and watts > 0 else None


def until_wrap(column: Column, joules: float, watts: float) -> float | None:
    """Return the seconds until a register at `joules` wraps at some watts; None: it does not wrap."""
    return max(column.range - joules, 0.0) / watts if column.range and watts > 0 else None


def _total(time: Times, joules: Values, column: Column) -> float:
    return float(counter.steps(time, joules, column).energy.sum()) / MICROJOULES


def _share(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    return float(np.count_nonzero(mask)) / len(mask)

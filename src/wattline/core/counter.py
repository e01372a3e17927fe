"""What a register says of energy: steps between its values, with wraps undone and new eras told apart.

A register is a running total that wraps at `Column.range`, restarts at a reset, is replaced, or jitters back by a step
(facts of the field: powercap `max_energy_range_uj`; 0.1 kWh steps of PDU-MIBs; a jitter of 0.1 kWh once read as a reset
of 215.6 kWh). What lies between two values is decided by those two values alone, so that two people who see the same
pair agree about it:

    later >= earlier, plausible      a step                                       energy = difference
    later >= earlier, not plausible  a replacement: a new era                     energy = 0, unknown
    drop <= jitter                   neither wrap nor reset                       energy = 0, caught up afterwards
    drop, wrapped step plausible     a wrap                                       energy = difference + range
    any other drop                   a reset: a new era that began at zero        energy = value after, if plausible

More than one wrap between two samples cannot be seen; where `rated` is known it is at least never invented.
All energies are int64 microjoules; they are exact differences of `microjoules(value)`, which is never summed in floats.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wattline.model import Column, Mask, Times, Values
from wattline.units import MICROJOULES, NANOSECONDS

Joules = NDArray[np.int64]
"""Microjoules."""

JITTER_STEPS: Final = 2
"""A drop of that many resolutions is no reset."""
JITTER_JOULES: Final = 360_000.0
"""0.1 kWh, the common step of PDU and inverter registers whose resolution nobody declared ..."""
JITTER_SHARE: Final = 0.05
"""... but no more than this share of the total: a small total that falls to half was reset."""
BURST: Final = 2.0
"""Processors draw up to twice what they are rated for, for seconds."""
REFRESH: Final = NANOSECONDS
"""A register is refreshed at its own pace: a step may hold that much more time than lies between two readings."""
BY_FAR: Final = 10.0
"""A step over so many times what `rated` allows in the interval and a minute more is no energy."""
BY_FAR_REFRESH: Final = 60 * NANOSECONDS
STEPPED: Final = 3600 * NANOSECONDS
"""Between two runs the clock may have been set back: so much more time may have passed than their stamps say."""
UNRATED_RESET: Final = 1e5
"""Watts up to which the value after a reset is believed where `rated` is unknown."""
UNRATED_STEP: Final = 1e8
"""Watts up to which a step is believed where `rated` is unknown: a dip to zero and back is no 1,000 kWh."""


MOST_STEP: Final = 9e12
"""Joules between two readings that int64 microjoules hold; a larger step is no energy, and a larger drop a new era."""


class Steps(Struct, frozen=True, eq=False):
    """What lies between n samples: `energy` (microjoules, >= 0) and `broken` (a new era begins), both of n - 1."""

    energy: Joules
    broken: Mask


def differences(values: Values) -> Joules:
    """Return the exact microjoules between consecutive rows of joules, float64[n, ...] finite; may be negative.

    A total may exceed what int64 holds in microjoules (2.5 GWh): whole joules and the rest are subtracted apart.
    """
    whole = np.floor(values)
    steps = np.clip(np.diff(whole, axis=0), -MOST_STEP, MOST_STEP).astype(np.int64)
    steps *= MICROJOULES
    if not np.array_equal(whole, values):
        rest = np.rint((values - whole) * MICROJOULES)
        steps += np.diff(rest, axis=0).astype(np.int64)
    return np.asarray(steps, np.int64)


def unusual(delta: Joules, length: Times, columns: Sequence[Column]) -> Mask:
    """Say of each of k registers, bool[k], whether any step of delta int64[n, k] is a drop or no energy."""
    odd: Mask = np.asarray(delta.min(axis=0, initial=0) < 0)
    kinds: dict[tuple[float | None, float], list[int]] = {}
    for place, column in enumerate(columns):
        kinds.setdefault((column.rated, column.resolution), []).append(place)
    for places in kinds.values():
        own = delta if len(places) == len(columns) else delta[:, places]
        odd[places] |= (own > step_limit(length, columns[places[0]])[:, None]).any(axis=0)
    return odd


def step_limit(length: Times, column: Column) -> Values:
    """Return the microjoules above which a step over `length` ns is no energy but a replacement."""
    step = JITTER_STEPS * column.resolution * MICROJOULES
    if column.rated is None:
        return np.asarray(length * (UNRATED_STEP / 1000) + UNRATED_STEP * MICROJOULES + step, np.float64)
    return np.asarray((length + BY_FAR_REFRESH) * (BY_FAR * column.rated / 1000) + step, np.float64)


def steps(time: Times, values: Values, column: Column, inside: slice = slice(None), run: Times | None = None) -> Steps:
    """Decide what lies between the values (joules, float64[n], finite) of one register at `time` (ns, ascending).

    `inside` names the samples of the block that is rolled up; the others are neighbours, and the interval to a
    neighbour is judged by its two values alone, since the neighbouring block must come to the same. Where `run`
    int64[n] goes back to an older one, the clock was set back and the older value is stale: a drop there is no reset.
    """
    delta, length = differences(values), np.diff(time)
    passed = length if run is None else length + np.where(run[1:] != run[:-1], STEPPED, 0)
    broken = delta > step_limit(passed, column)
    energy = np.where(broken, 0, delta)
    jitters = False
    for i in np.flatnonzero(delta < 0).tolist():
        is_stale = run is not None and run[i + 1] < run[i]
        if is_stale or float(-delta[i]) <= jitter(float(values[i]), column):
            jitters = True
            continue
        energy[i], broken[i] = _after_drop(int(delta[i]), float(values[i + 1]), int(length[i]), column)
    if jitters:
        energy = _caught_up(energy, broken, inside)
    return Steps(energy, broken)


def jitter(value: float, column: Column) -> float:
    """Return by how many microjoules a register at `value` joules may fall without having been reset."""
    guess = min(JITTER_JOULES, JITTER_SHARE * value)
    return max(JITTER_STEPS * column.resolution, guess if not column.resolution else 0.0) * MICROJOULES


def _after_drop(delta: int, after: float, length: int, column: Column) -> tuple[int, bool]:
    """Return (energy, is a new era) of a drop that is no jitter."""
    slack = JITTER_STEPS * column.resolution * MICROJOULES
    drawn = None if column.rated is None else BURST * column.rated * (length + REFRESH) / 1000 + slack
    if column.range is not None:
        span = round(column.range * MICROJOULES)
        limit = span / 2 if drawn is None else min(drawn, span)
        if 0 <= delta + span < limit:
            return delta + span, False
    since_reset = round(after * MICROJOULES)
    believed = UNRATED_RESET * (length + REFRESH) / 1000 + slack if drawn is None else drawn
    return (since_reset if 0 <= since_reset <= believed else 0), True


def _caught_up(energy: Joules, broken: Mask, inside: slice) -> Joules:
    """Make the curve of each era monotone: where it fell back it waits until it has caught up.

    Inside the block the curve runs from the first value of an era to the last as a running maximum that never passes
    the last; so the sum over the block is what the register says, and a jitter is counted neither twice nor as loss.
    (Where a whole block falls back, it counts nothing: at most one jitter is then counted again after it.)
    """
    first, last, _ = inside.indices(len(energy) + 1)
    result = np.maximum(energy, 0)
    bounds = [first, *(i + 1 for i in np.flatnonzero(broken).tolist() if first <= i < last - 1), last]
    for a, b in pairwise(bounds):
        if b - a > 1:
            curve = np.concatenate([[0], np.cumsum(energy[a : b - 1])])
            result[a : b - 1] = np.diff(np.minimum(np.maximum.accumulate(curve), max(int(curve[-1]), 0)))
    return result

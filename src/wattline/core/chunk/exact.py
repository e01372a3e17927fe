"""Doubles as integers, wherever that is exact: what a meter says is a decimal of few digits.

A column is `integer / scale` for the smallest scale that gives every double back bit for bit; a column for which none
does keeps the bits of its doubles. Division of an integer below 2^53 by a scale that is a double is correctly rounded
(IEEE 754-2019 section 5.4.1), so a decimal of up to nine places always comes back.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from wattline.model import Values

Integers = NDArray[np.int64]
Kinds = NDArray[np.uint8]

SCALES: Final = np.array([1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 60.0, 3600.0])
"""By kind. 60 and 3600: revolutions and pulses that came per minute or per hour."""
DECIMALS: Final = 10
"""So many scales, the first ones, are powers of ten."""
BITS: Final = 64
"""Kind of a column kept as the bits of its doubles."""
WHOLE: Final = 128
"""Kind of a column of integers."""

EXACT: Final = float(2**53)
_PROBED: Final = 48


def integers(columns: Values) -> tuple[Integers, Kinds]:
    """Turn float64[k, n] to int64[k, n] and the kind of each of the k columns."""
    k, n = columns.shape
    kinds = np.full(k, BITS, np.uint8)
    exact = columns.view(np.int64).copy()
    left, is_left = np.arange(k), np.ones(k, bool)
    probe = columns[:, :: max(1, n // _PROBED)]
    with np.errstate(invalid="ignore", over="ignore"):
        for kind, scale in enumerate(SCALES):
            hopeful = left[_fit(probe[left], scale)[1]]
            if len(hopeful):
                whole, fits = _fit(columns if len(hopeful) == k else columns[hopeful], scale)
                fit = hopeful[fits]
                exact[fit] = whole[fits]
                kinds[fit] = kind
                is_left[fit] = False
                left = np.flatnonzero(is_left)
            if not len(left):
                break
    return exact, kinds


def doubles(whole: Integers, kind: int) -> Values:
    """Return the column of a kind behind its integers."""
    if kind == BITS:
        return whole.view(np.float64)
    if kind == 0:
        return whole.astype(np.float64)
    result: Values = whole / SCALES[kind]
    return result


def _fit(columns: Values, scale: float) -> tuple[Integers, NDArray[np.bool_]]:
    """Return the integers at a scale, and which of the columns they give back bit for bit."""
    whole = np.rint(columns * scale) if scale != 1.0 else np.rint(columns)
    fits = np.abs(whole).max(axis=1, initial=0.0) < EXACT  # NaN and infinity compare as false
    taken = whole.astype(np.int64)
    back = taken / scale
    return taken, fits & (back.view(np.int64) == columns.view(np.int64)).all(axis=1)

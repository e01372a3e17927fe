"""What the counts of a poll become: one conversion of the device's integers for the whole row.

`count * num / den` with one division is the correctly rounded value as long as the product is exact, below 2^53; where
one may be larger, or came as a text or a float, all are converted one by one with `Scale.base`.
"""

from collections.abc import Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wattline.drivers.snmp.plan import Cell
from wattline.plugin import Mask, Values
from wattline.wire.ber import Value

Places = NDArray[np.intp]

_EXACT: Final = 2.0**53
_INTEGERS: Final = {int}


class Bounds(Struct, frozen=True, eq=False):
    """Which cells are no measure below `low` and above `high`, in base units; all arrays of one length."""

    places: Places
    low: Values
    high: Values


class Recipe:
    """What cells have in common with those of every meter that is asked the same; `recipe` returns one for all."""

    def __init__(self, cells: tuple[Cell, ...]) -> None:
        self.cells = cells
        self.places: Places = np.arange(len(cells), dtype=np.intp)
        self.unsigned: Places = np.array([at for at, cell in enumerate(cells) if cell.is_unsigned], np.intp)
        self.bounds = _bounds(cells)
        is_simple = len(cells) > 1 and all(cell.is_simple for cell in cells)
        self._pick: itemgetter[Any] | None = itemgetter(*(cell.oid for cell in cells)) if is_simple else None
        self._num, self._den = _factors(cells, "num"), _factors(cells, "den")
        self._is_scaled = bool((self._num != self._den).any())
        self._most = int(_EXACT / max(map(abs, self._num), default=1.0))
        self._absent = _absent(cells)
        self._meaningless = frozenset().union(*(cell.absent for cell in cells))

    def row(self, answer: Mapping[str, Value]) -> tuple[Values, Mask | None] | None:
        """Return the values in base units, and which of them are there (None: all).

        None: one is missing or no small integer, or means more than a number times its scale.
        """
        if self._pick is None:
            return None
        try:
            counts = self._pick(answer)
        except KeyError:
            return None
        if set(map(type, counts)) != _INTEGERS or max(counts) >= self._most or -min(counts) >= self._most:
            return None
        row = np.array(counts, np.float64)
        present = None if self._meaningless.isdisjoint(counts) else ~(row == self._absent).any(0)
        if self._is_scaled:
            row *= self._num
            row /= self._den
        if len(self.unsigned):
            row[self.unsigned] = abs(row[self.unsigned])
        return row, None if present is None or present.all() else present


recipe = lru_cache(maxsize=4096)(Recipe)
"""One recipe for all meters of equal cells."""


def _bounds(cells: tuple[Cell, ...]) -> Bounds | None:
    bounded = [(at, *cell.between) for at, cell in enumerate(cells) if cell.between]
    if not bounded:
        return None
    places, low, high = zip(*bounded, strict=True)
    return Bounds(np.array(places, np.intp), np.array(low, np.float64), np.array(high, np.float64))


def _factors(cells: tuple[Cell, ...], part: str) -> Values:
    return np.array([getattr(cell.column.scale, part) for cell in cells], np.float64)


def _absent(cells: tuple[Cell, ...]) -> Values:
    """Return the counts that mean nothing as float64[m, k], the m-th of each cell in a row."""
    table = np.full((max((len(cell.absent) for cell in cells), default=0), len(cells)), np.nan)
    for i, cell in enumerate(cells):
        table[: len(cell.absent), i] = sorted(cell.absent)
    return table

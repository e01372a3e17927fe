"""How long the newest value of a series is believed to be the present one: longer is missing, not zero."""

from typing import Final

from wattline.model import Column
from wattline.units import NANOSECONDS

PERIODS: Final = 3
LEAST: Final = 10 * NANOSECONDS
UNKNOWN: Final = 660 * NANOSECONDS
"""For what comes when it likes: twice the 300 s after which many plugs speak, and a little."""


def patience(column: Column) -> int:
    """Return the ns for which a value counts as the present one: three periods, and 10 s in any case."""
    if column.period is None:
        return UNKNOWN
    return max(LEAST, round(PERIODS * column.period * NANOSECONDS))

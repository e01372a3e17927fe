"""What cells say of energy, of many series in one table: what a sum over a window needs, and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wattline.core.cells import Cells
from wattline.model import Times, Values


class Tally(Struct, frozen=True, eq=False):
    """Cells `span` ns long as rows of a table: the rows of a series stand together, and ascend by `start`.

    `series` int64[n] names the series of each row; the other columns are those of `Cells`.
    """

    span: int
    series: NDArray[np.int64]
    start: Times
    max: Values
    joules: NDArray[np.int64]
    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    down_head: NDArray[np.int64]
    up_head: NDArray[np.int64]
    down_tail: NDArray[np.int64]
    up_tail: NDArray[np.int64]
    covered: NDArray[np.int64]
    gaps: NDArray[np.int64]
    resets: NDArray[np.int64]
    method: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.start)


FIELDS: Final = Tally.__struct_fields__[3:]
"""The columns that cells have too, but for `start`."""


def tally(cells: Mapping[int, Cells]) -> Tally:
    """Return cells of some series as a table. Raises ValueError for none, and for cells of several spans."""
    spans = {own.span for own in cells.values()}
    if len(spans) != 1:
        raise ValueError(f"cells of one span are needed, not of {sorted(spans)}")
    series = np.repeat(np.array(list(cells), np.int64), [len(own) for own in cells.values()])
    columns = (np.concatenate([getattr(own, name) for own in cells.values()]) for name in ("start", *FIELDS))
    return Tally(spans.pop(), series, *columns)


def joined(parts: Sequence[Tally]) -> Tally:
    """Return tables of different series as one. Raises ValueError for none, and for cells of several spans."""
    spans = {part.span for part in parts}
    if len(spans) != 1:
        raise ValueError(f"cells of one span are needed, not of {sorted(spans)}")
    if len(parts) == 1:
        return parts[0]
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in ("series", "start", *FIELDS))
    return Tally(spans.pop(), *columns)

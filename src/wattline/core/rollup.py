"""Roll-ups: what is kept of the samples of a bucket of time, mergeable without loss of meaning."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from wattline.model import Times, Values


class Cells(Struct, frozen=True, eq=False):
    """Buckets of one series, ascending by `start`, each `span` ns long; a bucket of which nothing is known is left out.

    All arrays have one length. Energy columns are zero for a series that is no energy series. `joules`, `lower` and
    `upper` are microjoules of what is covered, additive over buckets; what lies in gaps is added by who asks, from
    `span - covered`. `down_*` and `up_*` say by how many microjoules the true energy curve may lie below or above the
    interpolated one at the first and last edge of the bucket; where buckets join, the slack of the common edge cancels.
    """

    span: int
    start: Times
    count: NDArray[np.int64]
    sum: Values
    min: Values
    max: Values
    first: Values
    last: Values
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

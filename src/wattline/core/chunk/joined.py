"""Chunks of one layout put one after the other as integers: what is packed anew need not become doubles in between."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattline.core.chunk.body import Chunk, encode_integers
from wattline.core.chunk.exact import BITS, DECIMALS, EXACT, SCALES, Integers, Kinds
from wattline.core.chunk.parts import Planes
from wattline.model import Times, Values


class Frames(NamedTuple):
    """Frames of which every cell is there: int64[n] time and run, int64[k, n] integers, uint8[k] kinds of columns."""

    time: Times
    run: Times
    whole: Integers
    kinds: Kinds

    def values(self) -> Values:
        """Return float64[n, k]."""
        bits = self.kinds == BITS
        values = np.empty(self.whole.shape[::-1])
        np.divide(self.whole.T, SCALES[np.where(bits, 0, self.kinds)], out=values)
        if bits.any():
            values[:, bits] = self.whole[bits].view(np.float64).T
        return values

    def encode(self) -> bytes:
        """Return a body as small as can be."""
        return encode_integers(self.time, self.whole, self.kinds, None, self.run)


def joined(chunks: Sequence[Chunk]) -> Frames | None:
    """Return the frames of chunks as `encode_alike` makes them, in the order given; None where one is another kind."""
    found = [planes for chunk in chunks if (planes := chunk.planes()) is not None]
    if len(found) < len(chunks) or len({chunk.k for chunk in chunks}) != 1:
        return None
    sizes = np.array([chunk.n for chunk in chunks], np.int64)
    starts = np.cumsum(sizes) - sizes
    whole = _sequence([values for _, values, _, _ in found], starts)
    kinds = np.array([kinds for _, _, _, kinds in found], np.uint8)
    if not _rescale(whole, sizes, starts, kinds):
        return None
    run = np.repeat(np.array([run for _, _, run, _ in found], np.int64), sizes)
    return Frames(_sequence([time for time, _, _, _ in found], starts)[0], run, whole, kinds.max(axis=0))


def _sequence(planes: Sequence[Planes], starts: NDArray[np.int64]) -> Integers:
    """Return int64[k, n] of matrices one after the other, which begin at `starts`, decoded in one go."""
    firsts = np.stack([first for first, _ in planes], axis=1)
    whole = np.empty((len(firsts), int(starts[-1]) + 1 + planes[-1][1].shape[1]), np.int64)
    whole[:, starts] = 0
    for start, (_, steps) in zip(starts.tolist(), planes, strict=True):
        whole[:, start + 1 : start + 1 + steps.shape[1]] = steps
    within = np.add.reduceat(whole, starts, axis=1)
    whole[:, starts] = np.diff(firsts, axis=1, prepend=0)
    whole[:, starts[1:]] -= within[:, :-1]
    np.add.accumulate(whole, axis=1, out=whole)
    return whole


def _rescale(whole: Integers, sizes: NDArray[np.int64], starts: NDArray[np.int64], kinds: Kinds) -> bool:
    """Bring columns to one scale in place where `kinds` uint8[chunks, k] differ; say whether that was exact.

    A decimal of few places has the same double at any scale that is a greater power of ten.
    """
    kind = kinds.max(axis=0)
    if (kinds == kind).all():
        return True
    if ((kinds != kind).any(axis=0) & (kind >= DECIMALS)).any():
        return False
    factors = SCALES[np.minimum(kind, DECIMALS)] / SCALES[np.minimum(kinds, DECIMALS)]
    most = np.maximum.reduceat(np.abs(whole), starts, axis=1).T * factors
    if (most[kinds != kind] >= EXACT).any():
        return False
    whole *= np.repeat(factors.astype(np.int64).T, sizes, axis=1)
    return True

"""The numbers of series, which count from 1 without a gap: found by key in 16 bytes a series, not in a dict of keys."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from wattline.model import Series


class Numbers:
    """Which number a key has, by digests of 64 bits in order; what is found is compared with the series itself."""

    def __init__(self) -> None:
        self._digests: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._numbers: NDArray[np.int64] = np.zeros(0, np.int64)

    def find(self, key: bytes, series: Sequence[Series]) -> int | None:
        """Return the number of the one of `series` (the first has number 1) that has this key."""
        digest = _digest(key)
        at = int(self._digests.searchsorted(np.uint64(digest)))
        while at < len(self._digests) and self._digests.item(at) == digest:
            number = self._numbers.item(at)
            if series[number - 1].key == key:
                return number
            at += 1
        return None

    def add(self, numbers: Mapping[bytes, int]) -> None:
        """Take in new keys."""
        if not numbers:
            return
        digests = np.array([_digest(key) for key in numbers], np.uint64)
        digests = np.concatenate([self._digests, digests])
        order = digests.argsort(kind="stable")
        self._digests = digests[order]
        self._numbers = np.concatenate([self._numbers, np.array(list(numbers.values()), np.int64)])[order]


def _digest(key: bytes) -> int:
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")

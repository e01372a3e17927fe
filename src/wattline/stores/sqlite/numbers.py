"""The numbers of series, which count from 1 without a gap: found by key in 16 bytes a series, not in a dict of keys."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wattline.model import Series

_RECENT: Final = 4096
"""Keys that wait to be put in order with the others."""


class Numbers:
    """Which number a key has, by digests of 64 bits in order; what is found is compared with the series itself."""

    def __init__(self, first: int = 1) -> None:
        """Begin with the number `first`."""
        self._first = first
        self._digests: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._numbers: NDArray[np.int64] = np.zeros(0, np.int64)
        self._recent: dict[bytes, int] = {}

    def find(self, key: bytes, series: Sequence[Series]) -> int | None:
        """Return the number of the one of `series`, of which the first has the first number, that has this key."""
        if (number := self._recent.get(key)) is not None:
            return number
        digest = _digest(key)
        at = int(self._digests.searchsorted(np.uint64(digest)))
        while at < len(self._digests) and self._digests.item(at) == digest:
            number = self._numbers.item(at)
            if series[number - self._first].key == key:
                return number
            at += 1
        return None

    def add(self, key: bytes, number: int) -> None:
        """Take in a new key."""
        self._recent[key] = number
        if len(self._recent) >= _RECENT:
            self._settle()

    def join(self, other: "Numbers") -> None:
        """Take in all keys of another one."""
        other._settle()
        self._merge(other._digests, other._numbers)

    def _settle(self) -> None:
        recent, self._recent = self._recent, {}
        self._merge(np.array([_digest(key) for key in recent], np.uint64), np.array(list(recent.values()), np.int64))

    def _merge(self, digests: NDArray[np.uint64], numbers: NDArray[np.int64]) -> None:
        if not len(digests):
            return
        digests = np.concatenate([self._digests, digests])
        order = digests.argsort(kind="stable")
        self._digests, self._numbers = digests[order], np.concatenate([self._numbers, numbers])[order]


def _digest(key: bytes) -> int:
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "little")

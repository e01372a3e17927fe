"""A commit as one row: a directory of its batches, and their numbers as one array of 8-byte words.

    head       <II: version, number m of batches
    directory  m entries of ENTRY
    words      per batch: time int64[n], values float64[n, k], where some are absent bits of presence in whole words

All is 8-byte aligned, so that a fold gathers a thousand batches by one index and touches no batch on its own.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattline.errors import Malformed
from wattline.model import Bits, Mask, Times, Values, unpack_mask

ENTRY: Final = np.dtype(
    [("layout", "<u4"), ("life", "<u4"), ("sequence", "<i8"), ("n", "<u4"), ("k", "<u2"), ("flags", "<u2")]
)
HEAD: Final = struct.Struct("<IIqIHH")
"""One ENTRY, as bytes."""
PARTLY: Final = 1
"""Flag: bits of presence follow the values."""
WIDEST: Final = 0xFFFF
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<II")

Directory = NDArray[Any]
Words = NDArray[np.int64]


class Row(NamedTuple):
    """A staged row as read: `directory` ENTRY[m], `offset` int64[m] of each batch into `words`."""

    seq: int
    directory: Directory
    offset: NDArray[np.int64]
    words: Words

    def batch(self, index: int) -> tuple[Times, Values, Mask | None]:
        """Return times, values and presence (None: all) of one batch."""
        entry, start = self.directory[index], int(self.offset[index])
        n, k = int(entry["n"]), int(entry["k"])
        time = self.words[start : start + n]
        values = self.words[start + n : start + n + n * k].view(np.float64).reshape(n, k)
        if not entry["flags"] & PARTLY:
            return time, values, None
        width = (k + 7) // 8
        bits = self.words[start + n + n * k :].view(np.uint8)[: n * width].reshape(n, width)
        return time, values, unpack_mask(bits, n, k)


def pad(present: Bits) -> bytes:
    """Return the bits of a batch, filled up to whole words."""
    raw = present.tobytes()
    return raw + bytes(-len(raw) % 8)


def pack(directory: Directory, parts: Sequence[Any]) -> bytes:
    """Return the body of a row; `parts` are contiguous arrays and bytes in the order of the directory."""
    head = [_HEAD.pack(_VERSION, len(directory)), directory.tobytes()]
    try:
        return b"".join([*head, *parts])
    except (BufferError, ValueError):  # a part is a view with gaps
        return b"".join([*head, *(part if isinstance(part, bytes) else part.tobytes() for part in parts)])


def parse(seq: int, body: bytes) -> Row:
    """Read a row without copying its numbers. Raises Malformed."""
    if len(body) < _HEAD.size:
        raise Malformed(f"staged row {seq} ends before its head does")
    version, m = _HEAD.unpack_from(body)
    start = _HEAD.size + m * ENTRY.itemsize
    if version != _VERSION or len(body) < start or (len(body) - start) % 8:
        raise Malformed(f"staged row {seq} is damaged, or of another version")
    directory = np.frombuffer(body, ENTRY, m, _HEAD.size)
    words = np.frombuffer(body, np.int64, offset=start)
    sizes = words_of(directory)
    offset = np.cumsum(sizes) - sizes
    if int(sizes.sum()) != len(words):
        raise Malformed(f"staged row {seq} is not as long as its directory says")
    return Row(seq, directory, offset, words)


def words_of(directory: Directory) -> NDArray[np.int64]:
    """Return how many words each batch takes."""
    n, k = directory["n"].astype(np.int64), directory["k"].astype(np.int64)
    bits = (n * ((k + 7) // 8) + 7) // 8
    return n + n * k + np.where(directory["flags"] & PARTLY, bits, 0)

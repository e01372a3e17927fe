"""A body: header, directory, parts.

    offset  bytes  what (little endian)
    0       1      version
    1       1      0, kept for flags
    2       2      k, number of columns
    4       4      n, number of frames
    8       4      CRC-32 of the eight bytes before and of the directory
    12      10 x   directory of time, run, presence, matrix, and the k columns:
                   codec (1), kind (1), bytes (4), CRC-32 of them (4)
    ...            the parts in the order of the directory, without gaps

The checksum of a part is tried before it is decoded: a decompressor never meets bytes that an encoder did not write.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from wattline.core.chunk.exact import BITS, SCALES, WHOLE, Integers, Kinds, doubles, integers
from wattline.core.chunk.parts import (
    Codec,
    Decompressor,
    Look,
    Planes,
    constant,
    decode_column,
    decode_matrix,
    decode_narrow,
    decode_planes,
    encode_column,
    encode_doubles,
    encode_matrices,
    encode_matrix,
    looks,
    pack,
    unpack,
)
from wattline.errors import Malformed
from wattline.model import Mask, Times, Values

VERSION: Final = 1
MOST: Final = 1 << 27
"""Most cells of a body: 1 GiB decoded."""
SHORT: Final = 192
"""Below this many frames a matrix is smaller than columns apart, and a hundred times quicker made."""

_CACHED: Final = 1 << 15
"""Cells worked on at once, so that they stay in the cache of a core."""

Column = NDArray[np.float64] | NDArray[np.int64]

_HEAD: Final = struct.Struct("<BBHII")
_ENTRY: Final = np.dtype([("codec", "u1"), ("kind", "u1"), ("size", "<u4"), ("crc", "<u4")])
_TIME, _RUN, _PRESENCE, _MATRIX, _FIRST = range(5)
_ALIKE: Final = [Codec.PLANES, Codec.CONST, Codec.EMPTY, Codec.MATRIX]
"""Time, run, presence and matrix of a body that `encode_alike` made."""
_KINDS: Final = {*range(len(SCALES)), BITS}
"""Of columns of values."""
_Part = tuple[int, int, bytes]


def encode(
    time: Times,
    columns: Values | Sequence[Column],
    present: Mask | None = None,
    run: Times | None = None,
    *,
    codec: Codec = Codec.PCO,
) -> bytes:
    """Encode frames: `time` int64[n], `columns` float64[n, k] or k columns of float64 or int64, `present` bool[n, k].

    `codec` PCO makes the smallest body, MATRIX the quickest. Raises ValueError when a body could not hold so much.
    """
    values = columns.T if isinstance(columns, np.ndarray) else columns
    n, k = len(time), len(values)
    if n * max(k, 1) > MOST or k >= 1 << 16:
        raise ValueError(f"{n} frames of {k} columns are more than a chunk may hold")
    return encode_integers(time, *_whole(values, n), present, run, codec=codec)


def encode_integers(
    time: Times, whole: Integers, kinds: Kinds, present: Mask | None, run: Times | None, *, codec: Codec = Codec.PCO
) -> bytes:
    """Encode columns that are integers already, int64[k, n] of kinds uint8[k]; see `encode`."""
    k, n = whole.shape
    there: Mask = np.ones(k, bool)
    parts: list[_Part] = [_lone(time), (Codec.EMPTY, 0, b""), (Codec.EMPTY, 0, b"")]
    if run is not None:
        parts[_RUN] = _lone(run)
    if present is not None and not present.all():
        parts[_PRESENCE] = (Codec.MASK, 0, pack(np.packbits(present.T).tobytes()))
        there = np.asarray(present.any(axis=0))
        whole = _filled(whole, present)
    if codec is Codec.PCO and n >= SHORT:
        encoded = [_part_of(*column) for column in zip(whole, kinds.tolist(), looks(whole), strict=True)]
        matrix: _Part = (Codec.EMPTY, 0, b"")
    else:
        encoded = [(Codec.MATRIX, kind, b"") for kind in kinds.tolist()]
        matrix = (Codec.MATRIX, 0, encode_matrix(whole[there])) if n and there.any() else (Codec.EMPTY, 0, b"")
    encoded = [part if n and there[i] else (Codec.EMPTY, part[1], b"") for i, part in enumerate(encoded)]
    return _join(n, k, [*parts, matrix, *encoded])


def encode_alike(time: Times, values: Values, run: Sequence[int]) -> list[bytes]:
    """Encode many bodies of one shape quickly: int64[f, n], float64[f, n, k] and one run for each; all are present."""
    f, n, k = values.shape
    compressor = zstandard.ZstdCompressor(level=3)
    step = max(1, _CACHED // (n * k))
    bodies: list[bytes] = []
    for first in range(0, f, step):
        block = slice(first, first + step)
        bodies += _alike(time[block], values[block], run[block], compressor)
    return bodies


def _alike(time: Times, values: Values, run: Sequence[int], compressor: zstandard.ZstdCompressor) -> Iterator[bytes]:
    f, n, k = values.shape
    whole, kinds = integers(np.ascontiguousarray(values.transpose(0, 2, 1)).reshape(f * k, n))
    times, matrices = (encode_matrices(one, compressor) for one in (time[:, None], whole.reshape(f, k, n)))
    for times_of, matrix, kind, life in zip(times, matrices, kinds.reshape(f, k), run, strict=True):
        parts: list[_Part] = [
            (Codec.PLANES, WHOLE, times_of),
            (Codec.CONST, WHOLE, struct.pack("<q", life)),
            (Codec.EMPTY, 0, b""),
            (Codec.MATRIX, 0, matrix),
        ]
        yield _join(n, k, parts, kind)


class Chunk:
    """A body whose head has been read; columns are decoded when they are asked for. Raises Malformed, then and now.

    Chunks used by one thread may share a decompressor, which is dear to make.
    """

    __slots__ = ("_bits", "_body", "_decompressor", "_directory", "_matrix", "_offsets", "_rows", "k", "n")

    def __init__(self, body: bytes, decompressor: Decompressor | None = None) -> None:
        if len(body) < _HEAD.size:
            raise Malformed("a chunk ends before its header does")
        version, _, self.k, self.n, crc = _HEAD.unpack_from(body)
        if version != VERSION:
            raise Malformed(f"a chunk of version {version}; this program reads version {VERSION}")
        end = _HEAD.size + (_FIRST + self.k) * _ENTRY.itemsize
        if len(body) < end or zlib.crc32(body[_HEAD.size : end], zlib.crc32(body[:8])) != crc:
            raise Malformed("the head of a chunk is damaged")
        if self.n * max(self.k, 1) > MOST:
            raise Malformed(f"{self.n} frames of {self.k} columns are more than a chunk may hold")
        self._body = body
        self._decompressor = decompressor or Decompressor()
        self._directory: list[tuple[int, int, int, int]] = np.frombuffer(
            body, _ENTRY, _FIRST + self.k, _HEAD.size
        ).tolist()
        self._offsets = [end]
        for _, _, size, _ in self._directory:
            self._offsets.append(self._offsets[-1] + size)
        if self._offsets[-1] != len(body):
            raise Malformed("a chunk is not as long as its head says")
        self._matrix: Integers | None = None
        self._rows: list[int] = []
        self._bits: Mask | None = None

    def time(self) -> Times:
        """Return int64[n]."""
        return self._whole(_TIME)

    def run(self) -> Times | None:
        """Return int64[n], or None where none was given."""
        return None if self._directory[_RUN][0] == Codec.EMPTY else self._whole(_RUN)

    def present(self) -> Mask | None:
        """Return bool[n, k], or None when all cells are there."""
        if self._directory[_PRESENCE][0] == Codec.EMPTY:
            return None
        if self._bits is None:
            raw = unpack(self._part(_PRESENCE), (self.n * self.k + 7) // 8, self._decompressor)
            self._bits = np.unpackbits(np.frombuffer(raw, np.uint8), count=self.n * self.k).view(bool)
        return self._bits.reshape(self.k, self.n).T

    def column(self, place: int) -> Column:
        """Return column `place`: int64[n] where integers were encoded, else float64[n]; absent cells mean nothing."""
        codec, kind, _, _ = self._directory[_FIRST + place]
        if kind >= len(SCALES) and kind not in (BITS, WHOLE):
            raise Malformed(f"a column of the unknown kind {kind}")
        if codec == Codec.EMPTY:
            return np.zeros(self.n, np.int64) if kind == WHOLE else np.full(self.n, np.nan)
        whole = self._row(place) if codec == Codec.MATRIX else self._whole(_FIRST + place)
        return whole if kind == WHOLE else doubles(whole, kind)

    def planes(self) -> tuple[Planes, Planes, int, list[int]] | None:
        """Return time, values, run and kinds of a body as `encode_alike` makes it, not yet added up; None: another."""
        codecs, kinds = zip(*(entry[:2] for entry in self._directory), strict=True)
        if list(codecs) != [*_ALIKE, *[Codec.MATRIX] * self.k] or not _KINDS.issuperset(kinds[_FIRST:]):
            return None
        time = decode_planes(self._part(_TIME), 1, self.n, self._decompressor)
        values = decode_planes(self._part(_MATRIX), self.k, self.n, self._decompressor)
        return time, values, constant(self._part(_RUN)), list(kinds[_FIRST:])

    def is_whole(self, place: int) -> bool:
        """Say whether column `place` is one of integers."""
        return self._directory[_FIRST + place][1] == WHOLE

    def values(self, places: Sequence[int]) -> Values:
        """Return float64[n, len(places)], stored column after column."""
        heads = [self._directory[_FIRST + place][:2] for place in places]
        kinds = np.array([kind for _, kind in heads])
        columns = np.empty((len(places), self.n))
        if len(places) > 1 and all(codec == Codec.MATRIX for codec, _ in heads) and (kinds < len(SCALES)).all():
            self._row(places[0])
            assert self._matrix is not None
            rows = [self._rows[place] for place in places]
            whole = self._matrix if rows == list(range(len(self._matrix))) else self._matrix[rows]
            np.divide(whole, SCALES[kinds][:, None], out=columns)
            return columns.T
        for column, place, (codec, kind) in zip(columns, places, heads, strict=True):
            if codec == Codec.PCO and self.n and kind < len(SCALES):  # the usual one, with no array between
                narrow = decode_narrow(self._part(_FIRST + place), self.n)
                np.divide(narrow, SCALES[kind], out=column)
            else:
                column[:] = self.column(place)
        return columns.T

    def _row(self, place: int) -> Integers:
        if self._matrix is None:
            is_member = [entry[0] == Codec.MATRIX for entry in self._directory[_FIRST:]]
            self._rows = np.cumsum(is_member).tolist()
            self._matrix = decode_matrix(self._part(_MATRIX), sum(is_member), self.n, self._decompressor)
            self._rows = [row - 1 for row in self._rows]
        row: Integers = self._matrix[self._rows[place]]
        return row

    def _whole(self, part: int) -> Integers:
        codec = self._directory[part][0]
        return (
            np.zeros(0, np.int64) if self.n == 0 else decode_column(codec, self._part(part), self.n, self._decompressor)
        )

    def _part(self, part: int) -> bytes:
        raw = self._body[self._offsets[part] : self._offsets[part + 1]]
        if zlib.crc32(raw) != self._directory[part][3]:
            raise Malformed("a part of a chunk is damaged")
        return raw


def _whole(values: Values | Sequence[Column], n: int) -> tuple[Integers, Kinds]:
    """Return int64[k, n] and kinds; columns of integers stay what they are."""
    if not len(values):
        return np.zeros((0, n), np.int64), np.zeros(0, np.uint8)
    if isinstance(values, np.ndarray):
        return integers(np.ascontiguousarray(values, np.float64))
    whole, kinds = np.empty((len(values), n), np.int64), np.full(len(values), WHOLE, np.uint8)
    floats = [i for i, column in enumerate(values) if column.dtype.kind == "f"]
    for i, column in enumerate(values):
        if column.dtype.kind != "f":
            whole[i] = column
    if floats:
        whole[floats], kinds[floats] = integers(np.stack([np.asarray(values[i], np.float64) for i in floats]))
    return whole, kinds


def _filled(whole: Integers, present: Mask) -> Integers:
    """Put the number before into each absent cell, or the first one there is: what costs least to keep."""
    rows = np.where(present.T, np.arange(len(present)), -1)
    rows = np.maximum.accumulate(rows, axis=1)
    rows = np.where(rows < 0, present.argmax(axis=0)[:, None], rows)
    return np.take_along_axis(whole, rows, axis=1)


def _lone(column: Integers) -> _Part:
    """Encode a column of integers that is no value column: times, runs."""
    if not len(column):
        return Codec.EMPTY, WHOLE, b""
    if (column == column[0]).all():
        return Codec.CONST, WHOLE, struct.pack("<q", column[0])
    return _part_of(column, WHOLE, looks(column[None, :])[0])


def _part_of(column: Integers, kind: int, look: Look) -> _Part:
    codec, body = encode_doubles(column) if kind == BITS else encode_column(column, look)
    return codec, kind, body


def _join(n: int, k: int, parts: Sequence[_Part], in_matrix: Kinds | None = None) -> bytes:
    """Put parts behind their directory; `in_matrix` gives the kinds of columns that all lie in the matrix."""
    directory = np.zeros(_FIRST + k, _ENTRY)
    heads = [(codec, kind, len(part), zlib.crc32(part)) for codec, kind, part in parts]
    directory[: len(heads)] = heads
    if in_matrix is not None:
        directory["codec"][_FIRST:], directory["kind"][_FIRST:] = Codec.MATRIX, in_matrix
    entries = directory.tobytes()
    head = _HEAD.pack(VERSION, 0, k, n, 0)[:8]
    crc = zlib.crc32(entries, zlib.crc32(head))
    return b"".join([head, struct.pack("<I", crc), entries, *(part for _, _, part in parts)])

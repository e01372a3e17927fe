"""Integer columns as bytes: pco for long columns, delta + byte planes + zstd for short ones and whole matrices.

Arithmetic on int64 wraps, and so does its inverse: differences of any two int64 come back. A part says nothing of how
many numbers it holds: the directory of the body does, and a part that holds another number is Malformed.
"""

import enum
import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import zstandard
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, standalone

from wattline.core.chunk.exact import Integers
from wattline.errors import Malformed

Decompressor = zstandard.ZstdDecompressor
Planes = tuple[Integers, NDArray[Any]]
"""The first integers int64[k] and the differences [k, n - 1] of a matrix, as narrow as they were kept."""


class Codec(enum.IntEnum):
    """How a part is coded; the numbers are part of the format and are never given to another codec."""

    EMPTY = 0
    """Nothing is kept: no run, no presence, a column of which no cell is there."""
    CONST = 1
    """One int64 for all rows."""
    PCO = 2
    """The integers as int32 in pco's standalone format."""
    LINE = 3
    """int64 base, int64 step, and (integer - base) / step as int32 in pco's standalone format."""
    PLANES = 4
    """Width, then zstd of the first integer and the byte planes of the zigzag differences; one column."""
    MATRIX = 5
    """The column is a row of the body's matrix part, which is as PLANES, for all such columns together."""
    DOUBLES = 6
    """float64 in pco's standalone format."""
    MASK = 7
    """zstd of the bits of a matrix, column after column."""
    WIDE = 8
    """As LINE, with int64 in pco's standalone format."""


_LEVEL: Final = 4
_ORDERS: Final = tuple(
    ChunkConfig(compression_level=_LEVEL, mode_spec=ModeSpec.classic(), delta_spec=spec)
    for spec in (DeltaSpec.no_op(), DeltaSpec.try_consecutive(1), DeltaSpec.try_consecutive(2))
)
_DOUBLES: Final = ChunkConfig(compression_level=_LEVEL)
_LINE: Final = struct.Struct("<qq")
_CONST: Final = struct.Struct("<q")
_PROBED: Final = 256
_DIVIDED: Final = 64
_ZSTD: Final = 3
_NARROW: Final = 2**31 - 1
_SAFE: Final = 2**62 - 1


class Look(NamedTuple):
    """What a look at a column of integers says of how to encode it.

    `order` of differences, 0 to 2; `divisor` of them, found in a probe: no larger one divides them all.
    """

    low: int
    high: int
    order: int
    divisor: int


def looks(columns: Integers) -> list[Look]:
    """Look at each row of int64[k, n], n > 0."""
    if not columns.shape[1]:
        return [Look(0, 0, 0, 0)] * len(columns)
    divisors = np.gcd.reduce(np.diff(columns[:, :_DIVIDED], axis=1), axis=1).tolist()
    lows, highs = columns.min(axis=1).tolist(), columns.max(axis=1).tolist()
    return [Look(*look) for look in zip(lows, highs, _orders(columns), divisors, strict=True)]


def encode_column(column: Integers, look: Look) -> tuple[Codec, bytes]:
    """Encode int64[n], n > 0."""
    low, high, order, step = look
    if low == high:
        return Codec.CONST, _CONST.pack(low)
    if low < -_SAFE or high > _SAFE:  # where a difference could wrap
        return Codec.PLANES, encode_matrix(column[None, :])
    if step != 1:
        step = int(np.gcd.reduce(np.diff(column)))
    spec = _ORDERS[order]
    if step == 1 and low >= -_NARROW and high <= _NARROW:
        return Codec.PCO, standalone.simple_compress(column.astype(np.int32), spec)
    base = int(column[0])
    shifted = (column - base) // step if step > 1 else column - base
    if max(high - base, base - low) // step <= _NARROW:
        return Codec.LINE, _LINE.pack(base, step) + standalone.simple_compress(shifted.astype(np.int32), spec)
    return Codec.WIDE, _LINE.pack(base, step) + standalone.simple_compress(shifted, spec)


def encode_doubles(bits: Integers) -> tuple[Codec, bytes]:
    """Encode the bits of float64[n] that are no integers at any scale."""
    if bits.min() == bits.max():
        return Codec.CONST, _CONST.pack(int(bits[0]))
    column = np.ascontiguousarray(bits).view(np.float64)
    body: bytes = standalone.simple_compress(column, _DOUBLES)
    planes = encode_matrix(bits[None, :])
    if len(planes) <= len(body) or not np.array_equal(standalone.simple_decompress(body).view(np.int64), bits):
        return Codec.PLANES, planes
    return Codec.DOUBLES, body


def decode_column(codec: int, body: bytes, n: int, decompressor: Decompressor) -> Integers:
    """Return int64[n] of a part of any codec but MATRIX (for DOUBLES: the bits). Raises Malformed."""
    if codec == Codec.CONST:
        return np.full(n, constant(body), np.int64)
    if codec == Codec.PCO:
        return decode_narrow(body, n).astype(np.int64)
    if codec in (Codec.LINE, Codec.WIDE):
        if len(body) < _LINE.size:
            raise Malformed("a column ends before its numbers")
        base, step = _LINE.unpack_from(body)
        steps = _decompress(body[_LINE.size :], np.empty(n, np.int32 if codec == Codec.LINE else np.int64))
        line: Integers = steps.astype(np.int64, copy=False)
        line *= step
        line += base
        return line
    if codec == Codec.PLANES:
        return decode_matrix(body, 1, n, decompressor).reshape(n)
    if codec == Codec.DOUBLES:
        return _decompress(body, np.empty(n, np.float64)).view(np.int64)
    raise Malformed(f"no column is coded by codec {codec}")


def decode_narrow(body: bytes, n: int) -> NDArray[np.int32]:
    """Return int32[n] of a part of codec PCO. Raises Malformed."""
    return _decompress(body, np.empty(n, np.int32))


def encode_matrix(matrix: Integers) -> bytes:
    """Encode int64[k, n], k and n > 0: the width of a difference, and zstd of first integers and byte planes."""
    return next(encode_matrices(matrix[None], zstandard.ZstdCompressor(level=_ZSTD)))


def encode_matrices(matrices: Integers, compressor: zstandard.ZstdCompressor) -> Iterator[bytes]:
    """Encode each of int64[f, k, n] as `encode_matrix` does."""
    folded = zigzag(np.diff(matrices, axis=2)).reshape(len(matrices), -1)
    widths = [width_of(largest) for largest in folded.max(axis=1, initial=0).tolist()]
    firsts = matrices[:, :, 0].astype("<i8")
    for first, steps, width in zip(firsts, folded, widths, strict=True):
        planes = steps.astype(f"<u{width}").view(np.uint8).reshape(-1, width).T.tobytes()
        yield bytes([width]) + compressor.compress(first.tobytes() + planes)


def decode_matrix(body: bytes, k: int, n: int, decompressor: Decompressor) -> Integers:
    """Return int64[k, n] of what `encode_matrix` made. Raises Malformed."""
    first, steps = decode_planes(body, k, n, decompressor)
    matrix = np.empty((k, n), np.int64)
    matrix[:, 0] = first
    matrix[:, 1:] = steps
    np.add.accumulate(matrix, axis=1, out=matrix)
    return matrix


def decode_planes(body: bytes, k: int, n: int, decompressor: Decompressor) -> Planes:
    """Return what `encode_matrix` made of int64[k, n] before it is added up. Raises Malformed."""
    width = body[0] if body else 0
    if width not in (1, 2, 4, 8):
        raise Malformed(f"a matrix of numbers {width} bytes wide")
    raw = unpack(body[1:], k * 8 + k * (n - 1) * width, decompressor)
    planes = np.frombuffer(raw, np.uint8, offset=k * 8).reshape(width, k * (n - 1))
    folded = planes[0] if width == 1 else np.ascontiguousarray(planes.T).view(f"<u{width}").ravel()
    steps = -(folded & 1)  # unsigned, it wraps to all ones
    steps ^= folded >> 1
    return np.frombuffer(raw, "<i8", k), steps.view(f"<i{width}").reshape(k, n - 1)


def zigzag(steps: Integers) -> NDArray[np.uint64]:
    """Fold the sign into the lowest bit, so that small differences are small numbers."""
    return ((steps << 1) ^ (steps >> 63)).view(np.uint64)


def width_of(largest: int) -> int:
    """Return how many bytes hold numbers up to `largest`."""
    return 1 if largest < 1 << 8 else 2 if largest < 1 << 16 else 4 if largest < 1 << 32 else 8


def pack(raw: bytes) -> bytes:
    """Compress bytes by zstd."""
    return zstandard.ZstdCompressor(level=_ZSTD).compress(raw)


def unpack(body: bytes, size: int, decompressor: Decompressor) -> bytes:
    """Decompress what must be `size` bytes long. Raises Malformed."""
    try:
        if zstandard.get_frame_parameters(body).content_size != size:
            raise Malformed("a compressed part is not as long as its place says")
        raw: bytes = decompressor.decompress(body, max_output_size=size)
    except zstandard.ZstdError as error:
        raise Malformed(f"a compressed part does not decompress: {error}") from error
    if len(raw) != size:
        raise Malformed("a compressed part is not as long as its place says")
    return raw


def _decompress(body: bytes, into: NDArray[Any]) -> NDArray[Any]:
    """Fill an array with what pco compressed: never more than it holds, whatever the bytes say."""
    try:
        progress = standalone.simple_decompress_into(body, into)
    except RuntimeError as error:
        raise Malformed(f"a column does not decompress: {error}") from error
    if not progress.finished or progress.n_processed != len(into):
        raise Malformed("a column is not as long as its chunk")
    return into


def _orders(columns: Integers) -> list[int]:
    """Return for each row of int64[k, n] the order of differences that leaves the smallest numbers, from a probe."""
    probe = columns[:, :_PROBED].astype(np.float64)
    sizes = [np.log2(1 + np.abs(probe - probe.mean(axis=1, keepdims=True))).mean(axis=1)]
    for _ in range(min(2, probe.shape[1] - 1)):
        probe = np.diff(probe, axis=1)
        sizes.append(np.log2(1 + np.abs(probe)).mean(axis=1))
    best: list[int] = np.argmin(sizes, axis=0).tolist()
    return best


def constant(body: bytes) -> int:
    """Return the one integer of a part of codec CONST. Raises Malformed."""
    if len(body) != _CONST.size:
        raise Malformed("a constant column is not 8 bytes long")
    found: int = _CONST.unpack(body)[0]
    return found

"""Batches as bytes, for the spool: a layout once, then matrices that name it by its id.

A packed layout is MessagePack of what `model.Layout` holds. A packed batch is a MessagePack head, its length before it
(4 bytes, little), then `time` int64[n], `values` float64[n, k] and the bits of presence as they lie in memory (little
endian on every machine that we run on, and said so here).
"""

import struct
from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from wattline.errors import Malformed
from wattline.model import Batch, Column, Device, Layout, Series

_LENGTH: Final = struct.Struct("<I")
_WORD: Final = 8


class _Told(Struct, frozen=True, array_like=True):
    """A layout on disk."""

    id: bytes
    family: bytes
    series: tuple[Series, ...]
    columns: tuple[Column, ...]
    devices: tuple[Device, ...]


class _Head(Struct, frozen=True, array_like=True):
    """What a batch on disk is beside its numbers."""

    layout: bytes
    source: str
    run: int
    sequence: int
    frames: int
    partly: bool
    texts: dict[int, tuple[str, ...]]


_encoder: Final = msgspec.msgpack.Encoder()
_told: Final = msgspec.msgpack.Decoder(_Told)
_head: Final = msgspec.msgpack.Decoder(_Head)


def pack_layout(layout: Layout) -> bytes:
    """Return a layout as bytes."""
    return _encoder.encode(_Told(layout.id, layout.family, layout.series, layout.columns, layout.devices))


def unpack_layout(raw: bytes) -> Layout:
    """Return the layout behind bytes. Raises Malformed."""
    try:
        told = _told.decode(raw)
    except msgspec.DecodeError as error:
        raise Malformed(f"these bytes are no layout: {error}") from error
    return Layout(told.series, told.columns, told.id, told.family, told.devices)


def pack_batch(batch: Batch) -> bytes:
    """Return a batch as bytes, without its layout."""
    head = _encoder.encode(_Head(
        batch.layout.id, batch.source, batch.run, batch.sequence, len(batch), batch.present is not None, batch.texts
    ))  # fmt: skip
    parts = [_LENGTH.pack(len(head)), head, batch.time.astype("<i8").tobytes(), batch.values.astype("<f8").tobytes()]
    if batch.present is not None:
        parts.append(batch.present.tobytes())
    return b"".join(parts)


def unpack_batch(raw: bytes, layouts: Mapping[bytes, Layout]) -> Batch:
    """Return the batch behind bytes, whose layout is one of `layouts`. Raises Malformed."""
    try:
        start = _LENGTH.size
        edge = start + _LENGTH.unpack_from(raw)[0]
        head = _head.decode(raw[start:edge])
        layout = layouts[head.layout]
        n, k = head.frames, len(layout)
        time = np.frombuffer(raw, "<i8", n, edge).astype(np.int64)
        values = np.frombuffer(raw, "<f8", n * k, edge + n * _WORD).astype(np.float64).reshape(n, k)
        present, width = None, (k + 7) // 8
        if head.partly:
            bits = np.frombuffer(raw, np.uint8, n * width, edge + n * (k + 1) * _WORD)
            present = bits.reshape(n, width).copy()
    except (struct.error, msgspec.DecodeError, ValueError, KeyError) as error:
        raise Malformed(f"these bytes are no batch: {error}") from error
    return Batch(layout, time, values, present, head.texts, head.source, head.run, head.sequence)

"""The queue on disk before a sink that fails: what is appended survives `kill -9`, and is delivered in order.

A directory of segment files `00000001.spool`, `00000002.spool`, ... appended to in turn, read from the oldest:

    record   <magic 4s> <kind u8> <length u32> <crc32 of kind, length and body> <body>
    kind     1: a layout, 2: a batch (`packing`); the layout of a batch stands before it in the same segment

`append` returns after fsync. A record torn by a crash or a full disk is cut off at the end of a segment; one damaged in
the middle is skipped, to the next magic that begins a whole record, and counted. The place up to which all is delivered
stands in `delivered`, replaced whole; after a crash it may be a little old, and then a sink is given again what it has,
which has no effect there (`plugin.Sink.write`). Past `limit` bytes the oldest segment is dropped, and its undelivered
samples are counted.

One owner: the drain of the sink. All methods block on the disk.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from wattline.errors import Malformed
from wattline.model import Batch, Layout
from wattline.runtime.packing import pack_batch, pack_layout, unpack_batch, unpack_layout

_MAGIC: Final = b"WLs1"
_HEAD: Final = struct.Struct("<4sBII")
_CHECKED: Final = struct.Struct("<BI")
_LAYOUT, _BATCH = 1, 2
_SUFFIX: Final = ".spool"
_SEGMENTS: Final = 16
"""How many segments the limit is cut into; at the limit one of them is lost at once."""
_LARGEST: Final = 2**30


class Record(NamedTuple):
    """A whole record: where it begins and ends in its segment, its kind and body."""

    start: int
    end: int
    kind: int
    body: bytes


class Spool:
    """Batches on disk, first in, first out: `append`, then `peek` and `forget`."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Open a spool or make one. Raises OSError when the folder cannot be used."""
        self._folder = folder
        self._limit = limit
        self._writing: BinaryIO | None = None
        self._layouts: set[bytes] = set()
        self._peeked: tuple[int, int] | None = None
        self._waiting: dict[int, int] = {}
        """Samples that wait, by segment."""
        self.dropped = 0
        self.damaged = 0
        """Bytes that were skipped because they made no record."""
        folder.mkdir(parents=True, exist_ok=True)
        self._first, self._offset = self._delivered()
        self._sizes = {int(path.stem): path.stat().st_size for path in sorted(folder.glob(f"*{_SUFFIX}"))}
        for number in [number for number in self._sizes if number < self._first]:
            self._remove(number)
        self._recover()

    @property
    def size(self) -> int:
        """How many bytes lie on the disk."""
        return sum(self._sizes.values())

    @property
    def samples(self) -> int:
        """How many samples wait."""
        return sum(self._waiting.values())

    def append(self, batches: Sequence[Batch]) -> None:
        """Keep batches: to return is to have them on the disk. Raises OSError (a full disk), and then has none."""
        number = self._segment()
        assert self._writing is not None
        before, known = self._sizes[number], set(self._layouts)
        raw = b"".join(self._records(batches))
        try:
            view = memoryview(raw)
            while view:
                view = view[self._writing.write(view) :]
            os.fsync(self._writing.fileno())
        except OSError:
            self._layouts = known
            self._cut(number, before)
            raise
        self._sizes[number] = before + len(raw)
        self._waiting[number] = self._waiting.get(number, 0) + sum(batch.size for batch in batches)
        self._shrink()

    def peek(self, most: int) -> list[Batch]:
        """Return the oldest batches, about `most` samples, of one segment; empty: nothing waits."""
        while self._sizes:
            number = min(self._sizes)
            start = self._offset if number == self._first else 0
            found: list[Batch] = []
            edge = start
            for end, batch in self._read(number, start):
                found.append(batch)
                edge = end
                if sum(one.size for one in found) >= most:
                    break
            if found:
                self._peeked = (number, edge)
                return found
            self._waiting.pop(number, None)
            self._retire(number)
        self._waiting.clear()
        return []

    def forget(self, batches: Sequence[Batch]) -> None:
        """Forget what `peek` returned last, because it is delivered."""
        if self._peeked is None:
            return
        (self._first, self._offset), self._peeked = self._peeked, None
        if self._first in self._waiting:
            self._waiting[self._first] -= sum(batch.size for batch in batches)
        if self._waiting.get(self._first, 0) <= 0 and self._offset >= self._sizes.get(self._first, 0):
            self._waiting.pop(self._first, None)
            self._retire(self._first)
        self._note_delivered()

    def close(self) -> None:
        """Let go of the files; all is on the disk already."""
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    # --- segments ---

    def _segment(self) -> int:
        """Return the number of the segment to append to, opened."""
        number = max(self._sizes, default=self._first)
        if self._writing is not None and self._sizes[number] < self._limit // _SEGMENTS:
            return number
        self.close()
        number = max(max(self._sizes, default=0), self._first) + 1
        self._writing = self._path(number).open("wb", buffering=0)
        self._sizes[number] = 0
        self._layouts.clear()
        _sync_folder(self._folder)
        return number

    def _retire(self, number: int) -> None:
        """Delete a segment of which all is delivered; the next one begins anew."""
        if number == max(self._sizes, default=0):
            self.close()
        self._remove(number)
        self._first, self._offset = number + 1, 0
        self._note_delivered()

    def _remove(self, number: int) -> None:
        self._path(number).unlink(missing_ok=True)
        self._sizes.pop(number, None)

    def _shrink(self) -> None:
        """Drop the oldest segments while there are more bytes than may be."""
        while self.size > self._limit and len(self._sizes) > 1:
            number = min(self._sizes)
            self.dropped += self._waiting.pop(number, 0)
            self._peeked = None
            self._retire(number)

    def _cut(self, number: int, size: int) -> None:
        """Cut a segment back to its whole records; one that cannot be cut is not appended to any more."""
        assert self._writing is not None
        try:
            self._writing.truncate(size)
            self._writing.seek(size)
        except OSError:
            self.close()

    def _recover(self) -> None:
        """Count what waits and what is damaged, and cut off what a crash has torn."""
        for number in sorted(self._sizes):
            start = self._offset if number == self._first else 0
            waiting, whole = 0, start
            for end, batch in self._read(number, start):
                waiting += batch.size
                whole = end
            self.damaged += self._sizes[number] - sum(r.end - r.start for r in _scan(self._path(number).read_bytes()))
            if number == max(self._sizes) and whole < self._sizes[number]:
                with self._path(number).open("r+b") as file:
                    file.truncate(whole)
                    os.fsync(file.fileno())
                self._sizes[number] = whole
            self._waiting[number] = waiting

    # --- records ---

    def _records(self, batches: Sequence[Batch]) -> Iterator[bytes]:
        for batch in batches:
            if batch.layout.id not in self._layouts:
                self._layouts.add(batch.layout.id)
                yield _framed(_LAYOUT, pack_layout(batch.layout))
            yield _framed(_BATCH, pack_batch(batch))

    def _read(self, number: int, start: int) -> Iterator[tuple[int, Batch]]:
        """Yield the batches of a segment from an offset on, each with the offset after it."""
        layouts: dict[bytes, Layout] = {}
        raw = self._path(number).read_bytes()
        for record in _scan(raw):
            try:
                if record.kind == _LAYOUT:
                    layout = unpack_layout(record.body)
                    layouts[layout.id] = layout
                elif record.start >= start:
                    yield record.end, unpack_batch(record.body, layouts)
            except Malformed:  # its own checksum holds: it is the record of its layout that is damaged
                continue

    # --- the place up to which all is delivered ---

    def _delivered(self) -> tuple[int, int]:
        try:
            number, offset = (self._folder / "delivered").read_text().split()
            return int(number), int(offset)
        except (OSError, ValueError):
            return 0, 0

    def _note_delivered(self) -> None:
        fresh = self._folder / "delivered.new"
        try:
            fresh.write_text(f"{self._first} {self._offset}\n")
            fresh.replace(self._folder / "delivered")
        except OSError:  # on a full disk the place stays old: a sink is given again what it has
            fresh.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}{_SUFFIX}"


def _framed(kind: int, body: bytes) -> bytes:
    checked = _CHECKED.pack(kind, len(body))
    return _HEAD.pack(_MAGIC, kind, len(body), zlib.crc32(body, zlib.crc32(checked))) + body


def _scan(raw: bytes) -> Iterator[Record]:
    """Yield the whole records of a segment, over what is damaged."""
    at = raw.find(_MAGIC)
    while at >= 0 and at + _HEAD.size <= len(raw):
        _, kind, length, crc = _HEAD.unpack_from(raw, at)
        start, end = at + _HEAD.size, at + _HEAD.size + length
        if end <= len(raw) and zlib.crc32(raw[start:end], zlib.crc32(_CHECKED.pack(kind, length))) == crc:
            yield Record(at, end, kind, raw[start:end])
            at = raw.find(_MAGIC, end)
        else:
            at = raw.find(_MAGIC, at + 1)


def _sync_folder(folder: Path) -> None:
    """See that a new file's name survives a crash, too (fsync(2), on directories)."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

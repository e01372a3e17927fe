"""Roll-ups as they are kept: the cells of all series of a family, one table in a body of the chunk codec.

Rows are cells, series after series; columns are the place of the series in its family and the fields of a cell. What
hardly differs from another field is kept as the difference, which costs next to nothing: bounds by the joules, covered
time by the span, the slack at an end by the slack at the next beginning.

    level 1 min    a row per family and hour, with `edges`: a digest per series of the neighbours it was made with
    level 15 min   a row per family and UTC day, into which hours are put as they close

Cells of 10 s are not kept while the samples are: from them they are made again, bit for bit, in less time than it would
take to read three times their bytes. A day is the sum of its quarters of an hour.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from wattline.core.chunk import Chunk, encode
from wattline.core.rollup import Cells, coarser, concat
from wattline.errors import Malformed
from wattline.stores.sqlite.pieces import Piece
from wattline.units import NANOSECONDS

MINUTE: Final = 60 * NANOSECONDS
QUARTER: Final = 900 * NANOSECONDS
DAY: Final = 86_400 * NANOSECONDS
_FIELDS: Final = tuple(name for name in Cells.__struct_fields__ if name not in {"span", "start"})
_ENDS: Final = (("down_head", "down_tail"), ("up_head", "up_tail"))
_ODD: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64).view(np.int64)


def pack(cells: Mapping[int, Cells]) -> bytes:
    """Encode cells by place in the family."""
    places = [place for place in sorted(cells) if len(cells[place])]
    own = [cells[place] for place in places]
    number = np.repeat(np.array(places, np.int64), [len(part) for part in own])
    time = _joined(own, "start").astype(np.int64)
    fields: dict[str, NDArray[Any]] = {name: _joined(own, name) for name in _FIELDS}
    span = own[0].span if own else 0
    fields["upper"] = fields["upper"] - fields["joules"]
    fields["lower"] = fields["joules"] - fields["lower"]
    fields["covered"] = span - fields["covered"]
    for head, tail in _ENDS:
        fields[tail] = fields[tail] - np.append(fields[head][1:], 0)
    columns = [array if array.dtype == np.float64 else array.astype(np.int64) for array in fields.values()]
    return encode(time, [number, *columns, np.full(len(time), span)])


def unpack(body: bytes, places: Sequence[int] | None) -> dict[int, Cells]:
    """Return the cells of the places, None: of all, that have some. Raises Malformed."""
    chunk = Chunk(body)
    if chunk.k != len(_FIELDS) + 2:
        raise Malformed(f"a roll-up of {chunk.k} columns")
    if not chunk.n:
        return {}
    time, number, span = chunk.time(), chunk.column(0), int(chunk.column(chunk.k - 1)[0])
    fields: dict[str, NDArray[Any]] = {name: chunk.column(1 + i) for i, name in enumerate(_FIELDS)}
    fields["upper"] = fields["joules"] + fields["upper"]
    fields["lower"] = fields["joules"] - fields["lower"]
    fields["covered"] = span - fields["covered"]
    for head, tail in _ENDS:
        fields[tail] = fields[tail] + np.append(fields[head][1:], 0)
    fields["method"] = fields["method"].astype(np.uint8)
    places = np.unique(number).tolist() if places is None else places
    edges = np.searchsorted(number, np.array([places, np.add(places, 1)]))
    return {
        place: Cells(span, time[a:b], **{name: column[a:b] for name, column in fields.items()})
        for place, a, b in zip(places, *edges.tolist(), strict=True)
        if a < b
    }


def cut(cells: Cells, start: int, end: int) -> Cells:
    """Return the cells of [start, end)."""
    a, b = np.searchsorted(cells.start, [start, end]).tolist()
    if a == 0 and b == len(cells):
        return cells
    return _rows(cells, a, b)


def coarser_all(cells: Mapping[int, Cells], span: int) -> dict[int, Cells]:
    """Return `coarser` of the cells of each place, all in one go: as if each lived in an age of its own."""
    places = [place for place, own in cells.items() if len(own)]
    if not places:
        return {}
    own = [cells[place] for place in places]
    base = min(int(part.start[0]) for part in own) // DAY * DAY
    age = (max(int(part.start[-1]) for part in own) // DAY + 2) * DAY - base
    shift = np.repeat(np.arange(len(own)) * age - base, [len(part) for part in own])
    every = concat(own)
    one = forgiving(structs.replace(every, start=every.start + shift), span)
    ages = one.start // age
    edges = np.searchsorted(ages, [np.arange(len(own)), np.arange(1, len(own) + 1)])
    one = structs.replace(one, start=one.start - ages * age + base)
    return {place: _rows(one, a, b) for place, a, b in zip(places, *edges.tolist(), strict=True)}


def forgiving(cells: Cells, span: int) -> Cells:
    """Return `coarser` of cells that may hold the largest doubles: their sum is infinite, and that is right."""
    with np.errstate(over="ignore", invalid="ignore"):
        return coarser(cells, span)


def digests(piece: Piece, side: int) -> NDArray[np.int64]:
    """Return a digest of the first (`side` 0) or last (-1) sample of each column of a piece; 0: there is none."""
    n, k = piece.values.shape
    found = np.zeros(k, np.int64)
    if not n:
        return found
    there = np.ones((n, k), bool) if piece.present is None else piece.present
    rows = there.argmax(axis=0) if side == 0 else n - 1 - there[::-1].argmax(axis=0)
    columns = np.flatnonzero(there[rows, np.arange(k)])
    rows = rows[columns]
    bits = np.ascontiguousarray(piece.values[rows, columns]).view(np.int64)
    found[columns] = piece.time[rows] ^ (bits * _ODD[0]) ^ (piece.life[rows] * _ODD[1]) | 1
    return found


def _rows(cells: Cells, a: int, b: int) -> Cells:
    return Cells(cells.span, *(getattr(cells, name)[a:b] for name in Cells.__struct_fields__[1:]))


def _joined(cells: Sequence[Cells], name: str) -> NDArray[Any]:
    if not cells:
        return np.zeros(0, np.float64 if name in {"sum", "min", "max", "first", "last"} else np.int64)
    return np.concatenate([getattr(part, name) for part in cells])

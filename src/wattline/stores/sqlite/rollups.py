"""Roll-ups as they are kept: the cells of all series of a family, one table in a body of the chunk codec.

Rows are cells, series after series; columns are the place of the series in its family and the fields of a cell. What
hardly differs from another field is kept as the difference, which costs next to nothing: bounds by the joules, covered
time by the span, the slack at an end by the slack at the next beginning.

    level 1 min    a row per family and hour, with `edges`: a digest per series of the neighbours it was made with
    level 15 min   a row per family and UTC day, into which hours are put as they close

Cells of 10 s are not kept while the samples are: from them they are made again, bit for bit, in less time than it would
take to read three times their bytes. A day is the sum of its quarters of an hour.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wattline.core.cells import Cells, Table, chosen, coarser
from wattline.core.chunk import Chunk, Codec, encode
from wattline.core.tally import FIELDS, Tally
from wattline.errors import Malformed
from wattline.stores.sqlite.pieces import Piece
from wattline.units import NANOSECONDS

MINUTE: Final = 60 * NANOSECONDS
QUARTER: Final = 900 * NANOSECONDS
DAY: Final = 86_400 * NANOSECONDS
_FIELDS: Final = tuple(name for name in Cells.__struct_fields__ if name not in {"span", "start"})
_ENDS: Final = (("down_head", "down_tail"), ("up_head", "up_tail"))
_ODD: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64).view(np.int64)


def pack(table: Table) -> bytes:
    """Encode cells of the series of a family, which `place` names by their places in it.

    A row of 15 minutes, which every question of energy reads, is made to be read quickly; any other to be small.
    """
    place, cells = table
    fields: dict[str, NDArray[Any]] = {name: getattr(cells, name) for name in _FIELDS}
    fields["upper"] = cells.upper - cells.joules
    fields["lower"] = cells.joules - cells.lower
    fields["covered"] = cells.span - cells.covered
    for head, tail in _ENDS:
        fields[tail] = fields[tail].copy()
        fields[tail][:-1] -= fields[head][1:]
    codec = Codec.PCO if cells.span == QUARTER else Codec.MATRIX
    return encode(cells.start, [place, *fields.values(), np.full(len(place), cells.span)], codec=codec)


def unpack_table(body: bytes) -> Table:
    """Return all cells. Raises Malformed."""
    chunk = _opened(body)
    if not chunk.n:
        return Table.of([])
    place, fields = chunk.column(0).astype(np.int64, copy=False), _fields(chunk, _FIELDS)
    return Table(place, Cells(_span(chunk), chunk.time(), **fields))


def unpack_tally(body: bytes, series: NDArray[np.int64], start: int, end: int) -> Tally | None:
    """Return what cells of [start, end) say of energy; `series` int64 names the wanted ones by place, the others are 0.

    None where there is no such cell. Raises Malformed.
    """
    chunk = _opened(body)
    if not chunk.n:
        return None
    time, place = chunk.time(), chunk.column(0).astype(np.int64, copy=False)
    more = int(place[-1]) + 1 - len(series)  # the family may have grown since it was asked for
    named = (np.append(series, np.zeros(more, np.int64)) if more > 0 else series)[place]
    columns = {"series": named, "start": time, **_fields(chunk, FIELDS)}
    wanted = (named > 0) & (time >= start) & (time < end)
    if not wanted.all():
        columns = {name: column[wanted] for name, column in columns.items()}
    return Tally(_span(chunk), **columns) if len(columns["start"]) else None


def _opened(body: bytes) -> Chunk:
    chunk = Chunk(body)
    if chunk.k != len(_FIELDS) + 2:
        raise Malformed(f"a roll-up of {chunk.k} columns")
    return chunk


def _span(chunk: Chunk) -> int:
    return int(chunk.column(chunk.k - 1)[0])


def _fields(chunk: Chunk, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return some columns of cells, those of energy among them."""
    fields: dict[str, NDArray[Any]] = {name: chunk.column(1 + _FIELDS.index(name)) for name in names}
    fields["upper"] = fields["joules"] + fields["upper"]
    fields["lower"] = fields["joules"] - fields["lower"]
    fields["covered"] = _span(chunk) - fields["covered"]
    for head, tail in _ENDS:
        fields[tail][:-1] += fields[head][1:]
    fields["method"] = fields["method"].astype(np.uint8)
    return fields


def unpack(body: bytes, places: Sequence[int] | None) -> dict[int, Cells]:
    """Return the cells of the places, None: of all, that have some. Raises Malformed."""
    table = unpack_table(body)
    places = np.unique(table.place).tolist() if places is None else places
    edges = np.searchsorted(table.place, np.array([places, np.add(places, 1)]))
    return {
        place: chosen(table.cells, slice(a, b)) for place, a, b in zip(places, *edges.tolist(), strict=True) if a < b
    }


def cut(cells: Cells, start: int, end: int) -> Cells:
    """Return the cells of [start, end)."""
    a, b = np.searchsorted(cells.start, [start, end]).tolist()
    if a == 0 and b == len(cells):
        return cells
    return chosen(cells, slice(a, b))


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

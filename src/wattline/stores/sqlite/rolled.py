"""Roll-ups for readers: from what is kept, and from samples where nothing is kept or what is kept may be stale."""

from collections.abc import Iterator, Sequence

from wattline.core.rollup import Cells, roll_many
from wattline.model import Column, Metric
from wattline.plugin import Refused
from wattline.stores.sqlite.edges import after, before
from wattline.stores.sqlite.pieces import Piece, merge
from wattline.stores.sqlite.read import HOUR, Group, Reader, Window, hours, reach
from wattline.units import NANOSECONDS

FINEST = 10 * NANOSECONDS
DAY = 86_400 * NANOSECONDS


def cells(reader: Reader, window: Window, start: int, end: int, span: int) -> Iterator[dict[int, Cells]]:
    """Yield roll-ups by series, a UTC day or one span at a time."""
    if span <= 0 or span % FINEST:
        raise Refused(f"a roll-up spans a multiple of 10 s, not {span / NANOSECONDS} s")
    if start % span or end % span:
        raise Refused(f"roll-ups of {span // NANOSECONDS} s start and end at multiples of it")
    low, high = reach(reader)
    start, end = max(start, low // span * span), min(end, -(-high // span) * span)
    step = max(1, DAY // span) * span
    for a in range(start, end, step):
        found = from_samples(reader, window, a, min(end, a + step), span)
        if found := {number: own for number, own in found.items() if len(own)}:
            yield found


def from_samples(reader: Reader, window: Window, start: int, end: int, span: int) -> dict[int, Cells]:
    """Return the cells of [start, end), made from the samples of whole hours and their neighbours (core/rollup)."""
    first, last = start // HOUR * HOUR, -(-end // HOUR) * HOUR
    parts: dict[Group, list[Piece]] = {}
    for _, merged in hours(reader, window, first, last):
        for group, piece in merged.items():
            parts.setdefault(group, []).append(piece)
    found: dict[int, Cells] = {}
    sides = (before(reader, window, first), after(reader, window, last))
    for group in window.groups:
        pieces = [side[group] for side in sides if group in side] + parts.get(group, [])
        if pieces:
            metrics, columns = window.kinds(group)
            found.update(zip(group.ids, rolled(merge(pieces), metrics, columns, start, end, span), strict=True))
    return found


def rolled(
    piece: Piece, metrics: Sequence[Metric], columns: Sequence[Column], start: int, end: int, span: int
) -> list[Cells]:
    """Return the cells of each column of a piece."""
    run = piece.life if len(piece.life) and (piece.life != piece.life[0]).any() else None
    return roll_many(
        piece.time, piece.values, piece.present, metrics, columns, start=start, end=end, span=span, run=run
    )

"""What the roll-ups say of energy, for sums over windows: without the columns that a sum does not need.

The cells are those of `rolled`, a quarter of an hour long where whole ones are asked for: adding up 96 of them costs
less than a row of whole days would save, and one change of an hour is one row to be written.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

from wattline.core.tally import Tally, joined, tally
from wattline.stores.sqlite.read import Group, Reader, Window
from wattline.stores.sqlite.rolled import Span, asked, bodies, from_samples, segments
from wattline.stores.sqlite.rollups import DAY, QUARTER, unpack_tally

_CELLS: Final = 1 << 18
"""Most cells of a table, give or take those of a family."""
_DAYS: Final = 32
"""Most days that are asked for at once."""


def tallies(reader: Reader, window: Window, between: Span, span: int, thinned: int) -> Iterator[Tally]:
    """Yield cells of `span` or, of which it is a multiple, of the longest that are kept; see `rolled.cells`."""
    start, end, level = asked(reader, between, span)
    step = max(1, DAY // span) * span
    if level == QUARTER and span <= DAY and DAY % span == 0:
        count = DAY // level * sum(len(group.ids) for group in window.groups)
        step = DAY * min(_DAYS, max(1, _CELLS // max(count, 1)))
    for a in range(start, end, step):
        b = min(end, a + step)
        for groups, (low, high), is_kept in segments(reader, window, (a, b), level, thinned):
            part = max(a, low), min(b, high)
            yield from (_kept if is_kept else _made)(reader, window, groups, part, level)


def _made(reader: Reader, window: Window, groups: Sequence[Group], segment: Span, level: int) -> Iterator[Tally]:
    """Yield the cells of samples, a day at a time."""
    start, end = segment
    for first in range(start, end, DAY):
        cells = from_samples(reader, window, groups, (first, min(end, first + DAY)), level)
        if found := {number: own for number, own in cells.items() if len(own)}:
            yield tally(found)


def _kept(reader: Reader, window: Window, groups: Sequence[Group], segment: Span, level: int) -> Iterator[Tally]:
    """Yield the kept cells of many families together, a row of theirs at a time."""
    found = bodies(reader, groups, segment, level)
    series = [window.named(group) for group in found]
    for row in zip_longest(*found.values()):
        parts: list[Tally] = []
        for body, named in zip(row, series, strict=True):
            if body is not None and (part := unpack_tally(body, named, *segment)) is not None:
                parts.append(part)
            if sum(map(len, parts)) >= _CELLS:
                yield joined(parts)
                parts = []
        if parts:
            yield joined(parts)

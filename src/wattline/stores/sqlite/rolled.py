"""Roll-ups for readers: from what is kept, and from samples where nothing is kept or what is kept may be stale.

Stale are the dirty hours of a family, and what lies between them and the nearest samples of an asked series that came
in them: the roll-up of an hour depends on its neighbours. Hours without a sample hold energy when a register was read
before and after: they are made from samples too, which is little work.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wattline.core.cells import Cells, Table, concat
from wattline.core.rollup import roll_many
from wattline.model import Column, Mask, Metric
from wattline.plugin import Refused
from wattline.stores.sqlite.edges import after, before
from wattline.stores.sqlite.pieces import Piece, merge
from wattline.stores.sqlite.read import HOUR, Group, Reader, Window, hours, reach
from wattline.stores.sqlite.rollups import DAY, MINUTE, QUARTER, cut, unpack
from wattline.units import NANOSECONDS

FINEST: Final = 10 * NANOSECONDS
Span = tuple[int, int]
"""Hours [start, end) in ns."""


def cells(reader: Reader, window: Window, between: Span, span: int, thinned: int) -> Iterator[dict[int, Cells]]:
    """Yield roll-ups by series, a UTC day or one span at a time. Samples before `thinned` may have gone."""
    start, end, level = asked(reader, between, span)
    step = max(1, DAY // span) * span
    for a in range(start, end, step):
        if found := _slice(reader, window, (a, min(end, a + step)), (level, span), thinned):
            yield found


def asked(reader: Reader, between: Span, span: int) -> tuple[int, int, int]:
    """Return the window as far as there are samples, and the span of the cells to begin with. Raises Refused."""
    start, end = between
    if span <= 0 or span % FINEST:
        raise Refused(f"a roll-up spans a multiple of 10 s, not {span / NANOSECONDS} s")
    if start % span or end % span:
        raise Refused(f"roll-ups of {span // NANOSECONDS} s start and end at multiples of it")
    low, high = reach(reader)
    level = QUARTER if span % QUARTER == 0 else MINUTE if span % MINUTE == 0 else FINEST
    return max(start, low // span * span), min(end, -(-high // span) * span), level


def from_samples(reader: Reader, window: Window, groups: Sequence[Group], between: Span, span: int) -> dict[int, Cells]:
    """Return the cells of a window made from the samples of its whole hours and their neighbours (core/rollup)."""
    start, end = between
    first, last = start // HOUR * HOUR, -(-end // HOUR) * HOUR
    parts: dict[Group, list[Piece]] = {}
    for _, merged in hours(reader, window, first, last, groups):
        for group, piece in merged.items():
            parts.setdefault(group, []).append(piece)
    sides = (before(reader, window, first, groups), after(reader, window, last, groups))
    found: dict[int, Cells] = {}
    for group in groups:
        pieces = [side[group] for side in sides if group in side] + parts.get(group, [])
        if pieces:
            metrics, columns = window.kinds(group)
            found.update(zip(group.ids, rolled(merge(pieces), metrics, columns, between, span), strict=True))
    return found


def rolled(piece: Piece, metrics: Sequence[Metric], columns: Sequence[Column], between: Span, span: int) -> list[Cells]:
    """Return the cells of each column of a piece."""
    start, end = between
    run = piece.life if len(piece.life) and (piece.life != piece.life[0]).any() else None
    with np.errstate(over="ignore", invalid="ignore"):  # sums of the largest doubles are infinite, and that is right
        return roll_many(
            piece.time, piece.values, piece.present, metrics, columns, start=start, end=end, span=span, run=run
        )


def segments(
    reader: Reader, window: Window, between: Span, level: int, thinned: int
) -> Iterator[tuple[Sequence[Group], Span, bool]]:
    """Yield hours that some groups have in common, and whether what is kept holds there; those of a group ascend."""
    first, last = between[0] // HOUR * HOUR, -(-between[1] // HOUR) * HOUR
    by_plan: dict[tuple[Span, ...], list[Group]] = {}
    for group, stale in _stale(reader, window, first, last, level == FINEST).items():
        if not window.shares(group):
            stale = _clipped(stale, thinned, last)  # noqa: PLW2901 - what has gone cannot be read again
        by_plan.setdefault(tuple(stale), []).append(group)
    for plan, groups in by_plan.items():
        parts = [*((part, True) for part in _between((first, last), plan)), *((part, False) for part in plan)]
        for part, is_kept in sorted(parts):
            yield groups, part, is_kept


def bodies(reader: Reader, groups: Sequence[Group], segment: Span, level: int) -> dict[Group, list[bytes]]:
    """Return the kept rows of groups of one family each that hold cells of a segment, ascending."""
    start, end = segment
    period = DAY if level == QUARTER else HOUR
    query = "select body from rollup where family=? and level=? and start>=? and start<? order by start"
    with reader.snapshot() as connection:
        rows = {
            group: connection.execute(query, (group.families[0], level, start // period * period, end)).fetchall()
            for group in groups
        }
    return {group: [body for (body,) in found] for group, found in rows.items()}


def _slice(reader: Reader, window: Window, between: Span, spans: tuple[int, int], thinned: int) -> dict[int, Cells]:
    """Return the cells of one slice; `spans` are the level to make them from and their own."""
    (start, end), (level, span) = between, spans
    if level == FINEST and start >= thinned:
        made = from_samples(reader, window, window.groups, between, span)
        return {number: own for number, own in made.items() if len(own)}
    parts: dict[int, list[Cells]] = {}
    for groups, segment, is_kept in segments(reader, window, between, level, thinned):
        for number, own in (_kept if is_kept else from_samples)(reader, window, groups, segment, level).items():
            parts.setdefault(number, []).append(own)
    found = {number: cut(concat(own), start, end) for number, own in parts.items()}
    return _coarser({number: own for number, own in found.items() if len(own)}, span)


def _coarser(cells: dict[int, Cells], span: int) -> dict[int, Cells]:
    """Return cells of a longer span of each series, summed for all of them in one go."""
    tables = [Table(np.full(len(own), place), own) for place, own in enumerate(cells.values())]
    with np.errstate(over="ignore", invalid="ignore"):  # a sum of the largest doubles is infinite, and that is right
        return dict(zip(cells, Table.of(tables).coarser(span).split(len(cells)), strict=True)) if cells else {}


def _kept(reader: Reader, window: Window, groups: Sequence[Group], segment: Span, level: int) -> dict[int, Cells]:
    """Return what is kept of hours that are not stale."""
    found: dict[int, Cells] = {}
    for group, rows in bodies(reader, groups, segment, level).items():
        places = window.places(group)
        parts: dict[int, list[Cells]] = {}
        for body in rows:
            for place, own in unpack(body, sorted(places)).items():
                parts.setdefault(places[place], []).append(own)
        found.update((number, cut(concat(own), *segment)) for number, own in parts.items())
    return found


def _stale(reader: Reader, window: Window, first: int, last: int, everything: bool) -> dict[Group, list[Span]]:
    """Return the hours of [first, last) that must be made from samples, by group, joined and ascending."""
    stale: dict[Group, list[Span]] = {}
    by_runs: dict[tuple[Span, ...], list[Group]] = {}
    with reader.snapshot() as connection:
        for group in window.groups:
            if everything or len(group.families) > 1 or window.shares(group):
                stale[group] = [(first, last)]
                continue
            family = group.families[0]
            dirty = [row[0] * HOUR for row in connection.execute(
                "select hour from dirty where family=? order by hour", (family,))]  # fmt: skip
            stale[group] = _empty(connection, window, group, (first, last), dirty)
            by_runs.setdefault(tuple(_joined([(hour, hour + HOUR) for hour in dirty])), []).append(group)
    for runs, groups in by_runs.items():
        for run in runs:
            for group, reached in _reached(reader, window, groups, run).items():
                stale[group].append(reached)
    return {group: _clipped(_joined(spans), first, last) for group, spans in stale.items()}


def _empty(
    connection: sqlite3.Connection, window: Window, group: Group, between: Span, dirty: Sequence[int]
) -> list[Span]:
    """Return the hours without a sample between the first and the last one of a family, where energy may lie."""
    if not window.energy_places(group):
        return []
    family = group.families[0]
    row = connection.execute(
        "select min(start), max(start) from rollup where family=? and level=?", (family, MINUTE)
    ).fetchone()
    known = [*dirty, *(edge for edge in row if edge is not None)]
    if not known:
        return []
    low, high = max(between[0], min(known)), min(between[1], max(known) + HOUR)
    rows = connection.execute(
        "select start from rollup where family=? and level=? and start>=? and start<?", (family, MINUTE, low, high)
    )
    made = {start for (start,) in rows}
    return _joined([(hour, hour + HOUR) for hour in range(low, high, HOUR) if hour not in made])


def _reached(reader: Reader, window: Window, groups: Sequence[Group], run: Span) -> dict[Group, Span]:
    """Return a run of dirty hours, widened to the hours of the samples that are neighbours of what came in it."""
    energy = {group: places for group in groups if (places := window.energy_places(group))}
    reached = dict.fromkeys(groups, run)
    if not energy:
        return reached
    came = {group: np.zeros(len(group.ids), bool) for group in energy}
    for _, merged in hours(reader, window, *run, list(energy)):
        for group, piece in merged.items():
            came[group] |= True if piece.present is None else piece.present.any(axis=0)
    sides = before(reader, window, run[0], list(energy)), after(reader, window, run[1], list(energy))
    for group, places in energy.items():
        chosen = np.zeros(len(group.ids), bool)
        chosen[places] = True
        times = [_times(side[group], chosen & came[group]) for side in sides if group in side]
        every = np.concatenate([np.array(run) - (0, 1), *times]) // HOUR * HOUR
        reached[group] = (int(every.min()), int(every.max()) + HOUR)
    return reached


def _times(side: Piece, chosen: Mask) -> NDArray[np.int64]:
    """Return the times of the samples of chosen columns."""
    there = side.present[:, chosen] if side.present is not None else np.ones((len(side.time), int(chosen.sum())), bool)
    return side.time[there.any(axis=1)]


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Return spans ascending, those that touch or overlap as one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _clipped(spans: Sequence[Span], first: int, last: int) -> list[Span]:
    return [(max(a, first), min(b, last)) for a, b in spans if a < last and b > first]


def _between(whole: Span, spans: Sequence[Span]) -> list[Span]:
    """Return what lies in `whole` and in none of the spans, which ascend within it."""
    edges = [whole[0], *(edge for span in spans for edge in span), whole[1]]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]

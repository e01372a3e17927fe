"""A store to a file of history: rows by time, then device, metric and labels, one slice of the store at a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
from msgspec import Struct

from wattline.errors import Refused
from wattline.exchange.form import ALL, NAMING, PLAIN, describe
from wattline.exchange.formats import Format
from wattline.exchange.load import Progress
from wattline.exchange.writing import Rows, writer
from wattline.model import Device, Kind
from wattline.plugin import Block, Entry, Store

ALWAYS: Final = (*PLAIN, "unit", "kind", "run")
"""Columns that a full dump has even where they say nothing."""


class Selection(Struct, frozen=True):
    """What is dumped: series by globs of device and metric (none: all), samples in [start, end) ns (None: all).

    `plain`: only time, device, metric, value and labels (and text, where there are states).
    """

    devices: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    plain: bool = False

    def selects(self, entry: Entry) -> bool:
        """Say whether a series is dumped."""
        named = (entry.series.device, self.devices), (entry.series.metric.name, self.metrics)
        return all(not globs or any(fnmatchcase(name, glob) for glob in globs) for name, globs in named)


class Dumped(Struct):
    """What was written: rows, series, and the time of the samples (ns)."""

    rows: int = 0
    series: int = 0
    first: int | None = None
    last: int | None = None


def dump(store: Store[Any], form: Format, out: BinaryIO, selection: Selection, progress: Progress) -> Dumped:
    """Write what is selected, as a stream. Raises Refused when no series is."""
    chosen = sorted((entry for entry in store.entries() if selection.selects(entry)), key=_rank)
    if not chosen:
        raise Refused("the store holds no such series" if store.entries() else "the store holds no series yet")
    described = {device.name: device for device in store.devices()}
    texts = [describe(entry, described.get(entry.series.device, Device(entry.series.device))) for entry in chosen]
    file = writer(form, out, _columns(chosen, texts, selection), texts)
    dumped = Dumped(series=len(chosen))
    start, end = _window(store, selection)
    lives: dict[int, int] = {}
    for rows in _slices(store, chosen, start, end, lives):
        file.write(rows)
        dumped.rows += len(rows.time)
        dumped.first = int(rows.time[0]) if dumped.first is None else dumped.first
        dumped.last = int(rows.time[-1])
        progress("dumping", (dumped.last - start) / (end - start), dumped.rows)
    file.close()
    return dumped


def _rank(entry: Entry) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return entry.series.device, entry.series.metric.name, entry.series.labels


def _columns(chosen: Sequence[Entry], texts: Sequence[Mapping[str, str]], selection: Selection) -> list[str]:
    """Return the columns that say something, in the order of form.ALL."""
    said = set(PLAIN)
    if not selection.plain:
        said |= {*ALWAYS, *(name for name in NAMING if any(one[name] for one in texts))}
    if any(entry.series.metric.kind is Kind.STATE for entry in chosen):
        said.add("text")
    return [name for name in ALL if name in said]


def _window(store: Store[Any], selection: Selection) -> tuple[int, int]:
    """Return the window in ns, narrowed to the time of which there are samples at all."""
    figures = store.statistics()
    oldest, newest = int(figures.get("oldest", 0)), int(figures.get("newest", 0)) + 1
    start = oldest if selection.start is None else max(oldest, selection.start)
    end = newest if selection.end is None else min(newest, selection.end)
    return start, max(start, end)


def _slices(store: Store[Any], chosen: Sequence[Entry], start: int, end: int, lives: dict[int, int]) -> Iterator[Rows]:
    """Yield rows in order. `lives` numbers the lives of sources as they appear, so that a dump does not depend on how
    a store numbers them.
    """
    ranks = {entry.id: rank for rank, entry in enumerate(chosen)}
    states = {rank for rank, entry in enumerate(chosen) if entry.series.metric.kind is Kind.STATE}
    for blocks in store.samples(list(ranks), start, end):
        rank, time, value, run = _flat(blocks, ranks)
        if len(time):
            order = _order(rank, time, len(chosen))
            rank, time, value, run = rank[order], time[order], value[order], run[order]
            text = _texts(store, chosen, states, rank, value)
            yield Rows(rank, time, value, _renumbered(run, lives), text)


def _flat(blocks: Iterable[Block], ranks: Mapping[int, int]) -> tuple[Any, Any, Any, Any]:
    """Return the rows of blocks, each block's by time and then by rank."""
    parts = []
    for block in blocks:
        own = np.array([ranks[number] for number in block.ids], np.int64)
        by_rank = np.argsort(own)
        values = block.values[:, by_rank]
        shape = values.shape
        run = np.zeros(len(block.time), np.int64) if block.run is None else block.run
        columns = [np.broadcast_to(one, shape) for one in (own[by_rank], block.time[:, None], values, run[:, None])]
        if block.present is None:
            parts.append([column.ravel() for column in columns])
        else:
            there = block.present[:, by_rank]
            parts.append([column[there] for column in columns])
    if len(parts) == 1:
        return tuple(parts[0])  # type: ignore[return-value]
    rank, time, value, run = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return rank, time, value, run


def _order(rank: Any, time: Any, count: int) -> Any:
    """Sort by (time, rank); rows that stand in order already cost a comparison."""
    low = int(time.min())
    if (int(time.max()) - low + 1) * count < 2**63:
        key = (time - low) * count + rank
        return slice(None) if (np.diff(key) >= 0).all() else np.argsort(key, kind="stable")
    return np.lexsort((rank, time))


def _renumbered(run: Any, lives: dict[int, int]) -> Any:
    if (run == run[0]).all():
        return np.full(len(run), lives.setdefault(int(run[0]), len(lives) + 1), np.int64)
    distinct, first, inverse = np.unique(run, return_index=True, return_inverse=True)
    for place in np.argsort(first).tolist():
        lives.setdefault(int(distinct[place]), len(lives) + 1)
    return np.array([lives[one] for one in distinct.tolist()], np.int64)[inverse]


def _texts(store: Store[Any], chosen: Sequence[Entry], states: Iterable[int], rank: Any, value: Any) -> Any:
    """Return the texts of states for their rows, None when no row is of a state."""
    found: list[str | None] | None = None
    for state in states:
        which = np.flatnonzero((rank == state) & ~np.isnan(value))
        if len(which):
            table = store.texts(chosen[state].id)
            found = [None] * len(rank) if found is None else found
            for row in which.tolist():
                found[row] = table[int(value[row])]
    return None if found is None else pa.array(found, pa.string())

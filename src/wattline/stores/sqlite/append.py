"""Writing: one transaction and one staged row per commit; its commit is the acknowledgement.

The loop over batches is the only one per batch in the store, so it does little: it finds the layout and the life,
tells repeats, and collects references. Everything else is arithmetic on the row as a whole.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wattline.model import Batch, Values
from wattline.plugin import Refused
from wattline.stores.sqlite.catalogue import Catalogue
from wattline.stores.sqlite.held import Known
from wattline.stores.sqlite.pieces import COMMIT
from wattline.stores.sqlite.plan import Plan
from wattline.stores.sqlite.received import Life
from wattline.stores.sqlite.staging import ENTRY, HEAD, PARTLY, Directory, Row, pack, pad, parse
from wattline.units import NANOSECONDS

HOUR: Final = 3600 * NANOSECONDS
_EPOCH: Final = 1 << 31
"""Added to an hour, which may lie before 1970, to make a mark."""
UNNAMED: Final = 0
"""The sequence of a batch that has no name, so that none can be its repeat."""
_DOUBLE: Final = np.dtype(np.float64)
_TIME: Final = np.dtype(np.int64)


class Collected(NamedTuple):
    """What one write brings: batches as a directory and parts, and what they add to the catalogue."""

    directory: Directory
    parts: list[Any]
    lives: list[Life]
    """Whose each batch is, in the order of the directory."""
    plan: Plan
    absent: int
    late: int


class Committed(NamedTuple):
    """A staged row as committed: its size in bytes, and the time and the layout number of each of its frames."""

    row: Row
    size: int
    times: NDArray[np.int64]
    layouts: NDArray[np.int64]


def collect(batches: Sequence[Batch], catalogue: Catalogue, thinned: int) -> Collected:
    """Read batches once. Raises Refused, naming the series, when one contradicts what is held; nothing is changed.

    Frames before `thinned` (ns) are left out and counted, for of that time raw samples are kept no more.
    """
    found = _collect(batches, catalogue, thinned)
    life, sequence = found.directory["life"], found.directory["sequence"]
    if not len(life) or np.bincount(life).max() == 1:
        return found
    order = np.lexsort((sequence, life))
    life, sequence = life[order], sequence[order]
    if not ((life[1:] == life[:-1]) & (sequence[1:] == sequence[:-1]) & (sequence[1:] != UNNAMED)).any():
        return found
    slow = _Rest(catalogue, thinned, batches)  # a batch that came twice in one write is taken once
    for index, batch in enumerate(batches):
        slow.take(index, batch)
    return slow.collected()


def _collect(batches: Sequence[Batch], catalogue: Catalogue, thinned: int) -> Collected:
    rest = _Rest(catalogue, thinned, batches)
    seen, heads, sequences, lives, parts = catalogue.seen, rest.heads, rest.sequences, rest.lives, rest.parts
    for index, batch in enumerate(batches):
        met, sequence, values = seen.get(id(batch.layout)), batch.sequence, batch.values
        if (
            met is not None
            and sequence > met.life.last
            and met.run == batch.run
            and met.source == batch.source
            and batch.present is None
            and values.shape == met.frame
            and values.dtype is _DOUBLE
            and batch.time.dtype is _TIME
            and not thinned
        ):  # what comes all day long
            heads.append(met.head)
            sequences.append(sequence)
            lives.append(met.life)
            parts += (batch.time, values)
        else:
            rest.take(index, batch)
    return rest.collected()


class _Rest:
    """Collects batches of any kind, one at a time."""

    def __init__(self, catalogue: Catalogue, thinned: int, batches: Sequence[Batch]) -> None:
        self._catalogue = catalogue
        self._thinned = thinned
        self._batches = batches
        self._plan = Plan(catalogue)
        self._absent = self._late = 0
        self._names: set[tuple[int, int]] = set()
        self.heads: list[bytes] = []
        """The entries of all batches, all but their sequences."""
        self.sequences: list[int] = []
        self.lives: list[Life] = []
        self.parts: list[Any] = []

    def take(self, index: int, given: Batch) -> None:
        """Take batch `index` of the write, unless it was received before."""
        batch, catalogue, plan = given, self._catalogue, self._plan
        held = catalogue.lives.get((batch.source, batch.run))
        life = held or plan.life(batch.source, batch.run)
        sequence = batch.sequence
        if sequence and (sequence in life or (life.number, sequence) in self._names):
            return
        if self._thinned and len(batch.time) and int(batch.time.min()) < self._thinned:
            batch, dropped = _trimmed(batch, self._thinned)
            self._late += dropped
        met = catalogue.seen.get(id(batch.layout))
        known = met.known if met is not None else plan.meet(batch, self._batches[:index])
        if met is not None and held is not None:
            met.spoken_by(batch, held)
        n = len(batch.time)
        if batch.values.shape != (n, known.k):
            raise Refused(f"{n} times and {known.k} series need other values than {batch.values.shape}")
        values = _renumber(batch, known, plan) if known.states else batch.values
        self.parts += (np.ascontiguousarray(batch.time, np.int64), np.ascontiguousarray(values, np.float64))
        if batch.present is not None:
            self._absent += values.size - int(batch.mask().sum())
            self.parts.append(pad(batch.present))
        flags = 0 if batch.present is None else PARTLY
        self.heads.append(HEAD.pack(known.number, life.number, 0, n, known.k, flags))
        self.sequences.append(sequence)
        self.lives.append(life)
        if sequence:
            self._names.add((life.number, sequence))

    def collected(self) -> Collected:
        """Return it all."""
        if len(self.heads) >= 1 << COMMIT:
            raise Refused(f"a write takes {(1 << COMMIT) - 1} batches, not {len(self.heads)}")
        directory = np.frombuffer(bytearray().join(self.heads), ENTRY)
        directory["sequence"] = self.sequences
        return Collected(directory, self.parts, self.lives, self._plan, self._absent, self._late)


def insert(
    connection: sqlite3.Connection, found: Collected, catalogue: Catalogue, marked: set[int] | None
) -> tuple[Committed, set[int]]:
    """Write what was collected inside the caller's transaction; `marked` are the dirty hours that stand already.

    Returns the row, and its marks (see `unmark`) where some of them are new.
    """
    body = pack(found.directory, found.parts)
    row = parse(0, body)
    times, layouts = frame_times(row)
    first, last = (int(times.min()), int(times.max())) if len(times) else (None, None)
    samples = int((found.directory["n"].astype(np.int64) * found.directory["k"]).sum()) - found.absent
    if found.plan:
        found.plan.store(connection)
    cursor = connection.execute(
        "insert into staged(first, last, samples, body) values(?,?,?,?)", (first, last, samples, body)
    )
    seq = cursor.lastrowid
    assert seq is not None
    family = _families(found, catalogue)
    keys = ((family[layouts] << 32) | (times // HOUR + _EPOCH)).tolist()
    marks: set[int] = set()
    if marked is None or not marked.issuperset(keys):
        marks = set(keys)
        connection.executemany(
            "insert into dirty values(?,?,?) on conflict do update set seq=excluded.seq",
            ((*unmark(mark), seq) for mark in (marks if marked is None else marks - marked)),
        )
    if found.late:
        connection.execute("update meta set value=value+? where name='late'", (found.late,))
    return Committed(row._replace(seq=seq), len(body), times, layouts), marks


def mark(family: int, hour: int) -> int:
    """Return the mark of an hour (hours since the epoch) of a family."""
    return (family << 32) | (hour + _EPOCH)


def unmark(mark: int) -> tuple[int, int]:
    """Return the family and the hour (hours since the epoch) of a mark."""
    return mark >> 32, (mark & 0xFFFFFFFF) - _EPOCH


def frame_times(row: Row) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the time and the layout number of every frame of a row."""
    n = row.directory["n"].astype(np.int64)
    layouts = row.directory["layout"].astype(np.int64)
    if (n == 1).all():
        return row.words[row.offset], layouts
    starts = np.cumsum(n) - n
    index = np.repeat(row.offset - starts, n) + np.arange(int(n.sum()))
    return row.words[index], np.repeat(layouts, n)


def adopt(found: Collected, catalogue: Catalogue, committed: Committed) -> None:
    """Let the catalogue in memory say what was committed."""
    catalogue.adopt(found.plan)
    for life, sequence in zip(found.lives, found.directory["sequence"].tolist(), strict=True):
        if sequence != UNNAMED:
            life.add(sequence)
    catalogue.newest_until(committed.layouts, committed.times)


def _families(found: Collected, catalogue: Catalogue) -> NDArray[np.int64]:
    """Return the family of each layout number, those planned too."""
    planned = found.plan.layouts.values()
    if not planned:
        return catalogue.family_by_layout
    families = np.zeros(max(len(catalogue.family_by_layout), *(k.number + 1 for k in planned)), np.int64)
    families[: len(catalogue.family_by_layout)] = catalogue.family_by_layout
    for known in planned:
        families[known.number] = known.family
    return families


def _trimmed(batch: Batch, thinned: int) -> tuple[Batch, int]:
    """Return a batch without its frames before `thinned`, and how many samples they held."""
    mask, keep = batch.mask(), batch.time >= thinned
    present = None if batch.present is None else batch.present[keep]
    rest = Batch(
        batch.layout,
        batch.time[keep],
        batch.values[keep],
        present,
        batch.texts,
        batch.source,
        batch.run,
        batch.sequence,
    )
    return rest, int(mask[~keep].sum())


def _renumber(batch: Batch, known: Known, plan: Plan) -> Values:
    """Turn numbers of a batch's own texts to places in the tables of their series, which only grow."""
    values = np.array(batch.values, np.float64)
    mask = batch.mask()
    for place in known.states:
        texts, series = batch.texts.get(place, ()), batch.layout.series[place]
        there = mask[:, place] & ~np.isnan(values[:, place])
        held = values[there, place]
        if not np.isin(held, np.arange(len(texts))).all():
            raise Refused(f"{series.metric.name} of {series.device} has an index that names none of its texts")
        table = plan.table(int(known.ids[place]))
        used, inverse = np.unique(held.astype(np.int64), return_inverse=True)
        places = np.array([table.setdefault(texts[i], len(table)) for i in used.tolist()], np.float64)
        if len(used):
            values[there, place] = places[inverse]
    return values

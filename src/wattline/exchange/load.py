"""A file of history into a store: first every row is checked, then all are stored, or none.

The first pass reads the whole file, finds its series, refuses bad rows and contradictions, and chooses layouts. The
second reads it again and writes frames. Batches are named after the file's digest and what was assumed of it, and
numbered in the order of its rows: a load that was interrupted and is begun again stores nothing twice.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from wattline.core.loose import Census, Index, batches
from wattline.errors import Malformed, Refused
from wattline.exchange.catalog import Catalog
from wattline.exchange.figures import times, values
from wattline.exchange.form import NAMING, Assumed, declared, missing
from wattline.exchange.formats import Format
from wattline.exchange.reading import Part, parts
from wattline.model import Batch, Kind, Layout, Loose, Mask, Times, Values
from wattline.plugin import Entry, Store

EXAMPLES: Final = 5
"""How many bad rows are quoted."""
_QUOTED: Final = 200
Progress = Callable[[str, float, int], None]
"""Told the stage ("checking", "storing"), the share of it that is done, and how many rows that were."""


class BadRows(Malformed):
    """Some rows of a file mean nothing, so nothing of it was stored."""


class Loaded(Struct):
    """What a file held: good rows, bad ones with the first few reasons, series, and the time of its samples (ns)."""

    rows: int = 0
    bad: int = 0
    examples: list[tuple[int, str]] = []
    series: int = 0
    first: int | None = None
    last: int | None = None

    def count(self, rows: "Rows") -> None:
        """Add the rows of one part."""
        self.rows += len(rows.time)
        self.bad += len(rows.faults)
        few = sorted(rows.faults.items())[: EXAMPLES - len(self.examples)]
        self.examples += [(row, why if len(why) <= _QUOTED else f"{why[:_QUOTED]}…") for row, why in few]
        if len(rows.time):
            low, high = int(rows.time.min()), int(rows.time.max())
            self.first = low if self.first is None else min(self.first, low)
            self.last = high if self.last is None else max(self.last, high)


class Rows(NamedTuple):
    """Good rows as columns: `series` into the catalog, `text` the texts of states (None: there is no such row)."""

    series: Index
    time: Times
    value: Values
    run: Index
    text: Any
    faults: dict[int, str]


class Checked(Struct):
    """A file of which all is known that storing it needs."""

    path: Path
    form: Format
    assumed: Assumed
    source: str
    catalog: Catalog
    layouts: Sequence[Layout]
    loaded: Loaded


def check(
    path: Path, form: Format, assumed: Assumed, held: Sequence[Entry], progress: Progress, *, skip_bad: bool = False
) -> Checked:
    """Read a whole file without storing anything; `held` is what the store has.

    Raises BadRows, Malformed when the file or its columns mean nothing, and Refused when it contradicts the store.
    """
    catalog, census, loaded = Catalog(assumed), Census(), Loaded()
    for part in parts(path, form):
        rows = decode(part, catalog, assumed)
        loaded.count(rows)
        census.count(catalog.series, rows.series, rows.time)
        progress("checking", part.done, loaded.rows + loaded.bad)
    if loaded.bad and not skip_bad:
        quoted = [f"row {row}: {reason}" for row, reason in loaded.examples]
        more = [f"and {loaded.bad - len(quoted)} more"] if loaded.bad > len(quoted) else []
        found = f"{loaded.bad} bad row{'' if loaded.bad == 1 else 's'}"
        raise BadRows("\n".join([f"{path}: {found}, nothing was stored", *quoted, *more]))
    _compare(catalog, held)
    loaded.series = len(catalog.series)
    layouts = census.layouts(catalog.series, catalog.columns, catalog.devices)
    return Checked(path, form, assumed, _source(path, assumed), catalog, layouts, loaded)


async def store(checked: Checked, into: Store[Any], progress: Progress) -> Loaded:
    """Write the frames of a checked file; raises what the store raises, and may be begun again.

    The next part is read while the store writes the last one, so two parts are in memory at a time.
    """
    written = _written(checked)
    ahead = asyncio.create_task(asyncio.to_thread(next, written, None))
    try:
        while found := await ahead:
            ahead = asyncio.create_task(asyncio.to_thread(next, written, None))
            frames, done, rows = found
            await into.write(frames)
            progress("storing", done, rows)
    finally:
        ahead.cancel()
    return checked.loaded


def _written(checked: Checked) -> Iterator[tuple[list[Batch], float, int]]:
    """Yield the batches of each part, the share that is done then, and how many rows that are."""
    sequences: dict[int, int] = {}
    seen = 0
    for part in parts(checked.path, checked.form):
        rows = decode(part, checked.catalog, checked.assumed)
        frames: list[Batch] = []
        for run in np.unique(rows.run).tolist():
            loose = _loose(rows, rows.run == run, checked, run, sequences.setdefault(run, 1))
            of_run = batches(loose, checked.layouts)
            sequences[run] += len(of_run)
            frames += of_run
        seen += len(rows.time)
        if frames:
            yield frames, part.done, seen


def _loose(rows: Rows, of_run: Mask, checked: Checked, run: int, sequence: int) -> Loose:
    catalog = checked.catalog
    index, value = rows.series[of_run], rows.value[of_run]
    texts: dict[int, tuple[str, ...]] = {}
    if rows.text is not None:
        text = rows.text.filter(pa.array(of_run))
        value = value.copy()
        there = ~np.asarray(pc.is_null(text))
        for number in np.unique(index[there]).tolist():
            which = there & (index == number)
            table = text.filter(pa.array(which)).cast(pa.string()).dictionary_encode()
            value[which] = np.asarray(table.indices)
            texts[number] = tuple(table.dictionary.to_pylist())
    return Loose(
        tuple(catalog.series), tuple(catalog.columns), index, rows.time[of_run], value, texts,
        checked.source, run, sequence,
    )  # fmt: skip


def decode(part: Part, catalog: Catalog, assumed: Assumed) -> Rows:
    """Turn the columns of a part into numbers, and find its bad rows.

    Raises Malformed for a column that is missing, or of a type that cannot be meant.
    """
    try:
        return _decoded(part, catalog, assumed)
    except pa.ArrowException as error:
        types = ", ".join(f"{name} ({column.type})" for name, column in part.columns.items())
        raise Malformed(f"a column is of a type that means nothing there; they are {types}") from error


def _decoded(part: Part, catalog: Catalog, assumed: Assumed) -> Rows:
    columns, count = part.columns, len(part.rows)
    if absent := missing(list(columns), assumed):
        raise Malformed(f"there is no column {', '.join(absent)}, only {', '.join(columns)}")
    time, faults = times(columns["time"], unit=assumed.time_unit, naive=assumed.naive)
    value, has_value, bad_values = values(columns["value"])
    text = _texts(columns, has_value)
    has_text = None if text is None else ~np.asarray(pc.is_null(text))
    naming = {name: column for name, column in columns.items() if name in NAMING}
    series, bad_series = catalog.resolve(count, naming, has_text)
    run, bad_runs = _runs(columns.get("run"), count)
    empty = np.flatnonzero(~has_value & ~(has_text if has_text is not None else np.zeros(count, bool)))
    faults = dict.fromkeys(empty.tolist(), "it has no value") | bad_runs | bad_values | bad_series | faults
    faults |= {
        row: "a state needs its text" for row in _wordless(series, value, has_text, catalog) if row not in faults
    }
    good = np.ones(count, bool)
    good[list(faults)] = False
    named = {int(part.rows[row]): reason for row, reason in faults.items()} | part.faults
    value = _scaled(value, series, catalog)
    if faults:
        series, time, value, run = series[good], time[good], value[good], run[good]
        text = None if text is None else text.filter(pa.array(good))
    return Rows(series, time, value, run, text, named)


def _texts(columns: Mapping[str, pa.ChunkedArray], has_value: Mask) -> pa.ChunkedArray | None:
    """Return the column of texts, None where it says nothing; the empty text of a state is nothing in a CSV file."""
    text, kind = columns.get("text"), columns.get("kind")
    if text is None:
        return None
    if text.null_count and kind is not None:
        is_blank = pc.and_(pc.and_(pc.is_null(text), pc.equal(kind, "state")), pa.array(~has_value))
        text = pc.if_else(pc.fill_null(is_blank, fill_value=False), "", text)
    return None if text.null_count == len(text) else text


def _runs(column: Any, count: int) -> tuple[Index, dict[int, str]]:
    if column is None or column.null_count == count:
        return np.ones(count, np.int64), {}
    try:
        return np.asarray(pc.fill_null(column.cast(pa.int64()), 1)), {}
    except pa.ArrowInvalid:
        runs, faults = np.ones(count, np.int64), {}
        for row, one in enumerate(column.to_pylist()):
            if str(one).isdigit() and len(str(one)) < 19:
                runs[row] = int(str(one))
            elif one is not None:
                faults[row] = f"its run is no whole number: {one!r}"
        return runs, faults


def _wordless(series: Index, value: Values, has_text: Mask | None, catalog: Catalog) -> list[int]:
    """Return the rows of states that have a number and no text."""
    is_state = np.array([one.metric.kind is Kind.STATE for one in catalog.series] + [False])  # -1 is a bad row
    if not is_state.any():
        return []
    without = is_state[series] & ~np.isnan(value)
    found: list[int] = np.flatnonzero(without if has_text is None else without & ~has_text).tolist()
    return found


def _scaled(value: Values, series: Index, catalog: Catalog) -> Values:
    """Bring values to base units; a value in a base unit keeps its bits."""
    factors = {scale for scale in catalog.scales if scale.num != scale.den}
    if not factors:
        return value
    found = value.copy()
    scaled = np.array([scale in factors for scale in catalog.scales] + [False])[series]
    num = np.array([float(scale.num) for scale in catalog.scales] + [1.0])[series[scaled]]
    den = np.array([float(scale.den) for scale in catalog.scales] + [1.0])[series[scaled]]
    found[scaled] = value[scaled] * num / den
    return found


def _compare(catalog: Catalog, held: Sequence[Entry]) -> None:
    """Raise Refused where a metric of the file is another in the store."""
    first = {entry.series.metric.name: entry.series for entry in reversed(held)}
    for series in catalog.series:
        stored = first.get(series.metric.name)
        if stored is None or (stored.metric.kind is Kind.UNKNOWN and series.metric.kind is not Kind.STATE):
            continue
        try:
            declared(stored.metric, series.metric)
        except Malformed as error:
            raise Refused(f"{error}, by {stored.device} in the store; nothing was stored") from error


def _source(path: Path, assumed: Assumed) -> str:
    """Name a source after the bytes of a file and what was assumed of them."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=12))
    digest.update(msgspec.json.encode(assumed, order="sorted"))
    return f"load:{digest.hexdigest()}"

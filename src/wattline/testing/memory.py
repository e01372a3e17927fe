"""A store in memory: the specification of `plugin.Store` that runs, for tests, demonstrations and stores to be.

Everything that was written is kept as it came, as columns per series; reading merges. So each rule of what a store does
stands here once, in the fewest words: a sample is (series, time, run) where a run is one life of one source; written
twice it is there once, the later write wins; an absent value replaces nothing; a batch that was received before has no
effect. Clarity comes before speed, and nothing survives the process.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from msgspec.structs import replace

from wattline.core import rollup
from wattline.core.cells import Cells
from wattline.errors import Refused
from wattline.model import Batch, Column, Device, Kind, Metric, Outage, Run, Series, Times, Values
from wattline.plugin import Block, Config, Entry, Store
from wattline.units import NANOSECONDS

HOUR = 3600 * NANOSECONDS
DAY = 24 * HOUR
FINEST = 10 * NANOSECONDS
"""The span of the finest roll-up."""
UNNAMED = 0
"""The sequence of a batch that has no name, so that none can be its repeat."""


class MemoryConfig(Config, frozen=True, kw_only=True):
    """There is nothing to choose."""


class Merged(NamedTuple):
    """Samples of one series in order of (time, run), each once: `time` int64[n], `run` int64[n], `value` float64[n]."""

    time: Times
    run: Times
    value: Values


class MemoryStore(Store[MemoryConfig]):
    """Keeps batches in memory until it is let go; `MemoryStore()` is ready."""

    Config: ClassVar[type[Config]] = MemoryConfig
    summary: ClassVar[str] = "keeps everything in memory, and nothing after the end"

    def __init__(self, config: MemoryConfig | None = None) -> None:
        super().__init__(config or MemoryConfig())
        self._lock = threading.RLock()
        self._entries: list[Entry] = []
        self._ids: dict[bytes, int] = {}
        self._declared: dict[str, tuple[Metric, str]] = {}
        self._family: dict[int, bytes] = {}
        self._layouts: set[bytes] = set()
        self._written: dict[int, list[Merged]] = {}
        self._merged: dict[int, Merged] = {}
        self._texts: dict[int, list[str]] = {}
        self._columns_from: dict[int, int] = {}
        self._devices: dict[str, Device] = {}
        self._received: set[tuple[str, int, int]] = set()
        self._lives: dict[tuple[str, int], int] = {}
        self._outages: dict[tuple[str, int], Outage] = {}
        self._runs: dict[tuple[str, int], Run] = {}
        self._repeats = 0

    async def write(self, batches: Sequence[Batch]) -> None:
        """Take all batches, or none: raises Refused when one contradicts what is held, before anything is changed."""
        with self._lock:
            declared = dict(self._declared)
            for batch in batches:
                _check(batch, declared)
            for batch in batches:
                self._take(batch)

    def _take(self, batch: Batch) -> None:
        name = (batch.source, batch.run, batch.sequence)
        if name in self._received:
            self._repeats += 1
            return
        if batch.sequence != UNNAMED:
            self._received.add(name)
        self._layouts.add(batch.layout.id)
        self._devices.update((device.name, device) for device in batch.layout.devices)
        life = self._lives.setdefault((batch.source, batch.run), len(self._lives) + 1)
        mask, newest = batch.mask(), int(batch.time.max(initial=0))
        for place, series in enumerate(batch.layout.series):
            entry = self._enter(series, batch.layout.columns[place], newest, batch.layout.family)
            there = mask[:, place]
            values = np.asarray(batch.values[there, place], np.float64)
            if entry.series.metric.kind is Kind.STATE:
                values = self._renumber(entry.id, values, batch.texts.get(place, ()))
            run = np.full(len(values), life, np.int64)
            self._written[entry.id].append(Merged(np.array(batch.time[there], np.int64), run, values.copy()))
            self._merged.pop(entry.id, None)

    def _enter(self, series: Series, column: Column, newest: int, family: bytes) -> Entry:
        """Return the entry of a series, made where it is new; the column that came with the newest sample holds."""
        _declare(self._declared, series)
        number = self._ids.setdefault(series.key, len(self._entries) + 1)
        if number > len(self._entries):
            self._entries.append(Entry(number, series, column))
            self._written[number], self._family[number], self._texts[number] = [], family, []
            self._devices.setdefault(series.device, Device(series.device))
            self._columns_from[number] = newest
        elif newest >= self._columns_from[number]:
            self._entries[number - 1] = replace(self._entries[number - 1], column=column)
            self._columns_from[number] = newest
        return self._entry(number)

    def _entry(self, number: int) -> Entry:
        """Return an entry with the metric as it was declared first."""
        entry = self._entries[number - 1]
        metric, _ = self._declared[entry.series.metric.name]
        return replace(entry, series=replace(entry.series, metric=metric))

    def _renumber(self, number: int, values: Values, texts: Sequence[str]) -> Values:
        """Turn indices into a batch's own texts to indices into the series' table, which only grows."""
        table = self._texts[number]
        known = {text: place for place, text in enumerate(table)}
        for text in (texts[int(value)] for value in values if not np.isnan(value)):
            if known.setdefault(text, len(table)) == len(table):
                table.append(text)
        return np.array([value if np.isnan(value) else known[texts[int(value)]] for value in values], np.float64)

    def entries(self) -> Sequence[Entry]:
        """See `Store.entries`."""
        with self._lock:
            return tuple(self._entry(entry.id) for entry in self._entries)

    def devices(self) -> Sequence[Device]:
        """See `Store.devices`."""
        with self._lock:
            return tuple(self._devices[name] for name in sorted(self._devices))

    def samples(self, ids: Sequence[int], start: int, end: int, *, around: bool = False) -> Iterator[Sequence[Block]]:
        """See `Store.samples`. Slices are UTC hours; a block holds the series of one layout family."""
        columns, families = self._snapshot(ids), {number: self._family[number] for number in ids}
        first = max(start, min((int(m.time[0]) for m in columns.values() if len(m.time)), default=end))
        last = min(end, 1 + max((int(m.time[-1]) for m in columns.values() if len(m.time)), default=start))
        edges = range(first // HOUR * HOUR, last, HOUR) if first < last else ()
        cuts = [{number: _window(merged, max(start, a), min(end, a + HOUR)) for number, merged in columns.items()}
                for a in edges]  # fmt: skip
        if around:
            before = {number: _before(merged, start) for number, merged in columns.items()}
            after = {number: _after(merged, end) for number, merged in columns.items()}
            cuts = [before, *cuts, after]
        for cut in cuts:
            if blocks := _blocks(cut, families):
                yield blocks

    def cells(self, ids: Sequence[int], start: int, end: int, span: int) -> Iterator[Mapping[int, Cells]]:
        """See `Store.cells`: always computed from samples, a UTC day or one span at a time."""
        if span <= 0 or span % FINEST:
            raise Refused(f"a roll-up spans a multiple of 10 s, not {span / NANOSECONDS} s")
        if start % span or end % span:
            raise Refused(f"roll-ups of {span // NANOSECONDS} s start and end at multiples of it")
        columns = self._snapshot(ids)
        entries = {number: self._entry(number) for number in columns}
        step = max(1, DAY // span) * span
        for a in range(start, end, step):
            b = min(end, a + step)
            slices = {number: _cells(entries[number], columns[number], a, b, span) for number in columns}
            if found := {number: cells for number, cells in slices.items() if len(cells)}:
                yield found

    def texts(self, series: int) -> Sequence[str]:
        """See `Store.texts`."""
        with self._lock:
            self._snapshot([series])
            return tuple(self._texts[series])

    def last(self, since: int) -> Mapping[int, tuple[int, float]]:
        """See `Store.last`; at one instant the later life wins."""
        newest = {
            number: (int(merged.time[-1]), float(merged.value[-1]))
            for number, merged in self._snapshot([entry.id for entry in self.entries()]).items()
            if len(merged.time)
        }
        return {number: pair for number, pair in newest.items() if pair[0] >= since}

    async def note(self, outages: Sequence[Outage] = (), runs: Sequence[Run] = ()) -> None:
        """See `Store.note`."""
        with self._lock:
            self._outages.update(((outage.meter, outage.start), outage) for outage in outages)
            self._runs.update(((run.source, run.start), run) for run in runs)

    def outages(self, start: int, end: int) -> Sequence[Outage]:
        """See `Store.outages`; one that ends at `start` or begins at `end` does not touch."""
        with self._lock:
            touching = [o for o in self._outages.values() if o.start < end and (o.end is None or o.end > start)]
        return sorted(touching, key=lambda outage: (outage.start, outage.meter))

    def statistics(self) -> Mapping[str, int | float | str]:
        """Return figures; `oldest` and `newest` (ns) are missing while there is no sample."""
        every = [m for m in self._snapshot([entry.id for entry in self.entries()]).values() if len(m.time)]
        samples = sum(len(merged.time) for merged in every)
        figures = {"samples": samples, "bytes": samples * sum(np.dtype(np.int64).itemsize for _ in Merged._fields)}
        figures |= {"series": len(self._entries), "layouts": len(self._layouts), "devices": len(self._devices)}
        figures |= {"repeats": self._repeats, "outages": len(self._outages)}
        if every:
            figures["oldest"] = min(int(merged.time[0]) for merged in every)
            figures["newest"] = max(int(merged.time[-1]) for merged in every)
        return figures

    def _snapshot(self, ids: Sequence[int]) -> dict[int, Merged]:
        """Return the merged samples of series; arrays are never changed afterwards. Raises Refused: unknown id."""
        with self._lock:
            for number in ids:
                if number not in self._written:
                    raise Refused(f"the store holds no series with the number {number}")
                if number not in self._merged:
                    self._merged[number] = _merge(self._written[number])
            return {number: self._merged[number] for number in ids}


def _check(batch: Batch, declared: dict[str, tuple[Metric, str]]) -> None:
    """Raise Refused unless the batch could be taken; `declared` grows by what the batch declares."""
    if batch.values.shape != (len(batch.time), len(batch.layout)):
        raise Refused(f"{len(batch.time)} times and {len(batch.layout)} series need other values than "
                      f"{batch.values.shape}")  # fmt: skip
    for place, series in enumerate(batch.layout.series):
        metric, first = _declare(declared, series)
        if not _agree(metric, series.metric):
            raise Refused(
                f"{series.metric.name} of {series.device} is {_said(series.metric)}, "
                f"but {first} declared it as {_said(metric)}"
            )
        if metric.kind is Kind.STATE:
            held = batch.values[batch.mask()[:, place], place]
            held, texts = held[~np.isnan(held)], batch.texts.get(place, ())
            if not np.isin(held, np.arange(len(texts))).all():
                raise Refused(f"{series.metric.name} of {series.device} has an index that names none of its texts")


def _declare(declared: dict[str, tuple[Metric, str]], series: Series) -> tuple[Metric, str]:
    """Return the declaration that holds for the series' metric and the device that made it.

    The first holds; what says nothing (kind unknown) is no declaration, and gives way to the first that comes.
    """
    metric, _ = declared.setdefault(series.metric.name, (series.metric, series.device))
    if metric.kind is Kind.UNKNOWN and series.metric.kind not in (Kind.UNKNOWN, Kind.STATE):
        declared[series.metric.name] = (series.metric, series.device)
    return declared[series.metric.name]


def _agree(first: Metric, metric: Metric) -> bool:
    """Say whether values of `metric` may stand under the declaration that holds; numbers never pass for texts."""
    if metric.kind is Kind.UNKNOWN:
        return first.kind is not Kind.STATE
    return (metric.unit, metric.kind) == (first.unit, first.kind)


def _said(metric: Metric) -> str:
    return f"{metric.kind} in {metric.unit}" if metric.unit else f"{metric.kind} without a unit"


def _merge(parts: Sequence[Merged]) -> Merged:
    """Sort what was written by (time, run) and keep the last write of each."""
    if not parts:
        return Merged(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    time, run, value = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((run, time))  # stable: equals stay in the order of writing
    time, run, value = time[order], run[order], value[order]
    is_last = np.ones(len(time), bool)
    is_last[:-1] = (time[1:] != time[:-1]) | (run[1:] != run[:-1])
    return Merged(time[is_last], run[is_last], value[is_last])


def _cut(merged: Merged, first: int, last: int) -> Merged:
    first, last = max(first, 0), min(last, len(merged.time))
    return Merged(merged.time[first:last], merged.run[first:last], merged.value[first:last])


def _window(merged: Merged, start: int, end: int) -> Merged:
    return _cut(merged, int(np.searchsorted(merged.time, start)), int(np.searchsorted(merged.time, end)))


def _before(merged: Merged, start: int) -> Merged:
    place = int(np.searchsorted(merged.time, start))
    return _cut(merged, place - 1, place)


def _after(merged: Merged, end: int) -> Merged:
    place = int(np.searchsorted(merged.time, end))
    return _cut(merged, place, place + 1)


def _blocks(cut: Mapping[int, Merged], families: Mapping[int, bytes]) -> list[Block]:
    """Put series of one family side by side, on the union of their (time, run)."""
    blocks = []
    for family in dict.fromkeys(families.values()):
        ids = tuple(number for number, own in families.items() if own == family and len(cut[number].time))
        if ids:
            blocks.append(_block(ids, [cut[number] for number in ids]))
    return blocks


def _block(ids: tuple[int, ...], columns: Sequence[Merged]) -> Block:
    keys = np.unique(np.concatenate([np.stack([c.time, c.run], axis=1) for c in columns]), axis=0)
    places = {(time, run): row for row, (time, run) in enumerate(keys.tolist())}
    values, present = np.full((len(keys), len(ids)), np.nan), np.zeros((len(keys), len(ids)), bool)
    for place, column in enumerate(columns):
        rows = [places[pair] for pair in zip(column.time.tolist(), column.run.tolist(), strict=True)]
        values[rows, place], present[rows, place] = column.value, True
    return Block(ids, keys[:, 0].copy(), values, None if present.all() else present, keys[:, 1].copy())


def _cells(entry: Entry, merged: Merged, start: int, end: int, span: int) -> Cells:
    """Roll up from the samples of whole hours, which say together what a gap or a jitter is (core/rollup)."""
    first, last = np.searchsorted(merged.time, [start - start % HOUR, end + -end % HOUR])
    part = _cut(merged, int(first) - 1, int(last) + 1)
    return rollup.roll(
        part.time, part.value, entry.series.metric, entry.column, start=start, end=end, span=span, run=part.run
    )

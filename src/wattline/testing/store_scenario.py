"""Random histories for stores, and the comparison of what two stores hold.

A history is a sequence of writes such as the field gives: several sources and lives, layouts that grow, values absent,
odd or texts, batches late, out of order and sent again. `compare` holds a store against the memory store, sample by
sample and bit by bit; how a store numbers series and lives is its own affair and not compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from wattline.core import rollup
from wattline.core.cells import Cells, coarser, concat, empty
from wattline.core.tally import FIELDS
from wattline.model import Batch, Column, Device, Kind, Layout, Metric, Series, Values, pack_mask
from wattline.plugin import Block, Entry, Store, Tally
from wattline.units import NANOSECONDS, Unit

HOUR = 3600 * NANOSECONDS
BEGIN = 490_000 * HOUR
"""An hour's edge in November 2025."""
ODD = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, -1.5, 0.1])
"""Values that a codec likes to lose."""
LARGEST = np.array([2.0**53 + 2, 1.7976931348623157e308, -1.7976931348623157e308])
"""Values that no meter means: kept like any other."""
PAYLOAD = np.array([0x7FF8_0000_DEAD_BEEF], np.uint64).view(np.float64)
"""A NaN that says more than NaN."""

POWER = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power drawn")
ENERGY = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy since the counter began")
STATE = Metric("door_state", Unit.NONE, Kind.STATE, "Whether the door stands open")
WORDS = ("open", "shut", "ajar")

Sample = tuple[int, int]
"""A time (ns) and the bits of a value."""


def layouts() -> tuple[Layout, ...]:
    """Return a root of four series, the layout grown from it, and one of another family that shares a series."""
    column = Column(period=1.0, rated=500.0)
    first = [Series.of(f"rack-1/outlet-{n}", POWER) for n in (1, 2)]
    register, door = Series.of("rack-1", ENERGY, {"phase": 1}), Series.of("rack-1", STATE)
    root = Layout.of([*first, register, door], [column, column, Column(period=1.0), Column()])
    grown = root.grown([Series.of("rack-1/outlet-3", POWER)], [column], [Device("rack-1", "rack")])
    return root, grown, Layout.of([first[0], Series.of("rack-2", POWER, {"feed": "A"})])


@st.composite
def histories(draw: st.DrawFn) -> list[list[Batch]]:
    """Draw writes of one to four batches each; about one batch in five comes twice."""
    every = layouts()
    batches = []
    for source in ("north", "south"):
        for run in (1, 2):
            count = draw(st.integers(0, 4))
            batches += [draw(_batches(every, source, run, sequence)) for sequence in range(1, count + 1)]
    again = draw(st.lists(st.sampled_from(batches), max_size=3)) if batches else []
    order = draw(st.permutations([*batches, *again]))
    writes = []
    while order:
        size = draw(st.integers(1, 4))
        writes.append(order[:size])
        order = order[size:]
    return writes


@st.composite
def _batches(draw: st.DrawFn, every: Sequence[Layout], source: str, run: int, sequence: int) -> Batch:
    layout = draw(st.sampled_from(every))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, k = draw(st.integers(1, 12)), len(layout)
    # A coarse grid over three hours, so that batches meet at the same instants, and its edges are edges of hours.
    time = BEGIN + rng.integers(0, 3 * 3600 // 20, n) * 20 * NANOSECONDS + draw(st.sampled_from([0, 0, 1000]))
    values = np.where(rng.random((n, k)) < 0.2, rng.choice(ODD, (n, k)), rng.integers(0, 5000, (n, k)) / 10)
    mask = rng.random((n, k)) < draw(st.sampled_from([1.1, 0.7]))
    texts = {}
    for place, series in enumerate(layout.series):
        if series.metric.kind is Kind.STATE:
            texts[place] = tuple(draw(st.permutations(WORDS)))
            values[:, place] = rng.integers(0, len(WORDS), n)
    return Batch(layout, time, values, pack_mask(mask), texts, source, run, sequence)


def written(slices: Iterable[Sequence[Block]]) -> dict[int, list[Sample]]:
    """Return the samples of each series, sorted, and check on the way that slices and blocks ascend."""
    found: dict[int, list[Sample]] = {}
    newest = None
    for blocks in slices:
        times = np.concatenate([block.time for block in blocks])
        assert newest is None or times.min() >= newest, "a slice holds a sample older than one of the slice before"
        newest = times.max()
        for block in blocks:
            assert (np.diff(block.time) >= 0).all(), "the times of a block do not ascend"
            for place, number in enumerate(block.ids):
                found.setdefault(number, []).extend(_column(block, place))
    return {number: sorted(samples) for number, samples in found.items()}


def _column(block: Block, place: int) -> Iterable[Sample]:
    there = np.ones(len(block.time), bool) if block.present is None else block.present[:, place]
    return zip(block.time[there].tolist(), bits(block.values[there, place]), strict=True)


def bits(values: Values) -> list[int]:
    """Return doubles as integers: NaN equals NaN, and -0.0 is not 0.0."""
    found: list[int] = np.ascontiguousarray(values, np.float64).view(np.int64).tolist()
    return found


def by_key(entries: Iterable[Entry]) -> dict[bytes, Entry]:
    """Return entries by the key of their series."""
    return {entry.series.key: entry for entry in entries}


def compare(store: Store[Any], oracle: Store[Any], start: int, end: int) -> None:
    """Assert that a store holds in [start, end) what the oracle holds there, and answers alike."""
    ours, theirs = by_key(store.entries()), by_key(oracle.entries())
    assert ours.keys() == theirs.keys()
    same = {ours[key].id: theirs[key].id for key in ours}
    for key, entry in ours.items():
        assert entry.series == theirs[key].series
        assert entry.column == theirs[key].column
    got = _worded(store, ours.values(), written(store.samples(list(same), start, end)))
    want = _worded(oracle, theirs.values(), written(oracle.samples(list(same.values()), start, end)))
    assert {same[number]: samples for number, samples in got.items()} == want
    _compare_neighbours(store, oracle, same, start, end)
    assert [d.name for d in store.devices()] == [d.name for d in oracle.devices()]
    check_cells(store, [entry for entry in ours.values() if entry.series.metric.kind is not Kind.STATE], start, end)


def _compare_neighbours(store: Store[Any], oracle: Store[Any], same: Mapping[int, int], start: int, end: int) -> None:
    """Compare times only: which of two lives stands last in one instant is a store's own affair."""
    got = written(store.samples(list(same), start, end, around=True))
    want = written(oracle.samples(list(same.values()), start, end, around=True))
    assert {same[number]: _times(samples) for number, samples in got.items()} == {
        number: _times(samples) for number, samples in want.items()
    }
    newest, right = store.last(start), oracle.last(start)
    assert {same[number]: time for number, (time, _) in newest.items()} == {n: time for n, (time, _) in right.items()}


def _times(samples: Iterable[Sample]) -> list[int]:
    return [time for time, _ in samples]


def _worded(store: Store[Any], entries: Iterable[Entry], found: Mapping[int, list[Sample]]) -> dict[int, list[Any]]:
    """Put texts in the place of their indices, for each store has its own table."""
    worded: dict[int, list[Any]] = dict(found)
    for entry in entries:
        if entry.series.metric.kind is Kind.STATE and entry.id in worded:
            texts = store.texts(entry.id)
            values = np.array([value for _, value in found[entry.id]], np.int64).view(np.float64)
            times = [time for time, _ in found[entry.id]]
            worded[entry.id] = sorted(zip(times, (texts[int(value)] for value in values), strict=True))
    return worded


def check_cells(store: Store[Any], entries: Iterable[Entry], start: int, end: int) -> None:
    """Assert that roll-ups of every kept span are those of the samples, over whole spans around the window."""
    every = list(entries)
    for span in (10 * NANOSECONDS, 60 * NANOSECONDS, 900 * NANOSECONDS, 24 * HOUR):
        a, b = start // span * span, -(-end // span) * span
        parts = list(store.cells([entry.id for entry in every], a, b, span))
        tables = list(store.tallies([entry.id for entry in every], a, b, span))
        for entry in every:
            want = rolled(store, entry, a, b, span)
            assert_same_cells([part[entry.id] for part in parts if entry.id in part], want)
            assert_same_energy([table for table in tables if (table.series == entry.id).any()], entry.id, want)


def rolled(store: Store[Any], entry: Entry, start: int, end: int, span: int) -> Cells:
    """Return the roll-up of one series made from the samples that the store gives, of whole hours (core/rollup)."""
    times, values, runs = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.int64)]
    first, last = start - start % rollup.HOUR, end + -end % rollup.HOUR
    for blocks in store.samples([entry.id], first, last, around=True):
        for block in blocks:
            there = np.ones(len(block.time), bool) if block.present is None else block.present[:, 0]
            times.append(block.time[there])
            values.append(block.values[there, 0])
            runs.append(np.zeros(there.sum(), np.int64) if block.run is None else block.run[there])
    time, run = np.concatenate(times), np.concatenate(runs)
    order = np.argsort(time, kind="stable")
    cells: Cells = rollup.roll(
        time[order], np.concatenate(values)[order], entry.series.metric, entry.column,
        start=start, end=end, span=span, run=run[order] if len(np.unique(run)) > 1 else None,
    )  # fmt: skip
    return cells


def assert_same_cells(parts: Sequence[Cells], want: Cells) -> None:
    """Assert that slices of cells, put together, are the wanted ones, every array bit by bit."""
    for name in Cells.__struct_fields__:
        if name == "span":
            assert all(part.span == want.span for part in parts)
            continue
        right = getattr(want, name)
        got = np.concatenate([right[:0], *(getattr(part, name) for part in parts)])
        both = [_comparable(array) for array in (got, right)]
        assert both[0] == both[1], f"{name} of roll-ups of {want.span / NANOSECONDS:.0f} s is not that of the samples"


def assert_same_energy(tables: Sequence[Tally], series: int, want: Cells) -> None:
    """Assert that what tables say of a series adds up to the wanted cells."""
    parts = []
    for table in tables:
        rows = np.flatnonzero(table.series == series)
        assert (np.diff(rows) == 1).all(), "the rows of a series stand together"
        unsaid = empty(table.span)
        count = {name: np.zeros(len(rows), getattr(unsaid, name).dtype) for name in Cells.__struct_fields__[1:]}
        parts.append(Cells(table.span, **count | {name: getattr(table, name)[rows] for name in ("start", *FIELDS)}))
    both = coarser(concat(parts), want.span) if parts else empty(want.span), want
    for name in ("start", *FIELDS):
        got, right = (_comparable(getattr(cells, name)) for cells in both)
        assert got == right, f"{name} of what adds up to {want.span / NANOSECONDS:.0f} s is not that of the samples"


def _comparable(array: np.ndarray[Any, Any]) -> list[int]:
    found: list[int] = bits(array) if array.dtype == np.float64 else array.tolist()
    return found

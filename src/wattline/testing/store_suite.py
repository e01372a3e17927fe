"""The contract of a store as tests that any store can run.

    import pytest
    from wattline.testing.store_suite import StoreSuite

    class TestMine(StoreSuite):
        @pytest.fixture
        def factory(self, tmp_path):
            return lambda name: MyStore(MyConfig(path=str(tmp_path / name)))

`factory(name)` makes a store, not opened yet; two of one name see the same samples, as two programs on one host would.
A store that keeps house from time to time (folds, merges, makes roll-ups) overrides `keep_house` to do all of it now:
most promises below are tried before and after.
"""

# ruff: noqa: D102 - the name of a test says what is promised

import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from wattline.errors import Refused
from wattline.model import Batch, Cause, Column, Device, Kind, Layout, Metric, Outage, Run, Series, pack_mask
from wattline.plugin import Store
from wattline.testing.memory import MemoryStore
from wattline.testing.opened import ALWAYS, Opened, opened
from wattline.testing.store_scenario import (
    BEGIN,
    ENERGY,
    HOUR,
    LARGEST,
    ODD,
    PAYLOAD,
    POWER,
    STATE,
    bits,
    check_cells,
    compare,
    histories,
    layouts,
    written,
)
from wattline.units import NANOSECONDS, Unit

Factory = Callable[[str], Store[Any]]
SECOND = NANOSECONDS
WHOLE = (BEGIN - HOUR, BEGIN + 4 * HOUR)
"""Holds every random history."""
ONE = Layout.of([Series.of("rack-1", POWER)], [Column(period=1.0, rated=2000.0)])
_names = (f"store-{n}" for n in count())


def frames(times: Sequence[int], values: Sequence[float], *, run: int = 1, sequence: int = 1) -> Batch:
    """Return a batch of one series, its times in seconds after BEGIN."""
    time = np.array(times, np.int64) * SECOND + BEGIN
    return Batch(ONE, time, np.array(values, np.float64)[:, None], source="meter", run=run, sequence=sequence)


def at(*pairs: tuple[int, float]) -> list[tuple[int, int]]:
    """Return samples as `Opened.held` does, from seconds after BEGIN and values."""
    return [(BEGIN + second * SECOND, bits(np.array([value]))[0]) for second, value in pairs]


class StoreSuite:
    """Promises of `plugin.Store`; see the head of this file for how to run them on a store."""

    def keep_house(self, opened: Opened) -> None:
        """Do now what the store does from time to time; nothing, for a store that has nothing to do."""

    @pytest.fixture
    def one(self, factory: Factory) -> Iterator[Opened]:
        """Open a new store."""
        with opened(factory(next(_names))) as store:
            yield store

    # --- what is acknowledged is there, once ---

    def test_an_acknowledged_batch_is_seen_by_another_reader(self, factory: Factory) -> None:
        name = next(_names)
        with opened(factory(name)) as writer, opened(factory(name)) as reader:
            writer.write(frames([1, 2], [10.0, 20.0]))
            assert reader.held(ONE.series[0]) == at((1, 10.0), (2, 20.0))

    def test_what_was_acknowledged_is_there_after_closing(self, factory: Factory) -> None:
        name = next(_names)
        store = factory(name)
        with opened(store) as writer:
            writer.write(frames([1], [10.0]))
            writer.note([Outage("meter", BEGIN, None, Cause.TIMEOUT)])
            with opened(factory(name)) as again:
                assert again.held(ONE.series[0]) == at((1, 10.0))
                assert again.store.outages(*ALWAYS) == writer.store.outages(*ALWAYS)

    def test_a_batch_sent_again_has_no_effect(self, one: Opened) -> None:
        one.write(frames([1], [10.0]))
        one.write(frames([1], [99.0], sequence=2))
        for _ in range(2):
            one.write(frames([1], [10.0]), frames([1], [10.0]))
            assert one.held(ONE.series[0]) == at((1, 99.0)), "the repeat of the first batch won over the second"
            self.keep_house(one)

    def test_a_batch_of_no_frames_is_taken(self, one: Opened) -> None:
        one.write(frames([], []))
        assert one.held(ONE.series[0]) == []

    def test_writing_nothing_is_acknowledged(self, one: Opened) -> None:
        one.write()
        assert one.store.entries() == () or list(one.store.entries()) == []

    # --- merging ---

    def test_late_and_reordered_samples_are_merged_in_order(self, one: Opened) -> None:
        one.write(frames([3600, 5, 1], [4.0, 3.0, 1.0]))
        self.keep_house(one)
        one.write(frames([2, 7200], [2.0, 5.0], sequence=2))
        want = at((1, 1.0), (2, 2.0), (5, 3.0), (3600, 4.0), (7200, 5.0))
        assert one.held(ONE.series[0]) == want
        self.keep_house(one)
        assert one.held(ONE.series[0]) == want

    def test_the_later_write_of_a_sample_wins(self, one: Opened) -> None:
        one.write(frames([1, 2], [10.0, 20.0]), frames([2], [21.0], sequence=2))
        self.keep_house(one)
        one.write(frames([1], [11.0], sequence=3))
        assert one.held(ONE.series[0]) == at((1, 11.0), (2, 21.0))
        self.keep_house(one)
        assert one.held(ONE.series[0]) == at((1, 11.0), (2, 21.0))

    def test_the_later_frame_of_a_batch_wins(self, one: Opened) -> None:
        one.write(frames([1, 1], [10.0, 11.0]))
        assert one.held(ONE.series[0]) == at((1, 11.0))
        self.keep_house(one)
        assert one.held(ONE.series[0]) == at((1, 11.0))

    def test_an_absent_value_replaces_nothing(self, one: Opened) -> None:
        layout = layouts()[0]
        time = np.array([BEGIN])
        full = Batch(layout, time, np.array([[1.0, 2.0, 3.0, 0.0]]), None, {3: ("open",)}, "m", 1, 1)
        partly = pack_mask(np.array([[False, True, False, False]]))
        one.write(full)
        one.write(Batch(layout, time, np.array([[np.nan, 9.0, np.nan, np.nan]]), partly, {}, "m", 1, 2))
        for _ in range(2):
            got = [one.held(series) for series in layout.series]
            assert got == [at((0, 1.0)), at((0, 9.0)), at((0, 3.0)), at((0, 0.0))]
            self.keep_house(one)

    def test_two_lives_keep_their_samples_of_one_instant(self, one: Opened) -> None:
        one.write(frames([1], [10.0], run=1), frames([1], [11.0], run=2))
        number = one.entry(ONE.series[0]).id
        for _ in range(2):
            assert one.held(ONE.series[0]) == sorted(at((1, 10.0), (1, 11.0)))
            blocks = [block for blocks in one.store.samples([number], *ALWAYS) for block in blocks]
            runs = [run for block in blocks for run in (block.run.tolist() if block.run is not None else [])]
            assert len(set(runs)) == 2, "nothing tells the two lives apart"
            self.keep_house(one)

    # --- values ---

    def test_odd_values_come_back_bit_for_bit(self, one: Opened) -> None:
        values = np.concatenate([ODD, LARGEST, PAYLOAD])
        one.write(frames(range(len(values)), [*values.tolist()[:-1], 0.0]))
        column = Batch(ONE, BEGIN + np.arange(len(values)) * SECOND, values[:, None].copy(), None, {}, "meter", 2, 1)
        one.write(column)
        number = one.entry(ONE.series[0]).id
        for _ in range(2):
            got = {value for _, value in written(one.store.samples([number], *ALWAYS))[number]}
            assert got == set(bits(values))
            self.keep_house(one)

    def test_an_absent_value_and_nan_are_two_things(self, one: Opened) -> None:
        layout = layouts()[0]
        mask = np.array([[True, False, True, False], [False, True, False, False]])
        values = np.array([[np.nan, np.nan, 1.0, np.nan], [5.0, np.nan, 5.0, np.nan]])
        one.write(Batch(layout, BEGIN + np.array([0, SECOND]), values, pack_mask(mask), {}, "m", 1, 1))
        for _ in range(2):
            assert [len(one.held(series)) for series in layout.series] == [1, 1, 1, 0]
            assert one.held(layout.series[0]) == at((0, np.nan))
            self.keep_house(one)

    def test_microseconds_and_nanoseconds_are_kept(self, one: Opened) -> None:
        time = BEGIN + np.array([1, 1000, 1001, 999_999_999])
        one.write(Batch(ONE, time, np.arange(4.0)[:, None], source="m", run=1, sequence=1))
        for _ in range(2):
            assert [t for t, _ in one.held(ONE.series[0])] == time.tolist()
            self.keep_house(one)

    def test_a_sparse_wide_layout_keeps_its_presence(self, one: Opened) -> None:
        rng = np.random.default_rng(7)
        layout = Layout.of([Series.of(f"node-{n}", POWER) for n in range(150)])
        mask, values = rng.random((40, 150)) < 0.3, rng.integers(0, 4000, (40, 150)) / 10
        one.write(Batch(layout, BEGIN + np.arange(40) * SECOND, values, pack_mask(mask), {}, "m", 1, 1))
        for _ in range(2):
            for place in (0, 63, 64, 65, 149):
                rows = np.flatnonzero(mask[:, place])
                assert one.held(layout.series[place]) == at(*((int(r), values[r, place]) for r in rows))
            self.keep_house(one)

    def test_texts_come_back_as_they_were(self, one: Opened) -> None:
        layout, time = Layout.of([Series.of("rack-1", STATE)]), BEGIN + np.arange(2) * SECOND
        one.write(Batch(layout, time, np.array([[0.0], [1.0]]), None, {0: ("shut", "öffen\n")}, "m", 1, 1))
        one.write(Batch(layout, time + 2 * SECOND, np.array([[0.0], [1.0]]), None, {0: ("ajar", "shut")}, "m", 1, 2))
        for _ in range(2):
            table = one.store.texts(one.entry(layout.series[0]).id)
            places = np.array([value for _, value in one.held(layout.series[0])], np.int64).view(np.float64)
            assert [table[int(place)] for place in places] == ["shut", "öffen\n", "ajar", "shut"]
            self.keep_house(one)

    # --- layouts, series, devices ---

    def test_a_grown_layout_goes_on_with_its_series(self, one: Opened) -> None:
        root, grown, _ = layouts()
        one.write(Batch(root, np.array([BEGIN]), np.array([[1.0, 2.0, 3.0, 0.0]]), None, {3: ("open",)}, "m", 1, 1))
        self.keep_house(one)
        wide = np.array([[4.0, 5.0, 6.0, 0.0, 7.0]])
        one.write(Batch(grown, np.array([BEGIN + SECOND]), wide, None, {3: ("open",)}, "m", 1, 2))
        for _ in range(2):
            assert one.held(root.series[0]) == at((0, 1.0), (1, 4.0))
            assert one.held(grown.series[4]) == at((1, 7.0))
            assert len(one.store.entries()) == 5
            self.keep_house(one)

    def test_one_series_of_two_layouts_is_one_series(self, one: Opened) -> None:
        root, _, other = layouts()
        one.write(Batch(root, np.array([BEGIN]), np.array([[1.0, 2.0, 3.0, 0.0]]), None, {3: ("open",)}, "m", 1, 1))
        one.write(Batch(other, np.array([BEGIN + SECOND]), np.array([[8.0, 9.0]]), None, {}, "m", 1, 2))
        for _ in range(2):
            assert one.held(root.series[0]) == at((0, 1.0), (1, 8.0))
            self.keep_house(one)

    def test_entries_keep_series_metric_labels_and_the_newest_column(self, one: Opened) -> None:
        labels = {"phase": 1, "feed": "A", "tags": ["x", None]}
        series = Series.of("räck-1", ENERGY, labels)
        old, new = Column(period=1.0), Column(period=2.0, range=2.0**32, estimate="from CPU time")
        one.write(
            Batch(Layout.of([series], [old]), np.array([BEGIN]), np.array([[1.0]]), source="m", run=1, sequence=1)
        )
        later = np.array([BEGIN + SECOND])
        one.write(Batch(Layout.of([series], [new]), later, np.array([[2.0]]), source="m", run=1, sequence=2))
        [entry] = one.store.entries()
        assert entry.series == series
        assert entry.series.label_values() == labels
        assert entry.column == new

    def test_entries_ascend_by_id(self, one: Opened) -> None:
        layout = Layout.of([Series.of(f"node-{n}", POWER) for n in range(20)])
        one.write(Batch(layout, np.array([BEGIN]), np.zeros((1, 20)), source="m", run=1, sequence=1))
        ids = [entry.id for entry in one.store.entries()]
        assert ids == sorted(set(ids))
        assert len(ids) == 20

    def test_devices_are_those_described_and_those_named(self, one: Opened) -> None:
        rack = Device("rack-1", "rack", (("A", "hall"), ("B", "hall-2")), "power_watts")
        layout = Layout.of([Series.of("rack-1", POWER), Series.of("rack-1/outlet-1", POWER)], devices=[rack])
        one.write(Batch(layout, np.array([BEGIN]), np.zeros((1, 2)), source="m", run=1, sequence=1))
        assert list(one.store.devices()) == [rack, Device("rack-1/outlet-1")]

    def test_a_metric_declared_twice_is_refused_with_both_devices(self, one: Opened) -> None:
        one.write(frames([1], [10.0]))
        other = Layout.of([Series.of("rack-9", Metric(POWER.name, Unit.JOULE, Kind.COUNTER))])
        bad = Batch(other, np.array([BEGIN]), np.array([[1.0]]), source="m9", run=1, sequence=1)
        with pytest.raises(Refused, match=r"(?s)rack-9.*rack-1|rack-1.*rack-9"):
            one.write(frames([2], [20.0], sequence=2), bad)
        assert one.held(ONE.series[0]) == at((1, 10.0)), "a refused write changes nothing"
        assert len(one.store.entries()) == 1
        one.write(frames([2], [20.0], sequence=2))
        assert one.held(ONE.series[0]) == at((1, 10.0), (2, 20.0))

    def test_a_metric_of_which_nobody_said_anything_takes_the_declaration(self, one: Opened) -> None:
        one.write(frames([1], [10.0]))
        silent = Layout.of([Series.of("rack-2", Metric(POWER.name))])
        one.write(Batch(silent, np.array([BEGIN]), np.array([[1.0]]), source="m2", run=1, sequence=1))
        assert one.entry(silent.series[0]).series.metric == POWER

    # --- windows ---

    def test_windows_are_half_open(self, one: Opened) -> None:
        one.write(frames([0, 1, 2, 3], [0.0, 1.0, 2.0, 3.0]))
        series = ONE.series[0]
        for _ in range(2):
            assert one.held(series, (BEGIN + SECOND, BEGIN + 3 * SECOND)) == at((1, 1.0), (2, 2.0))
            assert one.held(series, (BEGIN + SECOND, BEGIN + SECOND)) == []
            assert one.held(series, (BEGIN + SECOND, BEGIN + SECOND + 1)) == at((1, 1.0))
            self.keep_house(one)

    def test_around_gives_one_neighbour_on_each_side(self, one: Opened) -> None:
        far = 50 * 3600
        one.write(frames([-far, -far + 1, 10, 11, far, far + 1], [0.0] * 6))
        series = ONE.series[0]

        def second(*seconds: int) -> list[int]:
            return [BEGIN + s * SECOND for s in seconds]

        for _ in range(2):
            for (start, end), want in {
                (10, 11): second(-far + 1, 10, 11),
                (12, 13): second(11, far),
                (far + 2, far + 3): second(far + 1),
                (-far - 9, -far - 8): second(-far),
            }.items():
                assert one.around(series, BEGIN + start * SECOND, BEGIN + end * SECOND) == want
            self.keep_house(one)

    def test_around_is_said_of_each_series(self, one: Opened) -> None:
        layout = layouts()[2]
        mask = np.array([[True, True], [True, False], [False, True], [True, True]])
        time = BEGIN + np.array([0, 1, 5, 9]) * SECOND
        one.write(Batch(layout, time, np.zeros((4, 2)), pack_mask(mask), {}, "m", 1, 1))
        ids = [one.entry(series).id for series in layout.series]
        for _ in range(2):
            found = written(one.store.samples(ids, BEGIN + 3 * SECOND, BEGIN + 4 * SECOND, around=True))
            seconds = [[(time - BEGIN) // SECOND for time, _ in found.get(number, [])] for number in ids]
            assert seconds == [[1, 9], [0, 5]]
            self.keep_house(one)

    def test_slices_of_many_series_ascend(self, one: Opened) -> None:
        rng = np.random.default_rng(11)
        for n in range(5):
            layout = Layout.of([Series.of(f"node-{n}/{k}", POWER) for k in range(3)])
            time = BEGIN + np.sort(rng.choice(6 * 3600, 400, replace=False)) * SECOND
            one.write(Batch(layout, time, rng.random((400, 3)), source=f"m{n}", run=1, sequence=1))
        ids = [entry.id for entry in one.store.entries()]
        for _ in range(2):
            found = written(one.store.samples(ids, *ALWAYS))  # asserts the order
            assert [len(found[number]) for number in ids] == [400] * 15
            self.keep_house(one)

    def test_an_unknown_series_is_refused_by_its_number(self, one: Opened) -> None:
        one.write(frames([1], [10.0]))
        with pytest.raises(Refused, match="4711"):
            list(one.store.samples([one.entry(ONE.series[0]).id, 4711], *ALWAYS))
        with pytest.raises(Refused, match="4711"):
            list(one.store.cells([4711], BEGIN, BEGIN + HOUR, 60 * SECOND))
        with pytest.raises(Refused, match="4711"):
            one.store.texts(4711)

    def test_no_series_asked_gives_nothing(self, one: Opened) -> None:
        one.write(frames([1], [10.0]))
        assert written(one.store.samples([], *ALWAYS)) == {}
        assert list(one.store.cells([], BEGIN, BEGIN + HOUR, 60 * SECOND)) == []

    def test_last_is_the_newest_sample_since(self, one: Opened) -> None:
        one.write(frames([5, 9, 7], [5.0, 9.0, 7.0]))
        number = one.entry(ONE.series[0]).id
        for _ in range(2):
            assert one.store.last(BEGIN) == {number: (BEGIN + 9 * SECOND, 9.0)}
            assert one.store.last(BEGIN + 9 * SECOND) == {number: (BEGIN + 9 * SECOND, 9.0)}
            assert one.store.last(BEGIN + 9 * SECOND + 1) == {}
            self.keep_house(one)

    # --- roll-ups ---

    def test_cells_are_those_of_the_samples(self, one: Opened) -> None:
        rng = np.random.default_rng(3)
        layout = layouts()[2]
        time = BEGIN + np.arange(0, 3 * 3600, 2) * SECOND + rng.integers(0, 1000, 5400) * 1000
        values = rng.integers(1000, 5000, (5400, 2)) / 10
        for sequence, part in enumerate(np.array_split(np.arange(5400), 4), start=1):
            one.write(Batch(layout, time[part], values[part], source="m", run=1, sequence=sequence))
            check_cells(one.store, one.store.entries(), BEGIN, BEGIN + 3 * HOUR)
            self.keep_house(one)
        check_cells(one.store, one.store.entries(), BEGIN - HOUR, BEGIN + 4 * HOUR)

    def test_cells_of_a_closed_hour_follow_a_late_sample(self, one: Opened) -> None:
        one.write(frames([*range(0, 600, 5), 5000], [100.0] * 121))
        self.keep_house(one)
        one.write(frames([302, 1000], [900.0, 50.0], sequence=2))
        for _ in range(2):
            check_cells(one.store, one.store.entries(), BEGIN, BEGIN + 2 * HOUR)
            self.keep_house(one)

    def test_cells_want_whole_spans(self, one: Opened) -> None:
        one.write(frames([1], [10.0]))
        number = one.entry(ONE.series[0]).id
        with pytest.raises(Refused):
            list(one.store.cells([number], BEGIN, BEGIN + HOUR, 7 * SECOND))
        with pytest.raises(Refused):
            list(one.store.cells([number], BEGIN + 1, BEGIN + HOUR, 60 * SECOND))

    # --- outages ---

    def test_an_outage_that_ends_replaces_the_open_one(self, one: Opened) -> None:
        lasts = Outage("pdu-1", BEGIN, None, Cause.TIMEOUT, "no answer in 2 s")
        ended = Outage("pdu-1", BEGIN, BEGIN + 9 * SECOND, Cause.TIMEOUT, "no answer in 2 s")
        one.note([lasts, Outage("pdu-2", BEGIN, BEGIN + SECOND, Cause.AUTH)])
        assert len(one.store.outages(BEGIN + 5 * SECOND, BEGIN + 6 * SECOND)) == 1
        one.note([ended])
        assert min(one.store.outages(*ALWAYS), key=lambda o: o.meter) == ended
        assert list(one.store.outages(BEGIN + 9 * SECOND, BEGIN + 10 * SECOND)) == []
        assert list(one.store.outages(BEGIN - SECOND, BEGIN)) == []

    def test_outages_come_by_their_start(self, one: Opened) -> None:
        starts = [BEGIN + n * SECOND for n in (5, 1, 3)]
        one.note([Outage(f"m{n}", start, None, Cause.UNREACHABLE) for n, start in enumerate(starts)])
        one.note(runs=[Run("meter", BEGIN), Run("meter", BEGIN, BEGIN + SECOND)])
        assert [outage.start for outage in one.store.outages(*ALWAYS)] == sorted(starts)

    def test_statistics_count_samples_and_series(self, one: Opened) -> None:
        one.write(frames([1, 2, 3], [1.0, 2.0, 3.0]))
        figures = one.store.statistics()
        assert (figures["samples"], figures["series"], figures["layouts"]) == (3, 1, 1)
        assert (figures["oldest"], figures["newest"]) == (BEGIN + SECOND, BEGIN + 3 * SECOND)
        assert isinstance(figures["bytes"], int)

    # --- together ---

    def test_readers_see_what_was_acknowledged_while_a_writer_writes(self, one: Opened) -> None:
        one.write(frames([0], [0.0]))
        number, acknowledged, errors = one.entry(ONE.series[0]).id, [1], []
        done = threading.Event()

        def read() -> None:
            try:
                while not done.is_set():
                    least = acknowledged[0]
                    held = written(one.store.samples([number], *ALWAYS))[number]
                    assert len(held) >= least, f"{least} were acknowledged, {len(held)} are seen"
                    assert [time for time, _ in held] == [BEGIN + s * SECOND for s in range(len(held))]
            except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
                errors.append(error)

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for n in range(1, 30):
            one.write(frames([n], [float(n)], sequence=n + 1))
            acknowledged[0] = n + 1
            if n % 10 == 0:
                self.keep_house(one)
        done.set()
        for reader in readers:
            reader.join(60)
        assert errors == []

    @given(histories(), st.lists(st.booleans(), min_size=8, max_size=8), st.integers(-20, 200), st.integers(0, 200))
    @settings(
        max_examples=25,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    def test_a_random_history_is_held_as_the_memory_store_holds_it(
        self, factory: Factory, history: list[list[Batch]], housekeeping: list[bool], start: int, minutes: int
    ) -> None:
        window = (BEGIN + start * 60 * SECOND, BEGIN + (start + minutes) * 60 * SECOND)
        with opened(factory(next(_names))) as tried, opened(MemoryStore()) as oracle:
            for write, keeps_house in zip(history, [*housekeeping, *[False] * len(history)], strict=False):
                tried.write(*write)
                oracle.write(*write)
                if keeps_house:
                    self.keep_house(tried)
            for a, b in (window, WHOLE):
                compare(tried.store, oracle.store, a, b)
            self.keep_house(tried)
            for a, b in (window, WHOLE):
                compare(tried.store, oracle.store, a, b)

"""Energy of windows against a simulated truth, over a store."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wattline.ledger.windows import HIGHEST_SEEN, NOTHING_KNOWN, energy, plan, total
from wattline.model import Batch, Column, Kind, Layout, Metric, Series, pack_mask
from wattline.testing.memory import MemoryStore
from wattline.units import Unit

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
START = 1_700_000_000 * SECOND // DAY * DAY
RATED, FLOOR = 500.0, 20.0
ROUNDING = 5
POWER = Metric("power_watts", Unit.WATT, Kind.GAUGE)
REGISTER = Metric("energy_joules", Unit.JOULE, Kind.COUNTER)
VOLTS = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE)


def store_of(columns, *frames):
    """Store series a/0, a/1 ...: `columns` are (metric, Column), frames (time, values[, present[, run]])."""
    store = MemoryStore()
    layout = Layout.of([Series.of(f"a/{i}", metric) for i, (metric, _) in enumerate(columns)], [c for _, c in columns])
    for sequence, (time, values, *more) in enumerate(frames, 1):
        present = pack_mask(more[0]) if more and more[0] is not None else None
        run = more[1] if len(more) > 1 else 1
        matrix = np.asarray(values, float).reshape(len(time), len(columns))
        asyncio.run(store.write([Batch(layout, np.asarray(time, np.int64), matrix, present, source="meter", run=run,
                                       sequence=sequence)]))  # fmt: skip
    return store


class Truth:
    """Watts that are monotone between the instants of `time`, each within floor and rated, and their energy."""

    def __init__(self, rng, time):
        n = len(time)
        self.time = np.asarray(time, np.int64)
        self.watts = np.where(rng.random(n) < 0.3, rng.choice([FLOOR, RATED], n), rng.uniform(FLOOR, RATED, n))
        self.step = self.time[:-1] + (rng.random(n - 1) * np.diff(self.time)).astype(np.int64)
        # A step from one power to the next at an instant between: the worst that is monotone.
        edges = np.empty(2 * n - 1, np.int64)
        edges[0::2], edges[1::2] = self.time, self.step
        flat = np.repeat(self.watts, 2)[1:-1]
        self._edges = edges
        self._total = np.concatenate([[0.0], np.cumsum(np.diff(edges) * flat * 1e-3)])

    def until(self, t):
        """Microjoules from the beginning until t."""
        return np.interp(
            np.asarray(t - self._edges[0], float), (self._edges - self._edges[0]).astype(float), self._total
        )


def instants(rng, n, spacing=2.0):
    gaps = rng.uniform(0.2, 2 * spacing, n)
    gaps[rng.random(n) < 0.02] *= 100
    first = START + int(rng.integers(0, 3 * HOUR // SECOND)) * SECOND
    return first + np.cumsum(np.round(gaps * 1e6).astype(np.int64) * 1000)


def windows(rng, time, count=4):
    """Windows of all kinds around some samples: ragged, aligned, beyond the ends, tiny."""
    for _ in range(count):
        a, b = sorted(int(x) for x in rng.integers(time[0] - 60 * SECOND, time[-1] + 60 * SECOND, 2))
        kind = rng.integers(4)
        if kind == 0:
            a, b = a // (10 * SECOND) * 10 * SECOND, b // (10 * SECOND) * 10 * SECOND + 10 * SECOND
        if kind == 1:
            b = a + int(rng.integers(1, 5 * SECOND))
        if kind == 2:
            a = int(rng.choice(time))
        yield a, max(b, a + 1)


def check(store, truth, a, b):
    """Assert that the truth lies within the bounds, that joules agree and bounds nest; return the raw answer."""
    [rolled], [raw] = (energy(store, store.entries(), a, b, raw=way) for way in (False, True))
    true = truth(a, b)
    slack = 2 + abs(true) * 1e-9
    for one in (rolled, raw):
        assert one.lower <= one.joules + FLOOR * 1e-3 * (one.asked - one.covered) + 1
        assert one.joules <= one.upper
        assert one.lower - slack <= true <= one.upper + slack
    assert (rolled.joules, rolled.covered, rolled.gaps, rolled.resets, rolled.method) == (
        raw.joules, raw.covered, raw.gaps, raw.resets, raw.method,
    )  # fmt: skip
    # Cells are rounded one by one, raw history once: beside that, which is microjoules, bounds nest.
    assert rolled.lower <= raw.lower + ROUNDING
    assert raw.upper <= rolled.upper + ROUNDING
    return raw


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), period=st.sampled_from([2.0, None]), accuracy=st.sampled_from([None, 0.02]))
def test_bounds_of_power_contain_what_was_monotone_between_samples(seed, period, accuracy):
    """Late, repeated and reordered batches, a meter that reads wrong within its class, and truth at every edge."""
    rng = np.random.default_rng(seed)
    truth = Truth(rng, instants(rng, 400))
    read = truth.watts * (1 + (accuracy or 0) * rng.uniform(-0.99, 0.99, 400) / (1 + (accuracy or 0)))
    column = Column(period=period, accuracy=accuracy, rated=RATED, floor=FLOOR)
    order = rng.permutation(8)
    frames = [(truth.time[50 * i : 50 * i + 50], read[50 * i : 50 * i + 50]) for i in [*order, order[0]]]
    store = store_of([(POWER, column)], *frames)
    for a, b in windows(rng, truth.time):
        if truth.time[0] <= a < b <= truth.time[-1]:
            check(store, lambda a, b: truth.until(b) - truth.until(a), a, b)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    resolution=st.sampled_from([0.001, 1.0, 100.0]),
    span=st.sampled_from([None, 65_536.0, 262_144.0]),
    dropped=st.floats(0, 0.5),
)
def test_bounds_of_a_register_contain_any_truth_within_rated(seed, resolution, span, dropped):
    """Whatever the power did between two readings, whatever readings were lost, and across wraps."""
    rng = np.random.default_rng(seed)
    truth = Truth(rng, instants(rng, 300, 1.0))
    shown = np.floor((truth.until(truth.time) / 1e6 + rng.uniform(0, 65_536)) / resolution) * resolution
    keep = rng.random(300) >= dropped
    keep[[0, -1]] = True
    kept, shown = truth.time[keep], shown[keep]
    if span is not None:
        # More than one wrap between two readings cannot be seen by anybody.
        if np.diff(kept).max() * RATED / 1e9 > span / 2:
            return
        shown = shown % span
    column = Column(period=1.0, resolution=resolution, range=span, rated=RATED, floor=FLOOR)
    store = store_of([(REGISTER, column)], (kept, shown))
    for a, b in windows(rng, kept):
        answer = check(
            store, lambda a, b: truth.until(b) - truth.until(a), *np.clip([a, b], kept[0], kept[-1]).tolist()
        )
        assert answer.resets == 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), resets=st.integers(1, 4))
def test_a_reset_is_neither_negative_nor_a_spike_and_hides_nothing_from_the_bounds(seed, resets):
    rng = np.random.default_rng(seed)
    truth = Truth(rng, instants(rng, 300, 1.0))
    ends = np.sort(rng.integers(truth.time[0], truth.time[-1], resets))
    era = np.searchsorted(ends, truth.time, side="right")
    begun = np.concatenate([[-3.6e12], truth.until(ends)])
    shown = np.floor((truth.until(truth.time) - begun[era]) / 1e6)
    store = store_of([(REGISTER, Column(period=1.0, resolution=1.0, rated=RATED, floor=FLOOR))], (truth.time, shown))
    seen = np.flatnonzero(shown[1:] < shown[:-1])
    if len(seen) < len(np.unique(era)) - 1:
        return  # an era that was over before it had counted as much as the one after it: nobody can tell
    for window in windows(rng, truth.time):
        a, b = np.clip(window, truth.time[0], truth.time[-1]).tolist()
        answer = check(store, lambda a, b: truth.until(b) - truth.until(a), a, b)
        assert 0 <= answer.joules <= truth.until(b) - truth.until(a) + 3e6 * (1 + resets) + RATED * 1e6 * 2000
    [whole] = energy(store, store.entries(), int(truth.time[0]), int(truth.time[-1]) + 1)
    assert whole.resets == len(seen)
    assert whole.joules <= truth.until(truth.time[-1]) + 2e6


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_adjacent_windows_add_up_to_the_microjoule(seed, cuts):
    rng = np.random.default_rng(seed)
    time = instants(rng, 400)
    truth = Truth(rng, time)
    shown = np.floor(truth.until(time) / 1e6)
    jittering = shown - np.where(rng.random(400) < 0.05, 2, 0)
    columns = [(POWER, Column(period=2.0)), (POWER, Column()), (REGISTER, Column(rated=RATED, resolution=1.0)),
               (POWER, Column(window=2.0, accuracy=0.01))]  # fmt: skip
    values = np.column_stack([truth.watts, truth.watts, np.maximum(jittering, 0), truth.watts])
    present = rng.random(values.shape) < 0.95
    store = store_of(columns, (time[:200], values[:200], present[:200]), (time[200:], values[200:], present[200:], 2))
    span = int(time[-1] - time[0])
    edges = [int(time[0]), *sorted(int(time[0]) + int(cut * span) for cut in cuts), int(time[-1])]
    whole = energy(store, store.entries(), edges[0], edges[-1])
    parts = [energy(store, store.entries(), a, b, raw=bool(rng.integers(2))) for a, b in pairwise(edges)]
    for place, one in enumerate(whole):
        assert sum(part[place].joules for part in parts) == one.joules
        assert sum(part[place].covered for part in parts) == one.covered
        assert sum(part[place].gaps for part in parts) == one.gaps


def test_a_day_with_a_hole_says_how_much_of_it_was_measured():
    time = START + np.arange(0, 86_400, 10) * SECOND
    keep = (np.arange(8640) < 3000) | (np.arange(8640) >= 3360)
    store = store_of([(POWER, Column(period=10.0, rated=300.0, floor=10.0))], (time[keep], np.full(keep.sum(), 100.0)))
    for raw in (False, True):
        [one] = energy(store, store.entries(), START, START + DAY, raw=raw)
        hole, tail = 361 * 10, 10
        assert one.covered == (86_400 - hole - tail) * SECOND
        assert one.coverage == pytest.approx(1 - (hole + tail) / 86_400)
        assert one.joules == (86_400 - hole - tail) * 100_000_000
        assert one.kwh == pytest.approx(one.joules / 3.6e12)
        assert (one.gaps, one.resets, one.method, one.assumed) == (1, 0, ("trapezoid",), "")
        assert one.lower == pytest.approx(one.joules + (hole + tail) * 10e6, abs=1e5)
        assert one.upper == pytest.approx(one.joules + (hole + tail) * 300e6, abs=1e5)


def test_without_a_rated_power_the_highest_seen_is_assumed_and_said():
    time = START + np.array([0, 1, 2, 100, 101]) * SECOND
    store = store_of([(POWER, Column(period=1.0))], (time, [100, 250, 100, 100, 100]))
    [one] = energy(store, store.entries(), START, START + 101 * SECOND)
    assert one.assumed == HIGHEST_SEEN
    assert one.upper == pytest.approx(600e6 + 98 * 250e6, abs=10)
    [none] = energy(store, store.entries(), START + DAY, START + 2 * DAY)
    assert (none.joules, none.coverage, none.method, none.assumed) == (0, 0.0, (), NOTHING_KNOWN)


def test_levels_have_no_energy_and_an_empty_window_neither():
    store = store_of([(VOLTS, Column()), (POWER, Column(period=1.0, estimate="from CPU time"))],
                     (START + np.arange(10) * SECOND, np.full((10, 2), 230.0)))  # fmt: skip
    level, power = energy(store, store.entries(), START, START + 10 * SECOND)
    assert (level.joules, level.covered, level.method) == (0, 0, ())
    assert (power.joules, power.estimated) == (9 * 230_000_000, "from CPU time")
    assert energy(store, store.entries(), START + SECOND, START + SECOND)[1].joules == 0
    assert energy(store, [], START, START + DAY) == []


def test_series_that_come_and_go_keep_their_neighbours():
    """A series that misses the samples of an hour is still joined across it, alone or in company."""
    time = START + np.arange(0, 4 * 3600, 30) * SECOND
    values = np.column_stack([np.arange(480) * 3000.0, np.arange(480) * 6000.0, np.full(480, 80.0)])
    present = np.ones((480, 3), bool)
    present[130:350, 1] = False
    present[200:230, 0] = False
    present[100, :] = [True, False, True]
    store = store_of([(REGISTER, Column(period=30.0)), (REGISTER, Column(period=30.0)), (POWER, Column(period=30.0))],
                     (time, values, present))  # fmt: skip
    for raw in (False, True):
        one, two, power = energy(store, store.entries(), START, START + 4 * HOUR, raw=raw)
        assert one.joules == 479 * 3_000_000_000
        assert two.joules == 479 * 6_000_000_000
        assert (one.gaps, two.gaps) == (1, 1)
        assert power.joules == 479 * 30 * 80_000_000
        assert one.covered == two.covered == power.covered == 479 * 30 * SECOND


def test_a_total_adds_everything_up():
    columns = [(POWER, Column(period=1.0, rated=100.0)), (REGISTER, Column(period=1.0, estimate="guessed"))]
    values = np.column_stack([np.full(11, 50.0), np.arange(11) * 20.0])
    store = store_of(columns, (START + np.arange(11) * SECOND, values))
    some = energy(store, store.entries(), START, START + 20 * SECOND)
    sum_ = total(some)
    assert sum_.entry is None
    assert sum_.joules == 500_000_000 + 200_000_000
    assert (sum_.lower, sum_.upper) == (some[0].lower + some[1].lower, some[0].upper + some[1].upper)
    assert (sum_.method, sum_.estimated, sum_.assumed) == (("register", "trapezoid"), "guessed", HIGHEST_SEEN)
    assert sum_.coverage == 0.5
    assert total([]).coverage == 0.0


@pytest.mark.parametrize(
    ("start", "end", "spans"),
    [
        (0, DAY, [86_400]),
        (0, 2 * DAY + 900 * SECOND, [86_400, 900]),
        (10 * SECOND, 2 * DAY + 973 * SECOND - 3 * SECOND, [10, 60, 900, 86_400, 900, 60, 10]),
        (7 * SECOND, 2 * DAY + 973 * SECOND, [0, 900, 86_400, 900, 0]),
        (7 * SECOND, 9 * SECOND, [0]),
        (7 * SECOND, 1800 * SECOND, [0, 900]),
        (0, 1801 * SECOND, [900, 0]),
        (5 * SECOND, 20 * SECOND, [0]),
        (0, 20 * SECOND, [10]),
        (0, 0, []),
    ],
)
def test_a_window_is_cut_into_the_longest_cells_that_fit(start, end, spans):
    pieces = list(plan(START + start, START + end))
    assert [span // SECOND for _, _, span in pieces] == spans
    assert [a for a, _, _ in pieces] == [START + start, *(b for _, b, _ in pieces)][: len(pieces)]
    assert not pieces or pieces[-1][1] == START + end
    assert all(span == 0 or (a % span == 0 and b % span == 0) for a, b, span in pieces)


@pytest.mark.parametrize("start", [-9_000_000_000, -5_000_000_003, -1, 0])
def test_a_window_of_centuries_is_cut_into_whole_cells(start):
    end = 1_795_000_007 * 10**9
    pieces = list(plan(start * 10**9, end))
    assert [a for a, _, _ in pieces[1:]] == [b for _, b, _ in pieces[:-1]]
    assert (pieces[0][0], pieces[-1][1]) == (start * 10**9, end)
    assert not any(a % span or b % span for a, b, span in pieces if span)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), back=st.integers(0, 900))
@example(seed=13243, back=710)  # what was drawn in twelve minutes seems to be drawn in seven seconds
def test_after_a_step_of_the_clock_all_ways_of_asking_agree(seed, back):
    """The clock is set back: two runs speak of the same minutes, and neither makes a reset of the other."""
    rng = np.random.default_rng(seed)
    time = instants(rng, 400)
    truth = Truth(rng, time)
    shown = np.floor(truth.until(time) / 1e6)
    later = time - np.where(np.arange(400) < 200, 0, back * SECOND)
    columns = [(POWER, Column(period=2.0, rated=RATED)), (POWER, Column(rated=RATED)),
               (REGISTER, Column(period=2.0, rated=RATED, resolution=1.0))]  # fmt: skip
    values = np.column_stack([truth.watts, truth.watts, shown])
    store = store_of(columns, (later[:200], values[:200], None, 1), (later[200:], values[200:], None, 2))
    whole = int(later.min()), int(later.max()) + 1
    for a, b in [*windows(rng, np.sort(later)), whole]:
        for rolled, raw in zip(*(energy(store, store.entries(), a, b, raw=way) for way in (False, True)), strict=True):
            assert (rolled.joules, rolled.covered, rolled.gaps, rolled.resets) == (
                raw.joules, raw.covered, raw.gaps, raw.resets,
            )  # fmt: skip
            assert -ROUNDING <= raw.lower <= raw.joules <= raw.upper
            assert raw.covered <= raw.asked
            assert raw.resets == 0

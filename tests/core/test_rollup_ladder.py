"""Roll-ups of roll-ups are roll-ups of samples, and adjacent windows add up, for any history."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.core.cells import FINEST, LADDER, Cells, coarser, concat, empty, merged
from wattline.core.rollup import HOUR, roll, roll_many, roll_table
from wattline.model import Column, Kind, Metric
from wattline.units import Unit

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
START = 1_700_000_000 * SECOND // DAY * DAY
POWER = Metric("power_watts", Unit.WATT, Kind.GAUGE)
REGISTER = Metric("energy_joules", Unit.JOULE, Kind.COUNTER)
DELTA = Metric("used_joules", Unit.JOULE, Kind.DELTA)
VOLTS = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE)
COLUMNS = [
    Column(period=5.0, rated=500.0, accuracy=0.01),
    Column(),
    Column(resolution=100.0, rated=500.0, period=5.0),
    Column(resolution=1.0, range=65_536.0),
    Column(window=5.0, period=5.0, rated=500.0),
]


def history(seed, span=3 * HOUR, spacing=20.0):
    """Samples of a bad day: drops, holes, runs, steps of the clock, resets, jitters, NaN."""
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(spacing, 40_000) * np.where(rng.random(40_000) < 0.01, 40, 1)
    time = START - HOUR + np.cumsum(np.round(gaps * 1e6).astype(np.int64) * 1000)
    time = time[time < START + span + HOUR]
    n = len(time)
    power = rng.uniform(50, 450, n)
    power[rng.random(n) < 0.01] = np.nan
    register = np.floor(np.cumsum(rng.uniform(0, 300, n) * np.diff(time, prepend=time[0]) / 1e9))
    register[rng.random(n) < 0.02] -= rng.integers(1, 100)
    if rng.random() < 0.5:
        register[n // 2 :] -= register[n // 2]
    run = np.cumsum(rng.random(n) < 0.005)
    return time, power, np.maximum(register, 0), run


def same(one: Cells, other: Cells):
    """Equal bit for bit."""
    assert one.span == other.span
    for name in Cells.__struct_fields__[1:]:
        left, right = getattr(one, name), getattr(other, name)
        assert left.dtype == right.dtype, name
        assert left.tobytes() == right.tobytes(), name


CASES = [(POWER, 0), (POWER, 1), (POWER, 4), (REGISTER, 2), (REGISTER, 3), (DELTA, 0), (VOLTS, 1)]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), case=st.sampled_from(CASES))
def test_a_roll_up_of_roll_ups_is_the_roll_up_of_the_samples(seed, case):
    metric, column = case[0], COLUMNS[case[1]]
    time, power, register, run = history(seed)
    values = register if metric.unit is Unit.JOULE else power
    fine = roll(time, values, metric, column, start=START, end=START + 3 * HOUR, span=FINEST, run=run)
    minutes = coarser(fine, LADDER[1])
    for span in (LADDER[1], LADDER[2], HOUR):
        direct = roll(time, values, metric, column, start=START, end=START + 3 * HOUR, span=span, run=run)
        same(direct, coarser(fine, span))
        same(direct, coarser(minutes, span))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), spacing=st.sampled_from([0.02, 0.3, 2.0]))
def test_minutes_made_at_once_of_dense_samples_are_those_of_the_ladder(seed, spacing):
    """Where every 10 s hold a sample, minutes are made without the cells between; nobody can tell."""
    rng = np.random.default_rng(seed)
    time = START - 3 * SECOND + np.cumsum(rng.integers(1, int(spacing * 2e9), int(700 / spacing)))
    n, run = len(time), np.cumsum(rng.random(len(time)) < 0.002)
    register = np.floor(np.cumsum(rng.uniform(0, 300, n)))
    register[rng.random(n) < 0.01] -= rng.integers(1, 100)
    power = np.where(rng.random(n) < 0.1, -0.0, rng.uniform(-50, 450, n))
    values = np.column_stack([power, power, register, register % 65_536, power, power])
    metrics, columns = [POWER, POWER, REGISTER, REGISTER, POWER, VOLTS], [*COLUMNS, Column()]
    window = {"start": START, "end": START + 600 * SECOND, "run": run}
    fine = roll_table(time, values, None, metrics, columns, **window)
    assert fine.cells.count.all() or spacing == 2.0
    minutes = roll_table(time, values, None, metrics, columns, span=LADDER[1], **window)
    assert (minutes.place == fine.coarser(LADDER[1]).place).all()
    same(minutes.cells, fine.coarser(LADDER[1]).cells)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), case=st.sampled_from(CASES))
def test_hours_rolled_up_one_by_one_are_the_day(seed, case):
    """An hour needs its own samples and one neighbour on each side, and nothing else."""
    metric, column = case[0], COLUMNS[case[1]]
    time, power, register, run = history(seed)
    values = register if metric.unit is Unit.JOULE else power
    whole = roll(time, values, metric, column, start=START, end=START + 3 * HOUR, span=FINEST, run=run)
    parts = []
    for hour in range(START, START + 3 * HOUR, HOUR):
        first, last = np.searchsorted(time, [hour, hour + HOUR])
        some = slice(max(first - 1, 0), last + 1)
        parts.append(roll(time[some], values[some], metric, column, start=hour, end=hour + HOUR, span=FINEST,
                          run=run[some]))  # fmt: skip
    same(whole, concat(parts))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), spacing=st.sampled_from([0.05, 1.0, 7.0]))
def test_columns_together_are_columns_one_by_one(seed, spacing):
    time, power, register, run = history(seed, HOUR // 6, spacing)
    rng = np.random.default_rng(seed)
    values = np.column_stack(
        [np.nan_to_num(power, nan=1.0), power, register, register % 65_536, power, power * 2, register]
    )
    present = np.ones(values.shape, bool)
    present[:, 4] = rng.random(len(time)) < 0.7
    present[:, 6] = present[:, 4]
    metrics, columns = [POWER, POWER, REGISTER, REGISTER, POWER, VOLTS, REGISTER], [*COLUMNS, Column(), COLUMNS[2]]
    window = {"start": START, "end": START + HOUR // 6, "span": FINEST}
    together = roll_many(time, values, present, metrics, columns, run=run, **window)
    for i, cells in enumerate(together):
        there = present[:, i]
        same(cells, roll(time[there], values[there, i], metrics[i], columns[i], run=run[there], **window))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), case=st.sampled_from(CASES[:6]))
def test_cells_add_up_to_what_the_register_or_the_trapezoids_say(seed, case):
    """Cutting at 10 s edges changes no total: to the microjoule it is the sum over whole intervals."""
    metric, column = case[0], COLUMNS[case[1]]
    time, power, register, _ = history(seed)
    values = register if metric.unit is Unit.JOULE else np.nan_to_num(power, nan=100.0)
    keep = (time >= START) & (time < START + HOUR)
    time, values = time[keep], values[keep]
    fine = roll(time, values, metric, column, start=START, end=START + HOUR, span=FINEST)
    length = np.diff(time)
    if metric is POWER and column.period and not column.window:
        steps = np.rint((values[1:] + values[:-1]) * (length * (1e-3 / 2)))
        assert fine.joules.sum() == int(steps[length <= 15 * SECOND].sum())
        assert fine.covered.sum() == length[length <= 15 * SECOND].sum()
    if metric is DELTA:
        assert fine.joules.sum() == int(np.rint(values[1:] * 1e6).sum())
    if metric is REGISTER and len(values) and not fine.resets.any():
        forward = np.maximum.accumulate(values)[-1] - values[0] if column.range is None else None
        assert forward is None or 0 <= forward * 1e6 - fine.joules.sum() <= 100e6
    assert (fine.lower <= fine.joules).all()
    assert (fine.joules <= fine.upper).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_merging_is_associative(seed):
    """In whatever pieces cells are merged, the energy is the same, and so are the bounds where the pieces touch."""
    time, _, register, _ = history(seed, HOUR)
    fine = roll(time, register, REGISTER, COLUMNS[2], start=START, end=START + 600 * SECOND, span=FINEST)
    if not len(fine):
        return
    bucket = np.full(len(fine), START)
    whole = merged(fine, np.array([0]), bucket, 600 * SECOND)
    minutes = merged(coarser(fine, LADDER[1]), np.array([0]), np.full(len(coarser(fine, LADDER[1])), START), HOUR // 6)
    assert whole.joules[0] == minutes.joules[0] == fine.joules.sum()
    assert whole.covered[0] == minutes.covered[0]
    assert minutes.lower[0] - minutes.up_head[0] <= whole.lower[0] - whole.up_head[0]
    assert minutes.upper[0] + minutes.down_head[0] >= whole.upper[0] + whole.down_head[0]


def test_dense_cells_are_summed_like_sparse_ones():
    """300 samples in a cell are added one by one, as three are."""
    rng = np.random.default_rng(1)
    time = START + np.sort(rng.integers(0, 10 * SECOND, 300))
    values = rng.uniform(0, 1, 300)
    total = 0.0
    for value in values.tolist():
        total += value
    cells = roll(time, values, VOLTS, Column(), start=START, end=START + FINEST, span=FINEST)
    assert cells.sum.tolist() == [total]
    assert (cells.min[0], cells.max[0], cells.first[0], cells.last[0]) == (
        values.min(), values.max(), values[0], values[-1],
    )  # fmt: skip


def test_a_cell_without_samples_may_have_energy():
    time = np.array([START - 40 * SECOND, START + 45 * SECOND])
    cells = roll(time, np.array([0.0, 850.0]), REGISTER, Column(), start=START, end=START + 60 * SECOND, span=FINEST)
    assert cells.joules.tolist() == [100_000_000] * 4 + [50_000_000]
    assert cells.count.tolist() == [0, 0, 0, 0, 1]
    assert np.isnan(cells.min[:4]).all()


def test_nothing_gives_no_cells():
    none = roll(np.zeros(0, np.int64), np.zeros(0), POWER, Column(), start=START, end=START + HOUR, span=FINEST)
    assert len(none) == 0
    same(none, empty(FINEST))
    same(coarser(none, LADDER[1]), empty(LADDER[1]))


def test_spans_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="do not add up"):
        coarser(empty(LADDER[1]), 90 * SECOND)
    with pytest.raises(ValueError, match="one span"):
        concat([empty(FINEST), empty(HOUR)])
    with pytest.raises(ValueError, match="one span"):
        concat([])


@pytest.mark.parametrize("absurd", [2.0**53 + 2, 1e22, 1.7e308, -1e300, 1e8])
@pytest.mark.parametrize(
    ("unit", "kind"), [(Unit.WATT, Kind.GAUGE), (Unit.JOULE, Kind.COUNTER), (Unit.BYTE, Kind.GAUGE)]
)
def test_an_absurd_value_spoils_nothing_but_its_own_intervals(absurd, unit, kind):
    time = np.arange(60, dtype=np.int64) * SECOND
    plain = np.full(60, 100.0) if kind is Kind.GAUGE else np.arange(60) * 100.0
    odd = plain.copy()
    odd[20] = absurd
    metric, column = Metric("m", unit, kind), Column(period=1.0, rated=500.0)
    span = 60 * SECOND
    good = roll(time, plain, metric, column, start=0, end=span, span=span)
    cells = roll(time, odd, metric, column, start=0, end=span, span=span)
    assert 0 <= cells.joules[0] <= good.joules[0]
    assert cells.joules[0] >= good.joules[0] * 0.9
    assert np.isfinite(cells.sum).all()

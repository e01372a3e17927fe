"""What a history says of its meter, on histories whose truth is known."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wattline.core.quality import (
    LEAST_CHANGES,
    agreement,
    refresh,
    resolution,
    until_wrap,
    watts_of,
    window,
    wrap_period,
)
from wattline.model import Column
from wattline.units import Scale

SECOND = 1_000_000_000
START = 1_795_184_315 * SECOND
seeds = st.integers(0, 2**32 - 1)


def grid(seconds, step, seed=0, jitter=0.0):
    """Times of readings every `step` s, late by up to `jitter` of it."""
    late = np.random.default_rng(seed).random(int(seconds / step)) * jitter * step
    return START + ((np.arange(int(seconds / step)) * step + late) * SECOND).astype(np.int64)


def held(time, period, phase, seed, levels=1000):
    """Values that a device renews every `period` s; `levels` is how many different ones there are."""
    renewal = ((time - START) / SECOND / period + phase).astype(np.int64)
    return np.random.default_rng(seed).integers(1, levels + 1, renewal.max() + 1)[renewal].astype(float)


@given(seeds, st.floats(2.0, 12.0), st.floats(0, 1), st.floats(0.1, 0.9), st.floats(0, 0.3))
def test_the_refresh_period_of_a_changing_load_is_found(seed, ratio, phase, step, jitter):
    time = grid(80 * ratio * step, step, seed, jitter)
    found = refresh(time, held(time, ratio * step, phase, seed))
    if ratio < 2.6 and (found is None or found.at_most):
        return  # so near to the spacing of the readings it need not be told
    assert found is not None
    assert not found.at_most
    assert found.period == pytest.approx(ratio * step, rel=0.08)


@given(seeds, st.floats(4.0, 10.0))
def test_renewals_that_bring_an_equal_value_are_seen_through(seed, ratio):
    time = grid(100 * ratio, 1.0)
    found = refresh(time, held(time, ratio, 0.3, seed, levels=6))
    assert found is not None
    assert found.period == pytest.approx(ratio, rel=0.08)


@given(seeds, st.floats(0.05, 1.0))
def test_a_device_that_is_faster_than_its_reader_is_at_most_as_slow(seed, ratio):
    time = grid(100, 1.0)
    found = refresh(time, held(time, ratio, 0.5, seed))
    assert found is not None
    assert found.at_most
    assert found.period == pytest.approx(1.0)


@given(st.floats(-1e6, 1e6), st.integers(0, LEAST_CHANGES - 1))
def test_a_constant_load_shows_no_refresh(level, changes):
    values = np.full(200, level)
    for i in range(changes):
        values[20 * (i + 1) :] += 1
    assert refresh(grid(200, 1.0), values) is None
    assert refresh(grid(200, 1.0)[:1], values[:1]) is None


def test_a_load_that_changes_when_it_likes_shows_mostly_no_refresh():
    time, told = grid(600, 1.0), 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        values = np.cumsum(draw.random(len(time)) < 0.08).astype(float)
        found = refresh(time, values)
        told += found is not None and not found.at_most
    assert told <= 4


@given(
    st.lists(st.integers(0, 10**6), min_size=8, max_size=60, unique=True),
    st.integers(1, 500),
    st.sampled_from([Scale(), Scale(1, 10), Scale(3600), Scale(1, 1000), Scale(36, 10)]),
)
def test_the_resolution_is_the_common_divisor_of_the_steps(counts, step, scale):
    divisor = int(np.gcd.reduce(np.diff(sorted(counts))))
    values = np.array([scale.base(7 + count * step) for count in counts])
    assert resolution(values, scale) == pytest.approx(divisor * step * scale.num / scale.den)


@given(st.lists(st.integers(0, 5000), min_size=6, max_size=50, unique=True), st.integers(0, 3))
def test_numbers_with_decimal_places_count_in_these(counts, places):
    divisor = int(np.gcd.reduce(np.diff(sorted(counts))))
    values = np.array([count / 10**places for count in counts])
    assert resolution(values, Scale()) == pytest.approx(divisor / 10**places)


@pytest.mark.parametrize("values", [[5.0] * 40, [1.0, 2.0, 3.0, 4.0], [], [2.0**60, 0, 1, 2, 3, 4]])
def test_few_values_show_no_resolution(values):
    assert resolution(np.array(values), Scale()) is None


@settings(max_examples=60)
@given(seeds, st.floats(20, 5000), st.sampled_from([1e-3, 1.0, 100.0]), st.booleans())
def test_a_register_that_counts_its_power_agrees(seed, level, step, wraps):
    time = grid(3600, 1.0)
    watts = level * (1 + 0.3 * np.sin(np.arange(len(time)) / 200 + seed % 7))
    total = np.concatenate([[0.0], np.cumsum((watts[1:] + watts[:-1]) / 2)])
    span = level * 2000.0 if wraps else None
    column = Column(resolution=step, range=span, rated=level * 2)
    joules = np.floor(total / step) * step
    found = agreement((time, watts), (time, joules % span if span else joules, column))
    assert found is not None
    assert found.agrees
    assert watts_of(time, joules % span if span else joules, column) == pytest.approx(level, rel=0.35)


@given(st.floats(50, 5000), st.sampled_from([0.1, 0.5, 2.0, 10.0, 1000.0]))
def test_a_register_with_a_wrong_factor_does_not(level, factor):
    time = grid(3600, 1.0)
    found = agreement((time, np.full(len(time), level)), (time, factor * level * np.arange(len(time)), Column()))
    assert found is not None
    assert not found.agrees
    assert found.ratio == pytest.approx(factor, rel=0.01)


@given(st.floats(10, 200), st.integers(3, 60))
def test_a_span_that_is_short_for_the_steps_of_a_register_says_nothing(level, seconds):
    time = grid(seconds, 1.0)
    assert agreement((time, np.full(len(time), level)), (time, np.zeros(len(time)), Column(resolution=36e4))) is None


@given(st.floats(1, 1e5), st.floats(0, 1))
def test_a_register_wraps_when_its_range_is_drawn(watts, share):
    column = Column(range=2.0**32 * 1e-3)
    left = pytest.approx((1 - share) * column.range / watts, abs=1e-6)
    assert until_wrap(column, share * column.range, watts) == left
    assert wrap_period(column, watts) == pytest.approx(column.range / watts)
    assert wrap_period(Column(), watts) is None
    assert until_wrap(column, 0, 0) is None


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=0, max_size=60),
    st.lists(st.integers(1, 10**12), min_size=60, max_size=60),
)
def test_no_history_is_too_odd(values, gaps):
    time, known = START + np.cumsum(np.array(gaps, np.int64))[: len(values)], np.array(values)
    assume(not len(known) or np.abs(known).max() < 1e300)
    refresh(time, known)
    resolution(known, Scale(1, 3))
    agreement((time, known), (time, known, Column(range=1e6)))
    watts_of(time, known, Column())


def averaged(span, seed, *, step=1.0, load=None, coarse=0.0, refresh_every=0.0):
    """Power averaged over `span` s (0: as it is) and its register, read every `step` s for two minutes."""
    rate = 20
    truth = np.repeat(np.random.default_rng(seed).uniform(100, 300, 31), 4 * rate) if load is None else load
    ticks = np.arange(len(truth) + 1) / rate
    energy = np.concatenate([[0.0], np.cumsum(truth) / rate])
    at = np.arange(0, 120, step)
    joules = np.interp(at, ticks, energy)
    shown = np.floor(at / refresh_every) * refresh_every if refresh_every else at
    if span:
        power = (np.interp(shown, ticks, energy) - np.interp(shown - span, ticks, energy)) / span
    else:
        power = truth[(shown * rate).astype(int)]
    time = START + (at * SECOND).astype(np.int64)
    return (time, power), (time, np.floor(joules / coarse) * coarse if coarse else joules, Column(resolution=coarse))


@given(seeds, st.floats(3.0, 12.0), st.sampled_from([0.0, 1.0, 10.0]))
def test_the_window_of_an_average_shows_beside_a_register(seed, span, coarse):
    assert window(*averaged(span, seed, coarse=coarse)) == pytest.approx(span, rel=0.15)


@given(seeds, st.sampled_from([0.0, 2.0, 5.0, 10.0]))
def test_what_is_no_average_shows_no_window(seed, refresh_every):
    assert window(*averaged(0, seed, refresh_every=refresh_every)) is None


def test_a_steady_load_and_a_coarse_register_show_no_window():
    assert window(*averaged(10, 1, load=np.full(2480, 200.0))) is None
    assert window(*averaged(10, 1, coarse=3600.0)) is None
    power, (time, joules, column) = averaged(10, 1)
    assert window(power, (time[:20], joules[:20], column)) is None
    assert window((time[:0], joules[:0]), (time[:0], joules[:0], column)) is None

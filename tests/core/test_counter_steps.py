"""What lies between two values of a register: a step, a wrap, a reset, a jitter, a replacement."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.core.counter import differences, steps
from wattline.model import Column

SECOND = 1_000_000_000
KWH = 3_600_000.0


def between(values, column, spacing=1.0):
    time = (np.arange(len(values)) * spacing * SECOND).astype(np.int64)
    found = steps(time, np.array(values, float), column)
    return (found.energy / 1e6).tolist(), found.broken.tolist()


def test_a_step_is_its_difference():
    assert between([10.0, 110.5, 110.5], Column()) == ([100.5, 0.0], [False, False])


def test_a_wrap_adds_the_range_of_this_register():
    column = Column(range=262_144.0, rated=280.0)
    assert between([262_100.0, 50.0], column) == ([94.0], [False])


def test_a_wrap_needs_no_rated_power_when_it_is_the_shorter_way_round():
    assert between([65_500.0, 20.0], Column(range=65_536.0)) == ([56.0], [False])


def test_a_restart_of_a_wrapping_register_is_no_wrap():
    """From 100 kJ to 10 J in a second: round the range that would be 162 kW."""
    energy, broken = between([100_000.0, 10.0], Column(range=262_144.0, rated=280.0))
    assert (energy, broken) == ([10.0], [True])


def test_a_reset_counts_what_came_after_it():
    assert between([5 * KWH, 120.0, 220.0], Column(rated=300.0)) == ([120.0, 100.0], [True, False])


def test_a_replaced_register_brings_no_energy_with_it():
    """The new meter has a life behind it that was not ours."""
    assert between([50 * KWH, 20 * KWH, 20 * KWH + 90.0], Column(rated=300.0)) == ([0.0, 90.0], [True, False])
    assert between([50 * KWH, 20 * KWH], Column()) == ([0.0], [True])


def test_a_jump_far_beyond_the_rated_power_is_a_replacement():
    assert between([5 * KWH, 900 * KWH], Column(rated=300.0)) == ([0.0], [True])


def test_a_dip_to_zero_and_back_is_no_thousand_kilowatt_hours():
    energy, _ = between([1000 * KWH, 0.0, 1000 * KWH + 100.0], Column())
    assert sum(energy) == 0.0


@pytest.mark.parametrize("column", [Column(), Column(resolution=0.1 * KWH), Column(rated=5000.0)])
def test_a_jitter_of_a_tenth_of_a_kilowatt_hour_is_not_two_hundred(column):
    """A backward step of 0.1 kWh at 215.6 kWh once counted 215.6 kWh."""
    values = [215.6 * KWH, 215.5 * KWH, 215.6 * KWH, 215.7 * KWH]
    energy, broken = between(values, column, spacing=300.0)
    assert not any(broken)
    assert sum(energy) == pytest.approx(0.1 * KWH)
    assert min(energy) >= 0


def test_a_jitter_is_caught_up_and_counted_once():
    energy, broken = between([1000.0, 1010.0, 1009.0, 1009.5, 1012.0], Column(resolution=1.0))
    assert (energy, any(broken)) == ([10.0, 0.0, 0.0, 2.0], False)


def test_a_total_beyond_what_microjoules_hold_keeps_its_steps():
    """3 GWh is more than 2^63 microjoules."""
    assert differences(np.array([1.1e13, 1.1e13 + 250.5])).tolist() == [250_500_000]


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), bits=st.sampled_from([16, 20, 32]), unit=st.sampled_from([1.0, 2**-14, 2**-16]))
def test_wraps_lose_nothing(seed, bits, unit):
    """However often a register wraps, the steps add up to what it counted."""
    rng = np.random.default_rng(seed)
    span = 2**bits * unit
    counted = np.cumsum(rng.integers(0, 2**bits // 3, 200)) + int(rng.integers(2**bits))
    energy, broken = between((counted % 2**bits) * unit, Column(range=span), spacing=100.0)
    assert not any(broken)
    assert sum(energy) == pytest.approx((counted[-1] - counted[0]) * unit, abs=200e-6)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.floats(0, 1e12), min_size=2, max_size=30),
    rated=st.none() | st.floats(1, 1e5),
    span=st.none() | st.floats(1e3, 1e12),
    resolution=st.sampled_from([0.0, 1.0, 3600.0, 360_000.0]),
)
def test_no_history_gives_negative_or_absurd_energy(values, rated, span, resolution):
    """Whatever a register says, no step is negative, and none is more than by far what is possible."""
    energy, broken = between(values, Column(rated=rated, range=span, resolution=resolution), spacing=10.0)
    limit = 2e9 + 2 * resolution if rated is None else 10 * rated * 70 + 2 * resolution
    wrapped = (span or 0.0) / 2 if rated is None else 0.0
    assert all(0 <= step <= max(limit, wrapped) * (1 + 1e-9) + 1e-6 for step in energy)
    assert len(broken) == len(values) - 1

"""What two neighbouring samples say about the time between them."""

import numpy as np
import pytest

from wattline.core.cells import FINEST
from wattline.core.integral import Nature, gap_limit, nature
from wattline.core.rollup import HOUR, roll
from wattline.model import Column, Kind, Metric
from wattline.units import Unit

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND // HOUR * HOUR
POWER = Metric("power_watts", Unit.WATT, Kind.GAUGE)
REGISTER = Metric("energy_joules", Unit.JOULE, Kind.COUNTER)
DELTA = Metric("used_joules", Unit.JOULE, Kind.DELTA)


def minute(seconds, values, metric, column, run=None):
    """Roll the first minute up; times in seconds from its start."""
    time = START + np.round(np.array(seconds) * SECOND).astype(np.int64)
    runs = None if run is None else np.array(run)
    cells = roll(time, np.array(values, float), metric, column, start=START, end=START + 60 * SECOND,
                 span=60 * SECOND, run=runs)  # fmt: skip
    return {name: getattr(cells, name)[0] if len(cells) else 0 for name in cells.__struct_fields__[1:]}


@pytest.mark.parametrize(
    ("unit", "kind", "expected"),
    [
        (Unit.WATT, Kind.GAUGE, Nature.POWER),
        (Unit.JOULE, Kind.COUNTER, Nature.REGISTER),
        (Unit.JOULE, Kind.DELTA, Nature.DELTA),
        (Unit.WATT, Kind.UNKNOWN, Nature.LEVEL),
        (Unit.JOULE, Kind.GAUGE, Nature.LEVEL),
        (Unit.VOLT, Kind.GAUGE, Nature.LEVEL),
        (Unit.VOLT_AMPERE, Kind.GAUGE, Nature.LEVEL),
    ],
)
def test_kind_and_unit_alone_say_what_gives_energy(unit, kind, expected):
    assert nature(Metric("x", unit, kind)) is expected


def test_power_is_integrated_by_trapezoids():
    cell = minute([0, 10, 20], [100, 200, 200], POWER, Column(period=10.0))
    assert cell["joules"] == 3_500_000_000
    assert cell["covered"] == 20 * SECOND
    # Monotone between samples: 10 s between 100 and 200 W, then 10 s of 200 W; a microjoule an interval for rounding.
    assert cell["lower"] == pytest.approx(3_000_000_000, abs=6)
    assert cell["upper"] == pytest.approx(4_000_000_000, abs=6)


def test_a_cell_takes_only_what_lies_in_it_from_an_interval_across_its_edge():
    cell = minute([-5, 5], [100, 200], POWER, Column(period=10.0))
    assert cell["joules"] == 5 * 175_000_000  # 150 W at the edge, 200 W after 5 s
    assert cell["covered"] == 5 * SECOND
    assert cell["count"] == 1


def test_the_accuracy_class_widens_the_bounds_of_power():
    cell = minute([0, 10], [100, 100], POWER, Column(period=10.0, accuracy=0.01))
    assert cell["lower"] == pytest.approx(990_000_000, abs=2)
    assert cell["upper"] == pytest.approx(1_010_000_000, abs=2)


def test_a_gap_is_not_integrated():
    cell = minute([0, 1, 40, 41], [100, 100, 100, 100], POWER, Column(period=1.0))
    assert (cell["joules"], cell["covered"], cell["gaps"]) == (200_000_000, 2 * SECOND, 1)


def test_ten_seconds_are_never_a_gap_and_three_periods_neither():
    assert minute([0, 10], [100, 100], POWER, Column(period=1.0))["gaps"] == 0
    assert minute([0, 10.001], [100, 100], POWER, Column(period=1.0))["gaps"] == 1
    assert minute([0, 45], [100, 100], POWER, Column(period=15.0))["gaps"] == 0


def test_without_a_period_three_medians_make_a_gap():
    seconds = [0, 5, 10, 15, 30.001, 35, 40, 45]
    assert minute(seconds, [100] * 8, POWER, Column())["gaps"] == 1
    assert minute([0, 5, 10, 15, 30, 35, 40, 45], [100] * 8, POWER, Column())["gaps"] == 0


def test_a_sample_alone_at_the_end_does_not_make_a_hole_a_habit():
    lengths = np.array([1, 5 * 3600], np.int64) * SECOND
    assert gap_limit(lengths, Column()) == 10 * SECOND


def test_no_power_interval_crosses_a_change_of_run():
    cell = minute([0, 1, 2, 3], [100] * 4, POWER, Column(period=1.0), run=[1, 1, 2, 2])
    assert (cell["joules"], cell["covered"], cell["gaps"]) == (200_000_000, 2 * SECOND, 1)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_neither_integrated_nor_summed(odd):
    cell = minute([0, 1, 2, 3, 4], [100, 100, odd, 100, 100], POWER, Column(period=1.0))
    assert (cell["joules"], cell["covered"], cell["gaps"]) == (200_000_000, 2 * SECOND, 1)
    assert (cell["count"], cell["sum"], cell["min"], cell["max"]) == (4, 400.0, 100.0, 100.0)


def test_power_that_flows_back_is_negative_energy():
    cell = minute([0, 10], [-100, -100], POWER, Column(period=10.0))
    assert cell["joules"] == -1_000_000_000
    assert cell["lower"] <= cell["joules"] <= cell["upper"]


def test_a_device_side_average_counts_for_its_window():
    """The value at the end of a window is the mean over it: no trapezoid."""
    cell = minute([0, 10, 20], [100, 200, 400], POWER, Column(period=10.0, window=10.0))
    assert (cell["joules"], cell["method"]) == (6_000_000_000, 4)
    assert cell["lower"] == pytest.approx(cell["joules"], abs=6)


def test_an_average_whose_window_is_not_the_spacing_is_a_gauge():
    cell = minute([0, 10, 20], [100, 200, 400], POWER, Column(period=10.0, window=1.0))
    assert (cell["joules"], cell["method"]) == (4_500_000_000, 2)


def test_a_register_is_exact_over_a_gap_of_any_length():
    cell = minute([0, 1, 50], [1000, 1100, 9000], REGISTER, Column(period=1.0))
    assert (cell["joules"], cell["covered"], cell["gaps"]) == (8_000_000_000, 50 * SECOND, 1)
    assert cell["lower"] == cell["upper"] == cell["joules"]


def test_a_register_says_at_an_edge_what_it_knows_and_no_more():
    """1 kJ in 10 s, 4 s of them before the edge, at most 150 W: between 400 J - 100 J and 400 J + 200 J lie there."""
    cell = minute([-4, 6], [1000, 2000], REGISTER, Column(period=10.0, rated=150.0))
    assert cell["joules"] == 600_000_000
    assert (cell["down_head"], cell["up_head"]) == (300_000_000, 200_000_000)
    free = minute([-4, 6], [1000, 2000], REGISTER, Column(period=10.0))
    assert (free["down_head"], free["up_head"]) == (400_000_000, 600_000_000)


def test_a_register_shows_whole_steps_so_the_truth_lies_above_it():
    cell = minute([0, 10], [1000, 2000], REGISTER, Column(period=10.0, resolution=100.0))
    assert (cell["down_head"], cell["up_head"]) == (0, 100_000_000)
    # The last value lies inside the minute, where nothing goes on from it: its slack is in the bounds already.
    assert (cell["down_tail"], cell["up_tail"]) == (0, 0)
    assert (cell["lower"], cell["upper"]) == (1_000_000_000, 1_100_000_000)


def test_after_a_reset_nothing_is_covered_until_the_next_value():
    cell = minute([0, 10, 20, 30], [9e6, 9e6 + 1000, 400, 1400], REGISTER, Column(period=10.0, rated=150.0))
    assert (cell["joules"], cell["covered"], cell["resets"]) == (2_400_000_000, 20 * SECOND, 1)
    assert cell["gaps"] == 0


def test_deltas_add_up():
    cell = minute([0, 10, 20], [7, 1000, 500], DELTA, Column(period=10.0))
    assert (cell["joules"], cell["covered"], cell["method"]) == (1_500_000_000, 20 * SECOND, 8)


def test_a_delta_after_a_gap_counts_but_covers_nothing():
    cell = minute([0, 50], [7, 1000], DELTA, Column(period=10.0))
    assert (cell["joules"], cell["covered"], cell["gaps"]) == (1_000_000_000, 0, 1)
    assert cell["lower"] <= cell["joules"] <= cell["upper"]


def test_two_runs_of_one_time_are_told_apart():
    """The clock was set back by 3 s: the newer run speaks of the seconds that both claim, and no value is a reset."""
    seconds = [0, 1, 2, 2, 3, 3, 4, 4, 5, 6]
    runs = [1, 1, 1, 2, 1, 2, 1, 2, 2, 2]
    values = [0, 100, 200, 500, 300, 600, 400, 700, 800, 900]
    cell = minute(seconds, values, REGISTER, Column(period=1.0, rated=200.0), run=runs)
    assert (cell["joules"], cell["resets"], cell["count"]) == (900_000_000, 0, 10)


@pytest.mark.parametrize("newer_is_whole", [True, False])
def test_of_two_collectors_of_one_meter_the_one_that_covers_more_is_believed(newer_is_whole):
    """One of them loses half of the minute: it adds nothing, takes nothing away, and makes no gap."""
    whole, lossy = (2, 1) if newer_is_whole else (1, 2)
    told = sorted([(s, whole) for s in range(60)] + [(s + 0.4, lossy) for s in range(59) if not 20 <= s < 50])
    seconds, runs = [s for s, _ in told], [run for _, run in told]
    cell = minute(seconds, [100.0 if run == whole else 300.0 for run in runs], POWER, Column(period=1.0), run=runs)
    assert (cell["gaps"], cell["covered"]) == (0, 59 * SECOND)
    assert cell["joules"] == 59 * 100_000_000


def test_a_level_has_no_energy():
    cell = minute([0, 10], [230, 231], Metric("voltage_volts", Unit.VOLT, Kind.GAUGE), Column())
    assert (cell["joules"], cell["covered"], cell["sum"]) == (0, 0, 461.0)


def test_cells_of_odd_windows_are_refused():
    with pytest.raises(ValueError, match="multiples"):
        roll(np.array([START]), np.array([1.0]), POWER, Column(), start=START + 1, end=START + FINEST, span=FINEST)

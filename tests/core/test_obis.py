"""OBIS codes become series: signs, ranks, tariffs, phases, and registers that grow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.core.obis import ENERGY, METRICS, POWER, VOLTAGE, Key, Reading, Registers, add_up, meaning
from wattline.units import IDENTITY, Scale, Unit


def watts(code, number, scale=IDENTITY):
    return Reading(code, number, scale, Unit.WATT)


def told(*readings):
    return {key: float(one.value) for key, one in add_up(readings).items()}


def joules(code, number, digits=9):
    return Reading(code, number, Scale(3600), Unit.JOULE, digits)


def test_what_is_fed_in_is_negative():
    assert told(watts((1, 7, 0), 0), watts((2, 7, 0), 2601)) == {Key("", POWER): -2601}
    assert told(watts((41, 7, 0), 300), watts((42, 7, 0), 0)) == {Key("phase-2", POWER): 300}


def test_the_best_power_is_taken():
    assert told(watts((15, 7, 0), 5)) == {Key("", POWER): 5}
    assert told(watts((15, 7, 0), 5), watts((1, 7, 0), 0), watts((2, 7, 0), 5)) == {Key("", POWER): -5}
    assert told(watts((1, 7, 0), 9), watts((16, 7, 0), -4)) == {Key("", POWER): -4}
    assert told(watts((1, 7, 1), -7)) == {Key("", POWER): -7}


def test_tariffs_are_summed_where_there_is_no_total():
    export = (("direction", "export"),)
    assert told(joules((1, 8, 1), 10), joules((1, 8, 2), 20), joules((2, 8, 0), 5), joules((2, 8, 1), 4)) == {
        Key("", ENERGY): 30 * 3600,
        Key("", ENERGY, (("tariff", "1"),)): 10 * 3600,
        Key("", ENERGY, (("tariff", "2"),)): 20 * 3600,
        Key("", ENERGY, export): 5 * 3600,
        Key("", ENERGY, (*export, ("tariff", "1"))): 4 * 3600,
    }


def test_a_register_keeps_its_count_and_its_range():
    [one] = add_up([joules((1, 8, 0), 1_581_123)]).values()
    assert one.column.scale.count(float(one.value)) == 1_581_123
    assert (one.column.range, one.column.resolution) == (3600 * 10**9, 3600)


def test_sums_of_unlike_scales_are_exact():
    [one] = add_up([watts((1, 7, 0), 1), watts((2, 7, 0), 5, Scale(1, 10))]).values()
    assert (float(one.value), one.column.scale) == (0.5, Scale(1, 10))


def test_a_unit_that_is_not_that_of_the_metric_is_passed_over():
    assert told(Reading((1, 7, 0), 16, Scale(), Unit.AMPERE)) == {}


def test_a_power_factor_beyond_one_is_none():
    assert told(Reading((13, 7, 0), 4556, Scale(1, 1000), Unit.RATIO)) == {}
    assert list(told(Reading((33, 7, 0), -950, Scale(1, 1000), Unit.RATIO)).values()) == [-0.95]


@pytest.mark.parametrize("code", [(0, 7, 0), (17, 7, 0), (20, 7, 0), (91, 7, 0), (81, 7, 1), (1, 6, 0), (31, 4, 0)])
def test_other_codes_mean_nothing(code):
    assert meaning(code) is None


def test_the_frame_of_a_meter_grows_and_knows_its_phases():
    registers = Registers("m")
    volts = Reading((32, 7, 0), 2301, Scale(1, 10), Unit.VOLT)
    first, _, _ = registers.frame(add_up([watts((1, 7, 0), 100)]), 0)
    layout, values, present = registers.frame(add_up([volts]), 2)
    assert layout.family == first.family
    assert {device.name: device.parent for device in layout.devices} == {"m": None, "m/phase-1": "m"}
    there = {s.metric.name: v for s, v, p in zip(layout.series, values, present, strict=True) if p}
    assert there == {"broken_messages_total": 2, VOLTAGE.name: 230.1}


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Reading,
            st.tuples(st.integers(0, 255), st.sampled_from([7, 8, 6]), st.integers(0, 9)),
            st.integers(-(2**63), 2**63),
            st.sampled_from([Scale(), Scale(1, 10**12), Scale(3600 * 10**6)]),
            st.sampled_from(list(Unit)),
            st.integers(0, 18),
        ),
        max_size=30,
    )
)
def test_any_readings_are_a_frame(readings):
    layout, values, present = Registers("m").frame(add_up(readings), 0)
    assert present.all()
    assert np.isfinite(values).all()
    assert {series.metric for series in layout.series} <= set(METRICS)

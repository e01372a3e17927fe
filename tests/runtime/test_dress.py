"""Frames become batches: whose, when, and with what the operator knows."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.model import Column, Device, Kind, Layout, Metric, Point, Series
from wattline.plugin import Frame
from wattline.runtime.dress import Dresser
from wattline.runtime.site import DeviceConfig, MeterConfig
from wattline.units import Scale, Unit

WATTS = Metric("power_watts", Unit.WATT, Kind.GAUGE)
JOULES = Metric("energy_joules", Unit.JOULE, Kind.COUNTER)
STATUS = Metric("status", Unit.NONE, Kind.STATE)


def dresser(devices=(), *, polled=True, **meter):
    config = MeterConfig(name="m", driver="d", options=None, **meter)
    made = Dresser(config, {device.name: device for device in devices}, "host/m", polled=polled)
    made.begin(5)
    return made


def test_a_frame_is_stamped_and_numbered():
    layout, one = Layout.of([Series.of("d", WATTS)]), dresser()
    batches = [one.batch(Frame(layout, np.array([float(i)])), 1000 * i) for i in range(1, 4)]
    assert [(b.source, b.run, b.sequence, int(b.time[0])) for b in batches] == [
        ("host/m", 5, i, 1000 * i) for i in range(1, 4)
    ]
    assert batches[0].layout is batches[2].layout
    assert batches[0].layout.columns[0].period == 1.0


def test_times_of_the_device_are_kept_and_many_frames_are_one_batch():
    layout, one = Layout.of([Series.of("d", WATTS), Series.of("d", JOULES)]), dresser()
    times = np.array([5, 6, 7])
    got = one.batch(Frame(layout, np.arange(6.0).reshape(3, 2), times), 99)
    assert got.time.tolist() == [5, 6, 7]
    assert got.size == 6
    assert one.batch(Frame(layout, np.arange(2.0), 42), 99).time.tolist() == [42]


@pytest.mark.parametrize(
    ("polled", "declared", "time", "period"),
    [
        (True, True, None, 5.0),
        (True, False, None, 5.0),  # the site's period
        (True, True, 42, None),  # what a device stamps comes as often as it likes, however often it is asked
        (False, False, None, None),
        (False, True, None, 5.0),
        (False, True, 42, 5.0),
    ],
)
def test_a_period_is_known_where_we_make_it_or_somebody_says_it(polled, declared, time, period):
    layout, one = Layout.of([Series.of("d", WATTS)]), dresser(polled=polled, every=5.0, declared=declared)
    assert one.batch(Frame(layout, np.array([1.0]), time), 7).layout.columns[0].period == period


def test_what_the_driver_says_of_a_period_stands():
    layout = Layout.of([Series.of("d", WATTS)], [Column(period=0.02)])
    assert dresser(every=5.0).batch(Frame(layout, np.array([1.0])), 7).layout.columns[0].period == 0.02


def test_an_empty_answer_takes_no_number():
    layout, one = Layout.of([Series.of("d", WATTS)]), dresser()
    assert one.batch(Frame(layout, np.array([1.0]), present=np.array([False])), 1) is None
    assert one.batch(Frame(layout, np.zeros((0, 1)), np.zeros(0, np.int64)), 1) is None
    assert one.batch(Frame(Layout.of([]), np.zeros(0)), 1) is None
    assert one.batch(Frame(layout, np.array([1.0])), 1).sequence == 1


@pytest.mark.parametrize(
    ("values", "time", "present"),
    [([1.0, 2.0], None, None), ([[1.0], [2.0]], 5, None), ([1.0], None, [True, False])],
)
def test_a_frame_that_does_not_fit_is_refused(values, time, present):
    layout = Layout.of([Series.of("d", WATTS)])
    with pytest.raises(ValueError, match=r"do(es)? not fit"):
        dresser().batch(Frame(layout, np.array(values), time, None if present is None else np.array(present)), 1)


def test_a_driver_may_use_its_array_again():
    layout, one, buffer = Layout.of([Series.of("d", WATTS)]), dresser(), np.array([1.0])
    got = one.batch(Frame(layout, buffer), 1)
    buffer[0] = 2.0
    assert got.values[0, 0] == 1.0


def test_labels_join_those_of_the_driver_which_win_and_families_grow_along():
    root = Layout.of([Series.of("d", WATTS, {"outlet": "1"})])
    grown = root.grown([Series.of("d", WATTS, {"outlet": "2"})], [Column()])
    one = dresser(labels={"room": "7", "outlet": "x", "n": 3})
    first, second = (one.batch(Frame(each, np.ones(len(each))), 1).layout for each in (root, grown))
    assert first.series[0].label_values() == {"outlet": "1", "room": "7", "n": 3}
    assert first.family == first.id != root.id
    assert second.family == first.id
    assert second.series[: len(first)] == first.series


def test_a_kwollect_description_names_the_metric_of_the_one_series():
    one = dresser(metric="wattmetre_power_watt")
    assert one.layout(Layout.of([Series.of("d", WATTS)])).series[0].metric == Metric(
        "wattmetre_power_watt", Unit.WATT, Kind.GAUGE
    )
    two = Layout.of([Series.of("d", WATTS), Series.of("d", JOULES)])
    assert one.layout(two).series == two.series


@given(count=st.integers(-(2**50), 2**50), num=st.integers(1, 10**6), den=st.integers(1, 10**6))
def test_a_scale_factor_gives_the_correctly_rounded_value_of_the_devices_count(count, num, den):
    layout = Layout.of([Series.of("d", JOULES)], [Column(scale=Scale(1, 10), range=409.6)])
    one = dresser(scale=Scale.of(Fraction(num, den)))
    got = one.batch(Frame(layout, np.array([count / 10])), 1)
    factor = Fraction(num, den) / 10
    if abs(count * factor.numerator) < 2**53:
        exact = count * factor
        assert got.values[0, 0] == exact.numerator / exact.denominator
        assert got.layout.columns[0].scale.count(got.values[0, 0]) == count
    else:
        assert got.values[0, 0] == pytest.approx(float(count * factor))
    assert got.layout.columns[0].range == pytest.approx(409.6 * num / den)


def test_a_scale_factor_leaves_texts_and_odd_values_alone():
    layout = Layout.of([Series.of("d", WATTS), Series.of("d", STATUS), Series.of("d", JOULES)])
    one = dresser(scale=Scale(1, 1000))
    got = one.batch(Frame(layout, np.array([np.nan, 1.0, np.inf]), texts={1: ("ok", "bad")}), 1)
    assert np.isnan(got.values[0, 0])
    assert got.values[0, 1:].tolist() == [1.0, np.inf]
    assert got.texts == {1: ("ok", "bad")}
    assert one.batch(Frame(layout, np.array([1.5, 0.0, 2.25])), 1).values[0].tolist() == [0.0015, 0.0, 0.00225]


def test_what_the_operator_knows_of_devices_goes_along_with_those_above_them():
    known = [
        DeviceConfig(name="d", parent={"a": "pdu-1", "b": "pdu-2"}, rated=750.0, floor=5.0, point=Point.BMC),
        DeviceConfig(name="pdu-1", parent="rack-1", type="pdu"),
        DeviceConfig(name="rack-1", type="rack"),
        DeviceConfig(name="elsewhere"),
    ]
    raw = Layout.of([Series.of("d", WATTS), Series.of("d", STATUS)], devices=[Device("d", "server")])
    layout = dresser(known).layout(raw)
    assert {device.name: (device.type, device.parents) for device in layout.devices} == {
        "d": ("server", (("a", "pdu-1"), ("b", "pdu-2"))),
        "pdu-1": ("pdu", (("", "rack-1"),)),
        "rack-1": ("rack", ()),
    }
    assert (layout.columns[0].rated, layout.columns[0].floor, layout.columns[0].point) == (750.0, 5.0, Point.BMC)
    assert layout.columns[1].rated is None


def test_a_layout_with_other_columns_is_dressed_anew():
    one, series = dresser(), [Series.of("d", WATTS)]
    before = one.layout(Layout.of(series, [Column(resolution=1.0)]))
    assert one.layout(Layout.of(series, [Column(resolution=1.0)])) is before
    assert one.layout(Layout.of(series, [Column(resolution=2.0)])).columns[0].resolution == 2.0

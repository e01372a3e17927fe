"""Loose samples become frames, and nothing is lost or invented on the way."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wattline.core.loose import Census, batches
from wattline.model import Column, Kind, Layout, Loose, Metric, Series
from wattline.units import Unit

POWER = Metric("power_watts", Unit.WATT, Kind.GAUGE)
VOLTS = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE)
STATE = Metric("state", Unit.NONE, Kind.STATE)


def loose(series, rows, **more):
    index, time, value = (np.array(column) for column in zip(*rows, strict=True))
    return Loose(tuple(series), (Column(),) * len(series), index, time, value.astype(float), **more)


def samples(found):
    return {
        (batch.layout.series[k].key, int(batch.time[n])): batch.values[n, k]
        for batch in found
        for n, k in np.argwhere(batch.mask())
    }


def test_equal_device_and_time_make_one_frame():
    series = [Series.of("a", POWER), Series.of("a", VOLTS)]
    [batch] = batches(loose(series, [(0, 1, 10), (1, 1, 230), (0, 2, 11), (1, 2, 231)], source="s", run=3, sequence=7))
    assert batch.layout.series == tuple(series)
    assert batch.time.tolist() == [1, 2]
    assert batch.values.tolist() == [[10, 230], [11, 231]]
    assert batch.present is None
    assert (batch.source, batch.run, batch.sequence) == ("s", 3, 7)


def test_a_device_and_its_parts_stand_in_one_layout():
    series = [Series.of("pdu", POWER), Series.of("pdu/outlet-1", POWER), Series.of("node", POWER)]
    found = batches(loose(series, [(i, t, i + t) for t in (1, 2) for i in (0, 1, 2)], sequence=1))
    assert [[s.device for s in b.layout.series] for b in found] == [["pdu", "pdu/outlet-1"], ["node"]]
    assert [b.sequence for b in found] == [1, 2]


def test_parts_that_answer_at_their_own_times_stand_apart():
    series = [Series.of(f"host/{n}", metric) for n in range(3) for metric in (POWER, VOLTS)]
    rows = [(2 * n + k, 10 * t + n, 1) for t in range(5) for n in range(3) for k in (0, 1)]
    found = batches(loose(series, rows))
    assert [len(b.layout) for b in found] == [2, 2, 2]
    assert all(b.present is None for b in found)


def test_a_sparse_device_gets_a_layout_for_each_series():
    series = [Series.of("a", POWER, {"n": n}) for n in range(3)]
    found = batches(loose(series, [(n, 10 * t + n, t) for t in range(4) for n in range(3)]))
    assert [len(b.layout) for b in found] == [1, 1, 1]


def test_half_present_is_dense_enough():
    series = [Series.of("a", POWER), Series.of("a", VOLTS)]
    [batch] = batches(loose(series, [(0, 1, 1), (1, 2, 2)]))
    assert batch.mask().tolist() == [[True, False], [False, True]]


def test_the_last_of_two_samples_of_one_time_stays():
    [batch] = batches(loose([Series.of("a", POWER)], [(0, 5, 1), (0, 4, 2), (0, 5, 3)]))
    assert batch.time.tolist() == [4, 5]
    assert batch.values.ravel().tolist() == [2, 3]


def test_texts_go_to_their_column():
    series = [Series.of("a", POWER), Series.of("a", STATE)]
    [batch] = batches(loose(series, [(0, 1, 10), (1, 1, 0)], texts={1: ("on",)}))
    assert batch.texts == {1: ("on",)}


def test_no_samples_make_no_batch():
    assert batches(Loose((Series.of("a", POWER),), (Column(),), *(np.zeros(0, np.int64),) * 2, np.zeros(0))) == []


def test_a_census_of_parts_chooses_for_the_whole():
    series = [Series.of("a", POWER), Series.of("a", VOLTS)]
    census = Census()
    census.count(series[:1], np.array([0, 0]), np.array([1, 2]))
    census.count(series, np.array([0, 1, 0, 1]), np.array([3, 3, 4, 4]))
    [layout] = census.layouts(series, [Column()] * 2)
    assert isinstance(layout, Layout)
    assert layout.series == tuple(series)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-50, 50), st.integers(0, 9)), min_size=1, max_size=200))
def test_every_sample_is_there_once_with_its_last_value(rows):
    series = [Series.of(device, metric) for device in ("a", "a/b", "c") for metric in (POWER, VOLTS)]
    found = batches(loose(series, rows, sequence=1))
    assert samples(found) == {(series[i].key, t): v for i, t, v in rows}
    assert all((np.diff(batch.time) > 0).all() for batch in found)
    assert [batch.sequence for batch in found] == list(range(1, len(found) + 1))

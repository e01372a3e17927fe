"""A roster gives keys their columns while series come and go."""

import numpy as np

from wattline.core.roster import HOUR, ROOM, Roster
from wattline.model import Column, Kind, Metric, Series
from wattline.units import Unit

WATTS = Metric("power_watts", Unit.WATT, Kind.GAUGE)


class Described:
    """Counts how often a key had to be described."""

    def __init__(self):
        self.asked = []

    def __call__(self, key):
        self.asked.append(key)
        return Series.of(key, WATTS), Column(rated=float(len(key)))


def test_the_first_frame_makes_the_layout():
    layout, values, present = Roster(Described()).frame(HOUR, ["a", "b"], [1.0, 2.0])
    assert [one.device for one in layout.series] == ["a", "b"]
    assert (values.tolist(), present.tolist()) == ([1.0, 2.0], [True, True])


def test_the_same_keys_cost_no_new_layout_and_are_described_once():
    describe = Described()
    roster = Roster(describe)
    one, *_ = roster.frame(HOUR, ["a", "b"], [1.0, 2.0])
    two, *_ = roster.frame(HOUR + 1, ["a", "b"], np.array([3.0, 4.0]))
    assert one is two
    assert describe.asked == ["a", "b"]


def test_a_new_key_grows_the_layout_in_its_family():
    roster = Roster(Described())
    one, *_ = roster.frame(HOUR, ["a", "b"], [1.0, 2.0])
    two, values, present = roster.frame(HOUR + 1, ["c", "b", "a"], [9.0, 4.0, 3.0])
    assert (two.family, two.id != one.id) == (one.family, True)
    assert [one.device for one in two.series] == ["a", "b", "c"]
    assert values.tolist() == [3.0, 4.0, 9.0]
    assert present.all()
    assert [column.rated for column in two.columns] == [1.0, 1.0, 1.0]


def test_a_key_that_is_not_there_is_absent():
    roster = Roster(Described())
    roster.frame(HOUR, ["a", "b", "c"], [1.0, 2.0, 3.0])
    layout, values, present = roster.frame(HOUR + 1, ["c"], [5.0])
    assert len(layout) == 3
    assert present.tolist() == [False, False, True]
    assert values[2] == 5.0
    assert np.isnan(values[:2]).all()


def test_a_layout_with_many_dead_is_renewed_at_an_hours_edge():
    roster = Roster(Described())
    old, *_ = roster.frame(HOUR, ["a", "b", "c"], [1.0, 2.0, 3.0])
    for minute in range(1, 120):
        same, *_ = roster.frame(HOUR + minute * HOUR // 60, ["a", "b"], [1.0, 2.0])
        assert same.id == old.id
    new, values, _ = roster.frame(3 * HOUR, ["a", "b"], [1.0, 2.0])
    assert [one.device for one in new.series] == ["a", "b"]
    assert new.family != old.family
    assert values.tolist() == [1.0, 2.0]


def test_a_page_with_new_keys_at_every_frame_keeps_its_layout_bounded():
    roster = Roster(Described())
    longest, families = 0, set()
    for second in range(60):
        keys = [f"k{second}-{i}" for i in range(500)]
        layout, values, present = roster.frame(HOUR + second, keys, np.arange(500.0))
        longest = max(longest, len(layout))
        families.add(layout.family)
        assert [series.device for series, is_there in zip(layout.series, present, strict=True) if is_there] == keys
        assert values[present].tolist() == list(range(500))
    assert longest <= 4 * 500 + ROOM
    assert 2 <= len(families) <= 6


def test_a_few_dead_are_carried_along():
    roster = Roster(Described())
    keys = [f"k{i}" for i in range(8)]
    old, *_ = roster.frame(HOUR, keys, np.zeros(8))
    for minute in range(1, 200):
        now, *_ = roster.frame(HOUR + minute * HOUR // 60, keys[2:], np.zeros(6))
    assert now.id == old.id

"""Promotions say what they match, and a pattern costs little or is refused."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.core.promotion import LONGEST, Promotion, Wishes, check_pattern


def wanted(*promotions, metric, device="n", now=0):
    return Wishes(promotions, now).wanted([metric], [device])


@pytest.mark.parametrize(
    ("pattern", "metric", "matches"),
    [
        ("my_.*", "my_metric", True),
        ("^my_.*$", "my_metric", True),
        ("my_", "my_metric", True),
        ("metric", "my_metric", False),
        (".*metric", "my_metric", True),
        ("prom_.*", "prom_default_metrics", True),
        ("prom_node_load1", "prom_all_metrics", False),
        ("(bmc|pdu)_.*", "pdu_outlet", True),
        (".*", "anything", True),
    ],
)
def test_a_pattern_is_matched_from_the_beginning(pattern, metric, matches):
    assert wanted(Promotion(device="n", metric=pattern), metric=metric) is matches


def test_any_promotion_of_a_device_counts():
    both = Promotion(device="n", metric="other"), Promotion(device="n", metric="my_.*")
    assert wanted(*both, metric="my_metric")
    assert wanted(*reversed(both), metric="my_metric")
    assert not wanted(*both, metric="my_metric", device="m")


def test_a_device_goes_by_any_of_its_names():
    wishes = Wishes([Promotion(device="node-1", metric="power")])
    assert wishes.wanted(["power_watts"], ["wattmetre-port3", "node-1"])
    assert not wishes.wanted(["power_watts"], ["wattmetre-port3"])
    assert wishes.wanted(["wattmetre_power_watt", "power_watts"], ["node-1"])


def test_a_promotion_ends():
    one, two = Promotion(device="n", metric="a", until=10), Promotion(device="n", metric="b", until=20)
    assert Wishes([one, two], 9).ends == 10
    assert Wishes([one, two], 10).promotions == (two,)
    assert Wishes([one, two], 10).ends == 20
    assert Wishes([Promotion(device="n", metric="a")]).ends is None


def test_two_owners_may_wish_the_same_and_one_replaces_its_own():
    first = Promotion(device="n", metric="a", owner="job 1", until=5)
    assert len(Wishes([first, Promotion(device="n", metric="a", owner="job 2")]).promotions) == 2
    later = Promotion(device="n", metric="a", owner="job 1", until=9)
    assert Wishes([first, later]).promotions == (later,)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "1 to 200 characters"),
        ("a" * (LONGEST + 1), "1 to 200 characters"),
        ("my_(", "is no regular expression"),
        ("*", "is no regular expression"),
        ("(a+)+$", "repeats a group"),
        ("(a|a){9}", "repeats a group"),
        (r"(a)\1", "refers back"),
        ("(?=a)b", "group of another kind"),
        (".*a.*b.*c.*d.*", "repeats more than 4 times"),
    ],
)
def test_a_pattern_that_is_none_or_costs_too_much_is_refused(pattern, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Promotion(device="n", metric=pattern)


@pytest.mark.parametrize("pattern", [r"a\*", r"[*+]{2}", "(?:a|b)_", "a(b)?", "[]*+*]", r"\(a\)*", "[[a]"])
def test_signs_that_repeat_no_group_are_taken(pattern):
    check_pattern(pattern)


@pytest.mark.parametrize("wrong", [{"device": ""}, {"device": "a\n"}, {"device": "n" * 201}, {"owner": "\0"}])
def test_names_are_names(wrong):
    with pytest.raises(ValueError, match=r"`(device|owner)`"):
        Promotion(**{"device": "n", "metric": ".*", **wrong})


@settings(deadline=None)
@given(pattern=st.text(alphabet="ab.*+?{}()|[]^$\\1,23", max_size=24))
def test_what_is_taken_is_quick_on_any_name(pattern):
    try:
        one = Promotion(device="n", metric=pattern)
    except ValueError:
        return
    began = time.process_time()
    wanted(one, metric="a" * 60)
    assert time.process_time() - began < 2

"""A document says what PyYAML's safe loader says, and knows the line of every value."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wattline.runtime.document import Document

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9999)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["C", "Z"]), max_size=8)
)
KEYS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=4)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)


def faults(text):
    return [str(fault) for fault in Document.parse(text).faults]


@given(VALUES)
def test_it_says_what_the_safe_loader_says(value):
    text = yaml.safe_dump(value, allow_unicode=True)
    document = Document.parse(text)
    assert document.faults == []
    # A key is taken as it is written: nothing that Wattline reads has a number for a key.
    assert document.root == value


@given(st.text("ab:-[]{}&*!<>|'\"#\n 1?,", max_size=40))
def test_no_text_does_more_than_leave_a_fault(text):
    document = Document.parse(text)
    lines = text.count("\n") + 2  # libyaml finds the end on a line of its own
    assert all(0 <= fault.line <= lines for fault in document.faults)
    assert 0 <= document.line(("a", 0, "b")) <= lines


@pytest.mark.parametrize(
    "text",
    [
        "a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}",
        "a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc: {<<: [*x, *y]}",
        "a: &x {k: 1}\nb: &y {<<: *x, m: 3}\nc: {m: 4, <<: *y}",
        "a: &x [1, 2]\nb: *x",
        "&k a: 1\nb: *k",
        "a: &k c\n*k : 2",
        "a: !!str 1\nb: 2026-11-28\nc: 1_000\nd: !!binary aGk=",
        "--- \n...\n",
        "",
    ],
)
def test_anchors_and_merges_mean_what_they_mean_to_pyyaml(text):
    document = Document.parse(text)
    assert document.faults == []
    assert document.root == yaml.safe_load(text)


def test_what_an_alias_stands_for_is_there_once():
    root = Document.parse("a: &x [{unit: W}]\nb: *x\nc: [{unit: W}]").root
    assert root["a"] is root["b"]
    assert root["c"] is not root["a"]


TEXT = """\
base: &base
  every: 1s
  labels: {a: 1}
meters:
  - name: one
    <<: *base
  - <<: [*base]
    oids: &oids
      - oid: 1.2
        unit: W
  - oids: *oids
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("meters",), 4),
        (("meters", 0), 5),
        (("meters", 0, "every"), 2),
        (("meters", 0, "labels", "a"), 3),
        (("meters", 1, "oids", 0, "unit"), 10),
        (("meters", 2, "oids", 0, "unit"), 10),
        (("meters", 2, "oids", 0, "scale"), 9),
        (("meters", 7, "oids"), 4),
        (("nothing",), 1),
    ],
)
def test_every_value_has_a_line_and_what_is_not_there_that_of_what_would_hold_it(place, line):
    assert Document.parse(TEXT).line(place) == line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: *x", "this is no YAML: there is no anchor 'x' (line 1)"),
        ("a: &x 1\nb: &x 2", "this is no YAML: the anchor 'x' stands twice (line 2)"),
        ("a: 1\n---\nb: 2", "this is no YAML: a second document begins here (line 2)"),
        ("a:\n  <<: 7", "a.<<: is merged, and no mapping (line 2)"),
        ("? [1, 2]\n: 3", "a key is a list or a mapping (line 1)"),
        ("a: 1\nb: !!int x", "b: is no int of YAML (line 2)"),
        ("a: !what x", "a: could not determine a constructor for the tag '!what' (line 1)"),
        ("x: &x\n  a: 1\n  b:\n  - *x", "x.b[0]: an anchor contains itself (line 4)"),
        ("[" * 900 + "]" * 900, "lists and mappings are nested too deeply"),
    ],
)
def test_a_fault_has_its_line(text, said):
    assert faults(text) == [said]


def test_a_merge_that_contains_itself_ends():
    document = Document.parse("a: &a\n  b: 1\n  <<: *a\n")
    assert [str(fault) for fault in document.faults][:1] == ["a.<<: an anchor contains itself (line 3)"]
    assert document.line(("a", "missing")) == 1

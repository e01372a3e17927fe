"""Lines that bring their own name and time: what they become, and that each is told once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.drivers.prometheus.config import PrometheusConfig
from wattline.drivers.prometheus.driver import Prometheus
from wattline.errors import Malformed
from wattline.wire.web import Reply

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
THEN = 1_606_389_005
ORIGIN = "_metric_origin=prom_kwollect_custom"


class Pages:
    """In place of a web server: gives one page after another, the last again and again."""

    def __init__(self, *pages):
        self.pages = list(pages)

    async def ask(self, _):
        text = self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]
        return Reply("http://node-1:9100/metrics", 200, "OK", {}, text.encode())


def reader(*pages, **options):
    driver = Prometheus(PrometheusConfig(host="node-1", prefix="prom_", custom="kwollect_custom", **options))
    driver._web = Pages(*pages)
    return driver


async def read(driver, now=NOW):
    """Return rows of name, labels, time (None: of the answer) and value."""
    rows = []
    for frame in await driver.read(now):
        there = np.ones(len(frame.layout), bool) if frame.present is None else frame.present
        for i in np.flatnonzero(there):
            series = frame.layout.series[i]
            labels = ",".join(f"{name}={text}" for name, text in series.labels)
            rows.append((series.metric.name, labels, frame.time, frame.values[i]))
    return sorted(rows, key=str)


def line(value, **labels):
    inside = ",".join(f'{name}="{text}"' for name, text in labels.items())
    return f"kwollect_custom{{{inside}}} {value}\n"


async def test_a_line_has_its_name_and_its_time_and_its_other_labels():
    page = line(42, _metric_id="my_metric", _timestamp="1606389005.1234", room="B1") + "node_load1 0.5\n"
    assert await read(reader(page)) == [
        ("my_metric", f"{ORIGIN},room=B1", THEN * SECOND + 123_400_000, 42),
        ("prom_node_load1", "", None, 0.5),
    ]


async def test_without_a_name_it_keeps_its_own_without_a_time_it_has_that_of_the_page():
    page = line(1, _timestamp=THEN) + line(2, _metric_id="b", _timestamp="") + line(3, _metric_id="c") + line(4, x="y")
    assert await read(reader(page + "kwollect_custom 5\n")) == [
        ("b", ORIGIN, None, 2),
        ("c", ORIGIN, None, 3),
        ("prom_kwollect_custom", ORIGIN, THEN * SECOND, 1),
        ("prom_kwollect_custom", ORIGIN, None, 5),
        ("prom_kwollect_custom", f"{ORIGIN},x=y", None, 4),
    ]


@pytest.mark.parametrize("said", ["yesterday", "-1", "nan", "inf", "1e300", "99999999999", "0x10", "1 2", "1_0", "."])
async def test_a_time_that_is_none_costs_its_line_alone(said):
    page = line(1, _metric_id="a", _timestamp=said) + line(2, _metric_id="b", _timestamp=THEN)
    assert await read(reader(page)) == [("b", ORIGIN, THEN * SECOND, 2)]


@pytest.mark.parametrize(
    ("said", "nanoseconds"),
    [
        ("1606389005", THEN * SECOND),
        ("1606389005.", THEN * SECOND),
        (" 1606389005 ", THEN * SECOND),
        ("1606389005.123456789", THEN * SECOND + 123_457_000),
        ("1606389005.9999999", (THEN + 1) * SECOND),
        ("1606389005.000001", THEN * SECOND + 1000),
        ("1.606389005e9", THEN * SECOND),
        ("0", 0),
    ],
)
async def test_a_time_is_read_to_the_microsecond(said, nanoseconds):
    [(_, _, time, _)] = await read(reader(line(1, _metric_id="a", _timestamp=said)))
    assert time == nanoseconds


async def test_a_line_that_stays_on_the_page_is_told_once_and_again_with_another_time():
    old, new = line(1, _metric_id="a", _timestamp=THEN), line(2, _metric_id="a", _timestamp=THEN + 10)
    driver = reader(old, old, new, new)
    assert [len(await read(driver)) for _ in range(4)] == [1, 0, 1, 0]


async def test_several_times_of_one_metric_are_told_once_each():
    two = line(1, _metric_id="a", _timestamp=THEN) + line(2, _metric_id="a", _timestamp=THEN + 10)
    driver = reader(two, two, two, two + line(3, _metric_id="a", _timestamp=THEN + 20))
    assert [(time - THEN * SECOND, value) for _, _, time, value in await read(driver)] == [(0, 1), (10 * SECOND, 2)]
    assert await read(driver) == await read(driver) == []
    assert [value for *_, value in await read(driver)] == [3]


async def test_of_two_lines_that_say_the_same_the_first_holds():
    page = line(1, _metric_id="a", x="1") + line(2, _metric_id="a", x="1", _timestamp="")
    assert [value for *_, value in await read(reader(page))] == [1]
    page = line(1, _metric_id="a", _timestamp=THEN) + line(2, _metric_id="a", _timestamp=f"{THEN}.0")
    assert [value for *_, value in await read(reader(page))] == [1]


async def test_a_time_behind_the_value_holds_where_no_label_says_one():
    page = f'kwollect_custom{{_metric_id="a"}} 1 {THEN}000\n'
    page += f'kwollect_custom{{_metric_id="b",_timestamp="{THEN + 5}"}} 2 {THEN}000\n'
    assert await read(reader(page)) == [("a", ORIGIN, THEN * SECOND, 1), ("b", ORIGIN, (THEN + 5) * SECOND, 2)]


async def test_a_time_ahead_of_us_is_dropped_and_the_value_kept():
    page = line(7, _metric_id="a", _timestamp=NOW // SECOND + 3600)
    assert await read(reader(page)) == [("a", ORIGIN, None, 7)]


async def test_of_a_list_of_names_the_family_must_be_one():
    page = line(1, _metric_id="a") + "node_load1 2\nnode_load5 3\n"
    assert [row[0] for row in await read(reader(page, names=("node_load1",)))] == ["prom_node_load1"]
    both = reader(page, names=("node_load1", "kwollect_custom"))
    assert [row[0] for row in await read(both)] == ["a", "prom_node_load1"]


async def test_values_are_kept_as_they_are():
    page = "".join(line(value, _metric_id=f"m{i}") for i, value in enumerate(("0.1", "1e-7", "-0", "+Inf", "NaN")))
    values = [value for *_, value in await read(reader(page))]
    assert values[:4] == [0.1, 1e-7, -0.0, np.inf]
    assert np.isnan(values[4])


texts = st.text(alphabet=st.characters(codec="utf-8", exclude_characters='"\\\n'), max_size=12)
lines = st.builds(
    lambda labels, value: line(value, **labels),
    st.dictionaries(st.sampled_from(["_metric_id", "_timestamp", "_metric_origin", "room"]), texts),
    st.floats(width=32),
)


@given(st.lists(lines | st.text(max_size=30), max_size=6))
async def test_any_page_is_read_or_refused(pages):
    driver = reader("".join(pages), "".join(reversed(pages)))
    for _ in range(2):
        try:
            rows = await read(driver)
        except Malformed:
            continue
        assert all(time is None or 0 <= time < 2**63 for _, _, time, _ in rows)

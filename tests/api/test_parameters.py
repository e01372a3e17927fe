"""What is asked is parsed once, exactly, and what is wrong is named."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.api.formats import Format, choose
from wattline.api.parameters import Window, chooser, instant, step, widened, window
from wattline.api.problems import Problem
from wattline.units import NANOSECONDS

ONE = 1_795_179_600 * NANOSECONDS  # 2026-11-20T13:00:00Z


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-20T13:00:00Z", ONE),
        ("2026-11-20T13:00:00", ONE),
        ("2026-11-20 13:00", ONE),
        ("2026-11-20", ONE - 13 * 3600 * NANOSECONDS),
        ("2026-11-20T14:00:00+01:00", ONE),
        ("2026-11-20T14:00:00 01:00", ONE),  # a `+` that was not escaped
        ("2026-11-20T07:30:00-05:30", ONE),
        ("2026-11-20T13:00:00.123456789Z", ONE + 123_456_789),
        ("2026-11-20T13:00:00,5Z", ONE + NANOSECONDS // 2),
        ("1795179600", ONE),
        ("1795179600.000000001", ONE + 1),
        ("1795179600.1", ONE + NANOSECONDS // 10),
        ("-0.5", -NANOSECONDS // 2),
        ("0", 0),
    ],
)
def test_instants(text, time):
    assert instant(text, "start") == time


@given(st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)), st.integers(-1439, 1439))  # noqa: DTZ001
def test_any_offset_means_the_same_instant(naive, minutes):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    exact = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    assert instant(moment.isoformat(), "end") == exact


@given(st.integers(-9_000_000_000, 9_000_000_000), st.integers(0, NANOSECONDS - 1))
def test_epoch_seconds_are_exact(seconds, rest):
    sign = -1 if seconds < 0 else 1
    assert instant(f"{seconds}.{rest:09d}", "end") == seconds * NANOSECONDS + sign * rest


@pytest.mark.parametrize(
    "text",
    ["", "now", "1e9", "2026-13-01", "2026-11-20T25:00", "0x10", "99999999999999", "1500-01-01", "9999-12-31", "nan"],
)
@pytest.mark.parametrize("name", ["start", "end"])
def test_no_instants(text, name):
    with pytest.raises(Problem) as caught:
        instant(text, name)
    assert caught.value.parameter == name
    assert caught.value.detail.startswith(name)


def test_windows():
    hour = 3600 * NANOSECONDS
    assert window(None, None, ONE) == Window(ONE - hour, ONE)
    assert window(None, "1000", ONE) == Window(1000 * NANOSECONDS - hour, 1000 * NANOSECONDS)
    assert window("1000", None, ONE) == Window(1000 * NANOSECONDS, ONE)
    for start, end in (("10", "10"), ("10", "9"), ("2100-01-01", None)):
        with pytest.raises(Problem, match=r"end.* after start") as caught:
            window(start, end, ONE)
        assert caught.value.parameter == "end"


def test_steps():
    spans = {"10": 10, "10s": 10, "1m": 60, "15m": 900, "15min": 900, "1h": 3600, "1d": 86_400, "3600": 3600}
    assert {text: step(text) for text in spans} == {text: span * NANOSECONDS for text, span in spans.items()}
    assert step(None) is None
    for text in ("", "0", "5s", "15", "-1m", "1.5m", "1w", "999999999d", "PT1M"):
        with pytest.raises(Problem) as caught:
            step(text)
        assert caught.value.parameter == "step"


@given(st.integers(-(10**18), 10**18), st.integers(1, 10**15), st.sampled_from([10, 60, 900, 86_400]))
def test_a_widened_window_holds_whole_buckets_and_no_more(start, length, seconds):
    span = seconds * NANOSECONDS
    wide = widened(Window(start, start + length), span)
    assert wide.start % span == wide.end % span == 0
    assert start - span < wide.start <= start < start + length <= wide.end < start + length + span


def test_globs():
    chosen = chooser(["rack-1/*", "no[12]e", "a[b]"], "device")
    assert [text for text in ("rack-1/pdu-1", "Rack-1/x", "no1e", "no3e", "ab", "a[b]") if chosen(text)] == [
        "rack-1/pdu-1", "no1e", "ab", "a[b]",
    ]  # fmt: skip
    assert chooser(None, "device")("anything")
    for bad in ([""], ["x"] * 1001):
        with pytest.raises(Problem) as caught:
            chooser(bad, "metric")
        assert caught.value.parameter == "metric"


@pytest.mark.parametrize(
    ("name", "accept", "form"),
    [
        (None, None, Format.JSON),
        (None, "*/*", Format.JSON),
        (None, "text/html,application/xhtml+xml,*/*;q=0.8", Format.JSON),
        (None, "text/csv", Format.CSV),
        (None, "text/*", Format.CSV),
        (None, "application/x-ndjson, application/json;q=0.5", Format.NDJSON),
        (None, "application/json;q=0, application/vnd.apache.arrow.stream;q=0.1", Format.ARROW),
        ("CSV", "application/json", Format.CSV),
        ("arrow", "image/png", Format.ARROW),
    ],
)
def test_formats_are_negotiated(name, accept, form):
    assert choose(name, accept) is form


def test_formats_that_cannot_be_had():
    with pytest.raises(Problem) as caught:
        choose("xml", None)
    assert (caught.value.status, caught.value.parameter) == (400, "format")
    for accept in ("image/png", "application/json;q=0", "text/csv;q=nonsense"):
        with pytest.raises(Problem) as caught:
            choose(None, accept)
        assert (caught.value.status, caught.value.parameter) == (406, "Accept")

"""A device that flaps, or says nonsense of ten thousand topics, does not flood the log."""

import logging

from wattline.cli.calm import MOST, SPAN, Calm


def line(seconds, about="m", text="%s is silent: %s", detail="x"):
    record = logging.LogRecord("wattline.meters", logging.WARNING, "", 0, text, (about, detail), None)
    record.created = 1_000.0 + seconds
    return record


def test_lines_that_are_alike_are_few_and_the_rest_is_counted():
    calm = Calm()
    passed = [record for i in range(100) if calm.filter(record := line(i * 0.1, detail=str(i)))]
    assert len(passed) == MOST
    later = line(SPAN + 1)
    assert calm.filter(later)
    assert later.getMessage() == f"m is silent: x ({100 - MOST} lines like this were left out)"
    after = line(SPAN + 2)
    assert calm.filter(after)
    assert after.getMessage() == "m is silent: x"


def test_other_meters_and_other_lines_are_not_held_back():
    calm = Calm()
    assert all(calm.filter(line(0, about=f"m{i}")) for i in range(1000))
    for _ in range(100):
        calm.filter(line(1))
    assert calm.filter(line(1, text="%s speaks again after %s"))
    assert calm.filter(logging.LogRecord("x", logging.INFO, "", 0, "plain 100 %", None, None))


def test_a_clock_that_goes_back_lets_lines_pass():
    calm = Calm()
    for _ in range(100):
        calm.filter(line(5000))
    assert calm.filter(line(0))


def test_what_is_counted_is_bounded():
    calm = Calm()
    for i in range(50_000):
        calm.filter(line(0, about=str(i)))
    assert len(calm._seen) <= 20_001

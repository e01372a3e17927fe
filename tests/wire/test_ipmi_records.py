"""Sensor records and formulas: oddities of real controllers as bytes, repositories that move, any bytes at all."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.testing.bmc import FakeBmc
from wattline.testing.bmc_board import RECORD, Board, compact_record, event_record, full_record
from wattline.wire.ipmi.commands import DEVICE_ID, read_device_id
from wattline.wire.ipmi.formula import Factors, Formula, read_factors, signed
from wattline.wire.ipmi.keys import Who
from wattline.wire.ipmi.message import Hop
from wattline.wire.ipmi.repository import Repository
from wattline.wire.ipmi.sdr import read_name, read_record
from wattline.wire.ipmi.session import Session


async def sensors(board):
    async with FakeBmc(board) as bmc:
        session = Session("127.0.0.1", bmc.port, Who(b"meter", b"secret"), wait=1)
        await session.login()
        try:
            controller = read_device_id((await session.ask(DEVICE_ID)).content)
            repository = Repository(session, controller)
            return await repository.stamp(), await repository.sensors()
        finally:
            await session.close()


def number(raw, **options):
    found = read_record(full_record(1, "x", **options)).formula.number(raw)
    return None if found is None else float(found)


def test_a_record_says_who_is_asked_and_what_the_answer_means():
    sensor = read_record(full_record(0x123, "Pwr Consumption", number=0x77, m=2))
    assert (sensor.record, sensor.number, sensor.name, sensor.measure) == (0x123, 0x77, "Pwr Consumption", "Watts")
    assert sensor.route == ()
    assert sensor.formula.number(49) == 98
    assert read_record(full_record(1, "ME", owner=0x2C, channel=6)).route == (Hop(0x2C, 6),)


@pytest.mark.parametrize(
    ("raw", "options", "result"),
    [
        (100, {"m": 2}, 200),
        (195, {"m": 63, "k2": -3}, 12.285),
        (0x80, {"m": -2}, -256),
        (200, {"m": 511, "b": -512, "k1": 7, "k2": -8}, 200 * 511 * 1e-8 - 51.2),
        (0xFF, {"form": 1}, 0.0),
        (0xFE, {"form": 1}, -1),
        (0xFF, {"form": 2}, -1),
        (0x80, {"form": 2}, -128),
        (10, {"b": 5, "k1": 1}, 60),
        (2, {"m": 1, "function": 1}, math.log(2)),
        (100, {"m": 1, "function": 2}, 2),
        (8, {"m": 1, "function": 3}, 3),
        (1, {"m": 1, "function": 4}, math.e),
        (2, {"m": 1, "function": 5}, 100),
        (10, {"m": 1, "function": 6}, 1024),
        (4, {"m": 1, "function": 7}, 0.25),
        (12, {"m": 1, "function": 8}, 144),
        (3, {"m": 1, "function": 9}, 27),
        (144, {"m": 1, "function": 10}, 12),
        (27, {"m": 1, "function": 11}, 3),
        (0, {"m": 1, "function": 1}, None),
        (0, {"m": 1, "function": 7}, None),
        (255, {"m": 511, "k2": 7, "function": 4}, None),
        (1, {"function": 0x30}, None),
    ],
)
def test_formulas(raw, options, result):
    found = number(raw, **options)
    assert found == (result if result is None else pytest.approx(result, rel=1e-12))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unit": "Cel"}, "degrees C"),
        ({"unit": 6, "modifier": 24, "flags": 4}, "Watts*h"),
        ({"unit": 37, "modifier": 23, "flags": 2}, "liters/min"),
        ({"unit": 7, "flags": 3 << 3}, "Joules/s"),
        ({"unit": 0, "flags": 1}, "percent"),
        ({"unit": 0}, "unspecified"),
        ({"unit": 88}, "unit 88"),
    ],
)
def test_units_in_words(options, words):
    assert read_record(full_record(1, "x", **options)).measure == words


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b"\xc4Temp", "Temp"),
        (b"\xc5Temp\0", "Temp"),
        (b"\xcfCut", "Cut"),
        (b"\xc5 PSU ", "PSU"),
        (b"\x43\x12\x3a\xb4", "123 -4"),
        (b"\x83\x29\xdc\xa6", "IPMI"),
        (b"\x05T\xc3\xa9st", "Tést"),
        (b"\xc3T\xe9s", "Tés"),
        (b"\xc0", ""),
    ],
)
def test_names(field, name):
    assert read_name(field) == name


def test_records_without_numbers():
    state, event = read_record(compact_record(3, "PSU Status")), read_record(event_record(4, "Watchdog"))
    assert (state.name, state.formula, event.name, event.formula) == ("PSU Status", None, "Watchdog", None)
    assert read_record(full_record(5, "Presence", form=3)).formula is None
    assert read_record(b"\1\0\x51\x11\3abc") is None


@given(st.binary(max_size=80))
def test_any_bytes_are_a_record_or_malformed(some):
    try:
        sensor = read_record(some)
        if sensor and sensor.formula:
            for raw in (0, 127, 128, 255):
                sensor.formula.number(raw)
        read_factors(some)
    except Malformed:
        pass


@given(st.integers(-512, 511), st.integers(-512, 511), st.integers(-8, 7), st.integers(-8, 7), st.integers(0, 255))
def test_a_linear_number_is_exact_and_a_multiple_of_its_grid(m, b, k1, k2, raw):
    formula = read_record(full_record(1, "x", m=m, b=b, k1=k1, k2=k2, form=2)).formula
    assert formula.factors == Factors(m, b, k1, k2)
    exact = (m * Fraction(signed(raw, 2)) + b * Fraction(10) ** k1) * Fraction(10) ** k2
    assert formula.number(raw) == exact
    assert (exact / formula.factors.grid()).denominator == 1
    assert Formula(formula.factors, 0).is_linear


MANY = [full_record(i, f"Sensor {i}", number=i & 0xFF) for i in range(1, 40)]


@pytest.mark.parametrize(
    "options",
    [{}, {"piece": 8}, {"piece": 20}, {"lose_reservations": 3}, {"has_repository": False}],
)
async def test_a_repository_is_read_whole(options):
    _, found = await sensors(Board(records=MANY, **options))
    assert [sensor.name for sensor in found] == [f"Sensor {i}" for i in range(1, 40)]


async def test_a_stamp_changes_with_the_records():
    board = Board(records=MANY)
    before, _ = await sensors(board)
    assert (await sensors(board))[0] == before
    board.changed += 1
    assert (await sensors(board))[0] != before


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"lose_reservations": 1000}, Unreachable, "change while they are read"),
        ({"refuse": {RECORD: 0xD4}}, Misconfigured, "the privilege level is too low"),
        ({"refuse": {RECORD: 0xD0}}, Unreachable, "the repository is being updated"),
        ({"refuse": {RECORD: 0xC1}}, Malformed, "no such command"),
        ({"piece": 2}, Malformed, r"\(0xca\)"),
    ],
)
async def test_a_repository_that_cannot_be_read_says_why(options, error, said):
    with pytest.raises(error, match=said):
        await sensors(Board(records=MANY, **options))


async def test_records_that_go_round_in_a_circle_end():
    board = Board(records=MANY)
    whole = Board._get

    class Round(Board):
        def _get(self, content):
            answer = whole(self, content)
            return answer[:1] + (b"\2\0" if answer[1:3] == b"\x09\0" else answer[1:3]) + answer[3:]

    with pytest.raises(Malformed, match="circle"):
        await sensors(Round(records=board.records))

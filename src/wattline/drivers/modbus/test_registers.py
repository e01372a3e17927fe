"""What words mean: numbers in any type, the patterns that mean none, and decimals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.drivers.modbus.registers import shape

TYPES = ["u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "bcd16", "bcd32", "bcd64"]


@given(st.sampled_from(TYPES), st.data(), st.booleans())
def test_any_words_are_a_number_or_none(kind, data, markers):
    form = shape(kind, "le", "le")
    words = data.draw(st.lists(st.integers(0, 0xFFFF), min_size=form.size, max_size=form.size))
    number = form.number(words, markers=markers)
    assert number is None or isinstance(number, int | float)


@pytest.mark.parametrize(
    ("kind", "words", "number"),
    [
        ("u16", [0xFFFF], 65535), ("s16", [0x8000], -32768), ("u32", [0xFFFF, 0xFFFF], 2**32 - 1),
        ("s32", [0x8000, 0], -(2**31)), ("u64", [0xFFFF] * 4, 2**64 - 1), ("s64", [0x8000, 0, 0, 0], -(2**63)),
        ("f32", [0x7FC0, 0], None), ("f64", [0x7FF8, 0, 0, 0], None),
    ],
)  # fmt: skip
def test_markers_mean_no_value_by_option(kind, words, number):
    form = shape(kind, "be", "be")
    assert form.number(words, markers=True) is None
    plain = form.number(words, markers=False)
    assert plain == number if number is not None else np.isnan(plain)


def test_decimals_are_read_and_other_nibbles_are_none():
    assert shape("bcd32", "be", "be").number([0x1234, 0x5678], markers=False) == 12_345_678
    assert shape("bcd16", "be", "be").number([0x123A], markers=False) is None

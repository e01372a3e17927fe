"""Units become base units, and come back as the device's own integer."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.errors import Malformed, Misconfigured
from wattline.units import IDENTITY, Scale, Unit, parse_unit


def test_microjoules_become_the_joules_that_are_nearest():
    """124599532281 x 1e-6 would be 124599.53228099999."""
    assert Scale(1, 1_000_000).base(124_599_532_281) == 124_599.532281


def test_decimal_text_is_read_as_a_decimal():
    assert Scale(1, 10).base("2304") == 230.4
    assert Scale.of("0.1").base(" 2304 ") == 230.4
    assert Scale.of(0.1) == Scale(1, 10)
    assert Scale(3_600_000, 10).base("1.5") == 540_000.0


@pytest.mark.parametrize(
    "text", ["", "N/A", "12 W", "nan", "inf", "0x10", "1/0", "1/3", "--1", "1e309", "1e999999999", "1e-999999999"]
)
def test_text_that_is_no_number_is_malformed(text):
    with pytest.raises(Malformed, match="no number"):
        IDENTITY.base(text)


def test_what_is_not_finite_stays_what_it_is():
    assert Scale(1, 1000).base(float("inf")) == float("inf")


def test_a_scale_that_cannot_be_inverted_is_refused():
    for num, den in ((0, 1), (1, 0), (1, -2)):
        with pytest.raises(Misconfigured, match="inverted"):
            Scale(num, den)


@pytest.mark.parametrize(
    "factor", [1e19, 1e-19, "1e300", "1e999999999", "1e-999999999", "9" * 500, Fraction(1, 10**40)]
)
def test_a_scale_that_no_store_can_keep_is_refused(factor):
    with pytest.raises(Misconfigured, match="can be kept"):
        Scale.of(factor)
    with pytest.raises(Misconfigured, match="64 bits"):
        Scale(1, 2**63)


@given(factor=st.fractions(min_value=Fraction(1, 10**18), max_value=10**18))
def test_a_scale_of_many_digits_is_the_nearest_of_64_bits(factor):
    scale = Scale.of(factor)
    assert max(scale.num, scale.den) < 2**63
    assert abs(Fraction(scale.num, scale.den) / factor - 1) < Fraction(1, 10**16)


def test_scales_multiply_exactly():
    assert Scale(1, 3) * Scale(3, 10) == Scale(1, 10)


@given(
    count=st.integers(-(2**48), 2**48),
    scale=st.sampled_from(
        [Scale(), Scale(1, 10), Scale(1, 1_000_000), Scale(3600), Scale(3_600_000, 1000), Scale(1, 2**14)]
    ),
)
def test_an_integer_comes_back_from_its_base_value(count, scale):
    value = scale.base(count)
    assert value == float(Fraction(count * scale.num, scale.den))
    assert scale.count(value) == count


@pytest.mark.parametrize(
    ("text", "unit", "one"),
    [
        ("W", Unit.WATT, 1), ("kW", Unit.WATT, 1000), ("mW", Unit.WATT, 0.001), ("kWh", Unit.JOULE, 3_600_000),
        ("Wh", Unit.JOULE, 3600), ("uJ", Unit.JOULE, 1e-6), ("µJ", Unit.JOULE, 1e-6), ("dA", Unit.AMPERE, 0.1),
        ("%", Unit.RATIO, 0.01), ("Cel", Unit.CELSIUS, 1), ("dCel", Unit.CELSIUS, 0.1), ("VA", Unit.VOLT_AMPERE, 1),
        ("kVA", Unit.VOLT_AMPERE, 1000), ("var", Unit.VAR, 1), ("min", Unit.SECOND, 60), ("ms", Unit.SECOND, 0.001),
        ("KiBy", Unit.BYTE, 1024), ("kBy", Unit.BYTE, 1000), ("", Unit.NONE, 1), ("rpm", Unit.HERTZ, 1 / 60),
    ],
)  # fmt: skip
def test_units_have_a_base(text, unit, one):
    found, scale = parse_unit(text)
    assert (found, scale.base(1)) == (unit, one)


@pytest.mark.parametrize("text", ["kw", "watt", "Whh", "k", "J/s", "kCel"])
def test_an_unknown_unit_is_named(text):
    with pytest.raises(Misconfigured, match=f"'{text}' is no unit"):
        parse_unit(text)

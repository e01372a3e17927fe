"""Base units, and exact conversion at the edges.

Inside Wattline a quantity has one unit: watt, joule, volt, ampere, hertz, degree Celsius, second, byte or ratio
(and volt-ampere and var, which are no watts). A conversion is one rational number: the integer that a device sent,
times `num`, divided once by `den`, so that the result is the correctly rounded value and the integer can be had back
(IEEE 754-2019 section 5.4.1: division is correctly rounded).
"""

import enum
import math
import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Final

from msgspec import Struct

from wattline.errors import Malformed, Misconfigured

MICROJOULES: Final = 1_000_000
"""How many make one joule."""

NANOSECONDS: Final = 1_000_000_000
"""How many make one second."""

_LARGEST: Final = 2**63 - 1
"""Most of the two numbers of a scale: they are stored as integers of 64 bits."""

_CLOSE: Final = Fraction(1, 10**16)
"""How far a scale of more digits may lie from what is kept of it, as a ratio: less than a float64 shows."""

_MOST_DIGITS: Final = 400
"""A decimal exponent beyond it is no measurement; float64 ends at 308."""

_HUGE: Final = re.compile(r"[eE][+-]?\d{4}")


class Unit(enum.StrEnum):
    """The base units; the value is the UCUM symbol that answers and screens show."""

    WATT = "W"
    JOULE = "J"
    VOLT = "V"
    AMPERE = "A"
    HERTZ = "Hz"
    CELSIUS = "Cel"
    SECOND = "s"
    BYTE = "By"
    RATIO = "1"
    VOLT_AMPERE = "VA"
    VAR = "var"
    NONE = ""
    """No unit is known (kind `unknown`), or none applies (kind `state`)."""


class Scale(Struct, frozen=True):
    """A rational factor from what a device counts in to a base unit: `value = count * num / den`."""

    num: int = 1
    den: int = 1

    def __post_init__(self) -> None:
        if self.den <= 0 or self.num == 0:
            raise Misconfigured(f"a scale of {self.num}/{self.den} cannot be inverted")
        if max(abs(self.num), self.den) > _LARGEST:
            raise Misconfigured("a scale of such numbers is none that can be kept: they have more than 64 bits")

    @staticmethod
    def of(factor: Fraction | float | str) -> "Scale":
        """Return the scale of a factor; text and floats are read as the decimal they print as.

        What needs more than 64 bits is kept as the nearest that does not, 1 in 10^16 beside it at most. Raises
        Misconfigured: it is no number, or 0, or so large or small that there is none.
        """
        return _scale(factor)

    def __mul__(self, other: "Scale") -> "Scale":
        if other.num == other.den:
            return self
        return Scale.of(Fraction(self.num * other.num, self.den * other.den))

    def base(self, count: str | float) -> float:
        """Convert one count to base units, correctly rounded; decimal text is parsed as a decimal.

        Raises Malformed when `count` is a text that is no finite decimal number.
        """
        if isinstance(count, int):
            return count * self.num / self.den
        if isinstance(count, float) and not math.isfinite(count):
            return count
        try:
            scaled = exact(count) * Fraction(self.num, self.den)
            return scaled.numerator / scaled.denominator
        except OverflowError as error:
            raise Malformed(f"{count!r} is no number") from error

    def count(self, value: float) -> int:
        """Return the device's own integer behind a value that `base` made."""
        return round(Fraction(value) * self.den / self.num)


@lru_cache(maxsize=1024, typed=True)  # 0.1 is not the Fraction that it equals
def _scale(factor: Fraction | float | str) -> Scale:
    text = str(factor) if isinstance(factor, float | str) else ""
    if len(text) > _MOST_DIGITS or _HUGE.search(text):  # to write out 1e999999999 would take for ever
        raise Misconfigured(f"a scale of {text[:40]} is none that can be kept")
    try:
        whole = Fraction(text) if isinstance(factor, float | str) else Fraction(factor)
    except (ValueError, ZeroDivisionError) as error:
        raise Misconfigured(f"{text!r} is no number to multiply with") from error
    if max(abs(whole.numerator), whole.denominator) > _LARGEST:
        finest = int(_LARGEST / max(Fraction(1), abs(whole)))
        near = whole.limit_denominator(finest) if finest else Fraction(0)
        if abs(near / whole - 1) > _CLOSE:
            raise Misconfigured(f"a scale of {str(factor)[:40]} is none that can be kept")
        whole = near
    return Scale(whole.numerator, whole.denominator)


IDENTITY: Final = Scale()


def exact(count: str | float) -> Fraction:
    """Return what a decimal text says, or a number prints as. Raises Malformed: it is no finite decimal number."""
    try:
        decimal = Decimal(str(count).strip())
    except InvalidOperation as error:
        raise Malformed(f"{count!r} is no number") from error
    # The exponent is looked at first: to write out 1e999999999 would take for ever.
    if not decimal.is_finite() or abs(decimal.adjusted()) > _MOST_DIGITS:
        raise Malformed(f"{count!r} is no number that can be measured")
    return Fraction(decimal)


_PREFIXES: Final = {
    "n": Fraction(1, 10**9), "µ": Fraction(1, 10**6), "u": Fraction(1, 10**6), "m": Fraction(1, 1000),
    "c": Fraction(1, 100), "d": Fraction(1, 10), "": Fraction(1), "k": Fraction(1000), "M": Fraction(10**6),
    "G": Fraction(10**9),
}  # fmt: skip
_SYMBOLS: Final = {
    "W": (Unit.WATT, Fraction(1)), "J": (Unit.JOULE, Fraction(1)), "Wh": (Unit.JOULE, Fraction(3600)),
    "V": (Unit.VOLT, Fraction(1)), "A": (Unit.AMPERE, Fraction(1)), "Hz": (Unit.HERTZ, Fraction(1)),
    "s": (Unit.SECOND, Fraction(1)), "By": (Unit.BYTE, Fraction(1)), "B": (Unit.BYTE, Fraction(1)),
    "VA": (Unit.VOLT_AMPERE, Fraction(1)), "var": (Unit.VAR, Fraction(1)),
}  # fmt: skip
_WHOLE: Final = {
    "": (Unit.NONE, Fraction(1)), "1": (Unit.RATIO, Fraction(1)), "%": (Unit.RATIO, Fraction(1, 100)),
    "Cel": (Unit.CELSIUS, Fraction(1)), "°C": (Unit.CELSIUS, Fraction(1)), "dCel": (Unit.CELSIUS, Fraction(1, 10)),
    "mCel": (Unit.CELSIUS, Fraction(1, 1000)), "rpm": (Unit.HERTZ, Fraction(1, 60)),
    "RPM": (Unit.HERTZ, Fraction(1, 60)), "min": (Unit.SECOND, Fraction(60)), "h": (Unit.SECOND, Fraction(3600)),
    "KiBy": (Unit.BYTE, Fraction(1024)), "MiBy": (Unit.BYTE, Fraction(1024**2)),
}  # fmt: skip


@lru_cache(maxsize=1024)
def parse_unit(text: str) -> tuple[Unit, Scale]:
    """Read a unit such as `W`, `kWh`, `dA` or `%` as its base unit and the scale into it.

    Raises Misconfigured, naming the text, when the unit is not known.
    """
    if text in _WHOLE:
        unit, factor = _WHOLE[text]
        return unit, Scale.of(factor)
    for prefix, power in _PREFIXES.items():
        symbol = text.removeprefix(prefix)
        if text.startswith(prefix) and symbol in _SYMBOLS:
            unit, factor = _SYMBOLS[symbol]
            return unit, Scale.of(power * factor)
    raise Misconfigured(
        f"{text!r} is no unit that Wattline knows (W, kW, J, kWh, V, A, dA, Hz, Cel, s, By, %, VA, var)"
    )

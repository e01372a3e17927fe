"""From a sensor's byte to a number: IPMI 2.0 sections 36.3 (conversion formula) and 36.4 (units).

y = L[(M x + B 10^K1) 10^K2]
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from msgspec import Struct

from wattline.errors import Malformed

_LINEAR: Final = 0
NON_LINEAR: Final = 0x70
"""From here on the factors must be asked for at every reading."""

_FUNCTIONS: Final[dict[int, Callable[[float], float]]] = {
    1: math.log, 2: math.log10, 3: math.log2, 4: math.exp, 5: lambda x: 10.0**x, 6: lambda x: 2.0**x,
    7: lambda x: 1 / x, 8: lambda x: x * x, 9: lambda x: x**3, 10: math.sqrt, 11: math.cbrt,
}  # fmt: skip
"""Table 43-1, byte 24."""


class Factors(Struct, frozen=True):
    """M, B and their exponents: K1 is that of B, K2 that of the result."""

    m: int = 1
    b: int = 0
    k1: int = 0
    k2: int = 0

    def exact(self, x: int) -> Fraction:
        """Return the number before any function."""
        return (self.m * x + self.b * Fraction(10) ** self.k1) * Fraction(10) ** self.k2

    def step(self) -> Fraction:
        """Return what lies between two neighbouring bytes."""
        return abs(self.m * Fraction(10) ** self.k2)

    def grid(self) -> Fraction:
        """Return a number of which every result is a multiple: the finest decimal in it, as one over an integer."""
        return Fraction(1, 10 ** max(0, -self.k2, -self.k1 - self.k2))


class Formula(Struct, frozen=True):
    """What a byte of a sensor means. `form` is 0 unsigned, 1 ones' and 2 two's complement; `function` is that of L."""

    factors: Factors
    form: int = 0
    function: int = _LINEAR

    @property
    def is_linear(self) -> bool:
        """Whether the result is a fixed multiple of the byte, and an offset."""
        return self.function == _LINEAR

    @property
    def needs_factors(self) -> bool:
        """Whether the factors hold for one reading alone."""
        return self.function >= NON_LINEAR

    def number(self, raw: int, factors: Factors | None = None) -> Fraction | None:
        """Return what a byte means, exactly where the formula is linear; None: the function has no value there.

        `factors` are those of this reading, where `needs_factors`.
        """
        exact = (factors or self.factors).exact(signed(raw, self.form))
        if self.is_linear or self.needs_factors:
            return exact
        function = _FUNCTIONS.get(self.function)
        if function is None:
            return None
        try:
            return Fraction(function(exact.numerator / exact.denominator))
        except (ValueError, ZeroDivisionError, OverflowError):  # infinities and no numbers among them
            return None


def signed(raw: int, form: int) -> int:
    """Return a byte as a number."""
    if form == 0 or raw < 0x80:
        return raw
    return raw - 0x100 + (form == 1)


def read_factors(some: bytes) -> Factors:
    """Read the six bytes that begin with the low byte of M, as in a record and in Get Sensor Reading Factors.

    Raises Malformed when they are cut off.
    """
    if len(some) < 6:
        raise Malformed("the factors of a sensor are cut off")
    return Factors(
        m=_complement(some[0] | (some[1] & 0xC0) << 2, 10),
        b=_complement(some[2] | (some[3] & 0xC0) << 2, 10),
        k1=_complement(some[5] & 0x0F, 4),
        k2=_complement(some[5] >> 4, 4),
    )


def _complement(number: int, bits: int) -> int:
    return number - (1 << bits) if number >> (bits - 1) else number

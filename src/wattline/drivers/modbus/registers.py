"""What the words of a register say: types, orders of words and octets, and the patterns that mean "no value"."""

import math
import struct
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

Type = Literal["u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "bcd16", "bcd32", "bcd64",
               "MBU", "MBI", "MBUL", "MBL", "MBF"]  # fmt: skip
Order = Literal["be", "le", "right", "left"]

ALIASES: Final = {"MBU": "u16", "MBI": "s16", "MBUL": "u32", "MBL": "s32", "MBF": "f32", "right": "be", "left": "le"}
"""OPNFV energyrecorder's words for types, and for the side on which the low word stands."""
_CODES: Final = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q", "f32": "f", "f64": "d"}


class Shape(Struct, frozen=True):
    """How a number lies in its words. `words` is the order of the words, `octets` that of the octets in each."""

    kind: str
    words: str = "be"
    octets: str = "be"

    @property
    def size(self) -> int:
        """How many registers it takes."""
        return int(self.kind.lstrip("abcdfsu")) // 16

    @property
    def modulus(self) -> int | None:
        """After how many counts it is 0 again; None: it never is."""
        if self.kind.startswith("bcd"):
            return int(10 ** (4 * self.size))
        return 1 << 16 * self.size if self.kind.startswith("u") else None

    @property
    def marker(self) -> int | None:
        """The pattern that SunSpec (and most meters) send for what they do not have; None: any NaN."""
        bits = 16 * self.size
        if self.kind.startswith("f"):
            return None
        return 1 << bits - 1 if self.kind.startswith("s") else (1 << bits) - 1

    def octets_of(self, words: Sequence[int]) -> bytes:
        """Return the octets of the number, the highest first."""
        ordered = words if self.words == "be" else words[::-1]
        return b"".join(word.to_bytes(2, "big" if self.octets == "be" else "little") for word in ordered)

    def number(self, words: Sequence[int], *, markers: bool) -> float | int | None:
        """Return the number; None: a pattern that means none (with `markers`), or no decimal digits."""
        content = self.octets_of(words)
        if markers and int.from_bytes(content, "big") == self.marker:
            return None
        if self.kind.startswith("bcd"):
            digits = content.hex()
            return int(digits) if digits.isdecimal() else None
        number: float | int = struct.unpack(f">{_CODES[self.kind]}", content)[0]
        return None if markers and self.marker is None and math.isnan(number) else number


def shape(kind: str, words: str, octets: str) -> Shape:
    """Return the shape of a type and orders, in anybody's words."""
    return Shape(ALIASES.get(kind, kind), ALIASES.get(words, words), ALIASES.get(octets, octets))

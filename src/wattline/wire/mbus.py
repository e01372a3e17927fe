"""M-Bus: the wired meter bus, its frames (EN 13757-2, section 5) and the records of a meter's answer (EN 13757-3).

    10 C A CS 16                      a short frame: a request
    E5                                acknowledged
    68 L L 68 C A CI ... CS 16        a long frame: an answer; L counts from C to before CS, CS is their sum

A record is DIF DIFE* VIF VIFE* and its value: how it is coded, which of several it is, and what it is.
"""

import math
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from wattline.errors import Malformed

RESET: Final = 0x40
"""C of SND_NKE: begin anew."""
ASK: Final = 0x5B
"""C of REQ_UD2: tell your values."""
TOGGLE: Final = 0x20
"""The bit of C that changes with every request that goes on from the one before."""
ACKNOWLEDGED: Final = b"\xe5"
LONGEST: Final = 255 + 6
ANY: Final = 254
"""The address of whoever is there, where one meter is alone on the bus."""
_VARIABLE: Final = 0x72
"""CI of an answer with records, low octet first."""
_HEAD: Final = 12
"""Octets before the records: number, maker, version, medium, access, status, signature."""
_MORE: Final = 0x80
_EXTENSIONS: Final = 10
_PLAIN: Final = 0x7C
_WIDTHS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8}
_DIGITS: Final = {9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_FLOAT: Final = 5
_VARIES: Final = 13
_MAKERS: Final = (0x0F, 0x1F)
_FOLLOWS: Final = 0x1F
_FILLER: Final = 0x2F


class Record(NamedTuple):
    """One record. `function`: 0 now, 1 most, 2 least, 3 while in error; `vif` has the octets without their top bits.

    `value` is None where there is none that counts (a text, a broken BCD number); `digits` is those of BCD, else 0.
    """

    function: int
    storage: int
    tariff: int
    subunit: int
    vif: tuple[int, ...]
    value: int | float | None
    digits: int = 0


class Answer(NamedTuple):
    """The records of one frame; `follows`: the meter has more to tell."""

    records: tuple[Record, ...]
    follows: bool


def request(control: int, address: int) -> bytes:
    """Return a short frame."""
    return bytes((0x10, control, address, (control + address) & 0xFF, 0x16))


def length_of(began: bytes) -> int | None:
    """Return how long the frame is that begins so; None: that is not known yet. Raises Malformed: it is no frame."""
    if not began:
        return None
    if began[:1] == ACKNOWLEDGED:
        return 1
    if began[0] != 0x68:
        raise Malformed(f"a frame begins with 68 or e5, not {began[0]:02x}")
    if len(began) < 4:
        return None
    if began[1] != began[2] or began[3] != 0x68 or began[1] < 3:
        raise Malformed(f"no frame begins with {began[:4].hex(' ')}")
    return began[1] + 6


def unpack(frame: bytes) -> Answer:
    """Read a whole long frame. Raises Malformed: its sum is wrong, or it has no records."""
    if length_of(frame) != len(frame) or len(frame) < 9 or frame[-1] != 0x16:
        raise Malformed("a frame ends with 16, and no sooner or later than it says")
    body = frame[4:-2]
    if sum(body) & 0xFF != frame[-2]:
        raise Malformed(f"a frame's sum is {frame[-2]:02x} and should be {sum(body) & 0xFF:02x}")
    if body[2] != _VARIABLE or len(body) < 3 + _HEAD:
        raise Malformed(f"an answer of kind {body[2]:02x}, where 72 is known")
    reader = _Records(body[3 + _HEAD :])
    return Answer(tuple(reader.all()), reader.follows)


class _Records:
    def __init__(self, text: bytes) -> None:
        self._text, self._place = text, 0
        self.follows = False

    def all(self) -> Iterator[Record]:
        while self._place < len(self._text):
            dif = self._octet()
            if dif == _FILLER:
                continue
            if dif in _MAKERS:  # the rest is the maker's own
                self.follows = dif == _FOLLOWS
                return
            yield self._record(dif)

    def _record(self, dif: int) -> Record:
        storage, tariff, subunit = dif >> 6 & 1, 0, 0
        for place, octet in enumerate(self._extensions(dif)):
            storage |= (octet & 0x0F) << (1 + 4 * place)
            tariff |= (octet >> 4 & 3) << (2 * place)
            subunit |= (octet >> 6 & 1) << place
        vif = self._octet()
        if vif & 0x7F == _PLAIN:
            vif_text = self._octet()
            vifs = [_PLAIN, *(octet & 0x7F for octet in self._extensions(vif))]
            self._take(vif_text)
        else:
            vifs = [vif & 0x7F if vif not in (0xFB, 0xFD, 0xFF) else vif]
            vifs += [octet if octet == 0xFF else octet & 0x7F for octet in self._extensions(vif)]
        value, digits = self._value(dif & 0x0F)
        return Record(dif >> 4 & 3, storage, tariff, subunit, tuple(vifs), value, digits)

    def _extensions(self, octet: int) -> Iterator[int]:
        for _ in range(_EXTENSIONS):
            if not octet & _MORE:
                return
            octet = self._octet()
            yield octet
        if octet & _MORE:
            raise Malformed(f"a record has more than {_EXTENSIONS} extensions")

    def _value(self, coding: int) -> tuple[int | float | None, int]:
        if coding in _WIDTHS:
            return int.from_bytes(self._take(_WIDTHS[coding]), "little", signed=True), 0
        if coding in _DIGITS:
            return _decimal(self._take(_DIGITS[coding])), 2 * _DIGITS[coding]
        if coding == _FLOAT:
            number: float = struct.unpack("<f", self._take(4))[0]
            return number if math.isfinite(number) else None, 0
        if coding == _VARIES:
            length = self._octet()
            if length >= 0xC0:
                raise Malformed(f"a value of variable length {length:02x}, where texts are known")
            self._take(length)
        return None, 0

    def _octet(self) -> int:
        return self._take(1)[0]

    def _take(self, width: int) -> bytes:
        if self._place + width > len(self._text):
            raise Malformed("an answer ends within a record")
        self._place += width
        return self._text[self._place - width : self._place]


def _decimal(octets: bytes) -> int | None:
    """Return a BCD number, low octet first; F in its highest place is a minus."""
    digits = octets[::-1].hex()
    sign, digits = (-1, digits[1:]) if digits[0] == "f" else (1, digits)
    return sign * int(digits) if digits.isdecimal() else None

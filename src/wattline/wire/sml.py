"""Smart Message Language as electricity meters push it (BSI TR-03109-1, annex IV; SML 1.04, transport version 1).

    1b1b1b1b 01010101 ... messages, filled up to four bytes ... 1b1b1b1b 1a FF CC CC

FF is how many bytes were filled up, CCCC the CRC-16/X.25 of all before it, low byte first. Four bytes 1b within are
sent twice. A message is a tree of typed values (section 6.2); lists of values (section 7.3, GetList.Res) are what a
meter tells. One maker (Holley, DTZ541) checks with CRC-16/Kermit instead, which is taken as well.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from wattline.errors import Malformed

LONGEST: Final = 8192
"""Bytes of a file at most; meters send about four hundred."""
DEEPEST: Final = 8
"""Lists within lists; a value of a list lies on the fifth."""
MOST: Final = 4096
"""Values of a file."""
_ESCAPE: Final = b"\x1b\x1b\x1b\x1b"
_BEGIN: Final = _ESCAPE + b"\x01\x01\x01\x01"
_END: Final = 0x1A
_LIST: Final = 0x0701
"""Tag of GetList.Res."""
_MORE: Final = 0x80
_WIDEST: Final = 8


class Type(IntEnum):
    """Types of values (section 6.3.1)."""

    OCTETS = 0
    BOOLEAN = 4
    SIGNED = 5
    UNSIGNED = 6
    LIST = 7


class Node(NamedTuple):
    """One value: a list's `items`, the `octets` of anything else."""

    type: Type
    octets: bytes = b""
    items: tuple["Node", ...] = ()

    @property
    def number(self) -> int | None:
        """The value as an integer; None: it is none, or left out."""
        if self.type not in (Type.SIGNED, Type.UNSIGNED):
            return None
        return int.from_bytes(self.octets, "big", signed=self.type is Type.SIGNED)


class Entry(NamedTuple):
    """One value of a list: `name` is its OBIS code (six bytes), `unit` a DLMS unit, `scaler` a power of ten."""

    name: bytes
    status: int | None
    unit: int | None
    scaler: int
    value: Node


class Files:
    """Cuts what comes by a line into files whose CRC is right; `broken` counts those that were not. One owner."""

    def __init__(self) -> None:
        self.broken = 0
        self._rest = b""

    def feed(self, came: bytes) -> list[bytes]:
        """Take bytes and return the messages of the files that they complete, escapes and filling undone."""
        self._rest += came
        whole: list[bytes] = []
        while (start := self._rest.find(_BEGIN)) >= 0:
            self._rest = self._rest[start:]
            body, end = _cut(self._rest)
            if body is not None:
                whole.append(body)
            elif end:
                self.broken += 1
            elif len(self._rest) > LONGEST:
                self.broken += 1
                end = len(_BEGIN)
            else:
                return whole
            self._rest = self._rest[end:]
        self._rest = self._rest[-len(_BEGIN) :]
        return whole


def _cut(file: bytes) -> tuple[bytes | None, int]:
    """Return a file's messages and its length. No messages: it is broken up to there, or, at 0, not whole yet."""
    body, place = bytearray(), len(_BEGIN)
    while (escape := file.find(_ESCAPE, place)) >= 0 and len(file) >= escape + 8:
        behind = file[escape + 4 : escape + 8]
        if behind == _ESCAPE:
            body += file[place : escape + 4]
            place = escape + 8
        elif behind[0] == _END:
            body += file[place:escape]
            end = escape + 8
            told, checked = int.from_bytes(behind[2:], "little"), file[: end - 2]
            if behind[1] > 3 or len(body) < behind[1] or told not in (crc_x25(checked), crc_kermit(checked)):
                return None, end
            return bytes(body[: len(body) - behind[1]]), end
        elif behind == _BEGIN[4:]:
            return None, escape  # another file begins: this one was cut off
        else:
            body += file[place : escape + 1]
            place = escape + 1
    return None, 0


def entries(messages: bytes) -> Iterator[Entry]:
    """Yield the values of all lists of a file. Raises Malformed when its bytes are no tree of values."""
    for message in _Tree(messages).messages():
        body = message.items[3] if len(message.items) == 6 else message
        if len(body.items) != 2 or body.items[0].number != _LIST:
            continue
        answer = body.items[1]
        if len(answer.items) != 7:
            raise Malformed(f"a list of values has seven parts, not {len(answer.items)}")
        for one in answer.items[4].items:
            if len(one.items) != 7:
                raise Malformed(f"a value of a list has seven parts, not {len(one.items)}")
            name, status, _, unit, scaler, value, _ = one.items
            yield Entry(name.octets, status.number, unit.number, scaler.number or 0, value)


class _Tree:
    """Reads values from bytes, bounded in depth and number."""

    def __init__(self, text: bytes) -> None:
        self._text, self._place, self._left = text, 0, MOST

    def messages(self) -> Iterator[Node]:
        while self._place < len(self._text):
            if self._text[self._place] == 0:  # the end of a message, or filling
                self._place += 1
                continue
            node = self._node(0)
            if node.type is not Type.LIST:
                raise Malformed("a message is a list of values")
            yield node

    def _node(self, depth: int) -> Node:
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            raise Malformed(f"a file has more than {MOST} values, or lists within {DEEPEST} lists")
        start = self._place
        first = octet = self._byte()
        length = octet & 0x0F
        while octet & _MORE:
            octet = self._byte()
            length = length << 4 | octet & 0x0F
            if length > LONGEST:
                raise Malformed(f"a value of {length} bytes")
        if first == 0:  # the end of a message, where a value is missing
            return Node(Type.OCTETS)
        try:
            kind = Type(first >> 4 & 7)
        except ValueError as error:
            raise Malformed(f"there is no type {first >> 4 & 7} of values") from error
        if kind is Type.LIST:
            return Node(kind, items=tuple([self._node(depth + 1) for _ in range(length)]))
        width = length - (self._place - start)
        if width < 0 or self._place + width > len(self._text):
            raise Malformed(f"a value of {width} bytes where {len(self._text) - self._place} are left")
        if kind in (Type.SIGNED, Type.UNSIGNED) and not 0 < width <= _WIDEST:
            raise Malformed(f"an integer of {width} bytes")
        self._place += width
        return Node(kind, self._text[self._place - width : self._place])

    def _byte(self) -> int:
        if self._place >= len(self._text):
            raise Malformed("the file ends within a value")
        self._place += 1
        return self._text[self._place - 1]


def crc_x25(said: bytes) -> int:
    """Return the CRC-16/X.25 (ISO/IEC 13239): x^16 + x^12 + x^5 + 1, least bit first."""
    return _crc(said, 0xFFFF) ^ 0xFFFF


def crc_kermit(said: bytes) -> int:
    """Return the CRC-16/Kermit: the same polynomial, beginning with 0 and not inverted."""
    return _crc(said, 0)


def _crc(said: bytes, check: int) -> int:
    for byte in said:
        check = check >> 8 ^ _TABLE[(check ^ byte) & 0xFF]
    return check


def _row(check: int) -> int:
    for _ in range(8):
        check = check >> 1 ^ (0x8408 if check & 1 else 0)
    return check


_TABLE: Final = tuple(map(_row, range(256)))

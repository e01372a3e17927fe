"""What a meter that pushes SML says: files with the values that a test wants.

file_of([value_of("1-0:1.8.0", 30, -1, 123456), value_of("1-0:16.7.0", 27, 0, -250)])
"""

from collections.abc import Sequence
from typing import Final

from wattline.wire.sml import crc_x25

_ESCAPE: Final = b"\x1b\x1b\x1b\x1b"
_ABSENT: Final = b"\x01"


def octets(said: bytes) -> bytes:
    """Return an octet string."""
    return _head(0, len(said)) + said


def signed(number: int, width: int = 8) -> bytes:
    """Return an integer with a sign, of `width` bytes."""
    return _head(5, width) + number.to_bytes(width, "big", signed=True)


def unsigned(number: int, width: int = 1) -> bytes:
    """Return an integer without a sign, of `width` bytes."""
    return _head(6, width) + number.to_bytes(width, "big")


def several(*items: bytes) -> bytes:
    """Return a list."""
    return bytes([0x70 | len(items)]) + b"".join(items) if len(items) < 16 else _long(items)


def value_of(code: str, unit: int | None, scaler: int, value: int | bytes, *, width: int = 8) -> bytes:
    """Return an entry of a list: `code` as 1-0:1.8.0, `unit` as DLMS numbers it; a number, or a text."""
    medium, _, rest = code.partition("-")
    channel, _, numbers = rest.partition(":")
    name = bytes([int(medium), int(channel), *map(int, numbers.split(".")), 255])
    told = signed(value, width) if isinstance(value, int) else octets(value)
    return several(
        octets(name), _ABSENT, _ABSENT, _ABSENT if unit is None else unsigned(unit), signed(scaler, 1), told, _ABSENT
    )


def file_of(values: Sequence[bytes]) -> bytes:
    """Return a whole file with one list of values, as a meter sends it."""
    answer = several(_ABSENT, octets(b"\x0a\x01ACM\x00\x00\x00\x00\x01"), _ABSENT, _ABSENT, several(*values), _ABSENT,
                     _ABSENT)  # fmt: skip
    body = several(unsigned(0x0701, 2), answer)
    return wrapped(several(octets(b"\x00\x01"), unsigned(0), unsigned(0), body, unsigned(0, 2), b"\x00"))


def wrapped(messages: bytes) -> bytes:
    """Return messages as a file: escaped, filled up, and with its check."""
    fill = -len(messages) % 4
    text = _ESCAPE + b"\x01" * 4 + messages.replace(_ESCAPE, _ESCAPE * 2) + bytes(fill)
    text += _ESCAPE + bytes([0x1A, fill])
    return text + crc_x25(text).to_bytes(2, "little")


def _head(kind: int, width: int) -> bytes:
    """Return type and length, which counts itself."""
    if width + 1 < 16:
        return bytes([kind << 4 | width + 1])
    length = width + 2
    return bytes([0x80 | kind << 4 | length >> 4, length & 0x0F])


def _long(items: Sequence[bytes]) -> bytes:
    return bytes([0xF0 | len(items) >> 4, len(items) & 0x0F]) + b"".join(items)

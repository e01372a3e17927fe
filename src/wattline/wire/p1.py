r"""Telegrams of the P1 port of smart meters (DSMR 2.2 to 5, e-MUCS of Belgium, and their kin in Sweden and Hungary).

    /ISk5\2MT382-1000          identification
                               an empty line
    1-0:1.8.1(000004.426*kWh)  an OBIS code and its values, in parentheses; a line may go on in the next one
    !6EEE                      CRC-16 of all up to and with the `!` (DSMR 4 and later; none before)

DSMR 5.0.2 P1 companion standard, sections 6.2 (format) and 6.12 (data). The end of a line is CR LF, or LF behind some
bridges: the CRC is of the bytes as they came.
"""

import re
from typing import Final, NamedTuple

from wattline.errors import Malformed

LONGEST: Final = 16_384
"""Bytes of a telegram at most; a long one has about two thousand."""
_MOST_LINES: Final = 512
_END: Final = re.compile(rb"!([0-9A-Fa-f]{0,4})[ \t]*\r?\n")
_LINE: Final = re.compile(r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\*\d{1,3})?(\(.*)")
_VALUE: Final = re.compile(r"\(([^()]*)\)")


class Line(NamedTuple):
    """One object: `code` is (A, B, C, D, E), `values` what stands in its parentheses."""

    code: tuple[int, int, int, int, int]
    values: tuple[str, ...]


class Telegram(NamedTuple):
    """One telegram: who sends it, and its objects."""

    identification: str
    lines: tuple[Line, ...]


class Telegrams:
    """Cuts what comes by a line into telegrams; what is none of one is dropped. One owner."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, came: bytes) -> list[bytes]:
        """Take bytes and return the whole telegrams that they complete."""
        rest, whole = self._rest + came, []
        while True:
            start = rest.find(b"/")
            if start < 0:
                rest = b""
                break
            end = _END.search(rest, start)
            newest = rest.rfind(b"\n/", start, end.start() if end else len(rest))  # before it one was cut off
            start = newest + 1 if newest >= 0 else start
            if end is None:
                rest = rest[start:] if len(rest) - start <= LONGEST else b""
                break
            whole.append(rest[start : end.end()])
            rest = rest[end.end() :]
        self._rest = rest
        return whole


def parse(telegram: bytes) -> Telegram:
    """Read a whole telegram. Raises Malformed when its CRC, where it has one, is not that of its bytes."""
    end = _END.search(telegram)
    if end is None or not telegram.startswith(b"/"):
        raise Malformed("a telegram begins with / and ends with !")
    if end[1] and int(end[1], 16) != crc16(telegram[: end.start() + 1]):
        raise Malformed(f"a telegram's CRC is {end[1].decode()} and should be {crc16(telegram[: end.start() + 1]):04X}")
    first, *rest = telegram[1 : end.start()].decode("latin-1").splitlines()[:_MOST_LINES] or [""]
    joined: list[str] = []
    for line in rest:
        if line.startswith("(") and joined:
            joined[-1] += line
        else:
            joined.append(line)
    matches = [match for line in joined if (match := _LINE.fullmatch(line.strip()))]
    lines = tuple(
        Line((int(m[1]), int(m[2]), int(m[3]), int(m[4]), int(m[5])), tuple(_VALUE.findall(m[6]))) for m in matches
    )
    return Telegram(first.strip(), lines)


def crc16(said: bytes) -> int:
    """Return the CRC-16 of DSMR: x^16 + x^15 + x^2 + 1, least bit first, beginning with 0."""
    check = 0
    for byte in said:
        check = check >> 8 ^ _TABLE[(check ^ byte) & 0xFF]
    return check


def _row(check: int) -> int:
    for _ in range(8):
        check = check >> 1 ^ (0xA001 if check & 1 else 0)
    return check


_TABLE: Final = tuple(map(_row, range(256)))

"""Lines of `wattmetre-read` as numbers: frames of version 2 (every 20 ms) and version 3 (every 10 ms).

    2   debug, debug, epoch seconds, OK, watts of port 0, of port 1, ...
    3   epoch seconds, true, U1, U2, U3, amperes and watts of pair 0, of pair 1, ...

An empty field, `nan` or an infinity is a port without a value. The last pairs of a frame of version 3 belong to the
head module and are no ports.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from wattline.units import NANOSECONDS

PHASES: Final = 3
_PERIODS: Final = {2: 0.02, 3: 0.01}
_MOST: Final = 2048
"""Fields of a line: more is no frame."""
_DIGITS: Final = 6
"""Decimals of a second that are kept: a stamp is a whole microsecond."""
_LAST: Final = 9_000_000_000
"""Seconds beyond which a stamp is none (the year 2255): int64 nanoseconds end soon after."""


class Row(NamedTuple):
    """One frame: `time` in ns; `values` are the watts of each port, then, of version 3, their amperes and the volts."""

    time: int
    ports: int
    values: list[float]


class Reader:
    """Reads lines of one version; `tail` pairs of version 3 are no ports."""

    def __init__(self, version: int, tail: int, *, electrical: bool) -> None:
        self.period = _PERIODS[version]
        self.electrical = electrical and version == 3
        self._read = self._second if version == 2 else self._third
        self._tail = tail

    def row(self, line: bytes) -> Row | None:
        """Return the frame of a line; None: it is not OK, or is none."""
        return self._read(line.strip().split(b",", _MOST))

    def _second(self, fields: Sequence[bytes]) -> Row | None:
        if not 4 < len(fields) <= _MOST or fields[3] != b"OK" or (time := _time(fields[2])) is None:
            return None
        return Row(time, len(fields) - 4, _numbers(fields[4:]))

    def _third(self, fields: Sequence[bytes]) -> Row | None:
        pairs, odd = divmod(len(fields) - 2 - PHASES, 2)
        ports = pairs - self._tail
        if odd or ports < 1 or len(fields) > _MOST or fields[1] != b"true" or (time := _time(fields[0])) is None:
            return None
        end = 5 + 2 * ports
        wanted = list(fields[6:end:2])
        if self.electrical:
            wanted += [*fields[5:end:2], *fields[2:5]]
        return Row(time, ports, _numbers(wanted))


def _time(text: bytes) -> int | None:
    """Return epoch seconds as ns, cut to a whole microsecond, without a float between."""
    seconds, _, decimals = text.strip().partition(b".")
    if not seconds.isdigit() or len(seconds) > 10 or int(seconds) > _LAST or not (decimals or b"0").isdigit():
        return None
    return int(seconds) * NANOSECONDS + int(decimals[:_DIGITS].ljust(_DIGITS, b"0")) * 1000


def _numbers(texts: Sequence[bytes]) -> list[float]:
    try:
        return list(map(float, texts))
    except ValueError:
        return [_number(text) for text in texts]


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

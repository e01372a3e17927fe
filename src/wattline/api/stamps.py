"""Instants as text: a column of times becomes ISO 8601 in UTC at the price of some table look-ups.

`YYYY-MM-DDTHH:MM:SS.ffffffZ`; a time that is no whole microsecond gets nine digits, so that nothing is lost.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wattline.model import Times
from wattline.units import NANOSECONDS

Texts = NDArray[np.bytes_]

_MICROSECOND: Final = 1000
_DAY: Final = 86_400 * NANOSECONDS
_LENGTH: Final = len("YYYY-MM-DDTHH:MM:SS.ffffffZ")
_TWO_DIGIT_PLACES: Final = ((11, 3600 * NANOSECONDS), (14, 60 * NANOSECONDS), (17, NANOSECONDS))
_SIX_DIGIT_PLACES: Final = ((20, 10_000_000), (22, 100_000), (24, 1000))


def stamp(time: int) -> str:
    """Return one time (ns since the epoch) as text."""
    return str(stamps(np.array([time], np.int64))[0], "ascii")


def stamp_or_none(time: int | None) -> str | None:
    """Return one time as text, or None where there is none."""
    return None if time is None else stamp(time)


def now_text(time: int) -> str:
    """Return a time of a screen, in whole microseconds: a clock's nanoseconds mean nothing there."""
    return stamp(time // _MICROSECOND * _MICROSECOND)


def stamps(time: Times) -> Texts:
    """Return times int64[n] as ASCII of equal or, beyond whole microseconds, mixed length."""
    if len(time) and (time % _MICROSECOND).any():
        return _nanoseconds(time)
    return _matrix(time).view(f"S{_LENGTH}")[:, 0]


def matrix(time: Times) -> NDArray[np.uint8] | None:
    """Return times as uint8[n, 27], one row a text; None where one of them needs nine digits."""
    return None if (time % _MICROSECOND).any() else _matrix(time)


def _matrix(time: Times) -> NDArray[np.uint8]:
    text = np.empty((len(time), _LENGTH), np.uint8)
    text[:] = np.frombuffer(b"0000-00-00T00:00:00.000000Z", np.uint8)
    day = time // _DAY
    for one in np.unique(day).tolist():
        date = np.datetime64(one, "D").astype(str).encode()[-10:]
        text[day == one, :10] = np.frombuffer(date, np.uint8)
    rest = time - day * _DAY
    for place, unit in _TWO_DIGIT_PLACES:
        text[:, place : place + 2] = _digits()[rest // unit]
        rest %= unit
    for place, unit in _SIX_DIGIT_PLACES:
        text[:, place : place + 2] = _digits()[rest // unit]
        rest %= unit
    return text


def _nanoseconds(time: Times) -> Texts:
    whole = time % _MICROSECOND == 0
    fine = np.char.add(np.datetime_as_string(time.view("datetime64[ns]")).astype("S29"), b"Z")
    fine[whole] = _matrix(time[whole]).view(f"S{_LENGTH}")[:, 0]
    return fine


@cache
def _digits() -> NDArray[np.uint8]:
    """Return "00" to "99" as uint8[100, 2]."""
    return np.frombuffer("".join(f"{i:02d}" for i in range(100)).encode(), np.uint8).reshape(100, 2)


def utc(time: int) -> datetime:
    """Return a time as an aware datetime, cut to microseconds."""
    seconds, rest = divmod(time, NANOSECONDS)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // _MICROSECOND)

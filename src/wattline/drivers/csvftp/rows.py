"""Rows of a logger's file: `"Timestamp","TZ","<sensor> (<unit>)",...`, then times, zones and numbers.

A cell that is no number is absent, a row without a time or a zone is left out and counted. Nothing here reads a clock.
"""

import csv
import io
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from wattline.plugin import (
    Column,
    Kind,
    Malformed,
    Mask,
    Metric,
    Misconfigured,
    Scale,
    Series,
    Times,
    Unit,
    Values,
    parse_unit,
)
from wattline.units import IDENTITY

METRICS: Final = {
    Unit.WATT: Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power"),
    Unit.JOULE: Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy register"),
    Unit.VOLT: Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage"),
    Unit.AMPERE: Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current"),
    Unit.HERTZ: Metric("frequency_hertz", Unit.HERTZ, Kind.GAUGE, "Frequency"),
    Unit.CELSIUS: Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Temperature"),
    Unit.VOLT_AMPERE: Metric("apparent_power_va", Unit.VOLT_AMPERE, Kind.GAUGE, "Apparent power"),
    Unit.VAR: Metric("reactive_power_var", Unit.VAR, Kind.GAUGE, "Reactive power"),
    Unit.RATIO: Metric("share_ratio", Unit.RATIO, Kind.GAUGE, "A share"),
    Unit.SECOND: Metric("time_seconds", Unit.SECOND, Kind.UNKNOWN, "A time"),
    Unit.BYTE: Metric("size_bytes", Unit.BYTE, Kind.UNKNOWN, "A size"),
    Unit.NONE: Metric("csv_value", Unit.NONE, Kind.UNKNOWN, "What has no unit that is known"),
}
"""What a column is, by the unit in its title."""

_OTHER_NAMES: Final = {"deg. C": "Cel", "deg C": "Cel", "C": "Cel", "Celsius": "Cel", "VAR": "var", "n/d": ""}
_TITLE: Final = re.compile(r"(.*?)\s*(?:\(([^()]*)\))?\s*", re.DOTALL)
_TIME: Final = re.compile(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})[ T](\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?")
_OFFSET: Final = re.compile(r"([+-])(\d{2}):?(\d{2})")
_AREA: Final = re.compile(r"[A-Za-z_]{1,30}(?:/[A-Za-z0-9_+-]{1,30}){1,2}")
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO: Final = timedelta(microseconds=1)
_MOST_COLUMNS: Final = 1000


class Rows(NamedTuple):
    """What a file holds: series and columns, ascending `time` int64[n] (ns), `values` and `present` [n, k]; how many
    rows were `bad`, and the first of them.
    """

    series: tuple[Series, ...]
    columns: tuple[Column, ...]
    time: Times
    values: Values
    present: Mask
    bad: int
    complaint: str


class _Title(NamedTuple):
    place: int
    series: Series
    column: Column


def parse(content: bytes, *, encoding: str, device: str, zone: str = "", start: int = 0) -> Rows:
    """Read a file; rows before the byte `start` are left out. `zone`, where it is given, is that of every row.

    Raises Malformed: its first line is no header, or it is no text of this encoding.
    """
    try:
        lines = content.decode(encoding).removeprefix("\ufeff")
        rest = io.StringIO(content[start:].decode(encoding) if start else lines)
    except UnicodeError as error:
        raise Malformed(f"it is no text in {encoding}: {error}") from error
    titles = _titles(_cells(lines.partition("\n")[0]), device)
    if not start:
        rest.readline()
    times: list[int] = []
    values: list[list[float]] = []
    bad, complaint = 0, ""
    for line in rest:
        if not line.strip():
            continue
        cells = _cells(line)
        time = moment(cells[0], zone or (cells[1] if len(cells) > 1 else "")) if cells else None
        if time is None:
            bad, complaint = bad + 1, complaint or line.strip()[:100]
            continue
        times.append(time)
        values.append([_number(cells, title) for title in titles])
    order = _ordered(times)
    matrix = np.array(values, np.float64).reshape(len(times), len(titles))[order]
    return Rows(
        tuple(title.series for title in titles),
        tuple(title.column for title in titles),
        np.array(times, np.int64)[order],
        matrix,
        ~np.isnan(matrix),
        bad,
        complaint,
    )


def moment(text: str, zone: str) -> int | None:
    """Return a time of a zone in ns since the epoch, whole microseconds; None: one of them means nothing."""
    match, where = _TIME.fullmatch(text.strip()), timezone_of(zone.strip())
    if match is None or where is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        then = datetime(year, month, day, hour, minute, second, tzinfo=where)
        return ((then - _EPOCH) // _MICRO + int((match[7] or "").ljust(6, "0")[:6])) * 1000
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=256)
def timezone_of(text: str) -> tzinfo | None:
    """Return a zone written as +HHMM, +HH:MM, Z, UTC or Area/City; None: it is none."""
    if text in ("Z", "UTC", "GMT"):
        return UTC
    if match := _OFFSET.fullmatch(text):
        hours, minutes = int(match[2]), int(match[3])
        if hours > 14 or minutes > 59:
            return None
        ahead = timedelta(hours=hours, minutes=minutes)
        return timezone(-ahead if match[1] == "-" else ahead)
    if not _AREA.fullmatch(text):
        return None
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _titles(cells: Sequence[str], device: str) -> list[_Title]:
    if len(cells) < 3 or cells[0].strip().lower() != "timestamp" or cells[1].strip().lower() != "tz":
        raise Malformed('its first line is not "Timestamp","TZ","<sensor> (<unit>)",...')
    found: dict[bytes, _Title] = {}
    for place, text in enumerate(cells[2 : 2 + _MOST_COLUMNS], start=2):
        match = _TITLE.fullmatch(text.strip())
        name, written = (match[1], match[2] or "") if match else (text, "")
        unit, scale = _unit(written)
        labels = {"sensor": name} | ({"unit": written} if unit is Unit.NONE and written else {})
        series = Series.of(device, METRICS[unit], labels)
        found.setdefault(series.key, _Title(place, series, Column(scale=scale)))
    return list(found.values())


def _unit(text: str) -> tuple[Unit, Scale]:
    try:
        return parse_unit(_OTHER_NAMES.get(text, text))
    except Misconfigured:
        return Unit.NONE, IDENTITY


def _number(cells: Sequence[str], title: _Title) -> float:
    text = cells[title.place].strip() if title.place < len(cells) else ""
    if not _NUMBER.fullmatch(text):
        return math.nan
    scale = title.column.scale
    value = float(text) if scale == IDENTITY else scale.base(text)
    return value if math.isfinite(value) else math.nan


def _cells(line: str) -> list[str]:
    try:
        return next(iter(csv.reader([line.rstrip("\r\n")])), [])
    except csv.Error:
        return []


def _ordered(times: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the places of times, ascending; of equal times the last."""
    newest = {time: place for place, time in enumerate(times)}
    return np.array([newest[time] for time in sorted(newest)], np.int64)

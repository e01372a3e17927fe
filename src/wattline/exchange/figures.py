"""Columns of times and values as files have them, to int64 nanoseconds and float64, whole columns at a time.

Each function returns the numbers and the faults: a reason by row, for the rows whose number means nothing.
"""

import math
from fractions import Fraction
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from wattline.errors import Malformed
from wattline.exchange.form import SINCE_EPOCH
from wattline.model import Mask, Times, Values

Faults = dict[int, str]
_OFFSET: Final = r"(Z|[+-]\d\d(:?\d\d)?)"
_ISO: Final = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?"
_TEXT_TYPES: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def is_text(kind: Any) -> bool:
    """Say whether an Arrow type is one of texts."""
    return any(test(kind) for test in _TEXT_TYPES)


def _typed(column: Any) -> Any:
    """Return a column of nothing but nulls as texts."""
    return column.cast(pa.string()) if pa.types.is_null(column.type) else column


def times(column: Any, *, unit: str, naive: bool) -> tuple[Times, Faults]:
    """Return the times of an Arrow array; numbers count `unit` (s, ms, us, ns) since the epoch, exactly in decimals.

    `naive`: a time without an offset is UTC, and not a fault.
    """
    if pa.types.is_dictionary(column.type):
        return _spread(column, *times(column.dictionary, unit=unit, naive=naive), "it has no time")
    column = _typed(column)
    empty = _nulls(column)
    if is_text(column.type):
        found, faults = _text_times(column.cast(pa.string()), unit, naive=naive)
    elif pa.types.is_timestamp(column.type):
        if column.type.tz is None and not naive:
            raise Malformed("the times have no offset, so nobody knows which instants they mean (--utc: UTC)")
        found, faults = _counted(_integers(column), SINCE_EPOCH[column.type.unit])
    elif pa.types.is_integer(column.type):
        found, faults = _counted(_integers(column), SINCE_EPOCH[unit])
    elif pa.types.is_floating(column.type):
        found, faults = _float_times(_floats(column), SINCE_EPOCH[unit])
    else:
        raise Malformed(f"times as {column.type} mean nothing")
    return found, faults | dict.fromkeys(np.flatnonzero(empty).tolist(), "it has no time")


def values(column: Any) -> tuple[Values, Mask, Faults]:
    """Return the values of an Arrow array and where there are any; texts are read as decimals, NaN, Inf and -Inf."""
    column = _typed(column)
    there = ~_nulls(column)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not is_text(column.type):
        try:
            return _floats(column), there, {}
        except pa.ArrowException as error:
            raise Malformed(f"values as {column.type} are no numbers") from error
    try:
        return _floats(column), there, {}
    except pa.ArrowInvalid:
        found, faults = np.full(len(column), np.nan), {}
        for row, text in enumerate(column.to_pylist()):
            try:
                found[row] = np.nan if text is None else _decimal(text)
            except ValueError:
                faults[row] = f"its value is no number: {text!r}"
        return found, there, faults


def instant(text: str, *, unit: str = "s", naive: bool = False) -> int:
    """Return one time as nanoseconds. Raises Malformed."""
    found, faults = _text_times(pa.array([text]), unit, naive=naive)
    if faults:
        raise Malformed(faults[0])
    return int(found[0])


def _nulls(column: Any) -> Mask:
    found: Mask = np.asarray(pc.is_null(column))
    return found


def _integers(column: Any) -> Times:
    found: Times = np.asarray(pc.fill_null(column.cast(pa.int64()), 0))
    return found


def _floats(column: Any) -> Values:
    wide = column if pa.types.is_float64(column.type) else column.cast(pa.float64(), safe=False)
    found: Values = np.asarray(pc.fill_null(wide, math.nan) if wide.null_count else wide)
    return found


def _spread(column: Any, found: Times, faults: Faults, absent: str) -> tuple[Times, Faults]:
    """Carry what was found for the values of a dictionary to the rows that refer to them."""
    empty = _nulls(column.indices)
    codes = np.asarray(pc.fill_null(column.indices, 0)).astype(np.int64)
    rows = dict.fromkeys(np.flatnonzero(empty).tolist(), absent)
    if faults:
        bad = np.isin(codes, list(faults)) & ~empty
        rows |= {row: faults[code] for row, code in zip(np.flatnonzero(bad).tolist(), codes[bad].tolist(), strict=True)}
    return (found[codes] if len(found) else np.zeros(len(codes), np.int64)), rows


def _counted(count: Times, factor: int) -> tuple[Times, Faults]:
    bound = (2**63 - 1) // factor
    bad = np.flatnonzero((count > bound) | (count < -bound))
    faults = {row: f"its time lies outside 1677 to 2262: {count[row]}" for row in bad.tolist()}
    return np.where(np.abs(count) <= bound, count, 0) * factor, faults


def _float_times(count: Values, factor: int) -> tuple[Times, Faults]:
    """Read floats to the microsecond: of seconds in our century a double keeps no more."""
    bad = ~(np.abs(count) < 2**63 / factor)
    sane = np.where(bad, 0.0, count)
    whole = np.floor(sane)
    step = min(factor, 1000)
    found = whole.astype(np.int64) * factor + np.rint((sane - whole) * (factor / step)).astype(np.int64) * step
    return found, {row: f"its time means nothing: {count[row]}" for row in np.flatnonzero(bad).tolist()}


def _text_times(texts: Any, unit: str, *, naive: bool) -> tuple[Times, Faults]:
    found, rest = np.zeros(len(texts), np.int64), ~_nulls(texts)
    for matches, read in (
        (_matching(texts, _ISO + _OFFSET + "$"), _offset_times),
        (_matching(texts, _ISO + "$") & naive, _naive_times),
        (_matching(texts, rf"^\d{{1,10}}(\.\d{{0,{len(str(SINCE_EPOCH[unit])) - 1}}})?$"), _epoch_times(unit)),
    ):
        if matches.any():
            try:
                found[matches] = read(texts.filter(pa.array(matches)))
                rest &= ~matches
            except pa.ArrowInvalid:  # one of them, so each is read on its own below
                continue
    faults = {}
    for row in np.flatnonzero(rest).tolist():
        try:
            found[row] = _one(texts[row].as_py(), unit, naive=naive)
        except ValueError as error:
            faults[row] = str(error)
    return found, faults


def _matching(texts: Any, pattern: str) -> Mask:
    found: Mask = np.asarray(pc.fill_null(pc.match_substring_regex(texts, pattern), fill_value=False))
    return found.copy()


def _offset_times(texts: Any) -> Times:
    found: Times = np.asarray(texts.cast(pa.timestamp("ns", "UTC")).cast(pa.int64()))
    return found


def _naive_times(texts: Any) -> Times:
    found: Times = np.asarray(texts.cast(pa.timestamp("ns")).cast(pa.int64()))
    return found


def _epoch_times(unit: str) -> Any:
    digits = len(str(SINCE_EPOCH[unit])) - 1

    def read(texts: Any) -> Times:
        parts = pc.extract_regex(texts, r"^(?P<whole>\d+)(?:\.(?P<part>\d*))?$")
        whole = np.asarray(pc.struct_field(parts, "whole").cast(pa.int64()))
        if not digits:
            return whole
        part = pc.utf8_rpad(pc.struct_field(parts, "part"), digits, "0")
        found: Times = whole * SINCE_EPOCH[unit] + np.asarray(part.cast(pa.int64()))
        return found

    return read


def _one(text: str, unit: str, *, naive: bool) -> int:
    """Read one time that the rules for whole columns left over. Raises ValueError with the reason."""
    column = pa.array([text.strip()])
    for pattern, read in ((_ISO + _OFFSET + "$", _offset_times), (_ISO + "$", _naive_times)):
        if _matching(column, pattern).all():
            if read is _naive_times and not naive:
                raise ValueError(f"its time has no offset (--utc takes it as UTC): {text}")
            try:
                return int(read(column)[0])
            except pa.ArrowInvalid:
                raise ValueError(f"its time is no instant between 1677 and 2262: {text}") from None
    try:
        near = _decimal(text) * SINCE_EPOCH[unit]
    except ValueError:
        raise ValueError(f"its time is neither ISO 8601 nor a number: {text!r}") from None
    if not abs(near) < 2.0**63:
        raise ValueError(f"its time lies outside 1677 to 2262: {text}")
    return round(Fraction(text.strip()) * SINCE_EPOCH[unit])


def _decimal(text: str) -> float:
    if "_" in text:  # which Python reads in numbers, and nobody else
        raise ValueError(text)
    return float(text)

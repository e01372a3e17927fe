"""The long form: one row a sample, one column a property, the same in Parquet, Arrow, CSV and NDJSON.

    time            ISO 8601 with offset, or a number since the epoch (seconds, unless said otherwise)
    device, metric  names
    value           a float64; in text formats the shortest decimal that reads back as it, or NaN, +Inf, -Inf
    labels          a JSON object; values that are no texts stay what they are
    text            the text of a `state`, whose value is empty
    unit, kind      of the metric; a value in another unit than a base unit is converted
    run             tells apart samples of several lives of a source, numbered as they appear
    help, scale, range, resolution, period, window, accuracy, rated, floor, point, estimate, device_type,
    device_parents, device_power
                    what the metric, the Column and the Device of the model say, as texts; empty: the default

Only time, device, metric and value are needed. A device that no row is about is not described.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wattline.errors import Malformed, Misconfigured
from wattline.model import Column, Device, Kind, Metric, Point, Series
from wattline.plugin import Entry
from wattline.units import IDENTITY, NANOSECONDS, Scale, Unit, parse_unit

NEEDED: Final = ("time", "device", "metric", "value")
PLAIN: Final = (*NEEDED, "labels")
NUMBERS: Final = ("range", "resolution", "period", "window", "accuracy", "rated", "floor")
DESCRIBING: Final = (
    "unit", "kind", "help", "scale", *NUMBERS, "point", "estimate", "device_type", "device_parents", "device_power",
)  # fmt: skip
"""Columns that say something of a series, beside its identity."""
NAMING: Final = ("device", "metric", "labels", *DESCRIBING)
"""Columns whose values are texts that repeat: all that belongs to a series."""
ALL: Final = (*PLAIN, *DESCRIBING, "text", "run")
"""All columns, in the order in which they are written."""
SINCE_EPOCH: Final = {"s": NANOSECONDS, "ms": NANOSECONDS // 1000, "us": 1000, "ns": 1}
"""Nanoseconds in each unit in which a time may be counted."""


class Assumed(Struct, frozen=True):
    """What is taken for said where a file does not say it.

    `units` and `kinds` go by the metric's name, and by the empty name for every other metric; `device` and `metric`
    name those of all rows of a file that has no such column; `time_unit` is the unit of times that are numbers, and
    `naive` whether a time without an offset is UTC (or else bad).
    """

    units: Mapping[str, str] = {}
    kinds: Mapping[str, str] = {}
    device: str = ""
    metric: str = ""
    time_unit: str = "s"
    naive: bool = False


_NAME: Final = 4096
_LABELS: Final = 64 * 1024
"""Most characters of what names a series: it is kept with every layout and shown on every page."""


class Described(NamedTuple):
    """What the texts of one row say; `scale` leads from its values to the base unit."""

    series: Series
    column: Column
    device: Device | None
    scale: Scale


def describe(entry: Entry, device: Device) -> dict[str, str]:
    """Return the texts of all NAMING columns for one series; empty where it says nothing."""
    series, column = entry.series, entry.column
    texts = dict.fromkeys(NAMING, "") | {"device": series.device, "metric": series.metric.name}
    texts["labels"] = msgspec.json.encode(series.label_values(), order="sorted").decode()
    texts |= {"unit": series.metric.unit.value, "kind": series.metric.kind.value, "help": series.metric.help}
    if column.scale != IDENTITY:
        texts["scale"] = f"{column.scale.num}/{column.scale.den}"
    plain = Column()
    texts |= {name: repr(getattr(column, name)) for name in NUMBERS if getattr(column, name) != getattr(plain, name)}
    texts["point"] = column.point.value if column.point != plain.point else ""
    texts |= {"estimate": column.estimate, "device_type": device.type, "device_power": device.power}
    texts["device_parents"] = msgspec.json.encode(device.parents).decode() if device.parents else ""
    return texts


def read(texts: Mapping[str, str | None], *, is_text: bool, assumed: Assumed) -> Described:
    """Read what the NAMING texts of a row say. Raises Malformed with the reason."""
    said = {name: text for name, text in texts.items() if text}
    device, metric = said.get("device", assumed.device), said.get("metric", assumed.metric)
    if not device or not metric:
        raise Malformed(f"it names no {'metric' if device else 'device'}")
    if long := [name for name, text in said.items() if len(text) > (_LABELS if name == "labels" else _NAME)]:
        raise Malformed(f"too long: its {long[0]} ({len(said[long[0]])} characters)")
    unit, scale = _unit(said.get("unit") or _assumed(assumed.units, metric))
    kind = _kind(said.get("kind") or _assumed(assumed.kinds, metric), is_text=is_text)
    if kind is Kind.STATE and unit is not Unit.NONE:
        raise Malformed(f"{metric} is a state, which has no unit")
    series = Series.of(device, Metric(metric, unit, kind, said.get("help", "")), _labels(said.get("labels")))
    return Described(series, _column(said), _device(series.device, said), scale)


def declared(held: Metric, metric: Metric) -> Metric:
    """Return the declaration that holds when `metric` comes after `held`: what says nothing takes the other.

    Raises Malformed when the two contradict each other.
    """
    if (held.unit, held.kind) == (metric.unit, metric.kind):
        return held
    if metric.kind is Kind.UNKNOWN and held.kind is not Kind.STATE:
        return held
    raise Malformed(f"{metric.name} is said to be {said_of(metric)}, but it was {said_of(held)} before")


def said_of(metric: Metric) -> str:
    """Return unit and kind of a metric as a phrase."""
    return f"{metric.kind} in {metric.unit}" if metric.unit else f"{metric.kind} without a unit"


def _assumed(by_metric: Mapping[str, str], metric: str) -> str:
    return by_metric.get(metric, by_metric.get("", ""))


def _unit(text: str) -> tuple[Unit, Scale]:
    try:
        return parse_unit(text)
    except Misconfigured as error:
        raise Malformed(str(error)) from error


def _kind(text: str, *, is_text: bool) -> Kind:
    try:
        kind = Kind(text or (Kind.STATE if is_text else Kind.UNKNOWN))
    except ValueError as error:
        raise Malformed(f"{text!r} is no kind ({', '.join(Kind)})") from error
    if is_text and kind is not Kind.STATE:
        raise Malformed(f"it has a text, which a {kind} has not")
    return kind


def _labels(text: str | None) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any]) if text else {}
    except msgspec.MsgspecError as error:
        raise Malformed(f"its labels are no JSON object: {text}") from error


def _column(said: Mapping[str, str]) -> Column:
    column, given = Column(), {name: _number(name, said[name]) for name in NUMBERS if name in said}
    try:
        if "scale" in said:
            given["scale"] = Scale.of(said["scale"])
        if "point" in said:
            given["point"] = Point(said["point"])
    except (ValueError, ZeroDivisionError, Misconfigured) as error:
        raise Malformed(f"its scale or point means nothing: {error}") from error
    return replace(column, **given, estimate=said.get("estimate", ""))


def _number(name: str, text: str) -> Any:
    try:
        return float(text)
    except ValueError as error:
        raise Malformed(f"its {name} is no number: {text}") from error


def _device(name: str, said: Mapping[str, str]) -> Device | None:
    if not any(said.get(column) for column in ("device_type", "device_parents", "device_power")):
        return None
    try:
        parents = msgspec.json.decode(said.get("device_parents", "[]"), type=tuple[tuple[str, str], ...])
    except msgspec.MsgspecError as error:
        raise Malformed(f"its device_parents are no JSON list of [feed, device]: {said['device_parents']}") from error
    return Device(name, said.get("device_type", ""), parents, said.get("device_power", ""))


def missing(columns: Sequence[str], assumed: Assumed) -> list[str]:
    """Return the needed columns that a file has not and nothing else says."""
    given = {"device": assumed.device, "metric": assumed.metric}
    return [name for name in NEEDED if name not in columns and not given.get(name)]

"""Last values as a Prometheus exposition page (text format 0.0.4), by the rules that `promtool check metrics` knows.

A metric keeps its name as far as Prometheus takes it: camelCase becomes snake_case, other signs become `_`, a counter
ends in `_total`. Two metrics that would meet under one name are told apart by a digest. A gauge whose name ends like a
counter's or a histogram's is typed `untyped`, which promises nothing. The value of a `state` series is 1, and its text
stands in the label `state`. Each sample carries its own time, so that a meter that fell silent is seen as such.
"""

import hashlib
import math
import re
from collections.abc import Container, Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from wattline.model import Kind, Metric, Series

MEDIA_TYPE: Final = "text/plain; version=0.0.4"

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BAD_SIGN: Final = re.compile(r"[^a-zA-Z0-9_]")
_PROMISING: Final = ("_total", "_bucket", "_count", "_sum", "_info")
_TYPES: Final = {"gauge", "counter", "histogram", "summary", "untyped"}
"""Endings and words of names that say what type a metric is."""
_RESERVED: Final = {"le", "quantile"}
"""Labels that only histograms and summaries may have."""
_OWN_NAME: Final = re.compile(r"^# TYPE (\S+)", re.MULTILINE)
_MILLISECOND: Final = 1_000_000


class Last(Struct, frozen=True):
    """The newest value of a series at `time` (ns); `text` where it is a state."""

    series: Series
    time: int
    value: float
    text: str | None = None


class Family(Struct):
    """All lines under one name, which must stand together."""

    name: str
    type: str
    help: str
    lines: list[str]


def page(own: bytes, values: Iterable[Last]) -> bytes:
    """Return the page: `own`, the program's figures, then the values by metric, device and labels."""
    taken = set(_OWN_NAME.findall(own.decode()))
    families: dict[str, Family] = {}
    for last in sorted(values, key=lambda one: (_rank(one.series.metric), one.series.device, one.series.labels)):
        metric = last.series.metric
        if (family := families.get(metric.name)) is None:
            family = families[metric.name] = _family(metric, taken)
            taken.add(family.name)
        family.lines.append(_line(family.name, last))
    return own + "".join(map(_written, families.values())).encode()


def family_name(metric: Metric) -> str:
    """Return the name of a metric as Prometheus takes it."""
    name = snake(metric.name)
    return f"{name}_total" if metric.kind is Kind.COUNTER and not name.endswith("_total") else name


def snake(text: str) -> str:
    """Return a text as a name of small letters, digits and `_` that begins with no digit."""
    name = _BAD_SIGN.sub("_", _HUMP.sub("_", text)).lower()
    return name if name and not name[0].isdigit() else f"_{name}"


def number(value: float) -> str:
    """Write a value as the format has it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value)).removesuffix(".0")


def _rank(metric: Metric) -> tuple[str, bool, str]:
    """Order metrics by name, those first that keep theirs."""
    name = family_name(metric)
    return name, name != metric.name, metric.name


def _family(metric: Metric, taken: Container[str]) -> Family:
    name = family_name(metric)
    if name in taken:
        digest = "x" + hashlib.blake2b(metric.name.encode(), digest_size=3).hexdigest()
        ending = "_total" if name.endswith("_total") else ""
        name = f"{name.removesuffix('_total')}_{digest}{ending}"
    if metric.kind is Kind.COUNTER:
        kind = "counter"
    else:
        is_plain = not name.endswith(_PROMISING) and _TYPES.isdisjoint(name.split("_"))
        kind = "gauge" if is_plain and metric.kind is not Kind.UNKNOWN else "untyped"
    return Family(name, kind, metric.help or _described(metric), [])


def _described(metric: Metric) -> str:
    return f"Last value of {metric.name}" + (f" in {metric.unit.value}." if metric.unit else ".")


def _line(name: str, last: Last) -> str:
    labels = {"device": last.series.device}
    for key, value in last.series.label_values().items():
        label = re.sub("^__+", "_", snake(key))
        while label in labels or label in _RESERVED:
            label = f"exported_{label}"
        labels[label] = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if last.text is not None:
        labels["exported_state" if "state" in labels else "state"] = last.text
    value = 1.0 if last.text is not None else last.value
    return f"{name}{_labels(labels)} {number(value)} {last.time // _MILLISECOND}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _written(family: Family) -> str:
    told = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    lines = "\n".join(family.lines)
    return f"# HELP {family.name} {told}\n# TYPE {family.name} {family.type}\n{lines}\n"

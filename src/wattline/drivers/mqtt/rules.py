"""Which topics are read, and what their payloads say: wildcards, paths into JSON, times of their own."""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

import msgspec
from msgspec import Struct

from wattline.core.naming import plain_metric
from wattline.plugin import Column, Kind, Malformed, Metric, Misconfigured, Point, Scale, Series, parse_unit

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_PATH: Final = re.compile(r"[^.\[\]]+(\[\d+\])*(\.[^.\[\]]+(\[\d+\])*)*")
_MILLISECONDS: Final = 1e11
"""A time since the epoch above it is in milliseconds: in seconds it would lie in the year 5138."""
_SIZE_LIMIT: Final = 1e200
_LARGEST: Final = 1 << 20


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value of the topics that match. `{1}`, `{2}` stand for what the wildcards stand for."""

    topic: str
    device: str = ""
    labels: dict[str, str] = {}
    path: str = ""
    metric: str = ""
    unit: str = ""
    scale: float | str = 1
    kind: Kind | None = None
    range: float | None = None
    resolution: float = 0
    absent: tuple[float, ...] = ()
    time: str = ""

    def __post_init__(self) -> None:
        if fault := _topic_fault(self.topic):
            raise ValueError(fault)
        for path in (self.path, self.time):
            if path and not _PATH.fullmatch(path):
                raise ValueError(f"{path!r} is no path such as ENERGY.Power or values[0].power")
        wild = sum(level in "+#" for level in self.topic.split("/"))
        for text in (self.device, *self.labels.values()):
            for name in _PLACEHOLDER.findall(text):
                if not (name.isdecimal() and 1 <= int(name) <= wild):
                    raise ValueError(f"{{{name}}} stands for no wildcard of {self.topic!r}, which has {wild}")
        if self.kind is Kind.STATE:
            raise ValueError("`kind` is no state: what is read are numbers")
        try:
            factor = self.factor()
        except (Misconfigured, ZeroDivisionError) as error:
            raise ValueError(str(error)) from error
        if abs(Fraction(factor.num, factor.den)) > _SIZE_LIMIT:
            raise ValueError(f"a `scale` of {self.scale} is too large")

    def factor(self) -> Scale:
        """Return the scale from what is sent to the base unit."""
        return parse_unit(self.unit)[1] * Scale.of(self.scale)

    def of_metric(self) -> Metric:
        """Return the metric; where the operator named none, the plain one of its unit."""
        unit, _ = parse_unit(self.unit)
        return plain_metric(unit, name=self.metric, kind=self.kind, otherwise="mqtt_value")

    def column(self, point: Point) -> Column:
        """Return what is to be said of the series."""
        scale = self.factor()
        counter = self.of_metric().kind is Kind.COUNTER
        return Column(
            scale=scale,
            range=abs(self.range * scale.num / scale.den) if counter and self.range else None,
            resolution=abs(self.resolution * scale.num / scale.den),
            point=point,
        )

    def matches(self, topic: str) -> tuple[str, ...] | None:
        """Return what the wildcards stand for in a topic; None: it is another one."""
        found: list[str] = []
        given = topic.split("/")
        wanted = self.topic.split("/")
        for i, level in enumerate(wanted):
            if level == "#":
                return (*found, "/".join(given[i:]))
            if i >= len(given) or level not in ("+", given[i]):
                return None
            if level == "+":
                found.append(given[i])
        return tuple(found) if len(given) == len(wanted) else None

    def series(self, wild: Sequence[str], device: str) -> Series:
        """Return the series of a topic; `device` names what neither the rule nor a wildcard does."""

        def fill(text: str) -> str:
            return _PLACEHOLDER.sub(lambda match: wild[int(match[1]) - 1], text)

        labels = {name: fill(text) for name, text in self.labels.items()}
        return Series.of(fill(self.device) or (wild[0] if wild else "") or device, self.of_metric(), labels)

    def value(self, payload: "Payload", scale: Scale) -> float | None:
        """Return the value in base units, by `scale` as `factor` has it; None: there is none now.

        Raises Malformed when the whole payload should be a number and is none; a number that is missing in JSON, or is
        something else there, costs nothing but itself.
        """
        found = payload.at(self.path)
        if isinstance(found, bool) or not isinstance(found, int | float | str):
            return None
        try:
            value = scale.base(found)
            return None if self.absent and float(found) in self.absent else value
        except (Malformed, OverflowError) as error:
            if self.path:
                return None
            raise Malformed("it is no number") from error

    def instant(self, payload: "Payload") -> int | None:
        """Return the time that the payload brings along (ns, whole microseconds); None: it has none that holds."""
        return instant(payload.at(self.time)) if self.time else None


class Payload:
    """One message: a number as text, or JSON, which is parsed once for all rules."""

    def __init__(self, content: bytes) -> None:
        if len(content) > _LARGEST:
            raise Malformed(f"it has {len(content)} bytes")
        self._content = content
        self._parsed: Any = None
        self._is_parsed = False

    def at(self, path: str) -> Any:
        """Return what stands at a path, None if nothing does; without a path, the text. Raises Malformed."""
        if not path:
            try:
                return self._content.decode().strip()
            except UnicodeDecodeError as error:
                raise Malformed("it is no text") from error
        if not self._is_parsed:
            try:
                self._parsed = msgspec.json.decode(self._content)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Malformed("it is no JSON") from error
            self._is_parsed = True
        there = self._parsed
        for name, place in _STEP.findall(path):
            if place:
                there = there[int(place)] if isinstance(there, list) and int(place) < len(there) else None
            else:
                there = there.get(name) if isinstance(there, dict) else None
        return there


def instant(found: Any) -> int | None:
    """Read seconds or milliseconds since the epoch, or ISO 8601 with a zone, as ns; None: neither."""
    if isinstance(found, str):
        try:
            moment = datetime.fromisoformat(found)
        except ValueError:
            return None
        found = moment.timestamp() if moment.tzinfo is not None else None
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found) or found <= 0:
        return None
    seconds = found / 1000 if found > _MILLISECONDS else found
    microseconds = round(seconds * 1_000_000)
    return microseconds * 1000 if microseconds < 2**53 else None


def _topic_fault(topic: str) -> str:
    levels = topic.split("/")
    if not topic or "\0" in topic or len(topic.encode()) > 0xFFFF:
        return f"{topic!r} is no topic"
    for i, level in enumerate(levels):
        if (("+" in level or "#" in level) and len(level) > 1) or (level == "#" and i + 1 < len(levels)):
            return f"{topic!r} is no topic: + stands for a whole level, # for all that are left"
    return ""

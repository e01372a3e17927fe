"""Query parameters, parsed once at the edge; whatever is wrong gives one Problem that names the parameter.

Times are ISO 8601 (`2026-11-20T13:00:00.5+01:00`, `2026-11-20`; without an offset: UTC) or seconds since the epoch,
exact to the nanosecond. Windows are half open, [start, end). Globs (`*`, `?`, `[ab]`, case-sensitive) choose devices
and metrics.
"""

import difflib
import fnmatch
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, get_args, get_type_hints
from urllib.parse import parse_qsl

from litestar import Request
from litestar.params import HeaderParameter, QueryParameter
from msgspec import Struct

from wattline.api.problems import Problem
from wattline.plugin import Entry
from wattline.units import NANOSECONDS

MICROSECOND: Final = 1000
HOUR: Final = 3600 * NANOSECONDS
STEP_UNIT: Final = 10 * NANOSECONDS
"""Roll-ups begin at 10 s; every step is a multiple of it."""
LONGEST_STEP: Final = 366 * 24 * HOUR
MOST_CHARACTERS: Final = 8192
"""Of one query: what is longer is no question."""
MOST_GLOBS: Final = 1000
EARLIEST: Final = -(2**63) + LONGEST_STEP
LATEST: Final = 2**63 - 1 - LONGEST_STEP
"""Times (ns) that can be asked for: the years 1678 to 2261."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS: Final = re.compile(r"([+-]?)(\d{1,12})(?:\.(\d{0,9})0*)?")
_LOST_PLUS: Final = re.compile(r"(?<=\d[T ])(\d\d:?\d\d\S*) (\d\d:?\d\d)$")
_FINE: Final = re.compile(r"([.,]\d{6})(\d{1,3})(?=$|[Zz+-])")
_DURATION: Final = re.compile(r"(\d{1,9})(s|m|min|h|d)?")
_SPANS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


class Window(Struct, frozen=True):
    """A half-open window of time, [start, end) in ns."""

    start: int
    end: int


Devices = Annotated[
    list[str] | None, QueryParameter(name="device", description="Device, by name or glob; can be given many times.")
]
Metrics = Annotated[
    list[str] | None, QueryParameter(name="metric", description="Metric, by name or glob; can be given many times.")
]
Meters = Annotated[
    list[str] | None, QueryParameter(name="meter", description="Meter, by name or glob; can be given many times.")
]
Start = Annotated[
    str | None,
    QueryParameter(
        name="start", description="First instant: ISO 8601 or epoch seconds; an hour before `end` if missing."
    ),
]
End = Annotated[
    str | None,
    QueryParameter(name="end", description="Instant after the last: ISO 8601 or epoch seconds; now if missing."),
]
Step = Annotated[
    str | None,
    QueryParameter(
        name="step", description="Length of a roll-up: 10s, 1m, 15m, 1h, 1d; a multiple of 10 s. UTC buckets."
    ),
]
FormatName = Annotated[
    str | None, QueryParameter(name="format", description="json, ndjson, csv or arrow; wins over the Accept header.")
]
Accept = Annotated[str | None, HeaderParameter(name="Accept", description="Media types that are wanted, with weights.")]


def declared(handler: Callable[..., Any]) -> dict[str, bool]:
    """Return the query parameters that a handler takes, and whether each may be given many times."""
    names = {}
    for hint in get_type_hints(handler, include_extras=True).values():
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, QueryParameter) and mark.name:
                names[mark.name] = list[str] in get_args(get_args(hint)[0])
    return names


def check_names(request: Request[Any, Any, Any]) -> None:
    """Refuse a query with a name that the route does not know, or with two values of what has one.

    Raises Problem, which names the parameter and the nearest known one.
    """
    query = request.scope["query_string"].decode("latin-1")
    if len(query) > MOST_CHARACTERS:
        raise Problem(f"a query has at most {MOST_CHARACTERS} characters, not {len(query)}")
    known: dict[str, bool] = request.route_handler.opt.get("query", {})
    seen: set[str] = set()
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise Problem(f"there is no parameter {name[:100]!r}{_hint(name, known)}", parameter=name[:100])
        if name in seen and not known[name]:
            raise Problem(f"{name} can be given once", parameter=name)
        seen.add(name)


def _hint(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there are {', '.join(names)}" if names else "; this route takes none"


def window(start: str | None, end: str | None, now: int) -> Window:
    """Return the window asked for; missing: the hour before `end`, up to now. Raises Problem when it is empty."""
    last = now - now % MICROSECOND if end is None else instant(end, "end")
    first = last - HOUR if start is None else instant(start, "start")
    if last <= first:
        told = "" if end is not None else " (it is now where it is not given)"
        raise Problem(f"end{told} must come after start", parameter="end")
    return Window(first, last)


def instant(text: str, name: str) -> int:
    """Parse a time to ns. Raises Problem, which names `name`."""
    if number := _SECONDS.fullmatch(text.strip()):
        sign, whole, rest = number.groups()
        time = int(whole) * NANOSECONDS + int((rest or "").ljust(9, "0"))
        time = -time if sign == "-" else time
    else:
        time = _parse_iso(text.strip(), name)
    if not EARLIEST <= time <= LATEST:
        raise Problem(f"{name} lies outside the years 1678 to 2261", parameter=name)
    return time


def _parse_iso(text: str, name: str) -> int:
    whole = _LOST_PLUS.sub(r"\1+\2", text)  # an unescaped `+` of an offset arrives as a blank
    fine = _FINE.search(whole)
    cut = whole if fine is None else whole[: fine.end(1)] + whole[fine.end(2) :]
    try:
        moment = datetime.fromisoformat(cut)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        passed = moment - _EPOCH
    except (ValueError, OverflowError) as error:
        raise Problem(
            f"{name} is no time: {text[:100]!r}; write 2026-11-20T13:00:00Z, 2026-11-20 or epoch seconds",
            parameter=name,
        ) from error
    rest = 0 if fine is None else int(fine.group(2).ljust(3, "0"))
    return (passed // timedelta(microseconds=1)) * 1000 + rest


def step(text: str | None) -> int | None:
    """Parse the length of a roll-up to ns, None where none is asked for. Raises Problem."""
    if text is None:
        return None
    parts = _DURATION.fullmatch(text.strip())
    if parts is None:
        raise Problem(f"step is no duration: {text[:100]!r}; write 10s, 1m, 15m, 1h, 1d or seconds", parameter="step")
    span = int(parts[1]) * _SPANS[parts[2] or "s"] * NANOSECONDS
    if span == 0 or span % STEP_UNIT:
        raise Problem("step must be a multiple of 10 s", parameter="step")
    if span > LONGEST_STEP:
        raise Problem("step is at most 366 days", parameter="step")
    return span


def widened(asked: Window, span: int) -> Window:
    """Return the window of the whole buckets of `span` ns that `asked` touches."""
    return Window(asked.start // span * span, -(-asked.end // span) * span)


def chooser(patterns: Sequence[str] | None, name: str) -> Callable[[str], bool]:
    """Return what tells whether a text matches one of the globs; without any, all do. Raises Problem."""
    if patterns is None:
        return lambda _: True
    if len(patterns) > MOST_GLOBS:
        raise Problem(f"{name} can be given {MOST_GLOBS} times, not {len(patterns)}", parameter=name)
    if not all(patterns):
        raise Problem(f"{name} is empty; leave it out for all, or write a name or a glob", parameter=name)
    texts = [unicodedata.normalize("NFC", pattern) for pattern in patterns]
    plain = set(texts)  # also those with a `[`: a name always means itself
    globs = [re.compile(fnmatch.translate(text)) for text in texts if is_glob(text)]

    def chosen(text: str) -> bool:
        return text in plain or any(glob.match(text) for glob in globs)

    return chosen


def is_glob(text: str) -> bool:
    """Say whether a text has signs that stand for others."""
    return any(sign in text for sign in "*?[")


def matching(entries: Iterable[Entry], devices: Sequence[str] | None, metrics: Sequence[str] | None) -> list[Entry]:
    """Return the series whose device and metric match; a device is also what their alias names.

    Raises Problem for globs that mean nothing.
    """
    of_device, of_metric = chooser(devices, "device"), chooser(metrics, "metric")
    every = list(entries)
    names = {name for entry in every for name in (entry.series.device, entry.series.alias) if name}
    wanted = {name for name in names if of_device(name)}
    return [
        entry
        for entry in every
        if not wanted.isdisjoint((entry.series.device, entry.series.alias)) and of_metric(entry.series.metric.name)
    ]

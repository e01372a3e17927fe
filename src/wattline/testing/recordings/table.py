"""What our drivers say of recordings beside what is known of them: matching value by value, and a table of it.

Beside a recording `NAME.snmprec` may lie `NAME.expected.tsv`: class, index, description, object, raw count, multiplier,
divisor, value and flag (`!`: the value is no linear one of the count), with tabs between. Units are W, kWh, A, V, °C,
Hz and %. Each of our values answers one of them, of the same class and within one count of it.
"""

import fnmatch
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import yaml
from msgspec import Struct

from wattline.errors import Misconfigured
from wattline.testing.recordings.reading import Reading

CLASSES: Final[Mapping[str, tuple[tuple[str, float], ...]]] = {
    "power": (("W", 1), ("VA", 1), ("var", 1)),
    "power_consumed": (("J", 3_600_000),),
    "current": (("A", 1),),
    "voltage": (("V", 1),),
    "temperature": (("Cel", 1),),
    "frequency": (("Hz", 1),),
    "humidity": (("1", 0.01),),
    "load": (("1", 0.01),),
    "power_factor": (("1", 1), ("1", 0.01)),
}
"""Class of a known value: the units that ours may have, and how much of our unit one of theirs is."""


class Known(Struct, frozen=True):
    """A value that is known of a recording; `step` is what one count of the device makes of it."""

    file: str
    kind: str
    text: str
    object: str
    value: float
    step: float


class Reason(Struct, frozen=True, forbid_unknown_fields=True):
    """Why known values are not read, or not so: what they all have in common, and a sentence."""

    reason: str
    file: str = "*"
    kind: str = msgspec.field(default="*", name="class")
    object: str = "*"
    value: float | None = None

    def fits(self, known: Known) -> bool:
        """Say whether this is about a known value."""
        same = self.value is None or self.value == known.value
        pairs = ((known.file, self.file), (known.kind, self.kind), (known.object, self.object))
        return same and all(fnmatch.fnmatchcase(text, pattern) for text, pattern in pairs)


class Line(Struct, frozen=True):
    """One row of the table: a known value and ours, or the reason why there is none, or neither."""

    known: Known
    ours: Reading | None = None
    reason: str = ""

    @property
    def difference(self) -> float:
        """How far ours is from the known value, in its unit."""
        if self.ours is None:
            return float("nan")
        return min((abs(value - self.known.value) for value in _as(self.ours, self.known.kind)), default=float("nan"))


def known_of(path: Path, name: str) -> list[Known]:
    """Read the known values beside a recording; none where there is no such file. Raises Misconfigured."""
    beside = path.with_name(f"{path.stem}.expected.tsv")
    if not beside.is_file():
        return []
    try:
        rows = [line.split("\t") for line in beside.read_text().splitlines() if line and line[0] != "#"]
        return [
            Known(name, row[0], row[2], row[3], float(row[7]), _step(row[5], row[6], "!" in row[8:9])) for row in rows
        ]
    except (IndexError, ValueError) as error:
        raise Misconfigured(f"{beside} is no table of known values: {error}") from error


def reasons_of(path: Path | None) -> list[Reason]:
    """Read what explains known values that are wrong. Raises Misconfigured."""
    if path is None:
        return []
    try:
        return msgspec.convert(yaml.safe_load(path.read_text()), list[Reason])
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise Misconfigured(f"{path}: {error}") from error


def compared(known: Sequence[Known], ours: Sequence[Reading], reasons: Sequence[Reason]) -> list[Line]:
    """Give each known value the nearest of ours that is free and near enough, else a reason; wrong ones come last."""
    free = list(ours)
    lines = []
    told = {one: next((why.reason for why in reasons if why.fits(one)), "") for one in known}
    for one in sorted(known, key=lambda known: (bool(told[known]), known.kind)):
        near = [(gap, i) for i, mine in enumerate(free) if (gap := _gap(mine, one)) <= one.step]
        if near:
            lines.append(Line(one, free.pop(min(near)[1])))
        else:
            lines.append(Line(one, reason=told[one]))
    return sorted(lines, key=lambda line: line.known.kind)


def table(lines: Sequence[Line], *, markdown: bool = False) -> Iterator[str]:
    """Yield the table and its summary, a text line each."""
    head = ("file", "known", "value", "ours", "value", "difference")
    rows = [_row(line) for line in lines if line.known.kind in CLASSES]
    if markdown:
        yield f"| {' | '.join(head)} |"
        yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows if markdown else (head, *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" if markdown else "\t".join(row)
    yield ""
    yield from summary(lines)


def summary(lines: Sequence[Line]) -> Iterator[str]:
    """Yield a line for each class: how many known values are matched, explained, and neither."""
    said = Counter((line.known.kind, _verdict(line)) for line in lines)
    for kind in (*CLASSES, *sorted({line.known.kind for line in lines} - CLASSES.keys())):
        matched, explained, open_ = (said[kind, verdict] for verdict in ("matched", "explained", "unmatched"))
        if total := matched + explained + open_:
            note = "" if kind in CLASSES else " (not compared)"
            yield f"{kind}: {matched} of {total} matched, {explained} explained, {open_} unmatched{note}"


def failed(lines: Sequence[Line]) -> bool:
    """Say whether a known value that is compared is neither matched nor explained."""
    return any(_verdict(line) == "unmatched" and line.known.kind in CLASSES for line in lines)


def _verdict(line: Line) -> str:
    return "matched" if line.ours is not None else "explained" if line.reason else "unmatched"


def _row(line: Line) -> tuple[str, ...]:
    known, ours = line.known, line.ours
    what = f"{known.kind} {known.text}"
    if ours is None:
        return known.file, what, f"{known.value:g}", line.reason or f"UNMATCHED {known.object}", "", ""
    labels = "".join(f" {name}={value}" for name, value in ours.labels)
    mine = f"{ours.value:g} {ours.unit}"
    return known.file, what, f"{known.value:g}", f"{ours.device} {ours.metric}{labels}", mine, f"{line.difference:.3g}"


def _gap(ours: Reading, known: Known) -> float:
    return min((abs(value - known.value) for value in _as(ours, known.kind)), default=float("inf"))


def _as(ours: Reading, kind: str) -> list[float]:
    """Return our value in the units of a class; empty where it is of another."""
    if kind in ("load", "power_factor", "humidity") and kind.replace("power_factor", "factor") not in ours.metric:
        return []
    return [ours.value / unit for symbol, unit in CLASSES.get(kind, ()) if symbol == ours.unit]


def _step(multiplier: str, divisor: str, curved: bool) -> float:
    """Return how near is near enough: one count, for some are cut and not rounded; two decimals where it is curved."""
    return abs(float(multiplier) / float(divisor)) * (1 + 1e-9) if not curved else 0.01

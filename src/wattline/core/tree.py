"""Decoded JSON: places in it, and the numbers and texts that stand there. Any value gives an answer, no exception.

A path is written as Kwollect writes it behind a `#`: `PowerDetail[-1].Average`. Names stand between dots, places of
lists in brackets (negative ones from the end), names with dots or brackets in brackets and quotes: `a['b.c'][0]`.
"""

import re
from typing import Any, Final

from wattline.errors import Malformed, Misconfigured
from wattline.units import IDENTITY, Scale

Path = tuple[str | int, ...]
"""Names of members and places of lists, from the root."""

_STEP: Final = re.compile(r"""\.?([^.\[\]'",]+)|\[(-?\d{1,9})\]|\[(?:'([^']*)'|"([^"]*)")\]""")
_ROOT: Final = re.compile(r"\$?(?=[.\[]|$)")
_BETWEEN: Final = re.compile(r",(?![^\[]*\])")


def parse_path(text: str) -> Path:
    """Read a path. Raises Misconfigured, naming it, where it is none; the empty path and `$` are the root."""
    steps: list[str | int] = []
    at = match.end() if (match := _ROOT.match(text)) else 0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise Misconfigured(f"{text!r} is no path such as PowerDetail[-1].Average, from its {at + 1}th sign on")
        name, place, *quoted = step.groups()
        steps.append(int(place) if place is not None else next(one for one in (name, *quoted) if one is not None))
        at = step.end()
    return tuple(steps)


def split_paths(text: str) -> list[str]:
    """Return paths that stand with commas between."""
    return [path.strip() for path in _BETWEEN.split(text) if path.strip()]


def at(value: Any, *path: str | int) -> Any:
    """Return what stands at a path; None where there is no such place."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step if isinstance(step, str) else str(step))
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def number(given: Any, scale: Scale = IDENTITY) -> float | None:
    """Return a JSON number, or a text of one, in base units; None for everything else, and for what no float holds."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        # A number in base units is itself; only what is scaled needs the exact arithmetic of decimals.
        value = float(given) if scale == IDENTITY and not isinstance(given, str) else scale.base(given)
    except (Malformed, OverflowError):
        return None
    return value if abs(value) < float("inf") else None


def dicts(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list, each at its place; what is no object is an empty one."""
    return [one if isinstance(one, dict) else {} for one in value] if isinstance(value, list) else []


def text(value: Any) -> str:
    """Return a text without the spaces around it, or the digits of an integer; empty for everything else."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""

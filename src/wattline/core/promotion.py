"""Promotions: who wants which metrics of which devices at full detail, and until when.

A meter that is optional is read only while one of its metrics is promoted; a fast meter tells every frame of it instead
of means. A promotion names a device, by its name or an alias, and the metrics by a regular expression that is matched
from the beginning of the name and need not reach its end: `prom_`, `prom_.*` and `^prom_.*$` are all understood.

Patterns come from whoever may promote, and are matched against every name: their cost is bounded. What may be repeated
is one character or class, no group, and that a few times, so that matching costs a polynomial of the name's length.
"""

import re
import warnings
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

LONGEST: Final = 200
"""Characters of a pattern, or of a name."""
_REPEATS: Final = 4
"""Repetitions in one pattern."""
_TOKEN: Final = re.compile(
    r"\\(?P<escaped>.)|(?P<class>\[\^?\]?(?:[^\]\\]|\\.)*\])|(?P<count>\{\d*,?\d*\})|.", re.DOTALL
)
_PLAIN_GROUP: Final = "(?:"


class Promotion(Struct, frozen=True, kw_only=True):
    """One wish: the metrics of `device` whose names `metric` matches, `until` (ns; None: until it is taken back).

    `owner` says for whom it is, such as a job: two owners may wish the same, and each takes back its own.
    """

    device: str
    metric: str
    until: int | None = None
    owner: str = ""

    def __post_init__(self) -> None:
        if not 0 < len(self.device) <= LONGEST or not self.device.isprintable():
            raise ValueError(f"`device` is the name of a device or its alias, of at most {LONGEST} characters")
        if len(self.owner) > LONGEST or not self.owner.isprintable():
            raise ValueError(f"`owner` is a name of at most {LONGEST} characters")
        check_pattern(self.metric)

    @property
    def key(self) -> tuple[str, str, str]:
        """What it replaces and is taken back by: device, metric, owner."""
        return self.device, self.metric, self.owner


def check_pattern(pattern: str) -> None:
    """Raise ValueError, in words for whoever wrote it, when a pattern does not compile or could cost too much."""
    if not 0 < len(pattern) <= LONGEST:
        raise ValueError(f"`metric` is a regular expression of 1 to {LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of a set in a set, which means what it always did
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"`metric`: {pattern!r} is no regular expression: {error}") from error
    repeats, before = 0, ""
    for match in _TOKEN.finditer(pattern):
        sign = match[0]
        if match["escaped"] and match["escaped"].isdigit():
            raise ValueError(f"`metric`: {pattern!r} refers back to a group, which may cost too much")
        if sign == "?" and before == "(" and not pattern.startswith(_PLAIN_GROUP, match.start() - 1):
            raise ValueError(f"`metric`: {pattern!r} has a group of another kind than (...) and (?:...)")
        if sign in ("*", "+") or match["count"]:
            repeats += 1
            if before == ")":
                raise ValueError(f"`metric`: {pattern!r} repeats a group, which may cost too much")
        before = sign
    if repeats > _REPEATS:
        raise ValueError(f"`metric`: {pattern!r} repeats more than {_REPEATS} times, which may cost too much")


class Wishes:
    """A set of promotions that answers quickly, many times a second; it never changes. `now` (ns) is when it was made.

    What has ended by `now` is left out; `ends` is when the next one does (ns; None: none does).
    """

    def __init__(self, promotions: Iterable[Promotion] = (), now: int = 0) -> None:
        alive = {one.key: one for one in promotions if one.until is None or one.until > now}
        self.promotions = tuple(alive[key] for key in sorted(alive))
        self.ends = min((one.until for one in self.promotions if one.until is not None), default=None)
        self._patterns: dict[str, list[re.Pattern[str]]] = {}
        for one in self.promotions:
            self._patterns.setdefault(one.device, []).append(re.compile(one.metric))
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], bool] = {}

    def wanted(self, metrics: Iterable[str], devices: Iterable[str]) -> bool:
        """Say whether a promotion names one of the devices and one of the metrics."""
        if not self._patterns:
            return False
        key = tuple(metrics), tuple(devices)
        if key not in self._known:
            if len(self._known) >= 100_000:
                self._known.clear()
            patterns = [pattern for device in key[1] for pattern in self._patterns.get(device, ())]
            self._known[key] = any(pattern.match(name[:LONGEST]) for pattern in patterns for name in key[0])
        return self._known[key]

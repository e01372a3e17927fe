"""Lines whose name and time stand in their labels, as Kwollect's users write them for text files of node exporter.

    kwollect_custom{_metric_id="my_metric",_timestamp="1606389005.1234",room="B1"} 42

is 42 of `my_metric` at its own time, with the labels `room` and `_metric_origin`. A line without `_metric_id` keeps its
name, one without `_timestamp` has the time of the page; a time that is none costs the line. The time of the scrape,
which Kwollect writes into a label, differs from sample to sample and is no part of a series.
"""

import re
from decimal import Decimal
from itertools import chain
from typing import Final

import numpy as np

from wattline.wire.exposition import Key, Page, Stamped

NAME: Final = "_metric_id"
TIME: Final = "_timestamp"
ORIGIN: Final = "_metric_origin"
_SECONDS: Final = re.compile(r"\s*(\d{1,10}(?:\.\d{0,18})?(?:[eE]\+?\d{1,2})?)\s*")
_MICRO: Final = 10**6
_LATEST: Final = 9_200_000_000  # int64 nanoseconds end in 2262


class _Custom(Key):
    """A key that has its name from a label: no prefix is put before it."""

    __slots__ = ()


class Custom:
    """Gives lines of the family `name` their own names and times; `prefix` is what Kwollect puts before others."""

    def __init__(self, name: str, prefix: str) -> None:
        self._name, self._origin = name, prefix + name
        self._known: dict[Key, tuple[Key, int | None] | None] = {}

    def named(self, page: Page) -> Page:
        """Return a page whose lines of the family have their own names; those with a time of their own are stamped.

        Of lines that say the same, however they write it, the first holds.
        """
        own = [sample for sample in page.stamped if sample.key.name == self._name]
        if not own and not any(key.name == self._name for key in page.keys):
            self._known.clear()
            return page
        known, self._known = self._known, {}
        keys: dict[Key, float] = {}
        stamped = {(key, time): value for key, time, value in page.stamped if key.name != self._name}
        untimed = ((key, None, value) for key, value in zip(page.keys, page.values.tolist(), strict=True))
        for key, behind, value in chain(untimed, own):
            named, time = key, behind
            if key.name == self._name:
                self._known[key] = meant = known[key] if key in known else self._meant(key)
                if meant is None:
                    continue
                named, time = meant[0], behind if meant[1] is None else meant[1]
            if time is None:
                keys.setdefault(named, value)
            else:
                stamped.setdefault((named, time), value)
        return page._replace(
            keys=list(keys),
            values=np.array(list(keys.values())),
            stamped=[Stamped(key, time, value) for (key, time), value in stamped.items()],
        )

    def _meant(self, key: Key) -> tuple[Key, int | None] | None:
        """Return what a line is and when it was; None: its time is none."""
        labels = dict(key.labels)
        name, said = labels.pop(NAME, self._origin), labels.pop(TIME, "")
        labels[ORIGIN] = self._origin
        named = _Custom(name, tuple(sorted(labels.items())), name, key.type, key.unit)
        if not said:
            return named, None
        match = _SECONDS.fullmatch(said)
        seconds = Decimal(match[1]) if match else None
        if seconds is None or seconds > _LATEST:
            return None
        return named, round(seconds * _MICRO) * 1000


def is_custom(key: Key) -> bool:
    """Say whether a key has its name from a label."""
    return isinstance(key, _Custom)

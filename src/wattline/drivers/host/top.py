"""Fixed slots for what comes and goes: the processes that use most, each in a slot that it keeps while it does so.

A process takes a slot from the second sweep on that sees it: one that lives for an instant is in the remainder, and
would otherwise make a new text for every compiler call of a build.
"""

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from wattline.wire.procfs import Use

EMPTY = ""
"""The occupant of a slot that nobody has."""


class Slot(NamedTuple):
    """Who has a slot, as people know it (`name pid`), and the ticks that it used."""

    occupant: str
    ticks: int


class Top:
    """`size` slots; owns who has which."""

    def __init__(self, size: int) -> None:
        self._pids: list[int | None] = [None] * size

    def fill(self, uses: Iterable[Use]) -> list[Slot]:
        """Give the slots to the processes that used most, changing as few as can be; the others stay empty."""
        known = (use for use in uses if not use.fresh)
        most = {use.pid: use for use in heapq.nlargest(len(self._pids), known, key=lambda use: use.ticks)}
        staying = [pid if pid in most else None for pid in self._pids]
        coming = iter([pid for pid in most if pid not in staying])
        self._pids = [pid if pid is not None else next(coming, None) for pid in staying]
        return [Slot(f"{most[pid].name} {pid}", most[pid].ticks) if pid else Slot(EMPTY, 0) for pid in self._pids]

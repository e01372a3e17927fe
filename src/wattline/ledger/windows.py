"""Energy of series over any window: joules, coverage, bounds and how they were had.

A window is answered from the longest roll-ups that fit into it, and from samples at its ragged edges; or, on request,
from samples alone. The joules are the same to the microjoule, since both read the same curves
(docs/explanation/energy.md).

What was not covered adds nothing to the joules and to the coverage, but to the bounds: at least `floor`, at most
`rated` watts of its column; where `rated` is unknown, the highest power seen in what was read (an interval, or a cell
of a register), which is said in `assumed`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from msgspec import Struct

from wattline.core.cells import LADDER
from wattline.core.curve import PER_NS
from wattline.core.integral import METHOD_WORDS, Nature, nature
from wattline.core.rollup import HOUR
from wattline.core.window import Hour, between
from wattline.ledger.account import Account
from wattline.ledger.hours import Hours
from wattline.plugin import Column, Entry, Metric, Store

QUARTER: Final = LADDER[2]
_METHODS: Final = [
    tuple(word for bit, word in METHOD_WORDS.items() if bits & bit) for bits in range(1 << len(METHOD_WORDS))
]
"""The words of each sum of methods."""
MICROJOULES_PER_KWH: Final = 3_600_000_000_000

NOTHING_KNOWN: Final = "nothing was measured and the rated power is unknown, so there is no upper bound"
HIGHEST_SEEN: Final = "where nothing was measured, the highest power seen is taken for the upper bound"


class Energy(Struct, frozen=True):
    """Energy of one series over a window, or of several in sum (`entry` None)."""

    entry: Entry | None
    joules: int
    """Microjoules that were measured."""
    covered: int
    """Nanoseconds of the window that were measured."""
    asked: int
    """Nanoseconds of the window."""
    lower: int
    """Microjoules that were used, at least: with `floor` for what was not covered, so it may lie above `joules`."""
    upper: int
    """Microjoules that were used, at most: with `rated` for what was not covered."""
    method: tuple[str, ...] = ()
    """`register`, `window average`, `trapezoid`, `delta`: how the energy was had, best first."""
    gaps: int = 0
    resets: int = 0
    assumed: str = ""
    """Empty, or what the bounds rest upon beside measurement and declared limits, in a phrase."""
    estimated: str = ""
    """Empty, or how the values were estimated, in a phrase."""

    @property
    def kwh(self) -> float:
        """Kilowatt-hours."""
        return self.joules / MICROJOULES_PER_KWH

    @property
    def coverage(self) -> float:
        """Share of the window that was measured, 0 to 1."""
        return self.covered / self.asked if self.asked else 0.0


def energy(store: Store[Any], entries: Sequence[Entry], start: int, end: int, *, raw: bool = False) -> list[Energy]:
    """Return the energy of each entry over [start, end) (ns); `raw` reads samples alone. Blocks: call it off the loop.

    Levels, and what is of unknown kind, have no energy: no joules, no coverage, no method.
    """
    asked = max(end - start, 0)
    account = Account(entries)
    metrics, columns = [entry.series.metric for entry in entries], [entry.column for entry in entries]
    places = {e.id: place for place, e in enumerate(entries) if nature(e.series.metric) is not Nature.LEVEL}
    question = _Question(store, account, metrics, columns, places)
    for a, b, span in [(start, end, 0)] if raw else plan(start, end):
        if places and a < b:
            if span:
                question.ask_cells(a, b, span)
            else:
                question.ask_samples(a, b)
    return [_answer(account, place, entry, asked) for place, entry in enumerate(entries)]


def total(energies: Sequence[Energy]) -> Energy:
    """Return the sum; the time asked and covered is that of all series together."""
    words = {word for one in energies for word in one.method}
    return Energy(
        entry=None,
        joules=sum(one.joules for one in energies),
        covered=sum(one.covered for one in energies),
        asked=sum(one.asked for one in energies),
        lower=sum(one.lower for one in energies),
        upper=sum(one.upper for one in energies),
        method=tuple(word for word in METHOD_WORDS.values() if word in words),
        gaps=sum(one.gaps for one in energies),
        resets=sum(one.resets for one in energies),
        assumed="; ".join(dict.fromkeys(one.assumed for one in energies if one.assumed)),
        estimated="; ".join(dict.fromkeys(one.estimated for one in energies if one.estimated)),
    )


def plan(start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield pieces (start, end, span) of a window in order of time: the longest cells that fit, span 0 for samples.

    An edge that is no multiple of 10 s needs samples in any case. They are then taken up to the next quarter of an
    hour: reading them is one question to the store, and filling up with short cells would be two more.
    """
    tail = end
    if end % LADDER[0]:
        tail = max(start, end - end % QUARTER)
    while start < tail:
        if start % LADDER[0]:
            span, cut = 0, min(tail, start - start % QUARTER + QUARTER)
        else:
            span = next(s for s in reversed(LADDER) if start % s == 0 and start + s <= tail)
            cut = tail - tail % span
            if longer := next((s for s in LADDER if s > span), 0):
                edge = start - start % longer + longer
                cut = min(cut, edge) if edge + longer <= tail else cut  # where no longer one follows, these go on
        yield start, cut, span
        start = cut
    if start < end:
        yield start, end, 0


class _Question(Struct, frozen=True, eq=False):
    """The series that are asked for, and the account to which their energy goes."""

    store: Store[Any]
    account: Account
    metrics: list[Metric]
    columns: list[Column]
    places: dict[int, int]
    """The place in the account by id of the entry."""

    def ask_cells(self, start: int, end: int, span: int) -> None:
        for tally in self.store.tallies(list(self.places), start, end, span):
            self.account.add_tally(tally, self.places)

    def ask_samples(self, start: int, end: int) -> None:
        """Read the samples of whole hours: what a gap, a jitter or a run is worth is a matter of the hour (rollup)."""
        first, last = start - start % HOUR, end + -end % HOUR
        samples = self.store.samples(list(self.places), first, last, around=True)
        Hours(self.places, self.metrics, start, end, self._add).take(samples)

    def _add(self, hour: Hour, start: int, end: int) -> None:
        for part in between(hour, self.metrics, self.columns, start, end):
            self.account.add_part(part, start, end)


def _answer(account: Account, place: int, entry: Entry, asked: int) -> Energy:
    column = entry.column
    if nature(entry.series.metric) is Nature.LEVEL:
        return Energy(entry, 0, 0, asked, 0, 0, estimated=column.estimate)
    joules, covered = int(account.joules[place]), int(account.covered[place])
    lower = int(account.lower[place] - account.down_tail[place] - account.up_head[place])
    upper = int(account.upper[place] + account.up_tail[place] + account.down_head[place])
    # No register runs backwards, so slack cannot make a positive energy negative.
    lower, upper = min(max(lower, min(int(account.lower[place]), 0)), joules), max(upper, joules)
    uncovered = asked - covered
    most, assumed = column.rated, ""
    if most is None:
        most = float(account.peak[place])
        if uncovered:
            assumed = HIGHEST_SEEN if most else NOTHING_KNOWN
    lower += int(np.floor(column.floor * PER_NS * uncovered))
    upper += int(np.ceil(most * PER_NS * uncovered))
    return Energy(
        entry=entry, joules=joules, covered=covered, asked=asked, lower=lower, upper=upper,
        method=_METHODS[int(account.method[place])],
        gaps=int(account.gaps[place]), resets=int(account.resets[place]), assumed=assumed, estimated=column.estimate,
    )  # fmt: skip

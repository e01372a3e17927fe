"""From the answer of a poll to a frame: one conversion of the device's integers for the whole row.

`count * num / den` with one division is the correctly rounded value as long as the product is exact, below 2^53; where
one may be larger, or came as a text or a float, all are converted one by one with `Scale.base`.
"""

import logging
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

import numpy as np

from wattline.drivers.snmp.plan import Cell, Plan, one
from wattline.plugin import Frame, Layout, Malformed, Mask, Values
from wattline.units import exact
from wattline.wire.ber import Value
from wattline.wire.snmp import text

_EXACT: Final = 2.0**53
_INTEGERS: Final = {int}
_SLACK: Final = 1.1
_logger = logging.getLogger(__name__)


class Readout:
    """The layout of one meter over all its plans, and the row that an answer makes in it.

    `name` is the meter's address, for what is logged: an object that is missing, once, and once when it is back.
    """

    def __init__(self, name: str, plan: Plan) -> None:
        self._name = name
        self._missing: set[str] = set()
        self._unmatched: tuple[str, ...] = ()
        self._impossible = False
        self.layout = _layout(plan)
        self._take(plan)

    def follow(self, plan: Plan) -> None:
        """Read by a new plan: new series are appended; where over a quarter is dead, the layout is renewed."""
        known = set(self.layout.series)
        fresh = [cell for cell in plan.cells if cell.series not in known]
        dead = len(known) + len(fresh) - len(plan.cells)
        if dead * 4 > len(known):
            self.layout = _layout(plan)
        elif fresh:
            described = {device.name for device in self.layout.devices}
            devices = [device for device in plan.devices if device.name not in described]
            self.layout = self.layout.grown([c.series for c in fresh], [c.column for c in fresh], devices)
        self._take(plan)

    def frame(self, answer: Mapping[str, Value]) -> Frame:
        """Return the values that are there, in base units; registers as they stand."""
        if self._pick is not None:
            try:
                counts = self._pick(answer)
            except KeyError:
                counts = ()
            if set(map(type, counts)) == _INTEGERS and max(counts) < self._most and -min(counts) < self._most:
                row = np.array(counts, np.float64)
                present = None if self._meaningless.isdisjoint(counts) else ~(row == self._absent).any(0)
                if self._scaled:
                    row *= self._num
                    row /= self._den
                for place in self._unsigned:
                    row[place] = abs(row[place])
                if self._missing:
                    self._tell(set())
                if present is not None and present.all():
                    present = None
                return Frame(self.layout, row, present=self._possible(row, present))
        return self._frame_one_by_one(answer)

    def _frame_one_by_one(self, answer: Mapping[str, Value]) -> Frame:
        row = np.full(len(self.layout), np.nan)
        present = np.zeros(len(self.layout), bool)
        texts: dict[int, tuple[str, ...]] = {}
        missing = set()
        for place, cell in zip(self._places, self._cells, strict=True):
            value = answer.get(cell.oid)
            if cell.guard is not None and text(answer.get(cell.guard.oid)) not in cell.guard.says:
                continue
            if value is not None and cell.is_text:
                row[place], present[place], texts[place] = 0, True, (text(value),)
            elif (base := _base(cell, answer)) is not None:
                row[place], present[place] = base, True
            elif not cell.is_told(value):
                missing.add(cell.oid)
        self._tell(missing)
        for place in self._unsigned:
            row[place] = abs(row[place])
        mask = self._possible(row, None if present.all() else present)
        return Frame(self.layout, row, present=mask, texts=texts)

    def _possible(self, row: Values, present: Mask | None) -> Mask | None:
        """Leave out what lies beyond its bounds, and watts that exceed the volt-amperes beside them, with these."""
        if len(self._bounded):
            told = row[self._bounded]
            beyond = (told < self._low) | (told > self._high)
            if beyond.any():
                present = np.ones(len(row), bool) if present is None else present
                present[self._bounded[beyond]] = False
        if not self._pairs:
            return present
        wrong = [
            (watts, apparent)
            for watts, apparent, slack in self._pairs
            if (present is None or (present[watts] and present[apparent]))
            and abs(row.item(watts)) > _SLACK * abs(row.item(apparent)) + slack
        ]
        if wrong:
            if not self._impossible:
                first = self.layout.series[wrong[0][0]].device
                _logger.warning("%s tells more watts than volt-amperes of %s; neither is read", self._name, first)
            present = np.ones(len(row), bool) if present is None else present
            present[[place for pair in wrong for place in pair]] = False
        self._impossible = bool(wrong)
        return present

    def _take(self, plan: Plan) -> None:
        self._cells = plan.cells
        place = {series: i for i, series in enumerate(self.layout.series)}
        self._places = [place[cell.series] for cell in plan.cells]
        whole = self._places == list(range(len(self.layout))) and len(self._places) > 1
        simple = whole and all(cell.is_simple for cell in plan.cells)
        self._pick: itemgetter[Any] | None = itemgetter(*(cell.oid for cell in plan.cells)) if simple else None
        self._num = _factors(plan, "num")
        self._den = _factors(plan, "den")
        self._scaled = bool((self._num != self._den).any())
        self._most = int(_EXACT / max(map(abs, self._num), default=1.0))
        self._unsigned = [at for at, cell in zip(self._places, plan.cells, strict=True) if cell.is_unsigned]
        bounded = [(at, *cell.between) for at, cell in zip(self._places, plan.cells, strict=True) if cell.between]
        self._bounded = np.array([at for at, _, _ in bounded], np.intp)
        self._low, self._high = (np.array([one[k] for one in bounded], np.float64) for k in (1, 2))
        self._absent = _absent(plan)
        self._meaningless = frozenset().union(*(cell.absent for cell in plan.cells))
        self._pairs = _pairs(self.layout)
        if plan.unmatched != self._unmatched and plan.unmatched:
            _logger.warning("%s: nothing is found for %s", self._name, ", ".join(plan.unmatched))
        self._unmatched = plan.unmatched

    def _tell(self, missing: set[str]) -> None:
        if gone := missing - self._missing:
            _logger.warning("%s gives no value for %s; the rest is read", self._name, ", ".join(sorted(gone)))
        if back := self._missing - missing:
            _logger.info("%s gives a value for %s again", self._name, ", ".join(sorted(back)))
        self._missing = missing


def _base(cell: Cell, answer: Mapping[str, Value]) -> float | None:
    count, scale = cell.says(answer.get(cell.oid)), cell.column.scale
    if count is None:
        return None
    try:
        if cell.zero:
            shifted = (exact(count) - cell.zero) * scale.num / scale.den
            return shifted.numerator / shifted.denominator
        if not cell.more:
            return scale.base(count)
        counts = [count, *(cell.says(answer.get(oid)) for oid in cell.more)]
        return None if None in counts else sum(scale.base(one) for one in counts if one is not None)
    except (OverflowError, Malformed):  # a text of a number that no float can hold; a float that is none
        return None


def _layout(plan: Plan) -> Layout:
    columns = one(tuple(cell.column for cell in plan.cells))
    return Layout.of([cell.series for cell in plan.cells], columns, devices=plan.devices)


def _factors(plan: Plan, part: str) -> Values:
    return np.array([getattr(cell.column.scale, part) for cell in plan.cells], np.float64)


def _absent(plan: Plan) -> Values:
    """Return the counts that mean nothing as float64[m, k], the m-th of each cell in a row."""
    table = np.full((max((len(cell.absent) for cell in plan.cells), default=0), len(plan.cells)), np.nan)
    for i, cell in enumerate(plan.cells):
        table[: len(cell.absent), i] = sorted(cell.absent)
    return table


def _pairs(layout: Layout) -> tuple[tuple[int, int, float], ...]:
    """Return the places of watts and of the volt-amperes of the same thing, and how far two counts may be apart."""
    plain = {(s.device, s.labels): i for i, s in enumerate(layout.series) if s.metric.name == "apparent_power_va"}
    found = [
        (i, plain[s.device, s.labels])
        for i, s in enumerate(layout.series)
        if s.metric.name == "power_watts" and (s.device, s.labels) in plain
    ]
    steps = [layout.columns[w].scale.base(1) + layout.columns[a].scale.base(1) for w, a in found]
    return tuple((w, a, 2 * step) for (w, a), step in zip(found, steps, strict=True))

"""From the answer of a poll to a frame: one conversion of the device's integers for the whole row.

`count * num / den` with one division is the correctly rounded value as long as the product is exact, below 2^53; what
is larger, or came as a text or a float, is converted one by one with `Scale.base`.
"""

import logging
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

import numpy as np

from wattline.drivers.snmp.plan import Cell, Plan
from wattline.plugin import Frame, Layout, Values
from wattline.wire.snmp import Value, reading, text

_EXACT: Final = 2.0**53
_INTEGERS: Final = {int}
_logger = logging.getLogger(__name__)


class Readout:
    """The layout of one meter over all its plans, and the row that an answer makes in it.

    `name` is the meter's address, for what is logged: an object that is missing, once, and once when it is back.
    """

    def __init__(self, name: str, plan: Plan) -> None:
        self._name = name
        self._missing: set[str] = set()
        self._unmatched: tuple[str, ...] = ()
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
            if set(map(type, counts)) == _INTEGERS:
                row = np.array(counts, np.float64)
                row *= self._num
                if max(row.max(), -row.min()) < _EXACT:
                    row /= self._den
                    if self._missing:
                        self._tell(set())
                    return Frame(self.layout, row)
        return self._frame_one_by_one(answer)

    def _frame_one_by_one(self, answer: Mapping[str, Value]) -> Frame:
        row = np.full(len(self.layout), np.nan)
        present = np.zeros(len(self.layout), bool)
        texts: dict[int, tuple[str, ...]] = {}
        missing = set()
        for place, cell in zip(self._places, self._cells, strict=True):
            value = answer.get(cell.oid)
            if value is not None and cell.is_text:
                row[place], present[place], texts[place] = 0, True, (text(value),)
            elif (number := reading(value)) is None:
                missing.add(cell.oid)
            elif (base := _base(number, cell)) is not None:
                row[place], present[place] = base, True
        self._tell(missing)
        return Frame(self.layout, row, present=None if present.all() else present, texts=texts)

    def _take(self, plan: Plan) -> None:
        self._cells = plan.cells
        place = {series: i for i, series in enumerate(self.layout.series)}
        self._places = [place[cell.series] for cell in plan.cells]
        whole = self._places == list(range(len(self.layout))) and len(self._places) > 1
        simple = whole and not any(cell.absent or cell.is_text for cell in plan.cells)
        self._pick: itemgetter[Any] | None = itemgetter(*(cell.oid for cell in plan.cells)) if simple else None
        self._num = _factors(plan, "num")
        self._den = _factors(plan, "den")
        if plan.unmatched != self._unmatched and plan.unmatched:
            _logger.warning("%s: nothing is found for %s", self._name, ", ".join(plan.unmatched))
        self._unmatched = plan.unmatched

    def _tell(self, missing: set[str]) -> None:
        if gone := missing - self._missing:
            _logger.warning("%s gives no value for %s; the rest is read", self._name, ", ".join(sorted(gone)))
        if back := self._missing - missing:
            _logger.info("%s gives a value for %s again", self._name, ", ".join(sorted(back)))
        self._missing = missing


def _base(number: float | str, cell: Cell) -> float | None:
    if cell.absent and float(number) in cell.absent:
        return None
    try:
        return cell.column.scale.base(number)
    except OverflowError:  # a text of a number that no float can hold
        return None


def _layout(plan: Plan) -> Layout:
    return Layout.of([c.series for c in plan.cells], [c.column for c in plan.cells], devices=plan.devices)


def _factors(plan: Plan, part: str) -> Values:
    return np.array([getattr(cell.column.scale, part) for cell in plan.cells], np.float64)

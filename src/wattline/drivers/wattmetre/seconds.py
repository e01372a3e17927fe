"""Frames gathered by second: each port's mean, stamped at the start of its second, or all that the second held."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from wattline.drivers.wattmetre.config import WattmetreConfig
from wattline.drivers.wattmetre.ports import Choice, Ports
from wattline.drivers.wattmetre.rows import Reader, Row
from wattline.plugin import Frame, Mask, Promoted, Times, Values
from wattline.units import NANOSECONDS

_MOST: Final = 10_000
"""Frames that are kept of one second: a source whose clock stands still is cut into pieces."""


class Seconds:
    """Takes lines, and gives frames when another second begins. One owner; never waits."""

    def __init__(
        self, config: WattmetreConfig, reader: Reader, nodes: Mapping[str, Sequence[str]], promoted: Promoted
    ) -> None:
        self._config, self._reader, self._nodes, self._promoted = config, reader, nodes, promoted
        self._ports: Ports | None = None
        self._odd = 0
        self._rows: list[Row] = []
        self._second: int | None = None
        self._refused = 0
        self._lost = 0

    def take(self, line: bytes) -> list[Frame]:
        """Take a line and return the frames of the second that it ends; mostly there are none."""
        row = self._reader.row(line)
        if row is None:
            self._refused += bool(line.strip()) and not line.startswith(b"#")
            return []
        if self._ports is None or row.ports != self._ports.count:
            return self._change(row)
        self._odd = 0
        second = row.time // NANOSECONDS
        if second == self._second and len(self._rows) < _MOST:
            self._rows.append(row)
            return []
        frames = self.flush()
        if self._second is not None and second > self._second:
            self._lost += second - self._second - 1
        self._rows, self._second = [row], second
        return frames

    def flush(self) -> list[Frame]:
        """Return the frames of the second so far, and forget it."""
        if not self._rows or self._ports is None or self._second is None:
            return []
        time = np.array([row.time for row in self._rows], np.int64)
        values = np.array([row.values for row in self._rows], np.float64)
        self._rows = []
        present = np.isfinite(values)
        slow, fast = self._ports.choices(self._ports.wanted(self._promoted))
        frames = [self._mean(slow, self._second * NANOSECONDS, values, present)]
        if len(fast.layout):
            frames.append(_every(fast, time, values, present))
        return frames

    def _change(self, row: Row) -> list[Frame]:
        """Take a frame with another number of ports: once it is a cut line, twice the wattmeter was changed."""
        if self._ports is not None and row.ports != self._odd:
            self._odd = row.ports
            self._refused += 1
            return []
        frames = self.flush()
        self._ports = Ports(self._config, row.ports, self._nodes, self._reader)
        self._rows, self._second, self._odd = [row], row.time // NANOSECONDS, 0
        return frames

    def _mean(self, choice: Choice, second: int, values: Values, present: Mask) -> Frame:
        """Return means of what is there, and behind them the wattmeter's own counts."""
        there = present[:, choice.places]
        count = there.sum(axis=0)
        total = np.where(there, values[:, choice.places], 0.0).sum(axis=0)
        mean = total / np.maximum(count, 1) / choice.divisors
        mask = np.append(count > 0, [True, True])
        return Frame(choice.layout, np.append(mean, [self._refused, self._lost]), second, _unless_all(mask))


def _every(choice: Choice, time: Times, values: Values, present: Mask) -> Frame:
    order = np.argsort(time, kind="stable")
    rows = values[order][:, choice.places] / choice.divisors
    return Frame(choice.layout, rows, time[order], _unless_all(present[order][:, choice.places]))


def _unless_all(mask: Mask) -> Mask | None:
    return None if mask.all() else mask

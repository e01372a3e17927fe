"""What was seen of a meter, as types: columns of times and values, latencies, failures."""

from collections.abc import Iterable

import numpy as np
from msgspec import Struct, field

from wattline.core.integral import Nature, nature
from wattline.model import Column, Mask, Series, Times, Values
from wattline.plugin import Frame


class Track(Struct, frozen=True, eq=False):
    """One series: its finite values where it was there, and the `share` of answers in which it was."""

    series: Series
    column: Column
    time: Times
    values: Values
    share: float = 1.0

    @property
    def nature(self) -> Nature:
        """How it gives energy."""
        return nature(self.series.metric)


class Observed(Struct, frozen=True, kw_only=True, eq=False):
    """What was seen of a meter, or of a device in the store.

    `every` is the period (s) at which it is polled by its configuration, None where nobody says. `latency` float64[n]
    (s) and `offsets` float64[n] (s, the device's time less ours) are empty where nothing was asked, or where it does
    not tell its time. `failure` says why there was no answer, the last time.
    """

    meter: str
    driver: str = ""
    address: str = ""
    every: float | None = None
    asked: int = 0
    failed: int = 0
    failure: str = ""
    latency: Values = field(default_factory=lambda: np.zeros(0))
    offsets: Values = field(default_factory=lambda: np.zeros(0))
    tracks: tuple[Track, ...] = ()


class Gathering:
    """Takes frames as they come and gives tracks at the end. It has one owner."""

    def __init__(self) -> None:
        self._answers = 0
        self._columns: dict[Series, Column] = {}
        self._rows: dict[Series, list[tuple[Times, Values, Mask]]] = {}
        self._frames: dict[Series, int] = {}
        self._of: dict[Series, int] = {}

    def take(self, frames: Iterable[Frame], middle: int) -> list[float]:
        """Take the frames of one answer; `middle` (ns) is between request and reply. Returns by how many seconds the
        device's own times differ from it, where it tells them.
        """
        self._answers += 1
        offsets = []
        for frame in frames:
            values = np.atleast_2d(frame.values)
            time = np.atleast_1d(np.asarray(middle if frame.time is None else frame.time, np.int64))
            present = np.ones(values.shape, bool) if frame.present is None else np.atleast_2d(frame.present)
            if frame.time is not None:
                offsets.append((int(time[-1]) - middle) / 1e9)
            for i, (series, column) in enumerate(zip(frame.layout.series, frame.layout.columns, strict=True)):
                self._columns[series] = column
                self._rows.setdefault(series, []).append((time, values[:, i], present[:, i]))
        return offsets

    def tracks(self) -> tuple[Track, ...]:
        """Return every series that was ever named."""
        return tuple(self._track(series, rows) for series, rows in self._rows.items())

    def _track(self, series: Series, rows: list[tuple[Times, Values, Mask]]) -> Track:
        time, values, present = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        known = present & np.isfinite(values)
        time, values = time[known], values[known]
        order = np.argsort(time, kind="stable")
        return Track(series, self._columns[series], time[order], values[order], float(np.mean(known)))

"""A roster maps keys to columns, for answers whose series come and go: pages, tables, lists of ports.

The first frame makes a layout; a key never seen grows it (same family, new id); a key that is not there is absent. At
an hour's edge a layout of which over a quarter is dead is renewed: a new root with the living keys alone
(decisions/0001). A page that has new keys at every frame does not wait for that edge. The state has one
owner, the driver that reads the page.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

import numpy as np

from wattline.model import Column, Device, Layout, Mask, Series, Values
from wattline.units import NANOSECONDS

HOUR = 3600 * NANOSECONDS
ROOM = 8192
"""Columns that a layout may have beyond four times what a frame fills."""
K = TypeVar("K", bound=Hashable)


class Roster(Generic[K]):
    """Columns of a growing layout by key. `describe` says, once for each key, which series it is, and `devices` what is
    known of the devices that new series speak of.
    """

    def __init__(
        self,
        describe: Callable[[K], tuple[Series, Column]],
        devices: Callable[[Sequence[Series]], Sequence[Device]] = lambda _: (),
    ) -> None:
        self._describe = describe
        self._devices = devices
        self._place: dict[K, int] = {}
        self._layout: Layout | None = None
        self._keys: list[K] = []
        self._index = np.zeros(0, np.intp)
        self._seen = np.zeros(0, np.int64)

    def frame(self, now: int, keys: Sequence[K], values: Sequence[float] | Values) -> tuple[Layout, Values, Mask]:
        """Place `values`, one for each of the distinct `keys`, at `now` (ns).

        Returns the layout, values float64[k] and presence bool[k]. Costs one list comparison when the keys are those of
        the frame before, in the same order.
        """
        if self._layout is not None and self._renewal_due(now):
            self._layout = None
        if self._layout is None or keys != self._keys:
            self._admit(keys)
        layout = self._layout
        assert layout is not None
        row = np.full(len(layout), np.nan)
        row[self._index] = values
        present = np.zeros(len(layout), bool)
        present[self._index] = True
        self._seen[self._index] = now
        return layout, row, present

    def _admit(self, keys: Sequence[K]) -> None:
        if self._layout is None:
            self._place.clear()
        fresh = [key for key in keys if key not in self._place]
        if fresh and len(self._place) + len(fresh) > 4 * len(keys) + ROOM:
            self._layout, fresh = None, list(keys)
            self._place.clear()
        if fresh or self._layout is None:
            described = [self._describe(key) for key in fresh]
            series, columns = [s for s, _ in described], [c for _, c in described]
            devices = self._devices(series)
            if self._layout:
                known = {device.name for device in self._layout.devices}
                devices = [device for device in devices if device.name not in known]
                self._layout = self._layout.grown(series, columns, devices)
            else:
                self._layout = Layout.of(series, columns, devices=devices)
            self._place.update((key, i) for i, key in enumerate(fresh, start=len(self._place)))
            self._seen = np.concatenate([self._seen[: len(self._layout) - len(fresh)], np.zeros(len(fresh), np.int64)])
        self._keys = list(keys)
        self._index = np.fromiter((self._place[key] for key in keys), np.intp, len(keys))

    def _renewal_due(self, now: int) -> bool:
        last = int(self._seen.max(initial=0))
        if not last or now // HOUR == last // HOUR:
            return False
        dead = np.count_nonzero(self._seen < last - HOUR)
        return bool(dead * 4 > len(self._seen))

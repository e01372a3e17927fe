"""Loose samples to frames: values of equal device and time come to stand side by side.

A device and its parts (`rack-1`, `rack-1/outlet-3`) mostly answer together. So series are grouped by the root of the
device's name; where less than half of such a matrix would be filled, by device; where that is no better, each series
stands alone. A group is a layout, and one instant of a group is a frame.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wattline.model import Batch, Column, Device, Layout, Loose, Series, Times, pack_mask

DENSE: Final = 0.5
"""Share of a layout's values that must be present, or its series are better kept apart."""

Index = NDArray[np.int64]


def _root(series: Series) -> str:
    return series.device.partition("/")[0]


def _device(series: Series) -> str:
    return series.device


LEVELS: Final = (_root, _device)
"""Names by which series are grouped, the widest first."""


class Census:
    """Counts samples and instants of series and of their groups, so that layouts can be chosen for all of them.

    Feed it every part of the samples (`count`), then ask for `layouts`. Series may be appended between two parts. Two
    parts of one instant count it twice, which errs on the side of narrow layouts.
    """

    def __init__(self) -> None:
        self._samples = np.zeros(0, np.int64)
        self._instants: tuple[dict[str, int], ...] = tuple({} for _ in LEVELS)

    def count(self, series: Sequence[Series], index: Index, time: Times) -> None:
        """Count samples: `index` int64[n] into `series`, `time` int64[n] ns."""
        counted = np.bincount(index, minlength=len(series))
        counted[: len(self._samples)] += self._samples
        self._samples = counted
        for name_of, instants in zip(LEVELS, self._instants, strict=True):
            names, group = _numbered([name_of(one) for one in series])
            for name, found in zip(names, _instants(group[index], time, len(names)), strict=True):
                instants[name] = instants.get(name, 0) + int(found)

    def layouts(
        self, series: Sequence[Series], columns: Sequence[Column], devices: Mapping[str, Device] | None = None
    ) -> list[Layout]:
        """Return the layouts, which hold each series once, in the order of the first series of each."""
        described = devices or {}
        groups = self._split(list(range(len(series))), series, 0)
        return [
            Layout.of(
                [series[place] for place in group],
                [columns[place] for place in group],
                devices=[
                    described[name] for name in dict.fromkeys(series[p].device for p in group) if name in described
                ],
            )
            for group in sorted(groups)
        ]

    def _split(self, places: list[int], series: Sequence[Series], level: int) -> list[list[int]]:
        if level == len(LEVELS):
            return [[place] for place in places]
        groups: dict[str, list[int]] = {}
        for place in places:
            groups.setdefault(LEVELS[level](series[place]), []).append(place)
        found = []
        for name, group in groups.items():
            room = self._instants[level].get(name, 0) * len(group)
            is_dense = self._samples[group].sum() >= DENSE * room
            found += [group] if is_dense else self._split(group, series, level + 1)
        return found


def batches(loose: Loose, layouts: Sequence[Layout] | None = None) -> list[Batch]:
    """Return the frames of loose samples, one batch for each layout of which there are samples.

    The first batch has the sequence of `loose`, the next ones count on from it. Of several samples with one series and
    time the last stays. `layouts` must hold every series once; without them they are chosen for these samples alone.
    """
    if layouts is None:
        census = Census()
        census.count(loose.series, loose.index, loose.time)
        layouts = census.layouts(loose.series, loose.columns)
    group, place = _places(loose.series, layouts)
    order = _order(group[loose.index], loose.time)
    index, time, value = loose.index[order], loose.time[order], loose.value[order]
    groups, places = group[index], place[index]
    edges = np.flatnonzero(np.diff(groups, prepend=-1, append=-1)) if len(groups) else np.zeros(1, np.int64)
    found: list[Batch] = []
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        number = int(groups[first])
        layout, part = layouts[number], slice(first, last)
        texts = {int(place[i]): texts for i, texts in loose.texts.items() if group[i] == number}
        instant = np.diff(time[part], prepend=time[first] - 1) != 0
        rows = np.cumsum(instant) - 1
        values, mask = np.full((rows[-1] + 1, len(layout)), np.nan), np.zeros((rows[-1] + 1, len(layout)), bool)
        values[rows, places[part]], mask[rows, places[part]] = value[part], True
        found.append(
            Batch(layout, time[part][instant], values, pack_mask(mask), texts,
                  loose.source, loose.run, loose.sequence + len(found))
        )  # fmt: skip
    return found


def _places(series: Sequence[Series], layouts: Sequence[Layout]) -> tuple[Index, Index]:
    """Return for each series the number of its layout and its place there."""
    where = {one.key: (n, k) for n, layout in enumerate(layouts) for k, one in enumerate(layout.series)}
    both = np.array([where[one.key] for one in series], np.int64).reshape(-1, 2)
    return both[:, 0].copy(), both[:, 1].copy()


def _order(groups: Index, time: Times) -> Index:
    """Sort by (group, time), equals in the order in which they came."""
    if (np.diff(time) >= 0).all():  # as files mostly are; sorting few small numbers is a radix sort
        small = groups.astype(np.uint16) if groups.max(initial=0) < 2**16 else groups
        return np.argsort(small, kind="stable")
    return np.lexsort((time, groups))


def _instants(groups: Index, time: Times, count: int) -> Index:
    """Count the distinct (group, time) of each group."""
    order = _order(groups, time)
    groups, time = groups[order], time[order]
    is_new = np.ones(len(groups), bool)
    is_new[1:] = (groups[1:] != groups[:-1]) | (time[1:] != time[:-1])
    return np.bincount(groups[is_new], minlength=count)


def _numbered(names: Sequence[str]) -> tuple[list[str], Index]:
    numbers: dict[str, int] = {}
    found = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)
    return list(numbers), found

"""What the store holds of devices, as if they had been watched: nobody is asked for anything."""

import fnmatch
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from wattline.core.integral import Nature, nature
from wattline.core.quality import spacing
from wattline.doctor.observed import Observed, Track
from wattline.model import Times, Values
from wattline.plugin import Entry, Store
from wattline.units import NANOSECONDS

MOST: Final = 100_000
"""Samples of a series that are looked at: the newest."""


def observe_store(
    store: Store[Any], names: Sequence[str], start: int, end: int, device: Callable[[], None]
) -> list[Observed]:
    """Return what the store holds in [start, end) (ns) of each device with power or energy whose name matches one of
    `names` (globs; none: all). Calls `device` after each. Blocks.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in store.entries():
        name = entry.series.device
        if nature(entry.series.metric) is Nature.LEVEL:
            continue
        if not names or any(fnmatch.fnmatchcase(name, glob) for glob in names):
            groups.setdefault(name, []).append(entry)
    found = []
    for name, entries in sorted(groups.items()):
        found.append(_observed(store, name, entries, start, end))
        device()
    return found


def _observed(store: Store[Any], name: str, entries: Sequence[Entry], start: int, end: int) -> Observed:
    pieces: dict[int, list[tuple[Times, Values]]] = {entry.id: [] for entry in entries}
    for blocks in store.samples(list(pieces), start, end):
        for block in blocks:
            for i, number in enumerate(block.ids):
                values = block.values[:, i]
                there = np.isfinite(values) if block.present is None else block.present[:, i] & np.isfinite(values)
                pieces[number].append((block.time[there], values[there]))
    tracks = tuple(track for entry in entries if (track := _track(entry, pieces[entry.id])) is not None)
    periods = [period for track in tracks if (period := track.column.period or spacing(track.time))]
    failure = "" if tracks else "the store has no sample of it in this time"
    return Observed(
        meter=name, every=min(periods, default=None), asked=max((len(t.time) for t in tracks), default=0),
        failure=failure, tracks=tracks,
    )  # fmt: skip


def _track(entry: Entry, pieces: Sequence[tuple[Times, Values]]) -> Track | None:
    time = np.concatenate([np.zeros(0, np.int64), *(time for time, _ in pieces)])[-MOST:]
    values = np.concatenate([np.zeros(0), *(values for _, values in pieces)])[-MOST:]
    if not len(time):
        return None
    order = np.argsort(time, kind="stable")
    time, values = time[order], values[order]
    span = (int(time[-1]) - int(time[0])) / NANOSECONDS
    period = entry.column.period
    share = min(1.0, (len(time) - 1) * period / span) if period and span > 0 else 1.0
    return Track(entry.series, entry.column, time, values, share)

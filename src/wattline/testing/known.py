"""Meters whose every value is a function of series and time, in a store: any loss, swap or repeat is seen."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import numpy as np

from wattline.model import Batch, Column, Kind, Layout, Metric, Series
from wattline.plugin import Store
from wattline.testing.store_scenario import BEGIN, written
from wattline.units import NANOSECONDS, Unit

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE)
ENERGY: Final = Metric("energy_joules", Unit.JOULE, Kind.COUNTER)
ALWAYS: Final = (0, 2**62)
S = TypeVar("S", bound=Store[Any])


def layout(meter: object, k: int = 4) -> Layout:
    """Return `k` outlets of a meter, watts and joules in turn."""
    metrics = (POWER, ENERGY)
    return Layout.of(
        [Series.of(f"{meter}/outlet-{i}", metrics[i % 2]) for i in range(k)], [Column(period=1.0, rated=900.0)] * k
    )


def value(meter: int, series: int, second: int) -> float:
    """Return what the meter shows: a function of series and time, so that any loss or swap is seen."""
    return float((meter * 7919 + series * 104_729 + second * 31) % 5000) / 10


def frames(
    of: Layout, meter: int, seconds: Sequence[int] | range, sequence: int, *, run: int = 1, source: str | None = None
) -> Batch:
    """Return what a meter shows at `seconds` after BEGIN."""
    at = np.asarray(seconds)
    values = np.array([[value(meter, i, int(s)) for i in range(len(of))] for s in at])
    return Batch(of, BEGIN + at * NANOSECONDS, values, None, {}, source or f"m{meter}", run, sequence)


@asynccontextmanager
async def running(store: S) -> AsyncIterator[S]:
    """Open a store and close it at the end."""
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def sound(store: Any) -> list[str]:
    """Return what the own check of a store that has one finds wrong."""
    return [line for step in store.verify() for line in step.lines]


def held(store: Store[Any]) -> dict[str, dict[int, float]]:
    """Return (time, value) of every series, and assert that no sample is there twice."""
    entries = store.entries()
    found = written(store.samples([entry.id for entry in entries], *ALWAYS))
    for samples in found.values():
        times = [time for time, _ in samples]
        assert len(times) == len(set(times)), "a sample is there twice"
    by_id = {entry.id: entry.series.device for entry in entries}
    return {
        by_id[number]: {t: float(np.array([v], np.int64).view(np.float64)[0]) for t, v in samples}
        for number, samples in found.items()
    }

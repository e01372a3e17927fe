"""A store that is open, with an event loop of its own: for tests that are no coroutines."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from wattline.model import Batch, Outage, Run, Series
from wattline.plugin import Entry, Store
from wattline.testing.store_scenario import BEGIN, HOUR, by_key, written

ALWAYS: Final = (BEGIN - 100 * HOUR, BEGIN + 100 * HOUR)
"""Holds every scenario."""


class Opened:
    """A store with an event loop of its own, driven from a test that is no coroutine."""

    def __init__(self, store: Store[Any], runner: asyncio.Runner) -> None:
        self.store = store
        self._runner = runner

    def run(self, work: Coroutine[Any, Any, object]) -> None:
        """Wait for what a method of the store began."""
        self._runner.run(work)

    def write(self, *batches: Batch) -> None:
        """Write and wait for the acknowledgement."""
        self.run(self.store.write(batches))

    def note(self, outages: Sequence[Outage] = (), runs: Sequence[Run] = ()) -> None:
        """Note outages and lives."""
        self.run(self.store.note(outages, runs))

    def entry(self, series: Series) -> Entry:
        """Return the entry of a series."""
        return by_key(self.store.entries())[series.key]

    def held(self, series: Series, window: tuple[int, int] = ALWAYS) -> list[tuple[int, int]]:
        """Return (time, bits of the value) of one series."""
        number = self.entry(series).id
        return written(self.store.samples([number], *window)).get(number, [])

    def around(self, series: Series, start: int, end: int) -> list[int]:
        """Return the times of a window and its neighbours."""
        number = self.entry(series).id
        return [t for t, _ in written(self.store.samples([number], start, end, around=True)).get(number, [])]


@contextmanager
def opened(store: Store[Any]) -> Iterator[Opened]:
    """Open a store and close it at the end."""
    with asyncio.Runner() as runner:
        runner.run(store.open())
        try:
            yield Opened(store, runner)
        finally:
            runner.run(store.close())

"""The live stream: what the store has acknowledged, to whoever listens, at once.

`publish` is called after the commit and never waits: a subscriber that is slow loses its oldest publications, and both
it and the figures know how many batches those were. `last` is the newest committed value of every series.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import numpy as np

from wattline.errors import Refused
from wattline.model import Batch, Layout, Series, Times, Values
from wattline.units import NANOSECONDS

FORGET: Final = 3600 * NANOSECONDS
"""How long the last values of a layout that its source gave up are kept, ns."""


class Latest:
    """The newest committed values of one layout of one source: `time` int64[k] (0: never), `values` float64[k].

    A value of a `state` column is an index into `texts[column]`.
    """

    __slots__ = ("layout", "run", "source", "texts", "time", "values")

    def __init__(self, batch: Batch, before: "Latest | None") -> None:
        self.source = batch.source
        self.run = batch.run
        self.layout = batch.layout
        self.time: Times = np.zeros(len(self.layout), np.int64)
        self.values: Values = np.full(len(self.layout), np.nan)
        self.texts: dict[int, tuple[str, ...]] = {}
        if before is not None and before.layout.series == self.layout.series[: len(before.layout)]:
            self.time[: len(before.time)] = before.time
            self.values[: len(before.values)] = before.values
            self.texts = before.texts

    def take(self, batch: Batch) -> None:
        """Take the newest value of each series; a batch that is late in its own life changes nothing."""
        if batch.run == self.run and batch.time[-1] < self.time.max(initial=0):
            return
        self.run, self.texts = batch.run, {**self.texts, **batch.texts}
        if batch.present is None:
            self.time[:] = batch.time[-1]
            self.values[:] = batch.values[-1]
            return
        mask = batch.mask()
        row = len(mask) - 1 - mask[::-1].argmax(axis=0)  # the last frame in which each series is there
        there = np.flatnonzero(mask.any(axis=0))
        self.time[there] = batch.time[row[there]]
        self.values[there] = batch.values[row[there], there]

    @property
    def newest(self) -> int:
        """Time of the newest value, ns."""
        return int(self.time.max(initial=0))


class Subscriber:
    """One listener: iterate over it for publications, each a sequence of batches. `dropped` counts batches lost."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Sequence[Batch]] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def offer(self, batches: Sequence[Batch]) -> int:
        """Queue a publication; returns how many batches had to make room for it."""
        lost = len(self._waiting.popleft()) if len(self._waiting) >= self._limit else 0
        self.dropped += lost
        self._waiting.append(batches)
        self._arrived.set()
        return lost

    def close(self) -> None:
        """End the iteration after what is queued."""
        self._closed = True
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[Sequence[Batch]]:
        return self

    async def __anext__(self) -> Sequence[Batch]:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()


class Live:
    """Publish and subscribe, in one event loop; `most` subscribers at once."""

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._subscribers: set[Subscriber] = set()
        self._latest: dict[tuple[str, bytes], Latest] = {}
        self.dropped = 0

    def publish(self, batches: Sequence[Batch]) -> None:
        """Give what was committed to every subscriber."""
        for batch in batches:
            if len(batch):
                self._remember(batch)
        for subscriber in self._subscribers:
            self.dropped += subscriber.offer(batches)

    @asynccontextmanager
    async def subscribe(self, limit: int = 16) -> AsyncIterator[Subscriber]:
        """Listen from now on; at most `limit` publications wait. Raises Refused when too many listen already."""
        if len(self._subscribers) >= self._most:
            raise Refused(f"{self._most} clients listen already, which is the limit (clients.live)")
        subscriber = Subscriber(limit)
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    def close(self) -> None:
        """Let every subscriber's iteration end, so that their connections can close."""
        for subscriber in self._subscribers:
            subscriber.close()

    @property
    def subscribers(self) -> int:
        """How many listen."""
        return len(self._subscribers)

    @property
    def latest(self) -> Iterable[Latest]:
        """The newest values by source and layout, as arrays: for who reads many."""
        return tuple(self._latest.values())

    @property
    def last(self) -> Mapping[Series, tuple[int, float]]:
        """The newest committed (time, value) of every series; made anew at each call, in time linear in the series."""
        newest: dict[Series, tuple[int, float]] = {}
        for latest in self._latest.values():
            pairs = zip(latest.time.tolist(), latest.values.tolist(), strict=True)
            for series, pair in zip(latest.layout.series, pairs, strict=True):
                if pair[0] and pair[0] >= newest.get(series, (0, 0.0))[0]:
                    newest[series] = pair
        return newest

    def layouts(self) -> Sequence[Layout]:
        """Return the layouts of which something was committed."""
        return [latest.layout for latest in self._latest.values()]

    def _remember(self, batch: Batch) -> None:
        name = (batch.source, batch.layout.family)
        latest = self._latest.get(name)
        if latest is None or latest.layout is not batch.layout:
            if latest is None:
                self._forget(batch)
            if latest is None or latest.layout.id != batch.layout.id:
                latest = self._latest[name] = Latest(batch, latest)
            latest.layout = batch.layout
        latest.take(batch)

    def _forget(self, batch: Batch) -> None:
        """Let go of layouts that the source of a new one has given up long ago."""
        edge = int(batch.time[-1]) - FORGET
        old = [name for name, latest in self._latest.items() if name[0] == batch.source and latest.newest < edge]
        for name in old:
            del self._latest[name]

"""From the queue before a sink into the sink: one loop for each, one write at a time.

Writes are grouped: at most one in `every` seconds, and at once when nothing was waiting. To return from `write` is the
sink's acknowledgement, and only then is anybody told. What a sink that fails has not acknowledged stays in the queue,
in order; the queue is bounded, its oldest batches make room, and every sample lost so is counted and leaves an outage.
What a sink refuses contradicts what it holds: the batch is found, counted and dropped, and the rest is written. So is
one over which the sink falls, if it takes others.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from wattline.errors import Refused
from wattline.model import Batch, Cause, Outage, Run
from wattline.plugin import Sink, Store
from wattline.runtime.backlog import Backlog
from wattline.runtime.failure import failure
from wattline.runtime.measures import Measures
from wattline.runtime.ticks import Clock
from wattline.units import NANOSECONDS

MOST: Final = 1_000_000
"""Samples in one write."""
LONGEST_BACK_OFF: Final = 10.0
"""Most seconds between two tries of a sink: a disk that has room again is found soon."""
LAST_TRIES: Final = 0.1
"""Seconds between two tries of a failing sink while the program ends."""
PATIENCE: Final = 60.0
"""Seconds that one write may last."""
_NOTES: Final = 100_000
"""Most outages and runs that wait to be noted."""
_REFUSED_FOR: Final = 60 * NANOSECONDS
"""How long batches of a layout are dropped without asking again, ns (monotonic), ..."""
_REFUSED_OFTEN: Final = 3
"""... after so many of them were refused: to find a refused one costs several writes."""

log = logging.getLogger("wattline.sinks")


class Drain:
    """The queue before one sink, and the loop that empties it.

    `acknowledged` is called with what was written, after each write.
    """

    def __init__(
        self,
        sink: Sink[Any],
        name: str,
        clock: Clock,
        measures: Measures,
        *,
        every: float,
        limit: int,
        acknowledged: Callable[[Sequence[Batch]], object] | None = None,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        self.sink = sink
        self.name = name
        self._clock = clock
        self._measures = measures
        self._every = every
        self._acknowledged = acknowledged
        self._secrets = secrets
        self.backlog = Backlog(limit)
        self._lost: dict[str, tuple[int, int]] = {}
        self._refused: dict[bytes, tuple[int, int]] = {}
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failing_since: int | None = None
        self._failures = 0

    @property
    def failing(self) -> bool:
        """Whether the last write failed."""
        return self._failing_since is not None

    def give(self, batches: Sequence[Batch]) -> None:
        """Queue batches; never waits."""
        self._drop(self.backlog.put(batches))
        self._woken.set()

    def stop(self) -> None:
        """Let `run` end when all is written."""
        self._stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Write what comes until `stop`, and then what is left; ends by cancellation if that takes too long."""
        written = self._clock.monotonic() - int(self._every * NANOSECONDS)
        while True:
            await self._woken.wait()
            since = (self._clock.monotonic() - written) / NANOSECONDS
            if since < self._every:
                await self._pause(self._every - since)
            self._woken.clear()
            written = self._clock.monotonic()
            emptied = await self._emptied()
            if self._stopping.is_set():
                if not self._waiting():
                    return
                await self._clock.sleep(LAST_TRIES)
            elif not emptied:
                await self._pause(self._back_off())
            if not emptied or self._stopping.is_set():
                self._woken.set()

    def _waiting(self) -> bool:
        return bool(len(self.backlog))

    async def _emptied(self) -> bool:
        """Write all that waits now, a part at a time; False: the sink fails."""
        while batches := self.backlog.take(MOST):
            batches = self._wanted(batches)
            try:
                refused = await self._write(batches)
            except asyncio.CancelledError:
                self.backlog.put_back(batches)
                raise
            except Exception as error:  # noqa: BLE001 - a stranger's sink; `_failed` says what it means
                self._failed(error)
                self._drop(self.backlog.put_back(batches))
                return False
            self._wrote([batch for batch in batches if id(batch) not in refused])
        return True

    async def _write(self, batches: Sequence[Batch]) -> set[int]:
        """Write batches; returns those (by `id`) that the sink does not take for good.

        Raises what the sink raises, if nothing at all can be written.
        """
        if not batches:
            return set()
        bad = await self._sorted_out(batches)
        if len(bad) == len(batches) and (bugs := [error for _, error in bad if not isinstance(error, Refused)]):
            raise bugs[0]  # it is the sink, and no batch of them
        for batch, error in bad:
            self._refuse(batch, error)
        return {id(batch) for batch, _ in bad}

    async def _sorted_out(self, batches: Sequence[Batch]) -> list[tuple[Batch, Exception]]:
        """Write batches; returns those that the sink refuses or falls over, found by halving, and how."""
        begun = self._clock.monotonic()
        try:
            async with self._clock.timeout(PATIENCE):
                await self.sink.write(batches)
        except Exception as error:
            if isinstance(error, OSError) or not (isinstance(error, Refused) or failure(error, ()).bug):
                raise
            if len(batches) == 1:
                return [(batches[0], error)]
            half = len(batches) // 2
            return await self._sorted_out(batches[:half]) + await self._sorted_out(batches[half:])
        self._measures.commit_seconds.add((self._clock.monotonic() - begun) / NANOSECONDS, self.name)
        return []

    def _wrote(self, batches: Sequence[Batch]) -> None:
        if self._failing_since is not None:
            seconds = (self._clock.monotonic() - self._failing_since) / NANOSECONDS
            log.info("%s takes samples again after %.0f s", self.name, seconds)
            self._failing_since, self._failures = None, 0
        if batches:
            self._measures.committed.add(sum(batch.size for batch in batches), self.name)
            if self._acknowledged is not None:
                self._acknowledged(batches)

    def _failed(self, error: Exception) -> None:
        meant = failure(error, self._secrets, timeout=PATIENCE)
        self._failures += 1
        self._measures.write_failures.add(1, self.name)
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()
            log.error(
                "%s takes no samples, they wait: %s", self.name, meant.text, exc_info=error if meant.bug else None
            )

    def _back_off(self) -> float:
        return min(LONGEST_BACK_OFF, self._every * 2.0 ** min(self._failures - 1, 30)) if self._failures else 0.0

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until `stop`."""
        try:
            async with self._clock.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    # --- losses ---

    def _drop(self, batches: Sequence[Batch]) -> None:
        """Count batches that made room, and remember when they were, for the outages of their meters."""
        for batch in batches:
            self._measures.dropped.add(batch.size, self.name)
            meter = batch.source.partition("/")[2]
            first, last = self._lost.get(meter, (int(batch.time[0]), 0))
            self._lost[meter] = (min(first, int(batch.time[0])), max(last, int(batch.time[-1])))

    def _wanted(self, batches: Sequence[Batch]) -> list[Batch]:
        """Leave out batches of layouts that were refused a short while ago."""
        if not self._refused:
            return list(batches)
        now = self._clock.monotonic()
        self._refused = {layout: seen for layout, seen in self._refused.items() if seen[1] > now}
        often = {layout for layout, (count, _) in self._refused.items() if count >= _REFUSED_OFTEN}
        wanted = [batch for batch in batches if batch.layout.id not in often]
        if lost := sum(batch.size for batch in batches) - sum(batch.size for batch in wanted):
            self._measures.refused.add(lost, self.name)
        return wanted

    def _refuse(self, batch: Batch, error: Exception) -> None:
        self._measures.refused.add(batch.size, self.name)
        count, _ = self._refused.get(batch.layout.id, (0, 0))
        if not count:
            meant = failure(error, self._secrets)
            trace = error if meant.bug else None
            log.error("%s refuses samples of %s: %s", self.name, batch.source, meant.text, exc_info=trace)
        self._refused[batch.layout.id] = (count + 1, self._clock.monotonic() + _REFUSED_FOR)


class StoreDrain(Drain):
    """The drain of the store, which also notes outages and runs."""

    sink: Store[Any]

    def __init__(self, sink: Store[Any], *given: Any, **options: Any) -> None:
        super().__init__(sink, *given, **options)
        self._outages: dict[tuple[str, int], Outage] = {}
        self._runs: dict[tuple[str, int], Run] = {}

    def note(self, outages: Sequence[Outage] = (), runs: Sequence[Run] = ()) -> None:
        """Keep outages and runs for the next commit; the newest word on each counts."""
        for outage in outages:
            self._outages[outage.meter, outage.start] = outage
        for run in runs:
            self._runs[run.source, run.start] = run
        while len(self._outages) > _NOTES:
            del self._outages[next(iter(self._outages))]
        while len(self._runs) > _NOTES:
            del self._runs[next(iter(self._runs))]
        if outages or runs:
            self._woken.set()

    def _waiting(self) -> bool:
        return super()._waiting() or bool(self._outages or self._runs)

    async def _emptied(self) -> bool:
        if not await super()._emptied():
            return False
        for meter, (first, last) in self._lost.items():
            lost = Outage(meter, first, last, Cause.OVERRUN, "samples were lost while the store took none")
            self._outages[meter, first] = lost
        self._lost.clear()
        if not (self._outages or self._runs):
            return True
        outages, runs = self._outages, self._runs
        self._outages, self._runs = {}, {}
        try:
            await self.sink.note(tuple(outages.values()), tuple(runs.values()))
        except BaseException as error:
            self._outages, self._runs = {**outages, **self._outages}, {**runs, **self._runs}
            if not isinstance(error, Exception):
                raise
            self._failed(error)
            return False
        self._wrote(())
        return True

"""The engine: all meters, the store and the other sinks of one site, wired and supervised.

    meters' loops ──give──▶ the drain of each sink ──▶ the sink
                  ──note──▶ the store's drain ──acknowledged──▶ live

Every task has an owner, the group of `run`. A meter that fails never ends the program, nor does a sink. An end lets
the meters go first, then the drains write what they hold, then the store closes: all within `END` seconds.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from wattline.core.promotion import Wishes
from wattline.errors import Misconfigured
from wattline.model import Batch, Outage, Run
from wattline.plugin import Polled, Store, Streamed
from wattline.runtime.config import PluginConfig, secrets, store_config
from wattline.runtime.discreet import keep_quiet
from wattline.runtime.drain import Drain, StoreDrain
from wattline.runtime.failure import failure
from wattline.runtime.health import Health, Pulse, Speaking, Waiting
from wattline.runtime.live import Live
from wattline.runtime.measures import Measures
from wattline.runtime.meters import hidden
from wattline.runtime.nowhere import Nowhere
from wattline.runtime.outages import Past
from wattline.runtime.poll import poll
from wattline.runtime.promotions import FILE, Promotions, names_of
from wattline.runtime.registry import Registry
from wattline.runtime.site import MeterConfig, Site
from wattline.runtime.source import Source, Surroundings
from wattline.runtime.spool import Spool
from wattline.runtime.spooled import SpooledDrain
from wattline.runtime.stream import stream
from wattline.runtime.ticks import Clock, Life, SystemClock

END: Final = 5.0
"""Seconds within which `run` ends, once it is asked to: for the meters, the drains and the store in turn ..."""
_FOR_METERS, _FOR_DRAINS, _FOR_STORE = 1.3, 2.4, 1.0
_LOOK: Final = 1.0
"""Seconds between two looks at the clock, which find its steps even where no meter is asked."""
_AT_START: Final = ("host", "listen", "data", "store", "commit_every", "queue", "retention", "clients")
"""Keys that a reload cannot change."""

log = logging.getLogger("wattline.engine")


class Reader:
    """One meter that is read, or not (it is optional, or cannot be made): its configuration, health and task."""

    def __init__(self, meter: MeterConfig, pulse: Pulse, source: Source | None = None) -> None:
        self.meter = meter
        self.pulse = pulse
        self.source = source
        self.task: asyncio.Task[None] | None = None

    @property
    def reading(self) -> bool:
        """Whether its loop runs."""
        return self.task is not None and not self.task.done()


class Engine:
    """Runs a site; `store`, `health` and `live` may be given to others for reading. `started`: the store is open."""

    def __init__(
        self, site: Site, registry: Registry, *, clock: Clock | None = None, store: Store[Any] | None = None
    ) -> None:
        """Make everything, open nothing. Raises Misconfigured when there is no such store or sink."""
        self.site = site
        self.clock = clock or SystemClock()
        self.started = asyncio.Event()
        self._registry = registry
        self._measures = Measures()
        self.live = Live(site.clients.live)
        chosen = store_config(site, registry) if store is None else PluginConfig(name="store", driver="", options=None)
        self.store: Store[Any] = store or registry.store(chosen.driver)(chosen.options)
        self.health = Health(lambda: [one.pulse for one in self._readers.values()], self._measures.counters,
                             self._measures.page)  # fmt: skip
        self.promotions = Promotions(site.data / FILE, self.clock.now)
        self._heeded: Wishes | None = None
        self._readers: dict[str, Reader] = {}
        self._changing = asyncio.Lock()
        """Held while readers come and go: whoever waits for one to end must find the others as they were."""
        self._sinks: dict[str, tuple[PluginConfig, SpooledDrain, asyncio.Task[None] | None]] = {}
        self._drain = StoreDrain(
            self.store,
            "store",
            self.clock,
            self._measures,
            every=site.commit_every,
            limit=site.queue,
            acknowledged=None if isinstance(self.store, Nowhere) else self._stored,
            secrets=secrets(chosen.options),
        )
        self._around = Surroundings(
            clock=self.clock,
            life=Life(self.clock),
            onward=self,
            measures=self._measures,
            host=site.host,
            devices={device.name: device for device in site.devices},
        )
        self._group: asyncio.TaskGroup | None = None
        self._stop = asyncio.Event()
        self._show()

    # --- what meters hand on ---

    def give(self, batches: Sequence[Batch]) -> None:
        """Take batches of a meter to every sink."""
        self._drain.give(batches)
        for _, drain, _ in self._sinks.values():
            drain.give(batches)

    def note(self, outages: Sequence[Outage] = (), runs: Sequence[Run] = ()) -> None:
        """Keep outages and runs with the store's next commit."""
        self._drain.note(outages, runs)

    def _stored(self, batches: Sequence[Batch]) -> None:
        """Show what the store has, and tell the meters that it came from."""
        self.live.publish(batches)
        for batch in batches:
            reader = self._readers.get(batch.source.partition("/")[2])
            if reader is not None and reader.source is not None:
                reader.source.stored(batch)

    # --- life ---

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end within 5 s with nothing acknowledged lost. When every meter has left for
        good, it is set here.

        Raises what opening the store raises: without one, nothing can be promised.
        """
        await self.store.open()
        try:
            await asyncio.to_thread(self.promotions.load)
            past = await asyncio.to_thread(Past.of, self.store, self.clock.now())
            self._around = replace(self._around, past=past)
            await self._supervise(stop)
        except ExceptionGroup as group:
            # A sink whose spool cannot be made: one clear error, as from opening the store.
            if len(group.exceptions) == 1 and isinstance(group.exceptions[0], Misconfigured):
                raise group.exceptions[0] from None
            raise
        finally:
            self._group = None
            await self._bounded(self.store.close(), _FOR_STORE)

    async def reload(self, site: Site) -> None:
        """Go on with another configuration; what did not change is not interrupted, and what has stopped tries again.

        Raises Misconfigured, and changes nothing, when it changes what only a start can.
        """
        if stuck := [name for name in _AT_START if getattr(site, name) != getattr(self.site, name)]:
            raise Misconfigured(f"{', '.join(stuck)} cannot change while the program runs; start it again")
        for sink in site.sinks:
            self._registry.sink(sink.driver)
        async with self._changing:
            await self._change(site)

    async def _change(self, site: Site) -> None:
        await self._change_sinks(site.sinks)
        wanted = {meter.name: meter for meter in site.meters}
        gone = [one for one in self._readers.values() if wanted.get(one.meter.name) != one.meter or not one.reading]
        await self._let_go(gone)
        for one in gone:
            del self._readers[one.meter.name]
            if one.source is not None:
                one.source.removed()
        if site.devices != self.site.devices:
            self._around = replace(self._around, devices={device.name: device for device in site.devices})
            for one in self._readers.values():
                if one.source is not None:
                    one.source.redress(self._around.devices)
        self._around = replace(self._around, past=Past())  # what was before this life is noted by now
        for meter in site.meters:
            if meter.name not in self._readers:
                self._add_meter(meter)
        self.site = site

    async def _supervise(self, stop: asyncio.Event) -> None:
        """Own every task until `stop`, and end them in order."""
        self._stop = stop
        async with asyncio.TaskGroup() as self._group:
            writing = self._group.create_task(self._drain.run(), name="store")
            watching = self._group.create_task(self._watch(), name="clock")
            for sink in self.site.sinks:
                await self._add_sink(sink)
            for meter in self.site.meters:
                self._add_meter(meter)
            self.started.set()
            try:
                await stop.wait()
            finally:
                watching.cancel()
                await self._end(writing)

    async def _end(self, writing: asyncio.Task[None]) -> None:
        """Let meters go, then write what is left."""
        await self._let_go(list(self._readers.values()))
        drains: list[Drain] = [self._drain, *(drain for _, drain, _ in self._sinks.values())]
        for drain in drains:
            drain.stop()
        tasks = [writing, *(task for _, _, task in self._sinks.values() if task is not None)]
        _, late = await asyncio.wait(tasks, timeout=_FOR_DRAINS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=_FOR_STORE)
        for drain in drains:
            if drain.backlog.samples:
                log.error("%d samples were not stored: %s took none", drain.backlog.samples, drain.name)
        self.live.close()

    async def _watch(self) -> None:
        """Look once a second for a step of the clock, and for what is promoted."""
        while True:
            await self.clock.sleep(_LOOK)
            self._around.life.observe()
            if self.promotions.wishes is not self._heeded:
                await self._heed()

    async def _bounded(self, closing: Any, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await closing
        except Exception as error:  # noqa: BLE001 - nothing acknowledged depends on closing
            log.warning("the store did not close: %s", failure(error, (), timeout=seconds).text)

    # --- meters ---

    def _add_meter(self, meter: MeterConfig) -> None:
        assert self._group is not None
        reader = self._readers[meter.name] = self._reader(meter)
        if reader.source is not None:
            reader.task = self._group.create_task(self._read(reader.source), name=meter.name)

    async def _heed(self) -> None:
        """Begin to read the optional meters that are wanted now, and let go of those that are not any more."""
        async with self._changing:
            await self._heed_wishes()

    async def _heed_wishes(self) -> None:
        self._heeded = self.promotions.wishes
        self._around = replace(self._around, past=Past())  # a meter that nobody wanted left no hole
        for one in [one for one in self._readers.values() if one.meter.optional]:
            wanted, idle = self._is_wanted(one.meter), one.source is None and isinstance(one.pulse.state, Waiting)
            if wanted and idle:
                self._add_meter(one.meter)
            elif not wanted and not idle:
                await self._let_go([one])
                if one.source is not None:
                    one.source.removed()
                if self._readers.get(one.meter.name) is one:
                    self._readers[one.meter.name] = self._reader(one.meter)

    def _is_wanted(self, meter: MeterConfig) -> bool:
        """Say whether an optional meter is promoted; one whose driver there is not is read, to say so."""
        try:
            declared = [metric.name for metric in self._registry.driver(meter.driver).metrics]
        except Misconfigured:
            return True
        return self.promotions.wanted(*names_of(meter, declared))

    def _reader(self, meter: MeterConfig) -> Reader:
        """Make a meter's driver; one that cannot be made is silent, and says why."""
        pulse = Pulse(meter.name, meter.driver, meter.address, meter.every, self.clock.now())
        if meter.optional and not self._is_wanted(meter):
            return Reader(meter, pulse)
        try:
            driver = self._registry.driver(meter.driver)(meter.options)
            driver.promoted = self.promotions.wanted
            source = Source(meter, driver, self._around)
        except Exception as error:  # noqa: BLE001 - a stranger's driver; `failure` says what it means
            meant = failure(error, hidden(meter))
            pulse.fell_silent(self.clock.now(), meant.cause, meant.text, stopped=True)
            log.log(logging.ERROR, "%s cannot be read: %s", meter.name, meant.text)
            return Reader(meter, pulse)
        return Reader(meter, source.pulse, source)

    async def _read(self, source: Source) -> None:
        """Run the loop of a meter; whatever happens in it stays in it."""
        keep_quiet(hidden(source.meter))
        try:
            if isinstance(source.driver, Polled):
                await poll(source, source.driver)
            elif isinstance(source.driver, Streamed):
                await stream(source, source.driver)
        except Exception as error:  # noqa: BLE001 - a bug of ours; `failed` logs it with its traceback
            source.failed(error, 0)
        finally:
            source.ended()
        if all(one.source is not None and one.source.left for one in self._readers.values()):
            log.info("every meter has left, so there is nothing more to do")
            self._stop.set()

    async def _let_go(self, readers: Sequence[Reader]) -> None:
        tasks = [one.task for one in readers if one.task is not None and not one.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_FOR_METERS)

    # --- sinks ---

    async def _add_sink(self, sink: PluginConfig) -> None:
        assert self._group is not None
        plugin = self._registry.sink(sink.driver)(sink.options)
        folder = self.site.data / "spool" / sink.name
        try:
            spool = await asyncio.to_thread(Spool, folder, sink.spool)
        except OSError as error:
            raise Misconfigured(f"the spool of {sink.name} cannot be in {folder}: {error.strerror}") from error
        drain = SpooledDrain(
            plugin,
            sink.name,
            self.clock,
            self._measures,
            every=self.site.commit_every,
            limit=self.site.queue,
            acknowledged=self._stored if isinstance(self.store, Nowhere) and not self._sinks else None,
            secrets=secrets(sink.options),
            spool=spool,
        )
        self._sinks[sink.name] = sink, drain, self._group.create_task(drain.run(), name=f"sink {sink.name}")

    async def _change_sinks(self, sinks: Sequence[PluginConfig]) -> None:
        wanted = {sink.name: sink for sink in sinks}
        for name, (sink, drain, task) in list(self._sinks.items()):
            if wanted.get(name) == sink:
                continue
            del self._sinks[name]
            drain.stop()
            if task is not None:
                await asyncio.wait([task], timeout=_FOR_DRAINS)
                task.cancel()
                await asyncio.wait([task])
        for sink in sinks:
            if sink.name not in self._sinks:
                await self._add_sink(sink)

    # --- figures ---

    def _show(self) -> None:
        """Say which figures others keep are to be shown with ours."""
        ask, each = self._measures.ask, self._measures.ask_each
        ask("clock_steps_total", "Steps of the wall clock, each of which began a new run.",
            lambda: self._around.life.steps)  # fmt: skip
        ask("live_subscribers", "Clients of the live stream.", lambda: self.live.subscribers)
        ask("live_dropped_batches_total", "Batches lost by slow clients of the live stream.", lambda: self.live.dropped)
        each("meters", "Meters by what they do.", "state", self._states)
        each("meter_up", "1 while a meter answers, 0 while it does not.", "meter",
             lambda: {one.pulse.name: float(isinstance(one.pulse.state, Speaking)) for one in self._readers.values()
                      if not isinstance(one.pulse.state, Waiting)})  # fmt: skip
        each("queued_samples", "Samples that wait in memory.", "sink",
             lambda: {drain.name: drain.backlog.samples for drain in self._drains()})  # fmt: skip
        each("sink_failing", "1 while a sink takes nothing.", "sink",
             lambda: {drain.name: float(drain.failing) for drain in self._drains()})  # fmt: skip
        each("spool_bytes", "Bytes on disk that wait for a sink.", "sink",
             lambda: {name: drain.spool.size for name, (_, drain, _) in self._sinks.items()})  # fmt: skip
        each("spool_damaged_bytes_total", "Bytes of a spool that could not be read again.", "sink",
             lambda: {name: drain.spool.damaged for name, (_, drain, _) in self._sinks.items()})  # fmt: skip

    def _drains(self) -> list[Drain]:
        return [self._drain, *(drain for _, drain, _ in self._sinks.values())]

    def _states(self) -> Mapping[str, float]:
        states = [one.pulse.state for one in self._readers.values()]
        speaking = sum(isinstance(state, Speaking) for state in states)
        waiting = sum(isinstance(state, Waiting) for state in states)
        return {"speaking": speaking, "silent": len(states) - speaking - waiting, "waiting": waiting}

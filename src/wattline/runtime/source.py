"""One meter between its driver and the queues: what an answer or a failure changes.

The loops in `poll` and `stream` own a `Source`; they say what happened, and it dresses frames, keeps the health, notes
holes and runs, and writes a line to the log when something changes.
"""

import logging
import random
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from wattline.model import Batch, Cause, Outage, Run
from wattline.plugin import Driver, Frame, Layout, Polled
from wattline.runtime.dress import Dresser
from wattline.runtime.failure import Failure, failure, scrub
from wattline.runtime.health import Pulse, Silent
from wattline.runtime.measures import Measures
from wattline.runtime.meters import hidden
from wattline.runtime.outages import Holes, Past
from wattline.runtime.receipts import Receipts
from wattline.runtime.site import DeviceConfig, MeterConfig
from wattline.runtime.ticks import Clock, Life
from wattline.units import NANOSECONDS

OPEN_PATIENCE: Final = 10.0
"""Least seconds that opening a meter may last: it may have to walk tables."""
CLOSE_PATIENCE: Final = 1.0
LONGEST_BACK_OFF: Final = 60.0
"""Most seconds between two tries to reach a meter."""
DENIED_BACK_OFF: Final = 900.0
LONGEST_DENIED: Final = 3600.0
"""Seconds between two tries to be let in by a meter that has refused our credentials, and the most: BMCs lock an
account after three to five refusals within a few minutes."""

log = logging.getLogger("wattline.meters")


class Onward(Protocol):
    """Where batches go from a meter; nothing here waits."""

    def give(self, batches: Sequence[Batch]) -> None:
        """Take batches of one source, in order."""

    def note(self, outages: Sequence[Outage] = (), runs: Sequence[Run] = ()) -> None:
        """Keep what is to be noted at the next commit."""


class Surroundings(Struct, frozen=True):
    """What all meters of an engine have in common."""

    clock: Clock
    life: Life
    onward: Onward
    measures: Measures
    host: str
    devices: Mapping[str, DeviceConfig]
    past: Past = Past()
    runs: dict[str, int] = {}
    """The newest run of each source: a meter that is read anew in one life of the program begins another."""

    def run(self, source: str) -> int:
        """Return the number of a new run of a source: now (ns), and never that of the one before."""
        now = self.clock.now()
        self.runs[source] = run = now if now != self.runs.get(source) else now + 1
        return run


class Source:
    """One meter's driver with all that is known of it."""

    def __init__(self, meter: MeterConfig, driver: Driver[Any], around: Surroundings) -> None:
        self.meter = meter
        self.driver = driver
        self.around = around
        now = around.clock.now()
        self._polled = isinstance(driver, Polled)
        period = meter.every if self._polled or meter.declared else None
        self.pulse = Pulse(meter.name, meter.driver, meter.address, period, now)
        self._life = around.life.observe()
        self._dresser = Dresser(meter, around.devices, f"{around.host}/{meter.name}", polled=self._polled)
        self._holes = Holes(meter.name, int(meter.every * NANOSECONDS), now, around.past.open.get(meter.name))
        self._secrets = hidden(meter)
        self._in_a_row = 0
        self._cause: Cause | None = None
        self._begun = False
        self._is_open = False
        self._receipts = Receipts() if type(driver).stored is not Driver.stored else None
        self.left = False
        """What was read has left for good."""

    @property
    def name(self) -> str:
        """The meter's name."""
        return self.meter.name

    def opened(self, layouts: Sequence[Layout]) -> None:
        """Take the layouts that opening told of."""
        self._is_open = True
        for layout in layouts:
            self._dresser.layout(layout)
        self.pulse.devices = tuple(self._dresser.devices)

    def answered(self, frames: Sequence[Frame], middle: int, seconds: float, missed: int = 0) -> None:
        """Take an answer: `middle` (ns) is between request and reply, `seconds` is how long it took."""
        life = self.around.life.observe()
        stepped = life != self._life
        if stepped or not self._begun:
            self._begin()
        self._life = life
        batches = [batch for frame in frames if (batch := self._dresser.batch(frame, middle)) is not None]
        if len(self.pulse.devices) != len(self._dresser.devices):
            self.pulse.devices = tuple(self._dresser.devices)
        measures, last = self.around.measures, self.pulse.last
        measures.polls.add()
        newest = max([batch.time.item(-1) for batch in batches], default=middle)
        if last is not None and newest < last and not stepped:
            measures.late.add()
            newest = last
        if batches:
            before = self._before(batches) if self._holes.first else None
            usual = None if self._polled else _usual(batches)
            if holes := self._holes.spoke(newest, missed=missed, stepped=stepped, before=before, usual=usual):
                self.around.onward.note(outages=holes)
            measures.samples.add(sum([batch.size for batch in batches]))
            if self._receipts is not None:
                self._receipts.expect(frames, batches)
            self.around.onward.give(batches)
        self._in_a_row = 0
        silence = self.pulse.state
        now = self.around.clock.now()
        if self.pulse.answered(now, newest, seconds) and isinstance(silence, Silent):
            # As loud as its silence was: who reads warnings alone is told the end as well.
            log.warning("%s speaks again after %.0f s", self.name, max(0, now - silence.since) / NANOSECONDS)

    def stored(self, batch: Batch) -> None:
        """Take the store's word that a batch of this source is safe."""
        if self._receipts is not None:
            self._receipts.acknowledge(batch)

    async def tell(self) -> None:
        """Tell the driver which of its answers have become safe."""
        if self._receipts is not None:
            for answer in self._receipts.take():
                await self.driver.stored(answer)

    def failed(self, error: BaseException, timeout: float) -> Failure:
        """Take a failure and say what it means."""
        meant = failure(error, self._secrets, timeout=timeout)
        self._in_a_row = self._in_a_row + 1 if (meant.cause is Cause.AUTH) == (self._cause is Cause.AUTH) else 1
        self._cause = meant.cause
        self.left = meant.quiet
        self.around.measures.failures.add(1, meant.cause)
        changed = self.pulse.fell_silent(self.around.clock.now(), meant.cause, meant.text, stopped=meant.stops)
        self.around.onward.note(outages=self._holes.failed(meant.cause, meant.text))
        if meant.bug:
            self.around.measures.bugs.add()
            trace = scrub("".join(traceback.format_exception(error)), self._secrets)
            log.error("%s is not read any more, because of an error that nobody expected:\n%s", self.name, trace)
        elif meant.quiet:
            log.info("%s has left: %s", self.name, meant.text)
        elif meant.stops:
            log.error("%s is not read until the configuration is loaded again: %s", self.name, meant.text)
        elif changed:
            log.warning("%s is silent: %s", self.name, meant.text)
        return meant

    def back_off(self) -> float:
        """Return how long to wait before the next try (s): nothing at first, then longer and longer, with jitter."""
        if self._cause is Cause.AUTH:
            return min(LONGEST_DENIED, DENIED_BACK_OFF * 2.0 ** min(self._in_a_row - 1, 30))
        if self._in_a_row <= 1:
            return 0.0
        longest = min(LONGEST_BACK_OFF, self.meter.every * 2.0 ** min(self._in_a_row - 2, 30))
        wait = longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, keeps no secret
        log.debug("%s is tried again in %.1f s", self.name, wait)
        return wait

    def redress(self, devices: Mapping[str, DeviceConfig]) -> None:
        """Say other things of devices from now on, without interrupting anything."""
        self._dresser.redress(devices)

    async def close(self) -> None:
        """Let the driver let go, for at most a second; a failure to close is worth a line, no more."""
        is_open, self._is_open = self._is_open, False
        try:
            async with self.around.clock.timeout(CLOSE_PATIENCE):
                try:
                    if is_open:
                        await self.tell()
                finally:
                    await self.driver.close()
        except Exception as error:  # noqa: BLE001 - a stranger's driver; nothing depends on its closing
            log.debug("%s did not close: %s", self.name, scrub(str(error) or type(error).__name__, self._secrets))

    def ended(self) -> None:
        """Note the end of this source's run."""
        if self._begun:
            now = self.around.clock.now()
            self.around.onward.note(runs=(Run(self._dresser.source, self._dresser.run, now),))

    def removed(self) -> None:
        """Close what is open: nobody will read this meter any more."""
        self.around.onward.note(outages=self._holes.ended(self.around.clock.now()))

    def _begin(self) -> None:
        """Begin a run: at the first answer, and after every step of the clock."""
        source = self._dresser.source
        if self._begun:
            last = self._holes.last or self._dresser.run
            self.around.onward.note(runs=(Run(source, self._dresser.run, max(last, self._dresser.run)),))
        run = self.around.run(source)
        self._dresser.begin(run)
        self._begun = True
        self.around.onward.note(runs=(Run(source, run),))

    def _before(self, batches: Sequence[Batch]) -> int | None:
        times = [self.around.past.before(batch.layout, self._dresser.run) for batch in batches]
        return max((time for time in times if time is not None), default=None)


def _usual(batches: Sequence[Batch]) -> int | None:
    """Return the longest period (ns) of what was said; None: it is not known of everything."""
    periods = {column.period for batch in batches for column in batch.layout.columns}
    return None if None in periods else round(max(period for period in periods if period) * NANOSECONDS)

"""A scripted meter, a clock that the test moves, and an engine that runs on both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import numpy as np
import pytest

from wattline.plugin import (
    Batch,
    Column,
    Config,
    Driver,
    Frame,
    Kind,
    Layout,
    Metric,
    Polled,
    Secret,
    Series,
    Sink,
    Streamed,
    Unit,
)
from wattline.plugin import DriverConfig as PluginDriverConfig
from wattline.runtime.engine import Engine
from wattline.runtime.registry import Registry
from wattline.runtime.site import MeterConfig, Site
from wattline.testing.clock import FakeClock
from wattline.testing.memory import MemoryStore

POWER = Metric("power_watts", Unit.WATT, Kind.GAUGE)
ENERGY = Metric("energy_joules", Unit.JOULE, Kind.COUNTER)


class ScriptConfig(PluginDriverConfig, frozen=True, kw_only=True):
    """`script` names an entry of `Script.acts`: what the meter does at each read."""

    host: str = "h"
    port: int = 1
    script: str = ""
    password: Secret = Secret("")
    user: Secret = Secret("")
    tries: int = 1
    columns: tuple[int, ...] = ()


class Script(Polled[ScriptConfig]):
    """Does at each read what its script says: a number is the answer, an exception is raised, None never answers."""

    Config: ClassVar[type[PluginDriverConfig]] = ScriptConfig
    summary: ClassVar[str] = "a meter for tests"
    example: ClassVar[str] = "script://h"
    acts: ClassVar[dict[str, Callable[[], Any]]] = {}
    opened: ClassVar[list[str]] = []
    closed: ClassVar[list[str]] = []

    async def open(self) -> Sequence[Layout]:
        self.opened.append(self.config.host)
        self.layout = Layout.of(
            [Series.of(self.config.device or self.config.host, POWER), Series.of(self.config.host, ENERGY)],
            [Column(), Column(range=2.0**32)],
        )
        return [self.layout]

    async def close(self) -> None:
        self.closed.append(self.config.host)

    async def read(self, now: int) -> Sequence[Frame]:
        act = self.acts.get(self.config.script or self.config.host, lambda: 100.0)()
        if act is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(act, BaseException):
            raise act
        if isinstance(act, asyncio.Future):
            act = await act
        if isinstance(act, Frame):
            return [act]
        return [Frame(self.layout, np.array([act, now / 1e9 % 1e6]))]


class Chatter(Streamed[ScriptConfig]):
    """A meter that speaks on its own: what stands in its queue."""

    Config: ClassVar[type[PluginDriverConfig]] = ScriptConfig
    summary: ClassVar[str] = "a talking meter for tests"
    example: ClassVar[str] = "chatter://h"
    spoken: ClassVar[asyncio.Queue[Any]]

    async def open(self) -> Sequence[Layout]:
        self.layout = Layout.of([Series.of(self.config.host, POWER)])
        return [self.layout]

    async def stream(self) -> AsyncIterator[Sequence[Frame]]:
        while (said := await self.spoken.get()) is not None:
            yield [Frame(self.layout, np.array([said]))]


class BoxConfig(Config, frozen=True, kw_only=True):
    label: str = ""


class Box(Sink[BoxConfig]):
    """Keeps what it is given, by name; raises what stands in `fault`."""

    Config: ClassVar[type[Config]] = BoxConfig
    summary: ClassVar[str] = "a sink for tests"
    fault: ClassVar[Exception | None] = None
    writes: ClassVar[list[list[Batch]]] = []

    async def write(self, batches: Sequence[Batch]) -> None:
        if self.fault is not None:
            raise self.fault
        self.writes.append(list(batches))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def script():
    """The scripted driver, with nothing left of the test before."""
    Script.acts, Script.opened, Script.closed = {}, [], []
    return Script


@pytest.fixture
def chatter():
    Chatter.spoken = asyncio.Queue()
    return Chatter


@pytest.fixture
def box():
    Box.fault, Box.writes = None, []
    return Box


@pytest.fixture
def registry(script: type[Driver[Any]], chatter: type[Driver[Any]], box: type[Sink[Any]]) -> Registry:
    return Registry.of({"script": script, "chatter": chatter}, {"box": box}, {"memory": MemoryStore})


@pytest.fixture
def meter():
    """Make the configuration of a scripted meter."""

    def make(name: str = "m", *, driver: str = "script", **given: Any) -> MeterConfig:
        options = ScriptConfig(host=given.pop("host", name), **given.pop("options", {}))
        return MeterConfig(name=name, driver=driver, options=options, **given)

    return make


@pytest.fixture
def running(registry: Registry, clock: FakeClock, tmp_path: Any):
    """Run an engine on the fake clock: `async with running(meters, store=..., **site) as engine`."""

    @asynccontextmanager
    async def run(meters: Sequence[MeterConfig] = (), store: MemoryStore | None = None, **site: Any):
        store = store or MemoryStore()
        engine = Engine(
            Site(host="site", data=tmp_path, meters=tuple(meters), **site), registry, clock=clock, store=store
        )
        stop = asyncio.Event()
        task = asyncio.create_task(engine.run(stop))
        started = asyncio.create_task(engine.started.wait())
        await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        await clock.settle()
        try:
            yield engine
        finally:
            stop.set()
            while not task.done():
                await clock.advance(0.1)
            await task

    return run

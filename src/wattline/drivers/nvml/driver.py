"""NVML: power and energy of NVIDIA GPUs in this machine.

Every call blocks inside NVIDIA's driver, so a poll runs in a thread; one that does not come back is not asked again
until it does.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar, Final, TypeVar

from wattline.plugin import (
    Column,
    Device,
    DriverConfig,
    Frame,
    Kind,
    Layout,
    Metric,
    Misconfigured,
    Point,
    Polled,
    Roster,
    Scale,
    Series,
    Unit,
    Unreachable,
    Url,
)
from wattline.wire.nvml import LIBRARY, Gpu, Library, Reading

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power of the whole board")
AVERAGE: Final = Metric("power_average_watts", Unit.WATT, Kind.GAUGE, "Power of the whole board, averaged by the GPU")
ENERGY: Final = Metric(
    "energy_joules", Unit.JOULE, Kind.COUNTER, "Energy register of the board since the driver was loaded"
)
TEMPERATURE: Final = Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Temperature of the GPU")
LOAD: Final = Metric("load_ratio", Unit.RATIO, Kind.GAUGE, "Share of time in which the GPU computed")
_MILLI: Final = Scale(1, 1000)
_PER_CENT: Final = Scale(1, 100)
_ONE: Final = Scale()
_SEARCH: Final = 60_000_000_000
"""After so long (ns) GPUs are looked for again: one that has left may be back, one may be new."""
_WINDOW: Final = 1.0
_logger = logging.getLogger(__name__)
Key = tuple[str, str]
T = TypeVar("T")


class NvmlConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of NVML; sample.yaml explains each."""

    gpus: tuple[str, ...] = ()
    library: str = LIBRARY
    wait: float = 4.0

    def __post_init__(self) -> None:
        if not 0.001 <= self.wait <= 3600:  # not so either of what is no number
            raise ValueError("`wait` lies between 0.001 and 3600")

    @classmethod
    def from_url(cls, url: Url) -> "NvmlConfig":
        """Read `nvml://` or `nvml:///0,GPU-uuid`: the path lists GPUs by index or UUID."""
        if url.host:
            raise Misconfigured(f"nvml://{url.host}: NVML reads this machine alone; write nvml:///0,1")
        gpus = [one for one in url.path.split(",") if one]
        return cls.of("nvml://", {"gpus": gpus, **dict(url.options)})


class Nvml(Polled[NvmlConfig]):
    """Reads every GPU, or those that are named; one that falls off its bus is absent until it is back."""

    Config: ClassVar[type[DriverConfig]] = NvmlConfig
    summary: ClassVar[str] = "NVIDIA GPUs in this machine: power, energy, temperature, load (NVML)"
    metrics: ClassVar[tuple[Metric, ...]] = (POWER, AVERAGE, ENERGY, TEMPERATURE, LOAD)
    example: ClassVar[str] = "nvml://"

    def __init__(self, config: NvmlConfig) -> None:
        super().__init__(config)
        self._library = Library(config.library)
        self._thread: ThreadPoolExecutor | None = None
        self._call: Future[Any] | None = None
        self._gpus: dict[str, Gpu] = {}
        self._searched = 0
        self._instant: set[str] = set()
        self._gone: frozenset[str] = frozenset()
        self._known: dict[str, Gpu] = {}
        self._host = config.device or os.uname().nodename
        self._roster: Roster[Key] = Roster(self._describe, self._devices)

    async def open(self) -> Sequence[Layout]:
        """Load the library and find the GPUs. Raises Misconfigured (no library, a GPU that there is not)."""
        self._thread = self._thread or ThreadPoolExecutor(1, "nvml")
        await self._run(self._find)
        gpus = self._gpus.values()
        if missing := [one for one in self.config.gpus if not any(wanted_by(gpu, (one,)) for gpu in gpus)]:
            there = ", ".join(f"{gpu.index} ({gpu.uuid})" for gpu in gpus) or "none"
            raise Misconfigured(f"nvml: there is no GPU {', '.join(missing)}; there are: {there}")
        self._searched = 0
        return []

    async def read(self, now: int) -> Sequence[Frame]:
        """Ask every GPU once. Raises Unreachable when none is there, or the driver does not come back in time."""
        self._searched = self._searched or now
        if now - self._searched >= _SEARCH:
            await self._run(self._find)
            self._searched = now
        found = await self._run(self._ask)
        self._tell(frozenset(uuid for uuid, reading in found.items() if reading is None))
        values = {
            (uuid, name): value
            for uuid, reading in found.items()
            if reading is not None
            for name, value in _values(reading, instant=uuid in self._instant)
        }
        if not values:
            raise Unreachable("nvml: no GPU answers")
        layout, row, present = self._roster.frame(now, list(values), list(values.values()))
        return [Frame(layout, row, present=None if present.all() else present)]

    async def close(self) -> None:
        """Let go of the driver, if it lets go of us."""
        if self._thread is None:
            return
        try:
            await self._run(self._library.close)
        except Unreachable as error:
            _logger.debug("%s", error)
        finally:
            self._thread.shutdown(wait=False)
            self._thread = None

    async def _run(self, work: Callable[[], T]) -> T:
        """Do what blocks, and wait for it for a while; what was called before is waited for first."""
        if self._thread is None:
            raise Unreachable("nvml is not open")
        try:
            async with asyncio.timeout(self.config.wait):
                if self._call is not None:
                    before = asyncio.shield(asyncio.wrap_future(self._call))
                    await asyncio.gather(before, return_exceptions=True)  # its failure was told already
                call = self._thread.submit(work)
                self._call = call
                return await asyncio.shield(asyncio.wrap_future(call))
        except TimeoutError as error:
            raise Unreachable(f"nvml: the driver does not answer within {self.config.wait:g} s") from error

    def _find(self) -> None:
        """Look for GPUs; runs in the thread."""
        self._library.open()
        wanted = self.config.gpus
        found = [gpu for gpu in self._library.gpus() if not wanted or wanted_by(gpu, wanted)]
        for gpu in found:
            if gpu.uuid not in self._known and gpu.mig:
                _logger.info("GPU %d (%s) is split (MIG): what is read is the whole of it", gpu.index, gpu.uuid)
            if (reading := self._library.read(gpu)) is not None and reading.instant is not None:
                self._instant.add(gpu.uuid)
        self._gpus = {gpu.uuid: gpu for gpu in found}
        self._known |= self._gpus

    def _ask(self) -> dict[str, Reading | None]:
        """Read the GPUs that were there once; runs in the thread."""
        return {uuid: self._library.read(self._gpus[uuid]) if uuid in self._gpus else None for uuid in self._known}

    def _tell(self, gone: frozenset[str]) -> None:
        for uuid in sorted(gone - self._gone):
            _logger.warning("GPU %d (%s) has left its bus", self._known[uuid].index, uuid)
        for uuid in sorted(self._gone - gone):
            _logger.info("GPU %d (%s) is back", self._known[uuid].index, uuid)
        self._gone = gone

    def _describe(self, key: Key) -> tuple[Series, Column]:
        uuid, name = key
        gpu = self._known[uuid]
        metric = next(metric for metric in self.metrics if metric.name == name)
        series = Series.of(f"{self._host}/{uuid}", metric, {"gpu": str(gpu.index), "model": gpu.name})
        return series, _column(metric, gpu, averaged=gpu.averaged and uuid not in self._instant)

    def _devices(self, series: Sequence[Series]) -> list[Device]:
        names = dict.fromkeys(one.device for one in series)
        return [Device(self._host, "host"), *(Device(name, "gpu", (("", self._host),)) for name in names)]


def wanted_by(gpu: Gpu, names: Sequence[str]) -> bool:
    """Say whether a GPU is one of these, by index or UUID."""
    return gpu.uuid in names or str(gpu.index) in names


def _values(reading: Reading, *, instant: bool) -> list[tuple[str, float]]:
    """Return what is there, in base units; `instant`: the GPU tells its power of the moment apart."""
    every = (
        (POWER, reading.instant if instant else reading.power, _MILLI),
        (AVERAGE, reading.average if instant else None, _MILLI),
        (ENERGY, reading.energy, _MILLI),
        (TEMPERATURE, reading.temperature, _ONE),
        (LOAD, reading.load, _PER_CENT),
    )
    return [(metric.name, scale.base(count)) for metric, count, scale in every if count is not None]


def _column(metric: Metric, gpu: Gpu, *, averaged: bool) -> Column:
    """Return what is to be said of a series; `averaged`: its plain power is that of the last second."""
    scale = _PER_CENT if metric is LOAD else _ONE if metric is TEMPERATURE else _MILLI
    watts = metric.unit is Unit.WATT
    return Column(
        scale=scale,
        resolution=0.001 if metric is ENERGY else 0.0,
        window=_WINDOW if metric is AVERAGE or (metric is POWER and averaged) else None,
        rated=gpu.limit / 1000 if gpu.limit and (watts or metric is ENERGY) else None,
        point=Point.COMPONENT,
    )

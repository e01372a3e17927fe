"""The contract of a driver as tests that any driver can run.

    import pytest
    from wattline.testing.driver_suite import DriverSuite

    class TestAcme(DriverSuite):
        @pytest.fixture
        def driver(self):
            return Acme

        @pytest.fixture
        def working(self, tmp_path):
            return AcmeConfig(path=str(tmp_path / "..."))    # options with which it answers now

A driver whose options have `host` and `port` is also sent to an address where nobody answers; override `dead` where
its address is something else, or where that needs more than `example` gives.
"""

# ruff: noqa: D102 - the name of a test says what is promised

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, Final

import msgspec
import numpy as np
import pytest

from wattline.core.address import Url
from wattline.errors import Misconfigured, Unreachable
from wattline.model import Kind, Layout, Metric
from wattline.plugin import Driver, DriverConfig, Frame, Polled, Streamed
from wattline.testing.folder import (
    DRIVER_HEADINGS,
    check_misspelt,
    check_readme,
    check_sample,
    metrics_declared,
    metrics_told,
)
from wattline.units import Unit

NOW: Final = 1_795_184_315_000_000_000
SECOND: Final = 1_000_000_000
PATIENCE: Final = 30.0
"""Seconds after which an address is dead; a driver's own timeout lies far below."""
SUFFIXES: Final = {
    "watts": Unit.WATT, "joules": Unit.JOULE, "volts": Unit.VOLT, "amperes": Unit.AMPERE, "hertz": Unit.HERTZ,
    "celsius": Unit.CELSIUS, "seconds": Unit.SECOND, "bytes": Unit.BYTE, "ratio": Unit.RATIO,
}  # fmt: skip
"""What the last word of a name says of its unit."""


class DriverSuite:
    """Promises of `plugin.Driver`; see the head of this file for how to run them on a driver."""

    @pytest.fixture
    def driver(self) -> type[Driver[Any]]:
        raise NotImplementedError("return the class of the driver")

    @pytest.fixture
    def working(self) -> DriverConfig:
        raise NotImplementedError("return options with which the driver answers")

    @pytest.fixture
    def name(self, driver: type[Driver[Any]]) -> str:
        """Return the name under which the driver is registered: the scheme of its addresses."""
        return Url.parse(driver.example).scheme

    @pytest.fixture
    def dead(self, driver: type[Driver[Any]]) -> Iterator[DriverConfig | None]:
        """Give options of an address where nobody answers; None: the driver has no address."""
        fields = {field.name for field in msgspec.structs.fields(driver.Config)}
        if not {"host", "port"} <= fields:
            yield None
            return
        with dead_port() as port:
            yield driver.Config.from_url(
                msgspec.structs.replace(Url.parse(driver.example), host="127.0.0.1", port=port)
            )

    # --- what its folder tells ---

    def test_its_sample_shows_and_explains_every_option(self, driver: type[Driver[Any]], name: str) -> None:
        check_sample(driver, name)

    def test_a_misspelt_option_is_refused_by_name(self, driver: type[Driver[Any]]) -> None:
        check_misspelt(driver)

    def test_its_readme_has_the_headings(self, driver: type[Driver[Any]]) -> None:
        check_readme(driver, DRIVER_HEADINGS)

    def test_its_readme_tells_the_metrics_that_it_declares(self, driver: type[Driver[Any]]) -> None:
        if driver.metrics:
            assert metrics_told(driver) == metrics_declared(driver.metrics)

    def test_its_example_is_an_address_of_its_own(self, driver: type[Driver[Any]], name: str) -> None:
        url = Url.parse(driver.example)
        assert url.scheme.partition("+")[0] == name
        assert isinstance(driver.Config.from_url(url), driver.Config)

    def test_it_is_polled_or_streamed_and_says_what_it_is(self, driver: type[Driver[Any]]) -> None:
        assert issubclass(driver, Polled) != issubclass(driver, Streamed)
        assert driver.summary
        assert not driver.summary.endswith(".")

    # --- what it measures ---

    def test_declared_metrics_are_in_base_units(self, driver: type[Driver[Any]]) -> None:
        for metric in driver.metrics:
            check_metric(metric)

    async def test_frames_are_what_their_layouts_say(self, driver: type[Driver[Any]], working: DriverConfig) -> None:
        async with opened(driver(working)) as (one, layouts):
            families = {layout.family for layout in layouts}
            frames = await answers(one, 2)
            assert frames, "it answered nothing"
            for frame in frames:
                check_frame(frame, driver.metrics)
                assert not families or frame.layout.family in families or frame.layout.family == frame.layout.id

    async def test_devices_have_no_circle_of_parents(self, driver: type[Driver[Any]], working: DriverConfig) -> None:
        async with opened(driver(working)) as (one, layouts):
            known = [*layouts, *(frame.layout for frame in await answers(one, 1))]
            above = {device.name: device.parent for layout in known for device in layout.devices}
            for name in above:  # noqa: PLC0206 - what is followed are the parents
                seen, parent = {name}, above[name]
                while parent is not None:
                    assert parent not in seen, f"{name} contains itself"
                    seen.add(parent)
                    parent = above.get(parent)

    # --- how it behaves ---

    async def test_it_opens_and_closes_again_and_leaves_nothing_open(
        self, driver: type[Driver[Any]], working: DriverConfig
    ) -> None:
        one = driver(working)
        counts = []
        for _ in range(4):
            async with opened(one):
                await answers(one, 1)
            counts.append(descriptors())
        assert counts[-1] <= counts[0], f"descriptors after each life: {counts}"

    async def test_a_dead_address_is_unreachable_and_leaves_nothing_open(
        self, driver: type[Driver[Any]], dead: DriverConfig | None
    ) -> None:
        if dead is None:
            return  # it reads this machine alone
        one = driver(dead)
        counts = []
        for _ in range(3):
            with pytest.raises(Unreachable):
                async with asyncio.timeout(PATIENCE), opened(one):
                    await answers(one, 1)
            counts.append(descriptors())
        assert counts[-1] <= counts[0], f"descriptors after each attempt: {counts}"

    async def test_a_host_that_no_resolver_takes_is_one_clear_error(
        self, driver: type[Driver[Any]], dead: DriverConfig | None
    ) -> None:
        if dead is None or not hasattr(dead, "host"):
            return
        try:
            odd = msgspec.structs.replace(dead, host=f"{'x' * 64}.invalid")
        except (ValueError, msgspec.ValidationError):
            return  # one clear error as well
        with pytest.raises((Unreachable, Misconfigured)):
            async with asyncio.timeout(PATIENCE), opened(driver(odd)) as (one, _):
                await answers(one, 1)

    async def test_a_reading_that_is_cancelled_can_be_repeated(
        self, driver: type[Driver[Any]], working: DriverConfig
    ) -> None:
        async with opened(driver(working)) as (one, _):
            reading = asyncio.create_task(answers(one, 1))
            await asyncio.sleep(0)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        async with opened(one):
            assert await answers(one, 2)


@asynccontextmanager
async def opened(driver: Driver[Any]) -> AsyncIterator[tuple[Driver[Any], Sequence[Layout]]]:
    """Open a driver as the runtime does: `close` is called whatever happens."""
    try:
        yield driver, await driver.open()
    finally:
        await driver.close()


async def answers(driver: Driver[Any], count: int) -> list[Frame]:
    """Return the frames of at least `count` readings, until there is one; a stream is read until it spoke so often."""
    frames: list[Frame] = []
    if isinstance(driver, Streamed):
        spoken = 0
        async with asyncio.timeout(PATIENCE), aclosing(driver.stream()) as stream:  # type: ignore[type-var]
            async for some in stream:
                frames += some
                spoken += 1
                if spoken >= count:
                    break
        return frames
    assert isinstance(driver, Polled)
    async with asyncio.timeout(PATIENCE):
        for n in range(1000):
            frames += await driver.read(NOW + n * SECOND)
            if n + 1 >= count and frames:
                break
            await asyncio.sleep(0.01)  # what counts in ticks has nothing to say before the next one
    return frames


def check_metric(metric: Metric) -> None:
    """Check that a metric says what it is, in a base unit, and that a register is no gauge."""
    assert metric.help, f"{metric.name} has no help"
    told = SUFFIXES.get(metric.name.removesuffix("_total").rpartition("_")[2])
    assert told in (None, metric.unit), f"{metric.name} is in {metric.unit}"
    if metric.unit is Unit.JOULE:
        assert metric.kind in (Kind.COUNTER, Kind.DELTA), f"{metric.name}: joules are counted, not a level"
    if metric.name.endswith("_total"):
        assert metric.kind is Kind.COUNTER, f"{metric.name} is a total"
    if metric.kind is Kind.STATE:
        assert metric.unit is Unit.NONE, f"{metric.name} is a text and has no unit"


def check_frame(frame: Frame, declared: Sequence[Metric]) -> None:
    """Check shapes, types and stamps of a frame, that its texts are there, and that its metrics are declared."""
    k = len(frame.layout)
    assert isinstance(frame.values, np.ndarray)
    assert frame.values.dtype == np.float64
    assert frame.values.shape[-1] == k
    if frame.values.ndim == 1:
        assert frame.time is None or isinstance(frame.time, int)
    else:
        assert isinstance(frame.time, np.ndarray), "several frames carry their own times"
        assert frame.time.dtype == np.int64
        assert frame.values.shape == (len(frame.time), k)
    if frame.time is not None:
        assert not (np.asarray(frame.time) % 1000).any(), "stamps are whole microseconds"
    if frame.present is not None:
        assert frame.present.shape == frame.values.shape
        assert frame.present.dtype == np.bool_
    for i, series in enumerate(frame.layout.series):
        assert not declared or series.metric in declared, f"{series.metric.name} is not declared"
        if series.metric.kind is Kind.STATE:
            check_states(frame, i)
        else:
            assert i not in frame.texts, f"{series.metric.name} is no state and has texts"


def check_states(frame: Frame, column: int) -> None:
    """Check that every state that is there is an index into the texts of its column."""
    values = np.atleast_2d(frame.values)[:, column]
    if frame.present is not None:
        values = values[np.atleast_2d(frame.present)[:, column]]
    for value in values.tolist():
        assert value == int(value)
        assert 0 <= value < len(frame.texts.get(column, ()))


def descriptors() -> int:
    """Count the descriptors that this process has open."""
    return len(os.listdir("/proc/self/fd"))


@contextmanager
def dead_port() -> Iterator[int]:
    """Hold a loopback port that takes datagrams and never answers, and refuses connections."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent, socket.socket() as closed:
            silent.bind(("127.0.0.1", 0))
            port: int = silent.getsockname()[1]
            try:
                closed.bind(("127.0.0.1", port))  # never listens
            except OSError:  # somebody else's connection has this number: try the next
                continue
            yield port
            return

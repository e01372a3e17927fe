"""The contract of a sink as tests that any sink can run; a store is a sink too.

    import pytest
    from wattline.testing.sink_suite import SinkSuite, Target

    class MineTarget(Target):
        def sink(self): ...             # a new sink that writes to this target
        async def samples(self): ...    # what stands there: (device, metric, time in ns, value) in any order
        def break_down(self): ...       # from now on the target refuses, until
        def mend(self): ...

    class TestMine(SinkSuite):
        @pytest.fixture
        def target(self, tmp_path):
            return MineTarget(tmp_path)

A value is a float, or the text of a state. A target that cannot be broken leaves `break_down` as it is: the tests of
failure then say so and are skipped.
"""

# ruff: noqa: D102 - the name of a test says what is promised

import math
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import numpy as np
import pytest

from wattline.errors import WattlineError
from wattline.model import Batch, Column, Kind, Layout, Metric, Series, pack_mask
from wattline.plugin import Sink
from wattline.testing.folder import SINK_HEADINGS, check_misspelt, check_readme, check_sample
from wattline.units import Unit

NOW: Final = 1_795_184_315_000_000_000
SECOND: Final = 1_000_000_000
Sample = tuple[str, str, int, float | str]

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power")
ENERGY: Final = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy")
JOB: Final = Metric("job", Unit.NONE, Kind.STATE, "Job")
NODE: Final = Layout.of(
    [Series.of("node-1", POWER), Series.of("node-1", ENERGY), Series.of("node-1", JOB)],
    [Column(resolution=0.1), Column(range=1000.0, resolution=1.0), Column()],
)
PDU: Final = Layout.of([Series.of("pdu-1/outlet-ü", POWER, {"phase": "L1"})])


class Target:
    """Where a sink writes to; see the head of this file."""

    def sink(self) -> Sink[Any]:
        """Return a new sink that writes here."""
        raise NotImplementedError("return a new sink that writes here")

    async def samples(self) -> Sequence[Sample]:
        """Return what stands here."""
        raise NotImplementedError("return what stands here")

    def break_down(self) -> None:
        """Refuse everything from now on."""
        pytest.skip(f"{type(self).__name__} cannot be made to fail")

    def mend(self) -> None:
        """Take everything again."""


def node(*frames: tuple[float, float, str], sequence: int, present: Sequence[Sequence[bool]] | None = None) -> Batch:
    """Return a batch of `NODE`, a second apart, its first frame at `sequence` times ten seconds."""
    texts = tuple(sorted({job for _, _, job in frames}))
    values = np.array([[watts, joules, texts.index(job)] for watts, joules, job in frames])
    time = NOW + (10 * sequence + np.arange(len(frames), dtype=np.int64)) * SECOND
    mask = None if present is None else pack_mask(np.array(present, bool))
    return Batch(NODE, time, values, mask, {2: texts}, "node", 1, sequence)


def told(*batches: Batch) -> list[Sample]:
    """Return the samples of batches as a target tells them, sorted."""
    found: list[Sample] = []
    for batch in batches:
        mask = batch.mask()
        for n, time in enumerate(batch.time.tolist()):
            for i, series in enumerate(batch.layout.series):
                if mask[n, i]:
                    value: float = batch.values[n, i].item()
                    known = batch.texts[i][int(value)] if series.metric.kind is Kind.STATE else value
                    found.append((series.device, series.metric.name, time, known))
    return ordered(found)


def ordered(samples: Sequence[Sample]) -> list[Sample]:
    """Sort samples, and make NaN equal to itself."""
    odd = {True: "NaN"}
    return sorted(
        ((d, m, t, odd.get(isinstance(v, float) and math.isnan(v), v)) for d, m, t, v in samples),
        key=lambda sample: (sample[:3], str(sample[3])),
    )


class SinkSuite:
    """Promises of `plugin.Sink`; see the head of this file for how to run them on a sink."""

    @pytest.fixture
    def target(self) -> Target:
        raise NotImplementedError("return a target")

    @pytest.fixture
    def name(self, target: Target) -> str:
        """Return the name under which the sink is registered."""
        return type(target.sink()).__name__.lower()

    # --- what its folder tells ---

    def test_its_sample_shows_and_explains_every_option(self, target: Target, name: str) -> None:
        check_sample(type(target.sink()), name)

    def test_a_misspelt_option_is_refused_by_name(self, target: Target) -> None:
        check_misspelt(type(target.sink()))

    def test_its_readme_has_the_headings(self, target: Target) -> None:
        check_readme(type(target.sink()), SINK_HEADINGS)

    def test_it_says_what_it_is(self, target: Target) -> None:
        summary = type(target.sink()).summary
        assert summary
        assert not summary.endswith(".")

    # --- what is acknowledged is there, once ---

    async def test_what_is_acknowledged_is_there(self, target: Target) -> None:
        one = node((1.5, 10.0, "a"), (2.5, 12.0, "b"), sequence=1)
        two = Batch(PDU, np.array([NOW], np.int64), np.array([[7.0]]), None, {}, "pdu", 1, 1)
        async with opened(target.sink()) as sink:
            await sink.write([one, two])
            assert ordered(await target.samples()) == told(one, two)

    async def test_it_is_there_after_closing(self, target: Target) -> None:
        one, two = node((1.0, 1.0, "a"), sequence=1), node((2.0, 2.0, "a"), sequence=2)
        async with opened(target.sink()) as sink:
            await sink.write([one])
            await sink.write([two])
        assert ordered(await target.samples()) == told(one, two)

    async def test_absent_stays_absent_and_odd_values_stay_odd(self, target: Target) -> None:
        odd = node(
            (math.nan, -0.0, "a"), (math.inf, 1e-300, "b"), (-math.inf, 9.0, "b"),
            sequence=1, present=[[True, True, False], [True, True, True], [True, False, True]],
        )  # fmt: skip
        async with opened(target.sink()) as sink:
            await sink.write([odd])
            assert ordered(await target.samples()) == told(odd)

    async def test_a_batch_that_comes_again_is_there_once(self, target: Target) -> None:
        one, two, three = (node((float(n), n * 10.0, "a"), sequence=n) for n in (1, 2, 3))
        async with opened(target.sink()) as sink:
            await sink.write([one])
            await sink.write([one, three])
            await sink.write([three, two, one, two])
            assert ordered(await target.samples()) == told(one, two, three)

    async def test_nothing_is_a_fine_thing_to_write(self, target: Target) -> None:
        async with opened(target.sink()) as sink:
            await sink.write([])
            assert await target.samples() == []

    # --- failing ---

    async def test_a_target_that_fails_raises_and_takes_the_same_later(self, target: Target) -> None:
        one, two = node((1.0, 1.0, "a"), sequence=1), node((2.0, 2.0, "b"), sequence=2)
        async with opened(target.sink()) as sink:
            await sink.write([one])
            target.break_down()
            for _ in range(3):
                with pytest.raises(WattlineError):
                    await sink.write([two])
            target.mend()
            await sink.close()
            await sink.open()
            await sink.write([two])
            assert ordered(await target.samples()) == told(one, two)

    async def test_it_opens_and_closes_again_and_leaves_nothing_open(self, target: Target) -> None:
        sink = target.sink()
        counts = []
        for n in range(1, 5):
            async with opened(sink):
                await sink.write([node((1.0, 1.0, "a"), sequence=n)])
            counts.append(len(os.listdir("/proc/self/fd")))
        assert counts[-1] <= counts[0], f"descriptors after each life: {counts}"


@asynccontextmanager
async def opened(sink: Sink[Any]) -> AsyncIterator[Sink[Any]]:
    """Open a sink as the runtime does: `close` is called whatever happens."""
    try:
        await sink.open()
        yield sink
    finally:
        await sink.close()

"""Every sink of ours keeps the contract: standard output, the one that fails by script, and a store."""

import asyncio
import importlib.metadata
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from wattline.errors import Gone, Malformed, Misconfigured, Unreachable
from wattline.model import Kind
from wattline.sinks.stdout.sink import Stdout, StdoutConfig
from wattline.testing.driver_suite import DriverSuite
from wattline.testing.memory import MemoryStore
from wattline.testing.script import Script, ScriptConfig, ScriptSink, ScriptSinkConfig
from wattline.testing.sink_suite import NOW, SinkSuite, Target, node, told

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ODD = {"NaN": float("nan"), "+Inf": float("inf"), "-Inf": -float("inf")}


class File(Target):
    """A file in the place of standard output; broken, it is a disk without room."""

    def __init__(self, path):
        self.path = path
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def sink(self):
        return Stdout(StdoutConfig(descriptor=self.descriptor))

    async def samples(self):
        return [self._sample(json.loads(line)) for line in self.path.read_text().splitlines()]

    @staticmethod
    def _sample(line):
        time = (datetime.fromisoformat(line["time"]) - EPOCH) // timedelta(microseconds=1) * 1000
        value = line["value"] if line["metric"] == "job" else ODD.get(line["value"], line["value"])
        return line["device"], line["metric"], time, value

    def _turn(self, path):
        other = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(other, self.descriptor)
        os.close(other)

    def break_down(self):
        self._turn("/dev/full")

    def mend(self):
        self._turn(self.path)


class TestStdout(SinkSuite):
    @pytest.fixture
    def target(self, tmp_path):
        file = File(tmp_path / "out")
        yield file
        os.close(file.descriptor)


class Scripted(Target):
    """The sink that fails by script, so that the suite is tried on failures of every kind."""

    def __init__(self, script):
        self._sink = ScriptSink(ScriptSinkConfig(script=script))

    def sink(self):
        return self._sink

    async def samples(self):
        return told(*self._sink.taken)

    def break_down(self):
        """Nothing to do: the script does."""


class TestScript(SinkSuite):
    @pytest.fixture
    def target(self, request):
        failing = request.node.name.startswith("test_a_target_that_fails")
        return Scripted("take lose refuse garble take" if failing else "take")

    test_its_sample_shows_and_explains_every_option = None
    test_a_misspelt_option_is_refused_by_name = None
    test_its_readme_has_the_headings = None


class Memory(Target):
    def __init__(self):
        self._store = MemoryStore()

    def sink(self):
        return self._store

    async def samples(self):
        found = []
        entries = {entry.id: entry for entry in self._store.entries()}
        for blocks in self._store.samples(list(entries), 0, 2 * NOW):
            for block in blocks:
                for k, number in enumerate(block.ids):
                    for n, time in enumerate(block.time.tolist()):
                        if block.present is None or block.present[n, k]:
                            found.append((entries[number].series, time, block.values[n, k].item(), number))
        return [
            (s.device, s.metric.name, t, self._store.texts(i)[int(v)] if s.metric.kind is Kind.STATE else v)
            for s, t, v, i in found
        ]


class TestMemory(SinkSuite):
    @pytest.fixture
    def target(self):
        return Memory()

    test_its_sample_shows_and_explains_every_option = None
    test_a_misspelt_option_is_refused_by_name = None
    test_its_readme_has_the_headings = None


def test_every_installed_sink_runs_the_suite():
    installed = {point.value for point in importlib.metadata.entry_points(group="wattline.sinks")}
    assert {value for value in installed if value.startswith("wattline.")} == {"wattline.sinks.stdout.sink:Stdout"}


# --- scripts ---


async def test_a_script_is_followed_word_by_word():
    sink = ScriptSink(ScriptSinkConfig(script="take*2 refuse garble leave misconfigure bug take"))
    batches = [node((1.0, 1.0, "a"), sequence=n) for n in (1, 2, 3)]
    await sink.write(batches[:1])
    await sink.write(batches[1:2])
    for error in (Unreachable, Malformed, Gone, Misconfigured, RuntimeError):
        with pytest.raises(error):
            await sink.write(batches[2:])
    assert sink.taken == batches[:2]
    await sink.write(batches[2:])
    await sink.write(batches)
    assert (sink.taken, sink.asked) == (batches, 9)


async def test_a_script_can_wait_until_it_is_cancelled():
    sink = ScriptSink(ScriptSinkConfig(script="hang"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await sink.write([])
    meter = Script(ScriptConfig(script="silent answer"))
    await meter.open()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await meter.read(0)
    [frame] = await meter.read(0)
    assert frame.values.tolist() == [2.0]


@pytest.mark.parametrize("script", ["", "tak", "take*x", "take*-1"])
def test_a_script_that_is_none_is_refused(script):
    with pytest.raises(Misconfigured, match="script"):
        ScriptSink(ScriptSinkConfig(script=script))
    with pytest.raises(Misconfigured, match="script"):
        Script(ScriptConfig(script=script))


class TestScriptDriver(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Script

    @pytest.fixture
    def working(self):
        return ScriptConfig(series=3)

    test_its_sample_shows_and_explains_every_option = None
    test_a_misspelt_option_is_refused_by_name = None
    test_its_readme_has_the_headings = None
    test_its_readme_tells_the_metrics_that_it_declares = None

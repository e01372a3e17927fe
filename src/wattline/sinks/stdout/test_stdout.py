"""Standard output: each sample once, a line each, whatever the pipe does."""

import asyncio
import csv
import json
import math
import os

import numpy as np
import pytest

from wattline.errors import Gone, Misconfigured, Unreachable
from wattline.model import Batch, Kind, Layout, Metric, Series, pack_mask
from wattline.sinks.stdout.sink import Stdout, StdoutConfig
from wattline.units import Unit

POWER = Metric("power_watts", Unit.WATT, Kind.GAUGE)
JOB = Metric("job", Unit.NONE, Kind.STATE)
LAYOUT = Layout.of(
    [Series.of("rack/1", POWER), Series.of("rack/1", JOB), Series.of('say "hi", ü', POWER, {"phase": 2})]
)
TIME = 1_795_184_315_123_456_000


def batch(values, *, present=None, texts=None, sequence=1):
    values = np.array(values, np.float64)
    time = TIME + np.arange(len(values), dtype=np.int64) * 10**9
    mask = None if present is None else pack_mask(np.array(present, bool))
    return Batch(LAYOUT, time, values, mask, texts or {1: ("idle", 'a,"b"\n')}, "m", 1, sequence)


class Pipe:
    """A pipe whose reader is a thread, so that no writer waits for ever."""

    def __init__(self):
        self._read, self.write = os.pipe()

    async def text(self):
        """Close the writing end and return all that was written."""
        os.close(self.write)
        return await asyncio.to_thread(self.drain)

    def drain(self):
        with open(self._read, encoding="utf-8", newline="") as pipe:
            return pipe.read()


async def written(*batches, form="ndjson"):
    pipe = Pipe()
    reading = asyncio.create_task(asyncio.to_thread(pipe.drain))
    await Stdout(StdoutConfig(format=form, descriptor=pipe.write)).write(batches)
    os.close(pipe.write)
    return await reading


async def test_a_sample_is_a_line():
    lines = (await written(batch([[1.5, 1, 1e-7], [2.0, 0, -0.0]]))).splitlines()
    assert lines[0] == (
        '{"time":"2026-11-20T14:18:35.123456Z","device":"rack/1","metric":"power_watts","value":1.5,"labels":{}}'
    )
    told = [json.loads(line) for line in lines]
    assert [one["value"] for one in told] == [1.5, 'a,"b"\n', 1e-7, 2.0, "idle", -0.0]
    assert told[2]["device"] == 'say "hi", ü'
    assert told[2]["labels"] == {"phase": 2}
    assert told[5]["time"] == "2026-11-20T14:18:36.123456Z"


async def test_absent_values_have_no_line_and_odd_ones_are_texts():
    text = await written(
        batch([[math.nan, 0, math.inf], [5.0, 7, -math.inf]], present=[[True, True, True], [False, False, True]])
    )
    assert [json.loads(line)["value"] for line in text.splitlines()] == ["NaN", "idle", "+Inf", "-Inf"]


async def test_csv_is_read_back_as_it_was():
    rows = list(csv.reader((await written(batch([[0.1, 1, math.nan]]), form="csv")).splitlines(keepends=True)))
    assert rows[0] == ["time", "device", "metric", "value", "labels"]
    assert [row[1:4] for row in rows[1:]] == [
        ["rack/1", "power_watts", "0.1"], ["rack/1", "job", 'a,"b"\n'], ['say "hi", ü', "power_watts", "NaN"],
    ]  # fmt: skip
    assert json.loads(rows[3][4]) == {"phase": 2}


async def test_every_float_comes_back():
    random = np.random.default_rng(1)
    values = random.integers(0, 2**64, (200, 3), np.uint64).view(np.float64)
    values[:, 1] = 0
    values = np.where(np.isfinite(values), values, 1.0)
    told = [json.loads(line)["value"] for line in (await written(batch(values))).splitlines()]
    given = np.delete(values, 1, axis=1)
    assert np.array_equal(np.array([v for v in told if v != "idle"]).reshape(given.shape), given)


async def test_a_batch_that_comes_again_is_written_once():
    pipe = Pipe()
    sink = Stdout(StdoutConfig(descriptor=pipe.write))
    one, two, three = (batch([[float(n), 0, 0]], sequence=n) for n in (1, 2, 3))
    await sink.write([one])
    await sink.write([one, three])
    await sink.write([three, two, one])
    await sink.close()
    lines = (await pipe.text()).splitlines()
    assert [json.loads(line)["value"] for line in lines[::3]] == [1.0, 3.0, 2.0]


async def test_a_reader_that_left_is_gone():
    read, write = os.pipe()
    os.close(read)
    try:
        with pytest.raises(Gone, match="reader has left"):
            await Stdout(StdoutConfig(descriptor=write)).write([batch([[1, 0, 1]])])
    finally:
        os.close(write)


async def test_a_full_disk_is_waited_for():
    descriptor = os.open("/dev/full", os.O_WRONLY)
    sink = Stdout(StdoutConfig(descriptor=descriptor))
    with pytest.raises(Unreachable, match="No space left"):
        await sink.write([batch([[1, 0, 1]])])
    pipe = Pipe()
    os.dup2(pipe.write, descriptor)  # now there is space
    await sink.write([batch([[1, 0, 1]])])
    os.close(descriptor)
    assert len((await pipe.text()).splitlines()) == 3, "each sample once"


async def test_a_slow_reader_does_not_stop_the_loop():
    pipe = Pipe()
    big = batch(np.ones((5000, 3)) * [1, 0, 1])
    writing = asyncio.create_task(Stdout(StdoutConfig(descriptor=pipe.write)).write([big]))
    await asyncio.sleep(0)
    assert not writing.done(), "the pipe holds less than that"
    reading = asyncio.create_task(asyncio.to_thread(pipe.drain))
    await writing
    os.close(pipe.write)
    assert len((await reading).splitlines()) == 15_000


def test_a_wrong_option_is_named():
    with pytest.raises(Misconfigured, match="formt"):
        StdoutConfig.of("stdout", {"formt": "csv"})

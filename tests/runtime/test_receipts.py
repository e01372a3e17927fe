"""A driver is told when the store has its answer: once, in order, and never of what was lost."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.model import Batch, Kind, Layout, Metric, Series
from wattline.plugin import Refused, Unreachable
from wattline.runtime.receipts import MOST, Receipts
from wattline.testing.memory import MemoryStore

LAYOUT = Layout.of([Series.of("d", Metric("power_watts", kind=Kind.GAUGE))])


class Failing(MemoryStore):
    """Raises `fault` as long as there is one."""

    fault = None

    async def write(self, batches):
        if self.fault is not None:
            raise self.fault
        await super().write(batches)


def batch(sequence, run=1):
    return Batch(LAYOUT, np.zeros(1, np.int64), np.zeros((1, 1)), source="h/m", run=run, sequence=sequence)


@pytest.fixture
def told(monkeypatch, script):
    """What each answer said that the driver was told of."""
    found = []

    async def stored(self, frames):
        found.append(float(frames[0].values[0]))

    monkeypatch.setattr(script, "stored", stored, raising=False)
    return found


async def test_a_driver_is_told_of_each_answer_once_it_is_safe(running, clock, meter, script, told):
    answers = iter(range(1000))
    script.acts["m"] = lambda: next(answers)
    store = Failing()
    async with running([meter()], store):
        await clock.advance(5)
        assert told == [float(n) for n in range(len(told))]
        assert told
        store.fault = Unreachable("the disk is full")
        before = len(told)
        await clock.advance(20)
        assert len(told) <= before + 1, "what was read since is not safe"
        store.fault = None
        await clock.advance(15)
        assert told == [float(n) for n in range(len(told))], "in order, without a hole"
        assert len(told) > before + 15


async def test_it_is_told_at_the_end_of_what_became_safe_since(running, clock, meter, script, told):
    store = Failing()
    async with running([meter(every=60.0)], store):
        await clock.advance(62)
        assert told == [100.0]
    assert told == [100.0, 100.0]
    assert script.closed


async def test_it_is_not_told_of_what_the_store_refused(running, clock, meter, script, told):
    answers = iter([1.0, 2.0, 3.0, *[4.0] * 100])
    script.acts["m"] = lambda: next(answers)

    class Picky(Failing):
        async def write(self, batches):
            if any(batch.values[0, 0] == 2.0 for batch in batches):
                raise Refused("not this one")
            await super().write(batches)

    async with running([meter()], Picky()):
        await clock.advance(8)
    assert told[:3] == [1.0, 3.0, 4.0]


async def test_a_stream_is_told_as_well(running, clock, meter, chatter, monkeypatch):
    found = asyncio.Queue()

    async def stored(self, frames):
        found.put_nowait(float(frames[0].values[0]))

    monkeypatch.setattr(chatter, "stored", stored, raising=False)
    async with running([meter(driver="chatter")], Failing()):
        for said in (1.0, 2.0, 3.0):
            chatter.spoken.put_nowait(said)
            await clock.advance(2)
        assert found.get_nowait() == 1.0
        assert found.get_nowait() == 2.0


def test_what_is_passed_over_is_forgotten_and_the_rest_is_bounded():
    receipts = Receipts()
    receipts.expect(["a"], [batch(1), batch(2)])
    receipts.expect(["b"], [batch(3)])
    receipts.acknowledge(batch(1))
    assert receipts.take() == []
    receipts.acknowledge(batch(3))
    assert receipts.take() == [["b"]]
    receipts.acknowledge(batch(2))
    assert receipts.take() == []
    for n in range(2 * MOST):
        receipts.expect([n], [batch(n)])
    receipts.acknowledge(batch(0))
    assert receipts.take() == []
    receipts.acknowledge(batch(2 * MOST - 1))
    assert receipts.take() == [[2 * MOST - 1]]


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 3))
def test_an_answer_is_told_exactly_when_every_batch_of_it_was_acknowledged(acknowledged, size):
    receipts = Receipts()
    count = len(acknowledged) // size
    for n in range(count):
        receipts.expect([n], [batch(n * size + i) for i in range(size)])
    for n, said in enumerate(acknowledged[: count * size]):
        if said:
            receipts.acknowledge(batch(n))
    assert receipts.take() == [[n] for n in range(count) if all(acknowledged[n * size : (n + 1) * size])]

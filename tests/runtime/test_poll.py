"""Meters that speak, fall silent and come back, on a clock that the test moves."""

import asyncio
import itertools
import logging

import numpy as np
import pytest

from wattline.model import Cause
from wattline.plugin import Denied, Gone, Malformed, Misconfigured, Secret, Unreachable
from wattline.runtime.health import Ring, Silent, Speaking, Waiting
from wattline.runtime.source import DENIED_BACK_OFF
from wattline.testing.memory import MemoryStore
from wattline.units import NANOSECONDS


def state(engine, name="m"):
    return next(one for one in engine.health.meters() if one.name == name)


def times(store, device="m"):
    ids = [entry.id for entry in store.entries() if entry.series.device == device]
    blocks = itertools.chain.from_iterable(store.samples(ids, 0, 2**62))
    return sorted({int(time) for block in blocks for time in block.time})


async def test_an_alive_meter_keeps_its_second(running, clock, meter):
    store = MemoryStore()
    async with running([meter()], store) as engine:
        await clock.advance(30.5)
        health = state(engine)
    assert isinstance(health.state, Speaking)
    assert health.missed == 0
    assert health.devices == ("m",)
    assert health.polls in (30, 31)
    assert {b - a for a, b in itertools.pairwise(times(store))} == {NANOSECONDS}


async def test_a_slow_meter_is_asked_at_once_and_then_at_its_ticks(running, clock, meter):
    store = MemoryStore()
    async with running([meter(every=60.0)], store):
        await clock.advance(2)
        assert len(times(store)) == 1
        await clock.advance(120)
    assert len(times(store)) == 3


async def test_a_meter_that_does_not_answer_is_silent_with_a_reason_and_delays_no_other(
    running, clock, meter, script, caplog
):
    script.acts["dead"] = lambda: None
    store = MemoryStore()
    with caplog.at_level(logging.INFO):
        async with running([meter("dead"), meter("alive")], store) as engine:
            await clock.advance(60)
            dead, alive = state(engine, "dead"), state(engine, "alive")
    assert isinstance(dead.state, Silent)
    assert (dead.state.cause, dead.state.error) == (Cause.TIMEOUT, "no answer within 1 s")
    assert isinstance(alive.state, Speaking)
    assert alive.missed == 0
    assert {b - a for a, b in itertools.pairwise(times(store, "alive"))} == {NANOSECONDS}
    assert [r.message for r in caplog.records if "dead" in r.message] == ["dead is silent: no answer within 1 s"]
    assert [(o.meter, o.end, o.cause) for o in store.outages(0, 2**62)] == [("dead", None, Cause.TIMEOUT)]


async def test_back_off_grows_to_a_minute_and_jitters(running, clock, meter, script):
    calls = []
    script.acts["m"] = lambda: calls.append(clock.now()) or Unreachable("away")
    async with running([meter()]):
        await clock.advance(600)
    gaps = [(b - a) / NANOSECONDS for a, b in itertools.pairwise(calls)]
    assert gaps[0] == 1
    assert max(gaps) <= 61.5
    assert min(gaps[-3:]) >= 30
    assert 12 <= len(calls) <= 25
    assert len(script.opened) == len(script.closed) >= len(calls)


async def test_a_meter_that_comes_back_ends_its_outage(running, clock, meter, script, caplog):
    answers = itertools.chain([1.0, 2.0], itertools.repeat(Unreachable("away"), 3), itertools.repeat(5.0))
    script.acts["m"] = lambda: next(answers)
    store = MemoryStore()
    with caplog.at_level(logging.INFO):
        async with running([meter()], store) as engine:
            await clock.advance(30)
            assert isinstance(state(engine).state, Speaking)
            assert state(engine).failed == 3
    [outage] = store.outages(0, 2**62)
    good = times(store)
    assert (outage.start, outage.end, outage.cause, outage.detail) == (good[1], good[2], Cause.UNREACHABLE, "away")
    lines = [record.message for record in caplog.records if record.name == "wattline.meters"]
    assert lines[0] == "m is silent: away"
    assert lines[1].startswith("m speaks again after ")
    assert len(lines) == 2


async def test_a_malformed_answer_is_dropped_and_the_connection_kept(running, clock, meter, script):
    answers = itertools.chain([1.0, Malformed("garbage")], itertools.repeat(5.0))
    script.acts["m"] = lambda: next(answers)
    store = MemoryStore()
    async with running([meter()], store):
        await clock.advance(10.2)
    assert script.opened == ["m"]
    [outage] = store.outages(0, 2**62)
    assert outage.cause is Cause.MALFORMED
    assert outage.end - outage.start == 2 * NANOSECONDS


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (Misconfigured("no such OID"), Cause.MISCONFIGURED),
        (Gone("ended"), Cause.UNREACHABLE),
        (KeyError("x"), Cause.BUG),
    ],
)
async def test_what_cannot_mend_itself_stops_this_meter_alone(running, clock, meter, script, error, cause, caplog):  # noqa: PLR0917
    calls = []
    script.acts["m"] = lambda: calls.append(1) or error
    with caplog.at_level(logging.INFO):
        async with running([meter(), meter("other")]) as engine:
            await clock.advance(20)
            assert state(engine).state.cause is cause
            assert state(engine).state.stopped
            assert isinstance(state(engine, "other").state, Speaking)
    assert len(calls) == 1
    lines = [record.message for record in caplog.records if record.name == "wattline.meters"]
    assert len(lines) == 1
    assert ("Traceback" in lines[0]) == (cause is Cause.BUG)


async def test_a_refused_credential_is_told_once_and_tried_again_seldom(running, clock, meter, script, caplog):
    calls = []
    script.acts["m"] = lambda: calls.append(1) or (Denied("no such user") if len(calls) < 3 else 1.0)
    store = MemoryStore()
    with caplog.at_level(logging.INFO):
        async with running([meter()], store) as engine:
            await clock.advance(DENIED_BACK_OFF - 5)
            assert len(calls) == 1
            assert state(engine).state.cause is Cause.AUTH
            assert not state(engine).state.stopped
            await clock.advance(10)
            assert len(calls) == 2
            await clock.advance(2 * DENIED_BACK_OFF + 10)
            assert isinstance(state(engine).state, Speaking)
    told = [record.message for record in caplog.records if record.name == "wattline.meters"]
    assert [text.partition(":")[0].partition(" after")[0] for text in told] == ["m is silent", "m speaks again"]
    assert [(outage.cause, outage.detail) for outage in store.outages(0, 2**62)] == [(Cause.AUTH, "no such user")]


async def test_a_frame_that_does_not_fit_its_layout_is_a_bug_of_the_driver(running, clock, meter, script):
    from wattline.plugin import Frame, Layout

    script.acts["m"] = lambda: Frame(Layout.of([]), [1.0])
    async with running([meter(), meter("other")]) as engine:
        await clock.advance(5)
        assert state(engine).state.cause is Cause.BUG
        assert isinstance(state(engine, "other").state, Speaking)


async def test_no_secret_reaches_a_message(running, clock, meter, script, caplog):
    script.acts["m"] = lambda: RuntimeError("cannot log in as bob:hunter22 at http://bob:hunter22@h/")
    store = MemoryStore()
    with caplog.at_level(logging.DEBUG):
        async with running([meter(options={"password": Secret("hunter22")})], store) as engine:
            await clock.advance(5)
            assert "bob:***" in state(engine).state.error
    assert "hunter22" not in caplog.text
    assert all("hunter22" not in outage.detail for outage in store.outages(0, 2**62))


async def test_ticks_that_pass_while_a_request_is_in_flight_are_missed_and_leave_an_outage(
    running, clock, meter, script
):
    slow = asyncio.get_running_loop().create_future()
    answers = itertools.chain([1.0, slow], itertools.repeat(5.0))
    script.acts["m"] = lambda: next(answers)
    store = MemoryStore()
    async with running([meter(timeout=5.0)], store) as engine:
        await clock.advance(2.5)
        await clock.advance(3.2)
        slow.set_result(2.0)
        await clock.advance(3)
        assert state(engine).missed == 4
        assert engine.health.counters()["wattline_missed_ticks_total"] == 4
    [outage] = store.outages(0, 2**62)
    assert (outage.cause, outage.detail) == (Cause.OVERRUN, "4 ticks missed")


async def test_a_step_of_the_clock_begins_a_run_with_sequences_from_one(running, clock, meter):
    seen = []

    class Watching(MemoryStore):
        async def write(self, batches):
            seen.extend(batches)
            await super().write(batches)

    store = Watching()
    async with running([meter()], store) as engine:
        await clock.advance(3.5)
        clock.step(100)
        await clock.advance(3.5)
        assert engine.health.counters()["wattline_clock_steps_total"] == 1
    first, second = dict.fromkeys(batch.run for batch in seen)
    for run in (first, second):
        sequences = [batch.sequence for batch in seen if batch.run == run]
        assert sequences == list(range(1, len(sequences) + 1))
    [outage] = store.outages(0, 2**62)
    assert outage.cause is Cause.CLOCK_STEP
    assert outage.end - outage.start > 90 * NANOSECONDS


async def test_an_optional_meter_waits_to_be_asked_for(running, clock, meter, script):
    async with running([meter(optional=True)]) as engine:
        await clock.advance(5)
        assert isinstance(state(engine).state, Waiting)
    assert script.opened == []


async def test_what_an_earlier_life_left_open_ends_and_its_absence_is_poller_down(running, clock, meter, script):
    store = MemoryStore()
    script.acts["broken"] = lambda: 1.0
    async with running([meter(), meter("broken")], store):
        await clock.advance(5)
        script.acts["broken"] = lambda: Unreachable("away")
        await clock.advance(5)
    last = times(store)[-1]
    clock.block(3600)
    script.acts["broken"] = lambda: 1.0
    async with running([meter(), meter("broken")], store):
        await clock.advance(5)
    outages = {(o.meter, o.cause): o for o in store.outages(0, 2**62)}
    assert set(outages) == {("m", Cause.POLLER_DOWN), ("broken", Cause.UNREACHABLE)}
    down, away = outages["m", Cause.POLLER_DOWN], outages["broken", Cause.UNREACHABLE]
    assert (down.start, down.end) == (last, times(store)[times(store).index(last) + 1])
    assert away.end > down.start + 3590 * NANOSECONDS


async def test_a_stream_is_taken_as_it_comes_and_opened_again_when_it_ends(running, clock, meter, chatter):
    store = MemoryStore()
    async with running([meter("talk", driver="chatter")], store) as engine:
        for watts in (1.0, 2.0, None):
            chatter.spoken.put_nowait(watts)
            await clock.advance(0.5)
        assert isinstance(state(engine, "talk").state, Silent)
        assert "closed the stream" in state(engine, "talk").state.error
        chatter.spoken.put_nowait(3.0)
        await clock.advance(2)
        assert isinstance(state(engine, "talk").state, Speaking)
        await clock.advance(11)
        assert state(engine, "talk").state.cause is Cause.TIMEOUT
    assert len(times(store, "talk")) == 3


async def test_a_stream_that_was_silent_for_longer_than_a_gap_leaves_an_outage(running, clock, meter, chatter):
    store = MemoryStore()
    chatter.patience = 60.0
    try:
        async with running([meter("talk", driver="chatter", every=5.0)], store):
            for wait in (14, 16, 0.5):  # a period of 5 s has its gaps from 15 s on
                chatter.spoken.put_nowait(1.0)
                await clock.advance(wait)
    finally:
        chatter.patience = 0.0
    [outage] = store.outages(0, 2**62)
    assert (outage.cause, outage.detail) == (Cause.TIMEOUT, "nothing was said for 16 s")
    assert [outage.start, outage.end] == times(store, "talk")[1:]


def test_percentiles_are_those_of_numpy():
    ring, rng = Ring(), np.random.default_rng(1)
    assert ring.percentiles(50, 99) == (None, None)
    numbers = rng.exponential(1.0, 600).tolist()
    for n, number in enumerate(numbers, start=1):
        ring.add(number)
        if n in (1, 2, 7, 255, 256, 257, 600):
            kept = numbers[max(0, n - 256) : n]
            assert ring.percentiles(50, 99) == pytest.approx(np.percentile(kept, [50, 99]), rel=3e-4)

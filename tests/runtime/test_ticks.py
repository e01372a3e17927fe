import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.runtime.ticks import SLOT, Life, SystemClock, Ticks, midpoint, phase
from wattline.testing.clock import NOON, FakeClock
from wattline.units import NANOSECONDS

SECOND = NANOSECONDS


async def ticking(clock, ticks, count):
    """Collect ticks while time passes in steps that fit no period."""
    task = asyncio.create_task(collect(ticks, count))
    while not task.done():
        await clock.advance(0.37)
    return await task


async def collect(ticks, count):
    return [await ticks.next() for _ in range(count)]


@pytest.mark.parametrize(("period", "at"), [(SECOND, 0), (SECOND, 123), (SECOND // 4, 7), (60 * SECOND, SECOND)])
async def test_ticks_lie_on_the_epoch_and_do_not_drift(clock, period, at):
    ticks = Ticks(clock, Life(clock), period, at)
    got = await ticking(clock, ticks, 20)
    assert all((tick - at) % period == 0 for tick in got)
    assert {b - a for a, b in itertools.pairwise(got)} == {period}
    assert ticks.missed == 0


async def test_ticks_that_pass_while_nothing_runs_are_missed_and_not_caught_up(clock):
    ticks = Ticks(clock, Life(clock), SECOND)
    first = (await ticking(clock, ticks, 1))[0]
    clock.block(3.5)
    second = (await ticking(clock, ticks, 1))[0]
    assert second - first == 4 * SECOND
    assert ticks.missed == 3
    assert clock.now() >= second


async def test_a_wake_up_that_is_very_late_is_the_tick_of_its_time(clock):
    ticks = Ticks(clock, Life(clock), SECOND)
    first = (await ticking(clock, ticks, 1))[0]
    task = asyncio.create_task(ticks.next())
    await clock.settle()
    clock.block(5.3)
    await clock.advance(0)
    assert await task == first + 5 * SECOND
    assert ticks.missed == 4


async def test_skipped_ticks_are_not_missed(clock):
    ticks = Ticks(clock, Life(clock), SECOND)
    await ticking(clock, ticks, 1)
    clock.block(30)
    ticks.skip()
    await ticking(clock, ticks, 1)
    assert ticks.missed == 0


@pytest.mark.parametrize("step", [-3600.0, 3600.0, 0.2, -0.2])
async def test_a_step_of_the_wall_begins_a_run_misses_nothing_and_is_told(clock, step, caplog):
    life = Life(clock)
    ticks, run = Ticks(clock, life, SECOND), life.run
    await ticking(clock, ticks, 2)
    clock.step(step)
    task = asyncio.create_task(collect(ticks, 2))
    await clock.advance(3.5)
    assert task.done(), "a clock that was set back must not make a meter wait for as long"
    assert life.run != run
    assert life.steps == 1
    assert caplog.messages == [f"the clock has stepped by {step:+.3f} s"]
    assert ticks.missed == 0


def test_slewing_is_no_step(clock):
    life = Life(clock)
    run = life.run
    for _ in range(100):
        clock.block(10)
        clock.step(0.004)  # 400 ppm
        life.observe()
    assert life.run == run
    clock.block(1000)
    clock.step(0.3)  # within 500 ppm of a thousand seconds
    assert life.observe() == run
    clock.step(0.11)
    assert life.observe() != run


def test_phases_spread_a_thousand_meters_over_the_period():
    phases = sorted(phase(f"pdu-{i}", SECOND) for i in range(1000))
    assert all(0 <= one < SECOND for one in phases)
    tenths = [sum(SECOND * i // 10 <= one < SECOND * (i + 1) // 10 for one in phases) for i in range(10)]
    assert min(tenths) > 60
    assert all(one % SLOT == 0 for one in phases), "meters are woken together"
    assert len({phase(f"pdu-{i}", SLOT) for i in range(1000)}) == 10, "a short period has short slots"
    assert phase("pdu-1", SECOND) == 100000000, "a phase is the same after every start"


@given(now=st.integers(NOON, NOON + 10**15), elapsed=st.integers(0, 10**11))
def test_the_midpoint_is_in_whole_microseconds_between_request_and_reply(now, elapsed):
    middle = midpoint(now, elapsed)
    assert middle % 1000 == 0
    assert now - elapsed - 1000 <= middle <= now


async def test_the_systems_clock_waits():
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 9_000_000
    assert abs(clock.now() - SystemClock().now()) < SECOND
    with pytest.raises(TimeoutError):
        async with clock.timeout(0.01):
            await asyncio.get_running_loop().create_future()


async def test_the_fake_clock_times_out(clock: FakeClock):
    async def wait():
        async with clock.timeout(5):
            await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(wait())
    await clock.advance(4.9)
    assert not task.done()
    await clock.advance(0.2)
    with pytest.raises(TimeoutError):
        await task

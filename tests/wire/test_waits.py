"""Waits that share a timer end in order, each once, and not at all when they are cancelled."""

import asyncio

import pytest

from wattline.wire.waits import Limit, Waits, waits


async def test_waits_end_in_the_order_in_which_they_began() -> None:
    some, ended = Waits(0.01), list[int]()
    over = asyncio.Event()
    for number in range(3):
        some.begin(lambda number=number: ended.append(number))
    some.begin(over.set)
    await over.wait()
    assert ended == [0, 1, 2]


async def test_a_wait_that_is_cancelled_calls_nobody_and_holds_up_nobody() -> None:
    some, ended, over = Waits(0.01), list[str](), asyncio.Event()
    first, last = some.begin(lambda: ended.append("first")), some.begin(over.set)
    first.cancel()
    assert last.lasts
    await over.wait()
    assert not ended
    assert not last.lasts


async def test_a_wait_may_begin_another_when_it_ends() -> None:
    some, over = Waits(0.01), asyncio.Event()
    some.begin(lambda: some.begin(over.set))
    await over.wait()


async def test_waits_of_one_length_are_the_same_in_one_loop() -> None:
    assert waits(1.5) is waits(1.5)
    assert waits(1.5) is not waits(2.5)


async def test_a_limit_ends_what_lasts_too_long() -> None:
    with pytest.raises(TimeoutError):
        async with Limit(Waits(0.01)):
            await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_a_limit_leaves_alone_what_ends_in_time_or_fails() -> None:
    async with Limit(Waits(0.01)):
        pass
    with pytest.raises(ValueError, match="mine"):
        async with Limit(Waits(60)):
            raise ValueError("mine")
    await asyncio.sleep(0.02)


async def test_a_cancellation_from_outside_stays_one_within_a_limit() -> None:
    async def limited() -> None:
        async with Limit(Waits(60)):
            await asyncio.Event().wait()

    task = asyncio.create_task(limited())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_inner_of_two_limits_is_the_one_that_ends() -> None:
    async with Limit(Waits(60)):
        with pytest.raises(TimeoutError):
            async with Limit(Waits(0.01)):
                await asyncio.Event().wait()

import asyncio

import numpy as np
import pytest

from wattline.model import Batch, Layout, Metric, Series, pack_mask
from wattline.plugin import Refused
from wattline.runtime.live import FORGET, Live

A, B, C = (Series.of("d", Metric(name)) for name in "abc")


def batch(layout, time, values, *, run=1, source="h/m"):
    values = np.array(values, np.float64)
    return Batch(layout, np.array(time), values, pack_mask(~np.isnan(values)), {}, source, run, 1)


async def test_a_subscriber_gets_what_is_published_from_then_on():
    live, layout = Live(), Layout.of([A])
    live.publish([batch(layout, [1], [[1.0]])])
    async with live.subscribe() as subscriber:
        assert live.subscribers == 1
        waiting = asyncio.ensure_future(anext(subscriber))
        await asyncio.sleep(0)
        published = [batch(layout, [2], [[2.0]])]
        live.publish(published)
        assert await waiting is published
    assert live.subscribers == 0


async def test_a_slow_subscriber_loses_the_oldest_and_is_told_how_many():
    live, layout = Live(), Layout.of([A])
    async with live.subscribe(limit=2) as slow:
        for i in range(1, 6):
            live.publish([batch(layout, [i], [[i]]), batch(layout, [i], [[i]])])
        assert [int((await anext(slow))[0].time[0]) for _ in range(2)] == [4, 5]
        assert slow.dropped == live.dropped == 6


async def test_too_many_subscribers_are_refused_and_a_close_ends_them():
    live = Live(most=1)
    async with live.subscribe() as one:
        with pytest.raises(Refused, match=r"clients\.live"):
            async with live.subscribe():
                pass
        live.publish([])
        live.close()
        assert [got async for got in one] == [[]]


def test_the_last_values_are_by_series_and_absent_ones_stay():
    live, layout = Live(), Layout.of([A, B])
    live.publish([batch(layout, [1, 2], [[1.0, 10.0], [2.0, np.nan]])])
    assert live.last == {A: (2, 2.0), B: (1, 10.0)}
    live.publish([batch(layout, [3], [[np.nan, 30.0]])])
    assert live.last == {A: (2, 2.0), B: (3, 30.0)}


def test_a_layout_that_grew_goes_on_and_one_given_up_is_forgotten():
    live, layout = Live(), Layout.of([A])
    live.publish([batch(layout, [1], [[1.0]])])
    live.publish([batch(layout.grown([B], [None]), [2], [[np.nan, 5.0]])])
    assert live.last == {A: (1, 1.0), B: (2, 5.0)}
    assert len(live.layouts()) == 1
    live.publish([batch(Layout.of([C]), [FORGET + 10], [[7.0]])])
    assert live.last == {C: (FORGET + 10, 7.0)}


def test_late_batches_change_nothing_but_another_run_does():
    live, layout = Live(), Layout.of([A])
    live.publish([batch(layout, [100], [[1.0]])])
    live.publish([batch(layout, [50], [[2.0]])])
    assert live.last == {A: (100, 1.0)}
    live.publish([batch(layout, [50], [[3.0]], run=2)])
    assert live.last == {A: (50, 3.0)}

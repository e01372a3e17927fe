"""The board: registers give watts, wraps lose nothing, and a crowd costs one computation."""

import asyncio

import numpy as np
import pytest

from wattline.api.app import View
from wattline.api.now import Board
from wattline.model import Batch, Column, Kind, Layout, Metric, Series
from wattline.runtime.health import Health
from wattline.runtime.live import Live
from wattline.runtime.site import Site
from wattline.testing.memory import MemoryStore
from wattline.units import NANOSECONDS, Unit

BEGIN = 1_795_179_600 * NANOSECONDS
JOULES = Metric("energy_joules", Unit.JOULE, Kind.COUNTER)
SPENT = Metric("energy_spent_joules", Unit.JOULE, Kind.DELTA)


class Counting(MemoryStore):
    """A store that counts how often it is asked for its series."""

    asked = 0

    def entries(self):
        self.asked += 1
        return super().entries()


async def board_of(store, metric, column, values, now=BEGIN + 5 * NANOSECONDS) -> Board:
    live = Live()
    time = BEGIN + np.arange(len(values)) * 2 * NANOSECONDS
    batch = Batch(Layout.of([Series.of("a", metric)], [column]), time, np.array([values]).T, None, {}, "a", 1, 1)
    await store.write([batch])
    live.publish([batch])
    return Board(View(store, Health(), live, Site(), BEGIN, lambda: now))


@pytest.mark.parametrize(
    ("metric", "column", "values", "watts"),
    [
        (JOULES, Column(period=2.0), [0.0, 100.0, 300.0], 100.0),
        (JOULES, Column(period=2.0, range=1000.0), [800.0, 900.0, 100.0], 100.0),  # it wrapped
        (JOULES, Column(period=2.0, rated=300.0), [5e6, 5e6 + 100, 10.0], None),  # it was reset
        (JOULES, Column(period=2.0), [100.0], None),
        (SPENT, Column(period=2.0), [7.0, 80.0], 40.0),
    ],
)
async def test_watts_of_what_counts_joules(metric, column, values, watts):
    board = await board_of(MemoryStore(), metric, column, values)
    now = await board.now()
    assert (now.watts, now.devices[0].watts) == (watts, watts)
    assert now.cost_today is None


async def test_a_crowd_costs_one_computation():
    store = Counting()
    board = await board_of(store, JOULES, Column(period=2.0), [0.0, 100.0, 300.0])
    answers = await asyncio.gather(*(board.now() for _ in range(50)))
    assert store.asked == 1
    assert all(answer is answers[0] for answer in answers)


async def test_an_empty_site_knows_nothing():
    now = await Board(View(MemoryStore(), Health(), Live(), Site(), BEGIN, lambda: BEGIN)).now()
    assert (now.watts, now.kwh_today, now.coverage_today, now.devices) == (None, None, None, [])

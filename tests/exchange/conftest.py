"""A store with everything in it that files like to lose."""

import asyncio

import numpy as np
import pytest

from wattline.model import Batch, Column, Device, Kind, Layout, Metric, Point, Series, pack_mask
from wattline.testing.memory import MemoryStore
from wattline.units import NANOSECONDS, Scale, Unit

BEGIN = 490_000 * 3600 * NANOSECONDS
POWER = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power drawn, in watts")
ENERGY = Metric("energy_joules", Unit.JOULE, Kind.COUNTER)
DOOR = Metric("door", Unit.NONE, Kind.STATE)


def frames(layout, seconds, rows, *, run=1, sequence=1, present=None, texts=None, nanoseconds=0):
    time = np.array([BEGIN + int(s * 10**6) * 1000 + nanoseconds for s in seconds])
    mask = None if present is None else pack_mask(np.array(present, bool))
    return Batch(layout, time, np.array(rows, float), mask, texts or {}, "meter", run, sequence)


def odd_batches():
    odd = Layout.of(
        [
            Series.of("rack-1", ENERGY, {"phase": 1, "tags": ["a", None, {"b": 2.5}], "feed": "A"}),
            Series.of("rack-1/outlet-1", POWER),
            Series.of('räck, "2"\n', POWER, {"x": 'quote " comma , newline \n'}),
            Series.of("rack-1", DOOR),
        ],
        [
            Column(Scale(1, 1000), range=2.0**32 / 1000, resolution=0.001, point=Point.BMC),
            Column(period=1.0, rated=2300.5, accuracy=0.01, floor=3.0),
            Column(window=0.5, estimate="from CPU time, at 35 % idle"),
            Column(),
        ],
        devices=[Device("rack-1", "rack", (("A", "hall"), ("", "room")), "power_watts")],
    )
    values = [
        [1.5, np.nan, np.inf, 0],
        [-0.0, 0.0, -np.inf, 1],
        [5e-324, 1.7976931348623157e308, 0.1, 2],
        [2.0**53 + 2, 1 / 3, -1e-7, 0],
    ]
    present = [[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 0]]
    texts = {3: ("open", 'shut,\n"ajar"', "öffen")}
    yield frames(odd, [0, 1, 2.5, 4000.000001], values, present=present, texts=texts)
    node = Layout.of([Series.of("node-1", POWER), Series.of("node-1", Metric("fan"))])
    yield frames(node, [0, 1, 2], [[1, 2], [3, 4], [5, 6]], run=2)
    yield frames(node, [1, 5], [[9, 8], [7, 6]], run=3)
    yield frames(node, [7000], [[1, 2]], run=2, sequence=2, nanoseconds=123)


@pytest.fixture
def odd_store():
    store = MemoryStore()
    asyncio.run(store.write(list(odd_batches())))
    return store

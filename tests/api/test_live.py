"""The live stream over a real socket: what was committed, in order, with its losses told, and an end when asked."""

import asyncio
import json
import math

import aiohttp
import numpy as np
import pytest
import uvicorn

from wattline.api.app import create_app
from wattline.api.live import Filter, batches, moments
from wattline.model import Batch, Kind, Layout, Metric, Series, pack_mask
from wattline.runtime.live import Live
from wattline.units import Unit

PATIENCE = 20.0
WATTS = Metric("power_watts", Unit.WATT, Kind.GAUGE)
STATE = Metric("outlet_state", Unit.NONE, Kind.STATE)
LAYOUT = Layout.of([Series.of("a", WATTS, {"phase": 1}), Series.of("a", STATE), Series.of("b", WATTS)])


def batch(sequence: int, layout: Layout = LAYOUT) -> Batch:
    values = np.array([[math.nan, 1, -math.inf], [2.5, 7, sequence]])
    mask = np.array([[True, True, True], [True, False, True]])
    return Batch(layout, np.array([10, 20]), values, pack_mask(mask), {1: ("off", "on")}, "s", 5, sequence)


def parsed(body: bytes) -> list[tuple[str, object]]:
    found = []
    for part in body.decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in part.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


@pytest.fixture
async def address(view):
    """The interface behind a real server on a free port."""
    config = uvicorn.Config(create_app(view), port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        task = group.create_task(server.serve())
        while not server.started:
            assert not task.done()
            await asyncio.sleep(0)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        view.live.close()
        server.should_exit = True


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what another task does sets no event of ours
            await asyncio.sleep(0)


async def next_events(response, count):
    found, body = [], b""
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            body += await response.content.readuntil(b"\n\n")
            found = parsed(body)
    return found


async def test_a_client_gets_layouts_once_and_every_batch(view, address):
    async with aiohttp.ClientSession() as session, session.get(f"{address}/api/live") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        await until(lambda: view.live.subscribers == 1)
        view.live.publish([batch(1)])
        view.live.publish([batch(2)])
        told = await next_events(response, 3)
    assert [name for name, _ in told] == ["layout", "batch", "batch"]
    layout = told[0][1]
    assert layout["id"] == LAYOUT.id.hex()
    assert layout["series"][0] == {
        "device": "a", "metric": "power_watts", "unit": "W", "kind": "gauge", "labels": {"phase": 1},
        "estimated": False,
    }  # fmt: skip
    assert told[1][1] == {
        "layout": LAYOUT.id.hex(), "time": [10, 20], "values": [["NaN", "on", "-Inf"], [2.5, None, 1.0]],
        "source": "s", "run": 5, "sequence": 1,
    }  # fmt: skip
    await until(lambda: view.live.subscribers == 0)


async def test_filters_choose_columns(view, address):
    url = f"{address}/api/live?device=b&device=z*&metric=power_*"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        await until(lambda: view.live.subscribers == 1)
        view.live.publish([batch(1, Layout.of([Series.of("a", WATTS), Series.of("a", STATE), Series.of("c", WATTS)]))])
        view.live.publish([batch(2)])
        told = await next_events(response, 2)
    assert [one["device"] for one in told[0][1]["series"]] == ["b"]
    assert told[1][1]["values"] == [["-Inf"], [2.0]]


async def test_a_crowd_is_refused(view, address):
    async with aiohttp.ClientSession() as session:
        first, second = await session.get(f"{address}/api/live"), await session.get(f"{address}/api/live?view=now")
        await until(lambda: view.live.subscribers == 2)
        async with session.get(f"{address}/api/live") as third:
            assert third.status == 503
            assert third.content_type == "application/problem+json"
        first.close()
        second.close()
        await until(lambda: view.live.subscribers == 0)


async def test_view_now_repeats_the_answer(view, address):
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{address}/api/live?view=now") as response:
            [(name, told), *_] = await next_events(response, 1)
        async with session.get(f"{address}/api/now") as response:
            assert (name, told) == ("now", await response.json())


async def test_a_slow_client_is_told_how_much_it_lost():
    live = Live()
    async with live.subscribe(2) as subscriber:
        events = batches(subscriber, Filter(None, None))
        await anext(events)
        for sequence in range(1, 6):
            live.publish([batch(sequence)])
        told = parsed(await anext(events)) + parsed(await anext(events))
    assert told[0] == ("lost", {"batches": 3})
    assert [one["sequence"] for name, one in told if name == "batch"] == [4, 5]


async def test_silence_is_told_and_the_end_ends():
    live = Live()
    async with live.subscribe() as subscriber:
        events = batches(subscriber, Filter(None, None), heartbeat=0.01)
        await anext(events)
        assert await anext(events) == b": still here\n\n"
        live.close()
        assert [part async for part in events if not part.startswith(b":")] == []


async def test_moments_come_until_the_end():
    live, asked = Live(), 0

    async def now() -> bytes:
        nonlocal asked
        asked += 1
        if asked == 3:
            live.close()
        return str(asked).encode()

    async with live.subscribe() as subscriber:
        told = [part async for part in moments(subscriber, now, every=0.01)]
    assert told == [b"event: now\ndata: %d\n\n" % i for i in (1, 2, 3)]


def test_what_clients_with_one_filter_get_is_encoded_once():
    one, published = Filter(None, None), [batch(1)]
    first = one.events(published)
    assert one.events(published) is first
    assert one.events([batch(1)]) is not first

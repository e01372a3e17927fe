"""Kill it: whatever the live stream had shown is in the store with its value, once, and the store is whole."""

import asyncio
import os
import random

import numpy as np
import pytest

from wattline.drivers.sim.driver import SimConfig, truth
from wattline.model import Kind
from wattline.stores.sqlite.store import Sqlite, SqliteConfig
from wattline.testing.listener import Listener
from wattline.testing.program import Program

SECOND = 1_000_000_000
CRASHES = int(os.environ.get("WATTLINE_CRASHES", "3"))
FRAMES = 170
RACK = f"sim://rack?servers=16&frames={FRAMES}&wrap=50000"  # 121 series: 20,570 samples a second
OPTIONS = SimConfig(host="rack", servers=16, frames=FRAMES, wrap=50_000)


def store_of(path):
    return Sqlite(SqliteConfig(path=str(path / "wattline.sqlite"), read_only=True))


@pytest.fixture
def site(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(f"meters:\n  - url: {RACK}\n    every: 1s\n")
    return path


def test_what_was_shown_is_stored_once_with_its_value(site, tmp_path):
    data = tmp_path / "store"
    chance = random.Random(20)
    checked = 0
    for _ in range(CRASHES):
        with Program("--config", str(site), data=data) as up:
            listener = Listener(up.address)
            enough = chance.randint(1, 60)
            up.wait(lambda heard=listener, n=enough: heard.heard > n)
            up.kill()
        listener.close()
        checked += asyncio.run(compare(data, listener.shown()))
    assert checked > CRASHES * 121
    with Program("--config", str(site), data=data):
        pass
    asyncio.run(verified(data))


async def compare(data, shown):
    """Hold what was shown against the store and the truth; returns how many samples that were."""
    assert shown, "the listener was shown nothing"
    store = store_of(data)
    await store.open()
    entries = {(entry.series.device, entry.series.metric.name): entry for entry in store.entries()}
    start = min(int(seen.time.min()) for seen in shown.values())
    end = max(int(seen.time.max()) for seen in shown.values()) + 1
    held = await asyncio.to_thread(columns, store, [entries[key].id for key in shown], start, end)
    for (device, metric), seen in shown.items():
        entry = entries[device, metric]
        time, values = held[entry.id]
        assert len(np.unique(time)) == len(time), f"{device} {metric} has samples twice"
        place = np.searchsorted(time, seen.time)
        assert (place < len(time)).all()
        assert (time[place] == seen.time).all(), f"{device} {metric}: shown and not stored"
        if entry.series.metric.kind is Kind.STATE:
            texts = store.texts(entry.id)
            assert [texts[int(v)] for v in values[place]] == seen.values
        else:
            assert (values[place] == np.array(seen.values, float)).all()
            assert (truth(device, metric, seen.time, OPTIONS) == values[place]).all()
    await store.close()
    return sum(len(seen.time) for seen in shown.values())


def columns(store, ids, start, end):
    """Return time and values of each series in a window."""
    found = {one: ([], []) for one in ids}
    for blocks in store.samples(ids, start, end):
        for block in blocks:
            for i, one in enumerate(block.ids):
                if one in found:
                    there = slice(None) if block.present is None else block.present[:, i]
                    found[one][0].append(block.time[there])
                    found[one][1].append(block.values[there, i])
    return {one: (np.concatenate(time), np.concatenate(values)) for one, (time, values) in found.items()}


async def verified(data):
    store = store_of(data)
    await store.open()
    faults = [line for step in store.verify() for line in step.lines]
    await store.close()
    assert not faults

"""Commits, ends, reloads, and stores that fail."""

import asyncio
import logging

import pytest

from wattline.model import Cause
from wattline.plugin import Misconfigured, Refused, Unreachable
from wattline.runtime.health import Silent, Speaking
from wattline.runtime.site import DeviceConfig, PluginConfig, Site
from wattline.testing.memory import MemoryStore


class Failing(MemoryStore):
    """Raises `fault` as long as there is one; counts what it took."""

    def __init__(self):
        super().__init__()
        self.fault = None
        self.writes = 0
        self.tries = 0
        self.names = []

    async def write(self, batches):
        self.tries += 1
        if self.fault is not None:
            raise self.fault
        await super().write(batches)
        self.writes += 1
        self.names += [(batch.source, batch.run, batch.sequence) for batch in batches]

    async def note(self, outages=(), runs=()):
        if self.fault is not None:
            raise self.fault
        await super().note(outages, runs)


def whole(names):
    """Whether each run of each source has sequences from 1 in order, without a hole."""
    runs = {}
    for source, run, sequence in names:
        runs.setdefault((source, run), []).append(sequence)
    return all(sequences == list(range(1, len(sequences) + 1)) for sequences in runs.values())


async def test_two_hundred_meters_are_one_commit_a_second(running, clock, meter):
    store = Failing()
    async with running([meter(f"m{i}") for i in range(200)], store) as engine:
        await clock.advance(10)
        assert 9 <= store.writes <= 12
        figures = engine.health.counters()
    assert figures['wattline_meters{state="speaking"}'] == 200
    assert whole(store.names)


async def test_what_is_live_was_committed_before(running, clock, meter):
    store = Failing()
    async with running([meter()], store) as engine, engine.live.subscribe() as live:
        await clock.advance(2.5)
        seen = await anext(live)
        assert {(b.source, b.run, b.sequence) for b in seen} <= set(store.names)
        store.fault = Unreachable("the disk is full")
        before = engine.live.last
        await clock.advance(20)
        assert engine.live.last == before
        store.fault = None
        await clock.advance(12)
        assert engine.live.last != before


async def test_a_store_that_fails_says_so_once_and_nothing_is_lost(running, clock, meter, caplog):
    store = Failing()
    with caplog.at_level(logging.INFO):
        async with running([meter("a"), meter("b")], store) as engine:
            await clock.advance(3)
            store.fault = OSError(28, "No space left on device")
            await clock.advance(60)
            figures = engine.health.counters()
            assert figures['wattline_sink_failing{sink="store"}'] == 1
            assert figures['wattline_queued_samples{sink="store"}'] >= 200
            assert all(isinstance(one.state, Speaking) for one in engine.health.meters())
            store.fault = None
            await clock.advance(15)
            assert engine.health.counters()['wattline_sink_failing{sink="store"}'] == 0
    lines = [record.getMessage() for record in caplog.records if record.name == "wattline.sinks"]
    assert len(lines) == 2
    assert "No space left on device" in lines[0]
    assert whole(store.names)
    assert len(store.names) >= 150
    assert store.tries < 40


async def test_a_queue_that_is_full_drops_its_oldest_counts_them_and_leaves_an_outage(running, clock, meter):
    store = Failing()
    async with running([meter()], store, queue=20) as engine:
        await clock.advance(3)
        store.fault = Unreachable("away")
        await clock.advance(60)
        store.fault = None
        await clock.advance(15)
        dropped = engine.health.counters()['wattline_dropped_samples_total{sink="store"}']
    assert dropped > 60
    lost = [outage for outage in store.outages(0, 2**62) if outage.cause is Cause.OVERRUN]
    assert len(lost) == 1
    assert lost[0].meter == "m"


async def test_a_refused_batch_is_found_and_the_rest_is_stored(running, clock, meter, caplog):
    class Picky(Failing):
        async def write(self, batches):
            if any("bad" in batch.source for batch in batches):
                raise Refused("power_watts of bad is W, but x declared it as J")
            await super().write(batches)

    store = Picky()
    async with running([meter("bad"), *(meter(f"m{i}") for i in range(20))], store) as engine:
        await clock.advance(60)
        assert engine.health.counters()['wattline_refused_samples_total{sink="store"}'] > 50
        assert engine.health.counters()['wattline_sink_failing{sink="store"}'] == 0
    assert whole(store.names)
    assert len(store.names) > 20 * 55
    assert len([r for r in caplog.records if "refuses" in r.message]) <= 2


async def test_a_batch_over_which_the_store_falls_costs_its_meter_alone(running, clock, meter, caplog):
    class Frail(Failing):
        async def write(self, batches):
            if any("bad" in batch.source for batch in batches):
                raise OverflowError("can't serialize ints > 2**64 - 1")
            await super().write(batches)

    store = Frail()
    async with running([meter("bad"), *(meter(f"m{i}") for i in range(20))], store) as engine:
        await clock.advance(60)
        assert engine.health.counters()['wattline_refused_samples_total{sink="store"}'] > 50
        assert engine.health.counters()['wattline_sink_failing{sink="store"}'] == 0
    assert whole(store.names)
    assert len(store.names) > 20 * 55
    assert len([r for r in caplog.records if "refuses samples of" in r.message]) <= 2


async def test_a_store_that_falls_over_everything_keeps_it_waiting(running, clock, meter, caplog):
    store = Failing()
    store.fault = ZeroDivisionError("a bug")
    async with running([meter(f"m{i}") for i in range(3)], store) as engine:
        await clock.advance(20)
        assert 'wattline_refused_samples_total{sink="store"}' not in engine.health.counters()
        store.fault = None
        await clock.advance(60)
    assert whole(store.names)
    assert len([r for r in caplog.records if "takes no samples, they wait" in r.message]) == 1


async def test_an_end_writes_what_waits_and_notes_the_end_of_runs(running, clock, meter):
    store = Failing()
    async with running([meter(f"m{i}") for i in range(50)], store, commit_every=100.0) as engine:
        await clock.advance(9)
        polled = engine.health.counters()["wattline_polls_total"]
        assert len(store.names) < 100
    assert len(store.names) == polled
    assert whole(store.names)


async def test_an_end_with_a_failing_store_comes_within_five_seconds(running, clock, meter, caplog):
    store = Failing()
    async with asyncio.timeout(6), running([meter()], store):
        await clock.advance(3)
        store.fault = Unreachable("away")
        await clock.advance(5)
    assert any("were not stored" in record.message for record in caplog.records)


async def test_a_reload_interrupts_nothing_that_did_not_change(running, clock, meter, script):
    store = Failing()
    script.acts["stopped"] = lambda: Misconfigured("wrong")
    async with running([meter("same"), meter("gone"), meter("slower"), meter("stopped")], store) as engine:
        await clock.advance(5)
        del script.acts["stopped"]
        site = Site(host="site", data=engine.site.data, meters=(
            meter("same"), meter("slower", every=2.0), meter("stopped"), meter("new")
        ))  # fmt: skip
        reloading = asyncio.create_task(engine.reload(site))
        await clock.advance(0)
        await reloading
        await clock.advance(10.5)
        health = {one.name: one for one in engine.health.meters()}
    assert sorted(health) == ["new", "same", "slower", "stopped"]
    assert health["same"].polls >= 15
    assert health["slower"].period == 2
    assert health["slower"].polls <= 6
    assert all(isinstance(one.state, Speaking) for one in health.values())
    assert script.opened.count("same") == 1
    assert whole(store.names), "a meter that is read anew begins another run"


async def test_a_reload_that_a_start_alone_can_do_changes_nothing(running, clock, meter):
    async with running([meter()]) as engine:
        before = engine.site
        with pytest.raises(Misconfigured, match="listen cannot change"):
            await engine.reload(Site(host="site", data=before.data, listen="127.0.0.1:1"))
        assert engine.site is before
        assert len(engine.health.meters()) == 1


async def test_a_reload_says_other_things_of_devices_without_a_break(running, clock, meter, script):
    store = MemoryStore()
    async with running([meter()], store) as engine:
        await clock.advance(3)
        rack = DeviceConfig(name="m", parent="rack-1", type="server", rated=500.0)
        top = DeviceConfig(name="rack-1", type="rack")
        await engine.reload(Site(host="site", data=engine.site.data, meters=(meter(),), devices=(rack, top)))
        await clock.advance(3)
    devices = {device.name: device for device in store.devices()}
    assert devices["m"].parent == "rack-1"
    assert devices["rack-1"].type == "rack"
    assert {entry.column.rated for entry in store.entries()} == {500.0}
    assert script.opened == ["m"]


async def test_a_meter_that_cannot_be_made_is_silent_and_the_rest_goes_on(running, clock, meter, script):
    class Broken(script):
        def __init__(self, config):
            raise Misconfigured("this never works")

    script.acts.clear()
    async with running([meter("lost", driver="lost"), meter()]) as engine:
        await clock.advance(2)
        health = {one.name: one.state for one in engine.health.meters()}
    assert isinstance(health["lost"], Silent)
    assert "there is no driver 'lost'" in health["lost"].error
    assert isinstance(health["m"], Speaking)


async def test_a_sink_that_fails_spools_and_gets_all_later_in_order(running, clock, meter, box, tmp_path):
    sink = PluginConfig(name="box", driver="box", options=box.Config())
    store = Failing()

    async def passes(seconds, until):
        async with asyncio.timeout(20):
            while not until():
                await clock.advance(seconds)

    async with running([meter()], store, sinks=(sink,)) as engine:
        await passes(0.5, lambda: len(box.writes) >= 2)
        box.fault = Unreachable("the sink is away")
        await passes(0.5, lambda: engine.health.counters()['wattline_spool_bytes{sink="box"}'] > 1500)
    assert list((tmp_path / "spool/box").glob("*.spool"))
    box.fault = None
    async with running([meter()], store, sinks=(sink,)) as engine:
        await passes(0.5, lambda: len({batch.run for write in box.writes for batch in write}) == 2)
        assert engine.health.counters()['wattline_spool_bytes{sink="box"}'] == 0
    got = [(batch.source, batch.run, batch.sequence) for write in box.writes for batch in write]
    assert whole(got)
    assert set(got) <= set(store.names)
    assert len(set(got)) == len(got) >= 8


async def test_figures_are_a_page_that_prometheus_reads(running, clock, meter, script):
    from prometheus_client.parser import text_string_to_metric_families

    script.acts["dead"] = lambda: None
    async with running([meter(), meter("dead")]) as engine:
        await clock.advance(5)
        families = {family.name: family for family in text_string_to_metric_families(engine.health.figures().decode())}
    assert families["wattline_commit_seconds"].type == "histogram"
    assert families["wattline_polls"].samples[0].value >= 4
    assert {sample.labels["cause"] for sample in families["wattline_poll_failures"].samples} == {"timeout"}
    assert all(family.documentation for family in families.values())


async def test_a_store_that_cannot_be_opened_ends_the_run_with_its_error(registry, clock, tmp_path):
    from wattline.runtime.engine import Engine

    class Closed(MemoryStore):
        async def open(self):
            raise Misconfigured("this store is of a newer version")

    engine = Engine(Site(data=tmp_path), registry, clock=clock, store=Closed())
    with pytest.raises(Misconfigured, match="newer version"):
        await engine.run(asyncio.Event())


async def test_a_spool_that_cannot_be_made_ends_the_run_with_one_clear_error(registry, clock, box, tmp_path):
    from wattline.runtime.engine import Engine

    (tmp_path / "spool").write_text("a file where a folder should be")
    sink = PluginConfig(name="box", driver="box", options=box.Config())
    engine = Engine(Site(data=tmp_path, sinks=(sink,)), registry, clock=clock, store=MemoryStore())
    with pytest.raises(Misconfigured, match="the spool of box cannot be in"):
        await engine.run(asyncio.Event())

"""Optional meters are asked while they are promoted, and never else; the table outlives a restart."""

import logging
import os

import pytest
from msgspec.structs import replace

from wattline.core.promotion import Promotion
from wattline.model import Cause
from wattline.plugin import Gone, Misconfigured, Refused, Unreachable
from wattline.runtime.health import Silent, Speaking, Waiting
from wattline.runtime.promotions import FILE, Promotions, names_of
from wattline.testing.memory import MemoryStore
from wattline.units import NANOSECONDS


def state(engine, name="m"):
    return next(one for one in engine.health.meters() if one.name == name).state


@pytest.fixture
def optional(meter):
    """An optional meter as Kwollect writes it."""
    return meter("n/my_metric", host="n", optional=True, metric="my_metric", labels={"_device_alias": "alias"})


async def test_it_is_asked_while_it_is_promoted_and_never_else(running, clock, optional, script):
    store = MemoryStore()
    async with running([optional], store) as engine:
        await clock.advance(5)
        assert script.opened == []
        await engine.promotions.put(Promotion(device="n", metric="my_.*"))
        await clock.advance(2.1)  # a second until it is seen, and a period
        assert isinstance(state(engine, "n/my_metric"), Speaking)
        await clock.advance(3)
        await engine.promotions.remove("n")
        await clock.advance(2)
        assert isinstance(state(engine, "n/my_metric"), Waiting)
        assert script.closed
        count = len(script.opened)
        await clock.advance(30)
        assert len(script.opened) == count
        await engine.promotions.put(Promotion(device="n", metric=".*"))
        await clock.advance(3)
        assert isinstance(state(engine, "n/my_metric"), Speaking)
    assert store.outages(0, 2**62) == [], "what nobody wanted to know is no hole"


@pytest.mark.parametrize("name", ["n", "alias", "n/my_metric"])
async def test_any_name_of_the_device_and_any_promotion_will_do(running, clock, optional, script, name):
    async with running([optional]) as engine:
        await engine.promotions.put(Promotion(device=name, metric="my_metric"))
        await engine.promotions.put(Promotion(device=name, metric="other"))
        await clock.advance(3)
        assert isinstance(state(engine, "n/my_metric"), Speaking)


async def test_a_promotion_that_is_not_its_own_moves_nothing(running, clock, optional, script):
    async with running([optional]) as engine:
        await engine.promotions.put(Promotion(device="n", metric="other"))
        await engine.promotions.put(Promotion(device="m", metric=".*"))
        await clock.advance(5)
        assert isinstance(state(engine, "n/my_metric"), Waiting)
    assert script.opened == []


async def test_it_ends_by_itself(running, clock, optional, script):
    async with running([optional]) as engine:
        await engine.promotions.put(Promotion(device="n", metric=".*", until=clock.now() + 10 * NANOSECONDS))
        await clock.advance(5)
        assert isinstance(state(engine, "n/my_metric"), Speaking)
        await clock.advance(7)
        assert isinstance(state(engine, "n/my_metric"), Waiting)
        assert engine.promotions.all() == ()


async def test_it_outlives_a_restart(running, clock, optional, script):
    store = MemoryStore()
    async with running([optional], store) as engine:
        await engine.promotions.put(Promotion(device="n", metric=".*"))
    async with running([optional], store) as engine:
        await clock.advance(2)
        assert isinstance(state(engine, "n/my_metric"), Speaking)


async def test_a_promoted_meter_that_fails_is_silent_and_one_that_is_let_go_waits(running, clock, optional, script):
    script.acts["n"] = lambda: Misconfigured("the plug is missing")
    async with running([optional]) as engine:
        await engine.promotions.put(Promotion(device="n", metric=".*"))
        await clock.advance(5)
        assert isinstance(state(engine, "n/my_metric"), Silent)
        await engine.promotions.remove("n")
        await clock.advance(2)
        assert isinstance(state(engine, "n/my_metric"), Waiting)


async def test_a_reload_keeps_what_is_promoted(running, clock, optional, meter, script):
    async with running([optional]) as engine:
        await engine.promotions.put(Promotion(device="n", metric=".*"))
        await clock.advance(3)
        opened = len(script.opened)
        await engine.reload(replace(engine.site, meters=(optional, meter("other"))))
        await clock.advance(3)
        assert isinstance(state(engine, "n/my_metric"), Speaking)
        assert script.opened.count("n") == opened


async def test_a_driver_is_told_what_is_promoted(running, clock, meter, script):
    async with running([meter()]) as engine:
        await clock.advance(2)
        driver = engine._readers["m"].source.driver
        assert not driver.promoted(["power_watts"], ["m"])
        await engine.promotions.put(Promotion(device="m", metric="power"))
        assert driver.promoted(["power_watts"], ["m"])


async def test_a_program_ends_when_every_meter_has_left(running, clock, meter, script, caplog):
    script.acts["a"] = lambda: Gone("unplugged for good")
    with caplog.at_level(logging.INFO):
        async with running([meter("a"), meter("b")]) as engine:
            await clock.advance(30)
            assert isinstance(state(engine, "b"), Speaking)
            assert "every meter has left" not in caplog.text
            script.acts["b"] = lambda: Gone("unplugged for good")
            await clock.advance(5)
            assert "every meter has left" in caplog.text
            assert state(engine, "a").cause is Cause.UNREACHABLE


# --- the table ---


@pytest.fixture
def table(tmp_path):
    return Promotions(tmp_path / "state" / FILE, lambda: 100)


def fresh(table):
    again = Promotions(table._path, lambda: 100)
    again.load()
    return again


async def test_the_file_is_whole_after_every_change(table):
    table.load()
    one = Promotion(device="n", metric="a", until=200, owner="job 1")
    two = Promotion(device="n", metric="b")
    await table.put(one)
    await table.put(two)
    assert fresh(table).all() == table.all() == (one, two)
    assert await table.remove("n", "a", "job 2") == []
    assert await table.remove("n", "a") == [one]
    assert fresh(table).all() == (two,)
    assert await table.remove("n") == [two]
    assert fresh(table).all() == ()


@pytest.mark.parametrize("damage", [b"", b"[{", b'[{"device": 1}]', b'[{"device": "n", "metric": "("}]', b"\xff"])
async def test_a_damaged_file_promotes_nothing_and_is_told_of(table, damage, caplog):
    await table.put(Promotion(device="n", metric="a"))
    table._path.write_bytes(damage)
    assert fresh(table).all() == ()
    assert "nothing is promoted" in caplog.text


async def test_what_cannot_be_written_changes_nothing(table, monkeypatch):
    await table.put(Promotion(device="n", metric="a"))
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(Unreachable, match="No space left"):
        await table.put(Promotion(device="n", metric="b"))
    assert [one.metric for one in table.all()] == ["a"]


async def test_there_is_a_limit(table, monkeypatch):
    monkeypatch.setattr("wattline.runtime.promotions.MOST", 2)
    await table.put(Promotion(device="n", metric="a"))
    await table.put(Promotion(device="n", metric="b"))
    await table.put(Promotion(device="n", metric="b", until=200))
    with pytest.raises(Refused, match="2 promotions already"):
        await table.put(Promotion(device="n", metric="c"))


def test_a_meter_goes_by_its_own_names(meter):
    assert names_of(meter("pdu", host="10.0.0.1"), ["power_watts"]) == (("power_watts",), ("10.0.0.1", "pdu"))
    assert names_of(meter("pdu"), []) == (("pdu",), ("pdu",))

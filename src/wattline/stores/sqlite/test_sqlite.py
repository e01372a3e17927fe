"""The SQLite store: the contract, and what a file on a disk adds to it."""

import asyncio
import random
import sqlite3
import sys

import numpy as np
import pytest

from wattline.errors import Misconfigured, Refused, Unreachable
from wattline.model import Batch, Column, Layout, Series, pack_mask
from wattline.stores.sqlite import append, schema
from wattline.stores.sqlite.lease import Lease
from wattline.stores.sqlite.received import Life
from wattline.stores.sqlite.store import Sqlite, SqliteConfig
from wattline.stores.sqlite.thin import Retention
from wattline.testing.folder import SINK_HEADINGS, check_misspelt, check_readme, check_sample
from wattline.testing.known import ALWAYS, POWER, frames, held, layout, running, sound, value
from wattline.testing.store_scenario import BEGIN, check_cells
from wattline.units import NANOSECONDS

SECOND, HOUR = NANOSECONDS, 3600 * NANOSECONDS


def opened(path, clock=None, **options):
    return running(Sqlite(SqliteConfig(path=str(path), **options), *(() if clock is None else (clock,))))


# --- the file ---


async def test_the_directory_is_made_and_the_file_is_ours(tmp_path):
    path = tmp_path / "a" / "b" / "store.sqlite"
    async with opened(path):
        pass
    with sqlite3.connect(path) as connection:
        assert connection.execute("pragma application_id").fetchone()[0] == schema.APPLICATION
        assert connection.execute("pragma user_version").fetchone()[0] == schema.VERSION
        assert connection.execute("pragma page_size").fetchone()[0] == schema.PAGE
        assert connection.execute("pragma auto_vacuum").fetchone()[0] == 2
        assert connection.execute("pragma journal_mode").fetchone()[0] == "wal"
    connection.close()


async def test_a_newer_store_is_refused_and_not_touched(tmp_path):
    path = tmp_path / "s"
    async with opened(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute("pragma user_version=99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match=r"newer Wattline.*version 99"):
        async with opened(path):
            pass
    assert path.read_bytes() == before


async def test_an_older_store_is_brought_up_to_date_in_one_transaction(tmp_path):
    path = tmp_path / "s"
    async with opened(path):
        pass
    connection = sqlite3.connect(path, isolation_level=None)
    steps = {0: lambda c: c.execute("create table fresh(x)")}
    connection.execute("pragma user_version=0")
    schema.migrate(connection, steps)
    assert connection.execute("select count(*) from fresh").fetchone() == (0,)
    assert connection.execute("pragma user_version").fetchone() == (schema.VERSION,)

    def fails(c):
        c.execute("create table half(x)")
        c.execute("create table half(x)")

    connection.execute("pragma user_version=0")
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, {0: fails})
    assert connection.execute("select count(*) from sqlite_master where name='half'").fetchone() == (0,)
    assert connection.execute("pragma user_version").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize("content", [b"not a database at all, only words" * 99, None])
async def test_a_file_that_is_no_store_is_refused(tmp_path, content):
    path = tmp_path / "s"
    if content is None:
        connection = sqlite3.connect(path)
        connection.execute("create table theirs(x)")
        connection.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match="no Wattline store"):
        async with opened(path):
            pass
    assert path.read_bytes() == before


async def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="file"):
        async with opened(tmp_path / "file" / "deep" / "s"):
            pass


async def test_reading_alone_writes_nothing(tmp_path):
    path = tmp_path / "s"
    with pytest.raises((Misconfigured, Unreachable)):
        async with opened(path, read_only=True):
            pass
    async with opened(path) as store:
        await store.write([frames(layout("a"), 0, [1, 2], 1)])
        async with opened(path, read_only=True) as reader:
            assert held(reader) == held(store)
            with pytest.raises(Refused, match="reading alone"):
                await reader.write([frames(layout("a"), 0, [3], 2)])
            await store.write([frames(layout("new"), 1, [1], 1)])
            assert len(reader.entries()) == 8
            assert reader.last(0) == store.last(0)


# --- folding and closing ---


async def test_what_is_staged_and_what_is_folded_are_one(tmp_path):
    of = layout("a", 3)
    async with opened(tmp_path / "s") as store:
        for sequence in range(1, 40):
            await store.write([frames(of, 0, [sequence * 2, sequence * 2 + 4001 * (sequence % 2)], sequence)])
            if sequence % 10 == 0:
                await store.settle()
        first = held(store)
        figures = store.statistics()
        assert figures["bytes_staged"] > 0
        assert figures["bytes_chunks"] > 0
        await store.settle()
        assert held(store) == first
        assert store.statistics()["bytes_staged"] == 0
        assert sound(store) == []
    async with opened(tmp_path / "s") as again:
        assert held(again) == first


async def test_a_repeat_has_no_effect_after_fold_and_reopening(tmp_path):
    of = layout("a", 2)
    async with opened(tmp_path / "s") as store:
        await store.write([frames(of, 0, [1], 1), frames(of, 0, [2], 2), frames(of, 0, [9], 5)])
        await store.settle()
        await store.write([frames(of, 0, [3], 3)])
    async with opened(tmp_path / "s") as store:
        changed = frames(of, 3, [1, 2, 3, 9], 1)
        for sequence in (1, 2, 3, 5):
            await store.write([Batch(of, changed.time, changed.values, None, {}, "m0", 1, sequence)])
        assert sorted(held(store)["a/outlet-0"]) == [BEGIN + s * SECOND for s in (1, 2, 3, 9)]
        assert held(store)["a/outlet-0"][BEGIN + SECOND] == value(0, 0, 1)
        await store.write([frames(of, 0, [4], 4)])
        assert len(held(store)["a/outlet-0"]) == 5


async def test_an_hour_is_one_chunk_when_it_has_closed_and_small(tmp_path):
    of = layout("a", 20)
    now = [BEGIN + 10 * SECOND]
    async with opened(tmp_path / "s", clock=lambda: now[0], fold_bytes=1 << 16) as store:
        for minute in range(60):
            await store.write([frames(of, 0, np.arange(minute * 60, minute * 60 + 60), minute + 1)])
        await store.settle()
        assert store.statistics()["dirty_hours"] == 1, "the hour is not over"
        now[0] = BEGIN + HOUR + 119 * SECOND
        await store.settle()
        assert store.statistics()["dirty_hours"] == 1, "late samples are waited for"
        now[0] += 2 * SECOND
        await store.settle()
        figures = store.statistics()
        assert (figures["chunks"], figures["dirty_hours"], figures["samples"]) == (1, 0, 72_000)
        check_cells(store, store.entries(), BEGIN, BEGIN + HOUR)


async def test_late_samples_change_the_roll_ups_of_their_neighbours(tmp_path):
    of = layout("a", 2)
    async with opened(tmp_path / "s") as store:
        for sequence, hour in enumerate((0, 1, 2, 7, 8), start=1):
            await store.write([frames(of, 0, np.arange(hour * 3600, hour * 3600 + 3600, 7), sequence)])
            await store.settle()
        ids = [entry.id for entry in store.entries()]
        for sequence, second in enumerate((3 * 3600 + 5, 3599, 2 * 3600, 30 * 3600, -5), start=10):
            await store.write([frames(of, 0, [second], sequence)])
            for _ in range(2):
                check_cells(store, store.entries(), BEGIN - HOUR, BEGIN + 40 * HOUR)
                await store.settle()
        assert store.statistics()["dirty_hours"] == 0
        assert len(ids) == 2


async def test_a_series_that_was_away_changes_the_hours_between(tmp_path):
    of = layout("a", 4)
    rng = np.random.default_rng(1)
    async with opened(tmp_path / "s") as store:
        for hour in range(8):
            time = np.arange(hour * 3600, hour * 3600 + 3600, 11)
            batch = frames(of, 0, time, hour + 1)
            mask = rng.random(batch.values.shape) < 0.9
            mask[:, 1] &= hour in {0, 6}
            mask[:, 3] = False
            await store.write([Batch(of, batch.time, batch.values, pack_mask(mask), {}, "m0", 1, hour + 1)])
            check_cells(store, store.entries(), BEGIN, BEGIN + 8 * HOUR)
            await store.settle()
            check_cells(store, store.entries(), BEGIN, BEGIN + 8 * HOUR)


async def test_wide_layouts_are_kept_in_stripes(tmp_path):
    of = layout("a", 200)
    async with opened(tmp_path / "s") as store:
        await store.write([frames(of, 0, np.arange(300), 1)])
        before = held(store)
        await store.settle()
        assert held(store) == before
        assert store.statistics()["chunks"] == 4
        assert sound(store) == []


async def test_hours_of_which_two_sources_told_are_counted(tmp_path):
    of = layout("a", 2)
    async with opened(tmp_path / "s") as store:
        for sequence, first in enumerate((0, 3600), start=1):
            await store.write([frames(of, 0, np.arange(first, first + 300), sequence, source="north/a")])
        await store.settle()
        assert store.statistics()["contested_hours"] == 0
        await store.write([frames(of, 0, np.arange(300), 1, source="south/a")])
        await store.settle()
        assert store.statistics()["contested_hours"] == 1


async def test_slices_are_bounded(tmp_path):
    of = Layout.of([Series.of(f"fast-{i}", POWER) for i in range(60)])
    time = BEGIN + np.arange(50_000) * (SECOND // 20)
    values = np.tile(np.arange(50_000.0)[:, None], (1, 60))
    async with opened(tmp_path / "s") as store:
        await store.write([Batch(of, time, values, source="m", run=1, sequence=1)])
        for _ in range(2):
            sizes = [sum(b.values.size for b in blocks)
                     for blocks in store.samples([e.id for e in store.entries()], *ALWAYS)]  # fmt: skip
            assert sum(sizes) == 3_000_000
            assert max(sizes) <= 1 << 20
            await store.settle()


async def test_the_newest_samples_are_looked_for_in_the_newest_hours_alone(tmp_path):
    of, silent, path = layout("a", 2), layout("b", 1), tmp_path / "s"
    async with opened(path) as store:
        await store.write([frames(silent, 1, [3600, 3601], 1)])
        for hour in range(4):
            await store.write([frames(of, 0, np.arange(hour * 3600, hour * 3600 + 3600, 60), hour + 1)])
        await store.settle()
        names = {entry.id: entry.series.device for entry in store.entries()}
        newest = {name: max(samples.items()) for name, samples in held(store).items()}
    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute(
            "update chunk set body=x'' where samples=120 and start<?", (BEGIN + 3 * HOUR,)
        ).rowcount == 3  # fmt: skip
    connection.close()
    async with opened(path, read_only=True) as store:
        assert {names[number]: last for number, last in store.last(0).items()} == newest
        assert len(store.last(BEGIN + 2 * HOUR)) == 2


# --- thinning ---


async def test_what_is_over_goes_and_its_roll_ups_stay(tmp_path):
    of, slow = layout("a", 2), Layout.of([Series.of("slow", POWER)], [Column(period=60.0)])
    now = [BEGIN + 4 * HOUR]
    async with opened(tmp_path / "s", clock=lambda: now[0]) as store:
        for hour in range(3):
            await store.write([frames(of, 0, np.arange(hour * 3600, hour * 3600 + 3600), hour + 1)])
            await store.write([frames(slow, 1, np.arange(hour * 3600, hour * 3600 + 3600, 60), hour + 1)])
        await store.settle()
        ids = [entry.id for entry in store.entries()]
        before = {s: list(store.cells(ids, BEGIN, BEGIN + 3 * HOUR, s * SECOND)) for s in (10, 60, 900)}
    options = {"retention": Retention(raw=2 * 3600.0)}
    async with opened(tmp_path / "s", clock=lambda: now[0], **options) as store:
        await store.settle()
        times = [t for blocks in store.samples(ids, *ALWAYS) for block in blocks for t in block.time.tolist()]
        assert min(times) == BEGIN + 2 * HOUR
        for span, want in before.items():
            for number in ids if span > 10 else ids[:2]:
                got = [part[number] for part in store.cells(ids, BEGIN, BEGIN + 3 * HOUR, span * SECOND)]
                assert np.array_equal(np.concatenate([c.joules for c in got]),
                                      np.concatenate([part[number].joules for part in want]))  # fmt: skip
        await store.write([frames(of, 0, [60, 3 * 3600 + 1], 9)])
        assert store.statistics()["late"] == 2, "two series, one frame"
        assert held(store)["a/outlet-0"][BEGIN + (3 * 3600 + 1) * SECOND] == value(0, 0, 3 * 3600 + 1)
        assert sound(store) == []


# --- care ---


@pytest.mark.parametrize("table", ["chunk", "rollup"])
async def test_verify_names_what_is_damaged(tmp_path, table):
    path = tmp_path / "s"
    async with opened(path) as store:
        await store.write([frames(layout("a"), 0, np.arange(0, 3000, 10), 1)])
        await store.settle()
        assert sound(store) == []
        connection = sqlite3.connect(path)
        key, body = connection.execute(f"select rowid, body from {table}").fetchone()
        wrong = bytearray(body)
        wrong[len(body) // 2] ^= 0x40
        with connection:
            connection.execute(f"update {table} set body=? where rowid=?", (bytes(wrong), key))
        connection.close()
    async with opened(path, read_only=True) as store:
        assert any(line.startswith(f"{table} {key}") for line in sound(store))


async def test_a_reader_between_a_commit_and_what_memory_learns_of_it_changes_nothing(tmp_path, monkeypatch):
    """The catalogue is read anew then, and knows the new series before the writer says them."""
    adopt = append.adopt

    def late(found, catalogue, committed):
        store.entries()
        now = store._open_vault().catalogue
        adopt(found, now, committed)
        sizes.append((len(now.series), len(now.columns)))

    sizes: list[tuple[int, int]] = []
    async with opened(tmp_path / "s") as store:
        monkeypatch.setattr(append, "adopt", late)
        for sequence, name in enumerate("abc", 1):
            await store.write([frames(layout(name, 3), 0, np.arange(sequence * 100, sequence * 100 + 10), sequence)])
        known = [(entry.id, entry.series.device) for entry in store.entries()]
        before = held(store)
        await store.settle()
        assert held(store) == before
    assert sizes == [(3, 3), (6, 6), (9, 9)]
    assert [number for number, _ in known] == list(range(1, 10))
    assert len(before) == 9
    async with opened(tmp_path / "s", read_only=True) as store:
        assert [(entry.id, entry.series.device) for entry in store.entries()] == known
        assert held(store) == before
        assert sound(store) == []


async def test_compacting_gives_free_pages_back(tmp_path):
    path = tmp_path / "s"
    async with opened(path, fold_bytes=1 << 30) as store:
        for sequence in range(1, 40):
            await store.write([frames(layout("a", 60), 0, np.arange(sequence * 100, sequence * 100 + 100), sequence)])
        before = held(store)
        steps = list(store.compact())
        assert all(step.done <= step.total for step in steps)
        assert store.statistics()["bytes_free"] < 100_000
        assert path.stat().st_size < 600_000
        assert held(store) == before


async def test_one_program_folds_and_a_dead_one_holds_nothing(tmp_path):
    path = tmp_path / "s"
    async with opened(path):
        pass
    connection = sqlite3.connect(path, isolation_level=None)
    first, second = Lease(), Lease()
    now = BEGIN
    assert first.take(connection, now)
    assert not second.take(connection, now)
    assert second.take(connection, now + 61 * SECOND), "it ends by itself"
    assert not first.take(connection, now + 61 * SECOND)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await child.wait()
    connection.execute("update lease set holder=rtrim(holder, '0123456789')")
    host = connection.execute("select holder from lease").fetchone()[0].split()[0]
    connection.execute("update lease set holder=?, until=?", (f"{host} {child.pid} 0", now + 10**15))
    assert first.take(connection, now), "its holder is dead"
    first.give_back(connection)
    assert second.take(connection, now)
    connection.close()


def test_ranges_of_sequences_join():
    life, rng = Life(1, 1), random.Random(3)
    left = list(range(1, 400))
    rng.shuffle(left)
    for n, sequence in enumerate(left):
        assert sequence not in life
        life.add(sequence)
        assert sequence in life
        assert sum(last - first + 1 for first, last in life.ranges()) == n + 1
        assert life.last == max(left[: n + 1])
    assert life.ranges() == [(1, 399)]


def test_the_folder_is_complete():
    check_sample(Sqlite, "sqlite")
    check_misspelt(Sqlite)
    check_readme(Sqlite, SINK_HEADINGS)

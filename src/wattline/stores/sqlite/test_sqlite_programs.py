"""The SQLite store between programs: killed, beside each other, on a full disk."""

import asyncio
import random
import signal
import subprocess
import sys
import threading

import pytest

from wattline.stores.sqlite.store import Sqlite, SqliteConfig
from wattline.testing.known import held, running, sound, value
from wattline.testing.store_scenario import BEGIN, check_cells
from wattline.units import NANOSECONDS

SECOND, HOUR = NANOSECONDS, 3600 * NANOSECONDS


def opened(path, clock=None, **options):
    return running(Sqlite(SqliteConfig(path=str(path), **options), *(() if clock is None else (clock,))))


WRITER = """
import asyncio, sys
import numpy as np
from wattline.testing.known import frames, layout
from wattline.stores.sqlite.store import Sqlite, SqliteConfig

async def main():
    path, meter, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    store = Sqlite(SqliteConfig(path=path, fold_bytes=1 << 16, fold_seconds=0.01))
    await store.open()
    of = layout(f"meter-{meter}", 8)
    first = 1 + max((t - 490_000 * 3600 * 10**9) // 10**9 for t, _ in store.last(0).values()) if store.last(0) else 0
    for sequence in range(count):
        second = first + sequence * 20
        await store.write([frames(of, meter, np.arange(second, second + 20), sequence + 1, run=first + 1)])
        print(second, flush=True)
    await store.close()
asyncio.run(main())
"""


@pytest.fixture
def writer():
    """Start programs that write, and tell what they acknowledged."""
    programs = []

    def start(path, meter, count):
        program = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(meter), str(count)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        programs.append(program)
        return program

    yield start
    for program in programs:
        program.kill()
        program.wait()
        program.stdout.close()


def check_acknowledged(store, meter, acknowledged):
    found = held(store)
    for second in acknowledged:
        for s in range(second, second + 20):
            for series in range(8):
                got = found[f"meter-{meter}/outlet-{series}"].get(BEGIN + s * SECOND)
                assert got == value(meter, series, s), f"second {s} of series {series} was acknowledged"


async def test_kill_9_at_any_moment_loses_nothing_acknowledged(tmp_path, writer):
    path, acknowledged = tmp_path / "s", []
    rng = random.Random(5)
    for _ in range(8):
        program = writer(path, 0, 100_000)
        acknowledged += [int(program.stdout.readline()) for _ in range(rng.randint(2, 60))]
        program.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in program.stdout.read().splitlines()]
        program.wait()
        async with opened(path, read_only=True) as store:
            assert sound(store) == []
            check_acknowledged(store, 0, acknowledged)
    async with opened(path) as store:
        await store.settle()
        assert sound(store) == []
        check_acknowledged(store, 0, acknowledged)
        check_cells(store, store.entries()[:2], BEGIN, BEGIN + HOUR)


async def test_two_programs_write_and_others_read(tmp_path, writer):
    path, acknowledged = tmp_path / "s", [[], []]
    async with opened(path):
        pass
    programs = [writer(path, meter, 60) for meter in (0, 1)]

    def follow(meter):
        acknowledged[meter].extend(int(line) for line in programs[meter].stdout)

    threads = [threading.Thread(target=follow, args=(meter,)) for meter in (0, 1)]
    for thread in threads:
        thread.start()
    async with opened(path, read_only=True) as reader:
        while any(program.poll() is None for program in programs):
            known = [list(seconds) for seconds in acknowledged]
            for meter, seconds in enumerate(known):
                check_acknowledged(reader, meter, seconds[-3:])
            await asyncio.to_thread(programs[0].wait, 60) if programs[1].poll() is not None else await asyncio.sleep(0)
        for thread in threads:
            thread.join(60)
        assert [program.returncode for program in programs] == [0, 0]
        assert [len(seconds) for seconds in acknowledged] == [60, 60]
        for meter, seconds in enumerate(acknowledged):
            check_acknowledged(reader, meter, seconds)
        assert sound(reader) == []


FULL = """
import asyncio, resource, sys
import numpy as np
from wattline.testing.known import frames, layout
from wattline.errors import Unreachable
from wattline.stores.sqlite.store import Sqlite, SqliteConfig

async def main():
    store = Sqlite(SqliteConfig(path=sys.argv[1], fold_bytes=1 << 18))
    await store.open()
    of, sequence, message = layout("meter-0", 8), 0, ""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, most))
    done = []
    while not message:
        try:
            await store.write([frames(of, 0, np.arange(sequence * 20, sequence * 20 + 20), sequence + 1)] )
            done.append(sequence * 20)
            sequence += 1
        except Unreachable as error:
            message = str(error)
    try:
        await store.settle()
    except Unreachable:
        pass
    assert sum(len(b.time) for bs in store.samples([1], 0, 2**62) for b in bs) == 20 * len(done)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    for sequence in range(sequence, sequence + 5):
        await store.write([frames(of, 0, np.arange(sequence * 20, sequence * 20 + 20), sequence + 1)])
        done.append(sequence * 20)
    await store.settle()
    assert [line for step in store.verify() for line in step.lines] == []
    await store.close()
    print(message)
    print(*done)
asyncio.run(main())
"""


async def test_a_full_disk_is_said_plainly_and_nothing_is_lost(tmp_path):
    path = tmp_path / "s"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", FULL, str(path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    message, seconds = done.stdout.splitlines()
    assert "disk full" in message
    assert str(path) in message
    async with opened(path) as store:
        check_acknowledged(store, 0, [int(second) for second in seconds.split()])
        assert sound(store) == []

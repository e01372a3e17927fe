"""The store: writing, size and queries, against PostgreSQL with a wide row a sample."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from wattline.bench.measure import Row, interleaved, own_cpu, tree_cpu
from wattline.bench.peers import postgres
from wattline.bench.rack import POWERS, SERIES, START, commits, frames, layout, walk
from wattline.bench.wide_rows import WideRows
from wattline.ledger.windows import energy
from wattline.stores.sqlite.store import Sqlite, SqliteConfig
from wattline.units import NANOSECONDS

_HOUR: Final = 3600 * NANOSECONDS
_METERS, _SECONDS = 1000, 3600
_DAY_METERS: Final = 10
_PEER_COMMITS: Final = 10


def rows() -> list[Row]:
    """Measure both; the store's clock is the samples' own, so that its hours close."""
    with tempfile.TemporaryDirectory() as folder:
        written, closed = asyncio.run(_write(Path(folder, "write.db")))
        day = asyncio.run(_day(Path(folder, "day.db")))
    with postgres() as (pid, address):
        peer = _wide_rows(pid, address)
    name = "PostgreSQL, wide rows"
    return [
        Row("write, 20,000 samples a commit, folds included", "CPU s/M", written, name, peer["write"], "0.25 CPU s/M"),
        Row("merge the hours that are over, and roll them up", "CPU s/M", closed, "", None, ""),
        Row("samples and staging on disk, 24 h of 1 Hz", "B/sample", day["samples"], name, peer["bytes"], "0.4 B"),
        Row("roll-ups and free pages beside them", "B/sample", day["rest"], "", None, "0.4 B"),
        Row("energy of 100 series over 24 h, from samples", "ms", day["raw"], name, peer["energy"], "150 ms"),
        Row("energy of 100 series over 24 h, from roll-ups", "ms", day["rolled"], "", None, "10 ms"),
        Row("360,000 samples as arrays", "ms", day["samples_ms"], name, peer["rows"], ""),
    ]


async def _write(path: Path) -> tuple[float, float]:
    """Write an hour commit by commit, and close it: CPU seconds per million samples of both, threads included."""
    now = START
    store = Sqlite(SqliteConfig(path=str(path)), clock=lambda: now)
    await store.open()
    written = 0.0
    count = 0
    for batches in commits(_METERS, _SECONDS):
        now += NANOSECONDS
        written += await _spent(store.write(batches))
        count += sum(batch.size for batch in batches)
    written += await _spent(store.settle())
    now += 2 * _HOUR
    closed = await _spent(store.settle())
    await store.close()
    return written / count * 1e6, closed / count * 1e6


async def _spent(work: Awaitable[None]) -> float:
    began = own_cpu()
    await work
    return own_cpu() - began


async def _day(path: Path) -> dict[str, float]:
    """Fill a store with 24 h of ten meters of twenty series, and measure size and queries."""
    now = START + 26 * _HOUR
    store = Sqlite(SqliteConfig(path=str(path)), clock=lambda: now)
    await store.open()
    for batches in frames(_DAY_METERS, 86_400):
        await store.write(batches)
    await store.settle()
    figures = store.statistics()
    powers = [entry for entry in store.entries() if entry.series.metric.name.endswith("_power_watts")]
    end = START + 24 * _HOUR
    hour = [entry.id for entry in powers]
    cost = interleaved({
        "raw": _timed(lambda: energy(store, powers, START, end, raw=True)),
        "rolled": _timed(lambda: energy(store, powers, START, end)),
        "samples_ms": _timed(lambda: list(store.samples(hour, START, START + _HOUR))),
    })  # fmt: skip
    await store.close()
    samples = float(figures["samples"])
    rolled, free = float(figures["bytes_rollups"]), float(figures["bytes_free"])
    return {
        **{name: seconds * 1000 for name, seconds in cost.items()},
        "samples": (float(figures["bytes"]) - rolled) / samples,
        "rest": (rolled + free) / samples,
    }


def _timed(work: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return run


def _wide_rows(pid: int, address: str) -> dict[str, float]:
    """Write some commits, and as much of a day as is comparable; energy is scaled up to the day of 100 series."""
    peer = WideRows(address)
    devices = [layout(m).series[0].device for m in range(_METERS)]
    metrics = [series.metric.name for series in layout(0).series]
    [(times, values)] = walk(_METERS, _PEER_COMMITS)
    began, server = own_cpu(), tree_cpu(pid)
    for second in range(_PEER_COMMITS):
        peer.append(devices, metrics, times[second], values[second])
    spent = own_cpu() - began + tree_cpu(pid) - server
    written = _PEER_COMMITS * _METERS * SERIES
    size = peer.bytes() / written
    [(times, values)] = walk(_DAY_METERS, 3600, piece=3600)
    for second in range(3600):
        peer.append(devices[:_DAY_METERS], metrics, times[second] + _HOUR, values[second])
    cost = {
        "rows": _timed(lambda: peer.rows(devices[:_DAY_METERS], metrics[:POWERS], START + _HOUR, START + 2 * _HOUR)),
        "energy": _timed(lambda: peer.energy(metrics[:POWERS], START + _HOUR, START + 2 * _HOUR)),
    }
    took = interleaved(cost, rounds=3)
    peer.close()
    return {
        "write": spent / written * 1e6,
        "bytes": size,
        "rows": took["rows"] * 1000,
        "energy": took["energy"] * 24_000,
    }

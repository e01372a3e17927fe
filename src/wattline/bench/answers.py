"""Bulk answers of the API: 360,000 rows as Arrow and as JSON from the real program, with the time to the first byte."""

import asyncio
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Final

from wattline.bench.measure import Row, interleaved
from wattline.bench.rack import START, frames
from wattline.stores.sqlite.store import Sqlite, SqliteConfig
from wattline.testing.program import Program
from wattline.units import NANOSECONDS

_ROWS: Final = 360_000
_HOUR: Final = 3600


def rows() -> list[Row]:
    """Ask for ten watts of ten meters over an hour of 1 Hz."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "store")
        asyncio.run(_fill(store / "wattline.sqlite"))
        with Program("--meter", "sim://rack?servers=2", data=store) as up:
            start = START // NANOSECONDS
            asked = f"/api/samples?metric=*_power_watts&start={start}&end={start + _HOUR}&device=pdu-*"
            before = _memory(up.pid)
            first: dict[str, float] = {}
            size: dict[str, int] = {}

            def whole(form: str) -> float:
                taken, first[form], size[form] = _fetch(f"{up.address}{asked}&format={form}")
                return taken

            cost = interleaved({form: lambda form=form: whole(form) for form in ("arrow", "json", "ndjson", "csv")})  # type: ignore[misc]
            grown = _memory(up.pid) - before
    reach = {"arrow": "50 ms", "json": "400 ms"}
    return [
        Row(
            f"{_ROWS:,} rows as {form}",
            "ms",
            cost[form] * 1000,
            reach=reach.get(form, ""),
            note=f"first byte {first[form] * 1000:.0f} ms, {size[form] / 1e6:.1f} MB, peak +{grown / 1e6:.0f} MB",
        )
        for form in cost
    ]


async def _fill(path: Path) -> None:
    path.parent.mkdir(parents=True)
    store = Sqlite(SqliteConfig(path=str(path)))
    await store.open()
    for batches in frames(10, _HOUR):
        await store.write(batches)
    await store.close()


def _fetch(url: str) -> tuple[float, float, int]:
    """Return seconds until the end, seconds until the first byte, and bytes."""
    began = time.perf_counter()
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310
        size = len(answer.read(1))
        first = time.perf_counter() - began
        while piece := answer.read(1 << 20):
            size += len(piece)
    return time.perf_counter() - began, first, size


def _memory(pid: int) -> int:
    """Return the peak of resident bytes of a process (VmHWM, proc_pid_status(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0

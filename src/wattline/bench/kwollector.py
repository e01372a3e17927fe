"""Collecting into a store, against kwollector 1.3.1 and its PostgreSQL: the same files, the same agents, at the same
time.

kwollector comes from PyPI, once, into a folder of the cache. Its table has the indexes of the original; TimescaleDB,
which is in no registry, would only add to its cost. Both collectors run side by side, so that whatever else the machine
does costs both alike; what each has stored is counted in its store.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
import yaml
from msgspec import Struct

from wattline.bench.fleet import PAGES, SAMPLES, address, fleet
from wattline.bench.measure import Row, Skipped, tree_cpu
from wattline.bench.peers import postgres, served
from wattline.errors import Unreachable
from wattline.stores.sqlite.store import Sqlite, SqliteConfig
from wattline.units import NANOSECONDS

VERSION: Final = "1.3.1"
_NEEDS: Final = ("aiohttp", "aiosnmp", "asyncpg", "orjson", "pyonf", "pyyaml", "setuptools<81")
"""What the collector imports; the package asks for more, among it what has to be compiled."""
_WARM: Final = 20
_SECONDS: Final = 60
"""Our store folds once a minute: its share is in it."""
_OID: Final = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7"
_TABLES: Final = """
create table metrics (timestamp timestamptz not null default now(), device_id text not null, metric_id text not null,
                      value double precision default 'NaN', labels jsonb default '{}');
create index on metrics (device_id, timestamp desc);
create index on metrics ((labels->>'_device_alias'), timestamp desc) where labels ? '_device_alias';
create index on metrics (timestamp desc);
create table promoted_metrics (device_id text not null, metric_id text);
"""


class Load(Struct, frozen=True):
    """What is collected: `devices` each with `values` every `every` seconds, pages or SNMP."""

    work: str
    devices: int
    values: int
    every: float
    is_page: bool = False

    @property
    def due(self) -> float:
        """Values in the time of a measurement."""
        return self.devices * self.values * _SECONDS / self.every

    def descriptions(self) -> Iterator[dict[str, Any]]:
        """Yield what stands in metrics.d."""
        for device in range(self.devices):
            own = {"device_id": f"node-{device}", "update_every": round(self.every * 1000)}
            if self.is_page:
                yield {**own, "name": "prom_all_metrics", "url": f"prometheus://{address(device)}:{PAGES}/"}
                continue
            for n in range(1, self.values + 1):
                url = f"snmp://public@{address(device)}/{_OID}.{n}"
                yield {**own, "name": f"outlet_{n}_power_watt", "url": url}


LOADS: Final = (
    Load("collect 100 pages of 508 samples every 1 s", 100, SAMPLES, 1, is_page=True),
    Load("collect 18 SNMP agents with 200 OIDs every 500 ms", 18, 200, 0.5),
    Load("collect 100 SNMP agents with 10 OIDs every 1 s", 100, 10, 1),
)


def rows() -> list[Row | Skipped]:
    """Measure each load with both."""
    if os.getuid():
        return [Skipped("collect beside kwollector", "it asks UDP port 161 alone: agents there need root")]
    folder = installed()
    return [_row(load, folder) for load in LOADS]


def installed() -> Path:
    """Return the folder with kwollector in it. Raises Unreachable where PyPI cannot be reached."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    folder = cache / "wattline" / "bench" / f"kwollect-{VERSION}-{sys.version_info.major}.{sys.version_info.minor}"
    if (folder / "complete").exists():
        return folder
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", str(folder)]
    for packages in ((*pip, *_NEEDS), (*pip, "--no-deps", f"kwollect=={VERSION}")):
        done = subprocess.run(packages, check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise Unreachable(f"kwollector {VERSION} cannot be installed: {why}")
    (folder / "complete").touch()
    return folder


def _row(load: Load, folder: Path) -> Row:
    agents, pages = (0, load.devices) if load.is_page else (load.devices, 0)
    with tempfile.TemporaryDirectory() as room, postgres() as (database, where), fleet(agents, pages):
        config, store = _written(Path(room), load), Path(room, "store")
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(_TABLES)
        with _theirs(folder, config, where) as theirs, _ours(config, store) as ours:
            time.sleep(_WARM)
            began = time.time_ns()
            before = [tree_cpu(pid) for pid in (ours, theirs, database)]
            time.sleep(_SECONDS)
            cost = [tree_cpu(pid) - cpu for pid, cpu in zip((ours, theirs, database), before, strict=True)]
            ended = time.time_ns()
        stored = asyncio.run(_stored(store, began, ended))
        their_stored = _their_stored(where, began, ended)
    mine = cost[0] / stored * 1e6
    collector, base = (cpu / their_stored * 1e6 for cpu in cost[1:])
    note = f"its collector {collector:.2f} + its database {base:.2f}; "
    note += f"stored {stored / load.due:.0%} and {their_stored / load.due:.0%} of the values due"
    return Row(load.work, "ms CPU per 1,000", mine, f"kwollector {VERSION}", collector + base, "1/5", note)


def _written(room: Path, load: Load) -> Path:
    """Write what both collectors read."""
    folder, config = room / "metrics.d", room / "kwollector.conf"
    folder.mkdir()
    (folder / "bench.yaml").write_text(yaml.safe_dump(list(load.descriptions())))
    config.write_text(yaml.safe_dump({
        "metrics_dir": str(folder), "db_host": "127.0.0.1", "db_name": "postgres", "db_user": "bench",
        "db_password": "bench", "log_level": "error",
    }))  # fmt: skip
    return config


@contextlib.contextmanager
def _theirs(folder: Path, config: Path, where: str) -> Iterator[int]:
    port = where.rpartition(":")[2].partition("/")[0]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PGPORT": port}
    command = [sys.executable, str(folder / "bin" / "kwollector"), str(config)]
    with served(command, lambda: None, env=environment) as server:
        yield server.pid
        if server.poll() is not None:
            raise Unreachable(f"kwollector ended with {server.returncode}")


@contextlib.contextmanager
def _ours(config: Path, store: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "wattline", "collect", "--kwollect", str(config), "--data", str(store)]
    with served(command, lambda: None) as server:
        yield server.pid
        if server.poll() is not None:
            raise Unreachable(f"wattline ended with {server.returncode}")


async def _stored(folder: Path, start: int, end: int) -> int:
    """Count what our store holds of a window (ns)."""
    store = Sqlite(SqliteConfig(path=str(folder / "wattline.sqlite")))
    await store.open()
    found = 0
    for entries in _parts([entry.id for entry in store.entries()]):
        for blocks in store.samples(entries, start, end):
            found += sum(block.values.size if block.present is None else int(block.present.sum()) for block in blocks)
    await store.close()
    return found


def _parts(ids: Sequence[int], size: int = 1000) -> Iterator[Sequence[int]]:
    return (ids[at : at + size] for at in range(0, len(ids), size))


def _their_stored(where: str, start: int, end: int) -> int:
    window = [f"{time:.6f}" for time in (start / NANOSECONDS, end / NANOSECONDS)]
    asked = "select count(*) from metrics where timestamp >= to_timestamp(%s) and timestamp < to_timestamp(%s)"
    with psycopg.connect(where) as connection:
        row = connection.execute(asked, window).fetchone()
    assert row is not None
    return int(row[0])

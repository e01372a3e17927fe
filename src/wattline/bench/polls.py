"""SNMP: 200 meters of 20 OIDs, polled, decoded and stored once a second, against a scrape of the same OIDs.

The peers do less: net-snmp's C library stores nothing, and snmp_exporter prints a page and stores nothing.
"""

import socket
import subprocess
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import yaml

from wattline.bench.measure import Row, child_cpu, process_cpu
from wattline.bench.peers import program as find
from wattline.bench.peers import snmp_exporter
from wattline.testing.agents import Snmpd
from wattline.testing.program import Program

METERS: Final = 200
DEAD: Final = 20
OIDS: Final = [f"1.3.6.1.4.1.318.1.1.26.9.4.3.1.7.{i}" for i in range(1, 21)]
_WARM: Final = 5
_SECONDS: Final = 20
_SCRAPES: Final = 4000
_GETS: Final = 20_000


def rows() -> list[Row]:
    """Measure ours and both peers against one snmpd."""
    lines = [f"override {oid} integer {100 + i}" for i, oid in enumerate(OIDS)]
    with tempfile.TemporaryDirectory() as folder, Snmpd(lines) as agent:
        ours, _, note = _ours(Path(folder), agent.port)
        beside, late, dead = _beside_the_dead(Path(folder), agent.port)
        library = _library(Path(folder), agent.port)
        exporter = _exporter(agent.port)
    work = "poll 20 OIDs by SNMP, decode, store"
    return [
        Row(work, "us a poll", ours * 1e6, "snmp_exporter (scrape only)", exporter * 1e6, "1/2", note),
        Row(
            work,
            "us a poll",
            ours * 1e6,
            "net-snmp C library (GET only)",
            library * 1e6,
            note="the limit: stores nothing",
        ),
        Row(f"the same beside {DEAD} dead meters", "us a poll", beside * 1e6, note=dead),
        Row(f"how late samples are beside {DEAD} dead meters, p99", "ms", late * 1000, reach="50 ms"),
    ]


def _beside_the_dead(folder: Path, port: int) -> tuple[float, float, str]:
    """Let some meters be a socket that takes every request and never answers; return as `_ours` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        return _ours(folder, port, dead=mute.getsockname()[1])


def _ours(folder: Path, port: int, dead: int | None = None) -> tuple[float, float, str]:
    """Run the whole program; return CPU seconds a poll, how late samples of the living are (s), and what was seen."""
    site, alive = folder / "site.yaml", METERS - (DEAD if dead else 0)
    oids = [{"oid": oid, "metric": f"outlet_{i}_power_watts", "unit": "W"} for i, oid in enumerate(OIDS)]
    meters = [
        {
            "driver": "snmp",
            "name": f"pdu-{m:03d}",
            "device": f"pdu-{m:03d}",
            "host": "127.0.0.1",
            "port": port if m < alive or dead is None else dead,
            "oids": oids,
        }
        for m in range(METERS)
    ]
    site.write_text(yaml.safe_dump({"every": "1s", "meters": meters}))
    with Program("--config", str(site), data=folder / f"store-{alive}") as up:
        time.sleep(_WARM)
        began = time.time()
        before, cpu = _polls(up), process_cpu(up.pid)
        time.sleep(_SECONDS)
        after, cpu = _polls(up), process_cpu(up.pid) - cpu
        late = _lateness(up, began)
    done = after - before
    share = done / (alive * _SECONDS)
    return cpu / done, late, f"{share:.1%} of the polls due, {cpu / _SECONDS:.1%} of a core"


def _lateness(up: Program, start: float) -> float:
    """Return how far samples lie from their meter's median place in the second (s, 99th percentile)."""
    places: dict[str, list[float]] = {}
    for row in up.get(f"/api/samples?metric=outlet_0_power_watts&start={start}"):
        places.setdefault(row["device"], []).append(datetime.fromisoformat(row["time"]).timestamp())
    late = [np.abs((np.array(times) - np.median(np.array(times) % 1) + 0.5) % 1 - 0.5) for times in places.values()]
    return float(np.percentile(np.concatenate(late), 99))


def _polls(up: Program) -> int:
    return sum(meter["polls"] for meter in up.get("/api/meters"))


def _library(folder: Path, port: int) -> float:
    source, program = Path(__file__).with_name("snmp_get.c"), folder / "snmp_get"
    compile_it = [find("cc"), "-O2", "-o", str(program), str(source), "-lnetsnmp"]
    subprocess.run(compile_it, check=True, capture_output=True)  # noqa: S603
    return child_cpu([str(program), str(port), str(_GETS), *OIDS]) / _GETS


def _exporter(port: int) -> float:
    with snmp_exporter(OIDS) as (server, address):
        url = f"{address}?target=127.0.0.1:{port}&module=bench"

        def scrape() -> bytes:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310
                page: bytes = answer.read()
                return page

        if b"m19" not in scrape():
            raise RuntimeError("snmp_exporter does not give what it was asked for")
        for _ in range(50):
            scrape()
        before, began = process_cpu(server.pid), time.monotonic()
        for count in range(
            _SCRAPES
        ):  # as many a second as ours polls: a busy program is a little cheaper than an idle one
            time.sleep(max(0.0, began + count / METERS - time.monotonic()))
            scrape()
        return (process_cpu(server.pid) - before) / _SCRAPES

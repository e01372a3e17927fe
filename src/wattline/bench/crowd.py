"""Many SNMP agents: a thousand of 20 OIDs at 1 s, more than the CPU can do, and what memory a meter takes.

The agents are ours and live in a process of their own (`fleet`); what is told is the CPU of the collector alone.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

from wattline.bench.fleet import address, fleet
from wattline.bench.measure import Row, process_cpu
from wattline.bench.polls import OIDS
from wattline.testing.collecting import Collecting
from wattline.testing.program import Program

PORT: Final = 10_161
AGENTS: Final = 1000
_SECONDS: Final = 30
_SETTLED: Final = 15
_MINUTES: Final = 2
_CROWD: Final = 5000
_FULL, _TOO_MUCH = 0.2, 0.04
"""Seconds between two polls of each agent: about as much as one core can do, and five times as much."""


class Seen(Struct, frozen=True):
    """What a program did in `seconds`: polls answered, ticks missed and polls failed; its cores and its memory."""

    seconds: float
    cores: float
    polls: int
    missed: int
    failed: int
    memory: int

    @property
    def told(self) -> int:
        """Ticks of which something is known."""
        return self.polls + self.missed + self.failed


def rows() -> list[Row]:
    """Measure each with a program of its own."""
    with fleet(_CROWD, port=PORT):
        return [*_thousand(), *_overload(), *_memory()]


def _thousand() -> Iterator[Row]:
    with _program(AGENTS, 1) as up:
        seen = _watch(up, _SECONDS)
    rate = seen.polls / seen.seconds
    note = f"{rate / AGENTS:.1%} of the polls due, {seen.cores / rate * 1e6:.0f} us a poll, stored"
    yield Row(f"{AGENTS:,} SNMP agents with 20 OIDs every 1 s", "cores", seen.cores, reach="0.3", note=note)


def _overload() -> Iterator[Row]:
    """Ask for more than can be done; the peer is the same program at what it can just do."""
    with _program(AGENTS, _FULL) as up:
        full = _watch(up, _SECONDS)
    with _program(AGENTS, _TOO_MUCH) as up:
        over = _watch(up, _SECONDS)
    due = AGENTS * over.seconds / _TOO_MUCH
    full_due = AGENTS * full.seconds / _FULL
    yield Row(
        f"polls a second where {due / over.seconds:,.0f} are due", "1/s", over.polls / over.seconds,
        f"ours, {full_due / full.seconds:,.0f} due", full.polls / full.seconds, ">= 1",
        f"answered {over.polls / due:.0%} + missed {over.missed / due:.0%} + failed {over.failed / due:.1%}"
        f" = {over.told / due:.1%} of the ticks due",
    )  # fmt: skip


def _memory() -> Iterator[Row]:
    """Tell resident bytes after some minutes of polls at 5 s: of collecting, and with API and pages beside it."""
    for meters in (1, AGENTS, _CROWD):
        with _site(meters, 5) as site, Collecting("wattline", *_collecting(site), folder=site.parent) as collector:
            collector.wait(lambda: "collects from" in collector.said())
            time.sleep(60 * _MINUTES)
            alone = _resident(collector.pid)
        with _program(meters, 5) as up:
            seen = _watch(up, 60 * _MINUTES)
        share = seen.polls / (meters * seen.seconds / 5)
        note = (
            f"20 OIDs every 5 s for {_MINUTES} min, {share:.0%} polled; with API and pages {seen.memory / 1e6:.0f} MB"
        )
        reach = f"{60 + 0.02 * meters:.0f}"
        yield Row(f"resident memory of collecting, meters: {meters:,}", "MB", alone / 1e6, reach=reach, note=note)


@contextmanager
def _program(meters: int, every: float) -> Iterator[Program]:
    """Run the whole program with the embedded store, and wait until it has found its pace."""
    with _site(meters, every) as site, Program("--config", str(site), data=site.with_name("store")) as up:
        up.wait(lambda: all(meter["polls"] for meter in up.get("/api/meters")) or _pause(), 120)
        time.sleep(_SETTLED)
        yield up


@contextmanager
def _site(meters: int, every: float) -> Iterator[Path]:
    """Write the configuration of so many agents, in a folder of its own."""
    oids = [{"oid": oid, "metric": f"outlet_{i}_power_watts", "unit": "W"} for i, oid in enumerate(OIDS)]
    described = [
        {"driver": "snmp", "name": f"pdu-{m}", "device": f"pdu-{m}", "host": address(m), "port": PORT, "oids": oids}
        for m in range(meters)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site.yaml")
        site.write_text(yaml.safe_dump({"every": f"{every * 1000:.0f}ms", "meters": described}))
        yield site


def _collecting(site: Path) -> list[str]:
    return ["collect", "--config", str(site), "--data", str(site.with_name("store"))]


def _pause() -> bool:
    """Let the program work: to be asked costs it more than its polls."""
    time.sleep(1)
    return False


def _watch(up: Program, seconds: float) -> Seen:
    before, began = _asked(up)
    cpu, start = process_cpu(up.pid), time.monotonic()
    time.sleep(seconds)
    cpu = (process_cpu(up.pid) - cpu) / (time.monotonic() - start)
    memory = _resident(up.pid)
    after, ended = _asked(up)
    polls, missed, failed = (
        sum(meter[name] for meter in after) - sum(meter[name] for meter in before)
        for name in ("polls", "missed", "failed")
    )
    return Seen(ended - began, cpu, polls, missed, failed, memory)


def _asked(up: Program) -> tuple[list[dict[str, Any]], float]:
    """Return what is known of the meters, and when (s): a busy program takes its time to say it."""
    began = time.monotonic()
    meters = up.get("/api/meters")
    return meters, (began + time.monotonic()) / 2


def _resident(pid: int) -> int:
    """Return resident bytes of a process (VmRSS, proc_pid_status(5))."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0

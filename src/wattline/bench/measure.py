"""How a cost is measured: CPU seconds of this process, of a child, or of a server that is driven."""

import os
import resource
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Row(Struct, frozen=True):
    """One line of the table: what was done, what ours and the peer's cost, and what is to be reached.

    `ours` and `peer` are in `unit`; `ratio` is ours/peer or peer/ours as `reach` says. An empty `peer_name`: no peer.
    """

    work: str
    unit: str
    ours: float
    peer_name: str = ""
    peer: float | None = None
    reach: str = ""
    note: str = ""


class Skipped(Struct, frozen=True):
    """A line that could not be measured here, and why."""

    work: str
    why: str


def own_cpu() -> float:
    """CPU seconds of this process, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def process_cpu(pid: int) -> float:
    """CPU seconds of another process, user and system, children that it reaped included (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(x) for x in fields[11:15]) / _TICKS


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process and its living descendants."""
    return sum(process_cpu(one) for one in (pid, *_descendants(pid)))


def child_cpu(command: Sequence[str]) -> float:
    """Run a command to its end and return its CPU seconds. Raises CalledProcessError when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peak_memory() -> int:
    """Peak resident memory of this process in bytes (VmHWM, proc_pid_status(5))."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def interleaved(cases: Mapping[str, Callable[[], float]], rounds: int = 5) -> dict[str, float]:
    """Run every case once a round, in turn, and return the median of each."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            taken[name].append(case())
    return {name: statistics.median(figures) for name, figures in taken.items()}


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_descendants(child)]
    return found

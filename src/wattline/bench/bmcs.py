"""IPMI: 1,000 controllers polled by DCMI, and what one poll costs beside ipmitool, FreeIPMI and pyghmi.

All controllers are ours and live in a process of their own, so that their cost is not counted. The peers print
or return a value, ours decodes it into a frame. The tools log in at every poll, as they do for whoever starts them.
"""

import asyncio
import contextlib
import importlib.util
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from wattline.bench.measure import Row, Skipped, child_cpu, own_cpu, process_cpu
from wattline.bench.peers import program as find
from wattline.drivers.ipmi.config import IpmiConfig
from wattline.drivers.ipmi.driver import Ipmi
from wattline.errors import Unreachable
from wattline.plugin import Secret
from wattline.testing.bmc import FakeBmc
from wattline.testing.bmc_board import Board
from wattline.testing.program import Program

CONTROLLERS: Final = 1000
_EVERY: Final = 5
_SECONDS: Final = 30
_WARM: Final = 20
_POLLS: Final = 5
_BY_TOOL: Final = 20
_PASSWORD: Final = "secret"  # noqa: S105 - of a fake
_PYGHMI: Final = """
import resource, sys
from pyghmi.ipmi.command import Command
one = Command("127.0.0.1", "meter", "secret", port=int(sys.argv[1]), privlevel=2)
ask = lambda: one.raw_command(netfn=0x2c, command=2, data=(0xdc, 1, 0, 0))
for _ in range(20): ask()
before = resource.getrusage(resource.RUSAGE_SELF)
for _ in range(500): ask()
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
"""


def rows() -> list[Row | Skipped]:
    """Measure logins, memory and polls, then the whole program, then the peers."""
    with _controllers(CONTROLLERS) as ports:
        found: list[Row | Skipped] = []
        login, login_cpu, poll, memory = asyncio.run(_ours(ports))
        found += [
            Row(f"log in to {CONTROLLERS:,} BMCs", "s", login, reach="10 s", note=f"{login_cpu * 1e3:.2f} ms CPU each"),
            Row("memory of a BMC's meter, logged in", "kB", memory / 1000, reach="20 kB", note="driver and session"),
        ]
        work = "DCMI power by IPMI 2.0, suite 17"
        for name, peer in (("ipmi-dcmi", _freeipmi), ("ipmitool", _ipmitool), ("pyghmi, session kept", _pyghmi)):
            try:
                found.append(Row(work, "us a poll", poll * 1e6, name, peer(ports[0]) * 1e6))
            except Unreachable as error:
                found.append(Skipped(f"{work}, {name}", str(error)))
        found.append(_whole(ports))
    return found


def serve(count: int) -> None:
    """Be that many controllers until the program is ended: prints their ports, one a line."""
    soft = min(max(2 * count, 1024), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    async def run() -> None:
        many = [FakeBmc(Board(watts=200 + i % 100, keep_log=False)) for i in range(count)]
        for one in many:
            await one.start()
        sys.stdout.write("\n".join(str(one.port) for one in many) + "\n\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    asyncio.run(run())


@contextlib.contextmanager
def _controllers(count: int) -> Iterator[list[int]]:
    command = [sys.executable, "-c", f"from wattline.bench.bmcs import serve; serve({count})"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603
        try:
            assert server.stdout is not None
            yield [int(line) for line in iter(server.stdout.readline, "\n")]
        finally:
            server.send_signal(signal.SIGKILL)


async def _ours(ports: list[int]) -> tuple[float, float, float, float]:
    """Return seconds and CPU seconds each of all logins, CPU seconds a poll, and bytes of a meter."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    drivers = [_driver(port) for port in ports]
    await asyncio.gather(*(driver.open() for driver in drivers))
    await asyncio.gather(*(driver.read(0) for driver in drivers))
    memory = (tracemalloc.get_traced_memory()[0] - before) / len(ports)
    tracemalloc.stop()
    await asyncio.gather(*(driver.close() for driver in drivers))
    began, cpu = time.monotonic(), own_cpu()
    await asyncio.gather(*(driver.open() for driver in drivers))
    login, login_cpu = time.monotonic() - began, (own_cpu() - cpu) / len(ports)
    rounds = []
    for _ in range(_POLLS):
        cpu = own_cpu()
        for at in range(0, len(drivers), 20):  # as they come in a second, not all at once
            await asyncio.gather(*(driver.read(0) for driver in drivers[at : at + 20]))
        rounds.append((own_cpu() - cpu) / len(drivers))
    await asyncio.gather(*(driver.close() for driver in drivers))
    return login, login_cpu, statistics.median(rounds), memory


def _driver(port: int) -> Ipmi:
    return Ipmi(IpmiConfig(host="127.0.0.1", port=port, user="meter", password=Secret(_PASSWORD), wait=5))


def _whole(ports: list[int]) -> Row:
    """Run the whole program with the embedded store; return how much of a core it needs."""
    meters = [
        {"driver": "ipmi", "name": f"node-{i:04d}", "device": f"node-{i:04d}", "host": "127.0.0.1", "port": port,
         "user": "meter", "password": _PASSWORD}
        for i, port in enumerate(ports)
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site.yaml")
        site.write_text(yaml.safe_dump({"every": f"{_EVERY}s", "meters": meters}))
        with Program("--config", str(site), data=Path(folder, "store")) as up:
            time.sleep(_WARM)  # to ask whether all have answered would cost more than their answers
            before, cpu = _polls(up), process_cpu(up.pid)
            time.sleep(_SECONDS)
            done, cpu = _polls(up) - before, process_cpu(up.pid) - cpu
    due = len(ports) * _SECONDS / _EVERY
    note = f"{done / due:.1%} of the polls due, {cpu / done * 1e6:.0f} us a poll, stored"
    return Row(
        f"{CONTROLLERS:,} BMCs every {_EVERY} s, polled and stored", "cores", cpu / _SECONDS, reach="0.1", note=note
    )


def _polls(up: Program) -> int:
    return sum(meter["polls"] for meter in up.get("/api/meters"))


def _freeipmi(port: int) -> float:
    where = ["-D", "LAN_2_0", "-h", f"127.0.0.1:{port}", "-u", "meter", "-p", _PASSWORD, "-I", "17", "-l", "USER"]
    command = [find("ipmi-dcmi"), *where, "--get-system-power-statistics"]
    return statistics.median(child_cpu(command) for _ in range(_BY_TOOL))


def _ipmitool(port: int) -> float:
    where = [
        "-I",
        "lanplus",
        "-H",
        "127.0.0.1",
        "-p",
        str(port),
        "-U",
        "meter",
        "-P",
        _PASSWORD,
        "-C",
        "17",
        "-L",
        "USER",
    ]
    command = [find("ipmitool"), *where, "dcmi", "power", "reading"]
    return statistics.median(child_cpu(command) for _ in range(_BY_TOOL))


def _pyghmi(port: int) -> float:
    if importlib.util.find_spec("pyghmi") is None:
        raise Unreachable("pyghmi is not installed")
    command = [sys.executable, "-c", _PYGHMI, str(port)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))  # noqa: S603
    return float(done.stdout) / 500

"""Three hundred meters of six kinds, a fifth of which is killed, hung, garbled and revived at random.

WATTLINE_MINUTES=10 pytest -s tests/e2e/test_mixed_meters.py      the long run; it prints what it saw
"""

import asyncio
import os
import random
import struct
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
import yaml
from aiohttp import web

from wattline.bench.measure import process_cpu
from wattline.model import Cause
from wattline.stores.sqlite.store import Sqlite, SqliteConfig
from wattline.testing import bmc as ipmi
from wattline.testing import redfish, replay
from wattline.testing.agents import find_program
from wattline.testing.bmc_board import Board
from wattline.testing.certificate import Certificate
from wattline.testing.program import Program
from wattline.testing.sml_meter import file_of, value_of
from wattline.testing.web_server import WebServer

MINUTES = float(os.environ.get("WATTLINE_MINUTES", "0.6"))
COUNTS = {"snmp": 80, "ipmi": 60, "redfish": 40, "prometheus": 60, "modbus": 30, "sml": 30}
SECOND = 10**9
OID = "1.3.6.1.4.1.99.1"
PAGE = "# TYPE node_power_watts gauge\nnode_power_watts 42.5\n"
EXPECTED = {Cause.TIMEOUT, Cause.UNREACHABLE, Cause.MALFORMED, Cause.POLLER_DOWN, Cause.OVERRUN}


class Agent(replay.ReplayAgent):
    """20 objects of an SNMP agent."""

    def __init__(self):
        super().__init__({})
        for i in range(20):
            self.put(f"{OID}.{i}", 230 + i)

    def spoil(self, rng):
        self.fault = rng.choice([replay.Fault.SILENT, replay.Fault.GARBAGE, replay.Fault.OTHER_REQUEST])

    async def mend(self):
        self.fault = replay.Fault.NONE

    def block(self):
        oids = [{"oid": f"{OID}.{i}", "unit": "W", "labels": {"outlet": str(i)}} for i in range(20)]
        return {"driver": "snmp", "host": "127.0.0.1", "port": self.port, "oids": oids}


class Controller(ipmi.FakeBmc):
    """A BMC with DCMI power; now and then it forgets its sessions."""

    def spoil(self, rng):
        self.fault = rng.choice([ipmi.Fault.SILENT, ipmi.Fault.GARBAGE, ipmi.Fault.CUT])
        self.restart()

    async def mend(self):
        self.fault = ipmi.Fault.NONE

    def block(self):
        return {"driver": "ipmi", "host": "127.0.0.1", "port": self.port, "user": "meter", "password": "secret-7",
                "every": "5s"}  # fmt: skip


class Chassis(redfish.Bmc):
    """A chassis behind TLS; it may also go away with its port."""

    is_away = False

    def spoil(self, rng):
        faults = redfish.Fault
        self.fault = rng.choice([faults.BROKEN, faults.HANG, faults.GARBAGE, faults.TRUNCATED])

    async def mend(self):
        self.fault = redfish.Fault.NONE

    def block(self):
        return {"driver": "redfish", "host": "127.0.0.1", "port": self.port, "user": "meter", "password": "secret-7",
                "ca": str(CERTIFICATE[0].path), "every": "2s"}  # fmt: skip


class Exporter(WebServer):
    """A page of one metric."""

    def __init__(self):
        super().__init__(lambda _: web.Response(text=PAGE))

    def spoil(self, rng):
        async def hang(_):
            await asyncio.sleep(3600)

        broken = [lambda _: web.Response(status=500), lambda _: web.Response(text="{{{"), hang]
        self.answer = rng.choice(broken)

    async def mend(self):
        self.answer = lambda _: web.Response(text=PAGE)

    def block(self):
        return {"driver": "prometheus", "host": "127.0.0.1", "port": self.port, "names": ["node_power_watts"],
                "units": {"node_power_watts": "W"}}  # fmt: skip


class Talker:
    """A TCP server for meters that need one: `speak` is its side of a connection."""

    def __init__(self):
        self.port, self.mood = 0, "sound"

    async def __aenter__(self):
        self._writers, self._speaking = set(), set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.spoil_all()
        await asyncio.gather(*self._speaking)

    def spoil_all(self):
        self.mood = "gone"
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        self._speaking.add(task := asyncio.current_task())
        task.add_done_callback(self._speaking.discard)
        try:
            await self.speak(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def spoil(self, rng):
        self.mood = rng.choice(["silent", "garbage", "gone"])
        if self.mood == "gone":
            self.spoil_all()

    async def mend(self):
        self.mood = "sound"


class Registers(Talker):
    """A Modbus/TCP meter whose every register is 230."""

    async def speak(self, reader, writer):
        while self.mood != "gone":
            head = await reader.readexactly(12)
            number, _, _, unit, function, _, count = struct.unpack(">HHHBBHH", head)
            if self.mood == "sound":
                writer.write(struct.pack(">HHHBBB", number, 0, 3 + 2 * count, unit, function, 2 * count))
                writer.write(struct.pack(">H", 230) * count)
            elif self.mood == "garbage":
                writer.write(b"\xde\xad\xbe\xef" * 3)

    def block(self):
        return {"driver": "modbus", "host": "127.0.0.1", "port": self.port,
                "registers": [{"address": 0, "type": "u16", "unit": "W"}]}  # fmt: skip


class Pusher(Talker):
    """A meter that pushes an SML file every second, by its own clock: one that is late once is not late ever after."""

    async def speak(self, reader, writer):
        said = file_of([value_of("1-0:16.7.0", 27, 0, 230)])
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self.mood != "gone":
            if self.mood != "silent":
                writer.write(said if self.mood == "sound" else said[::-1])
            due += 1.0
            await asyncio.sleep(max(0.0, due - loop.time()))

    def block(self):
        return {"driver": "sml", "line": f"tcp://127.0.0.1:{self.port}"}


CERTIFICATE = []
PERIODS = {"ipmi": 5.0, "redfish": 2.0}


def made(kind):
    if kind == "ipmi":
        return Controller(Board(watts=230), users={"meter": "secret-7"})
    if kind == "redfish":
        power = {"EnvironmentMetrics": {"PowerWatts": {"Reading": 512.5}}}
        return Chassis(redfish.tree(("1", power, {})), user="meter", password="secret-7", tls=CERTIFICATE[0].server())
    return {"snmp": Agent, "prometheus": Exporter, "modbus": Registers, "sml": Pusher}[kind]()


async def broken_at_random(unlucky, until, rng):
    """Break some of the unlucky for a while, again and again; returns how often."""
    breaks = 0
    while time.monotonic() < until:
        some = rng.sample(unlucky, k=max(1, len(unlucky) // 3))
        for one in some:
            one.spoil(rng)
        breaks += len(some)
        await asyncio.sleep(rng.uniform(5, 9))
        for one in some:
            await one.mend()
        await asyncio.sleep(rng.uniform(1, 3))
    return breaks


def resident(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) / 1024


@pytest.mark.skipif(find_program("openssl") is None, reason="openssl is not installed: no certificate")
async def test_of_three_hundred_mixed_meters_the_sound_ones_lose_nothing(tmp_path):
    rng = random.Random(4)
    CERTIFICATE[:] = [Certificate.made_in(tmp_path)]
    async with AsyncExitStack() as stack:
        meters, blocks = {}, []
        for kind, count in COUNTS.items():
            for i in range(count):
                name = f"{kind}-{i}"
                meters[name] = await stack.enter_async_context(made(kind))
                blocks.append({"name": name, "device": name, "every": "1s", **meters[name].block()})
        names = list(meters)
        unlucky = {name for name in names if rng.random() < 0.2}
        site = tmp_path / "site.yaml"
        site.write_text(yaml.safe_dump({"meters": blocks}))
        program = Program("--config", str(site), data=tmp_path / "store")
        await asyncio.to_thread(program.start)
        try:
            await asyncio.to_thread(program.wait, lambda: all(
                one["state"] == "speaking" for one in program.get("/api/meters")))  # fmt: skip
            begin, cpu = time.time_ns(), process_cpu(program.pid)
            breaks = await broken_at_random([meters[name] for name in unlucky], time.monotonic() + MINUTES * 30, rng)
            half = resident(program.pid)
            breaks += await broken_at_random([meters[name] for name in unlucky], time.monotonic() + MINUTES * 30, rng)
            end, spent, last = time.time_ns(), process_cpu(program.pid) - cpu, resident(program.pid)
        finally:
            await asyncio.to_thread(program.stop)
    seconds = (end - begin) / SECOND
    holes, times = await told(tmp_path / "store" / "wattline.sqlite", names, begin, end)
    shares = {name: (len(times[name]) + 1) / (seconds / PERIODS.get(name.partition("-")[0], 1.0)) for name in names}
    sound = [shares[name] for name in names if name not in unlucky]
    causes = Counter(outage.cause for outages in holes.values() for outage in outages)
    lines = program.said().splitlines()
    print(f"\n{len(names)} meters, {len(unlucky)} unlucky, {breaks} breaks in {seconds:.0f} s: "
          f"sound ones complete to {min(sound):.4f}, causes {dict(causes)}, {len(lines)} lines of log, "
          f"{spent / seconds:.3f} cores, {half:.0f} MB at half time and {last:.0f} MB at the end")  # fmt: skip
    assert min(sound) > 0.97, {name: share for name, share in shares.items() if name not in unlucky and share < 0.98}
    assert set(causes) <= EXPECTED
    for name in unlucky:
        untold = unexplained(times[name], holes[name], PERIODS.get(name.partition("-")[0], 1.0))
        assert untold == [], (name, holes[name])
    assert len(lines) < 2 * len(names) + 8 * breaks
    assert last - half < 40
    assert "secret-7" not in program.said()


async def told(path, names, begin, end):
    """Return the outages and the times of samples of each meter within a window."""
    store = Sqlite(SqliteConfig(path=str(path), read_only=True))
    await store.open()
    ids = {name: [] for name in names}
    for entry in store.entries():
        if entry.series.device.partition("/")[0] in ids:
            ids[entry.series.device.partition("/")[0]].append(entry.id)
    times = {}
    for name, own in ids.items():
        blocks = [block.time for blocks in store.samples(own[:1], begin, end) for block in blocks]
        times[name] = np.concatenate(blocks) if blocks else np.zeros(0, np.int64)
    holes = {name: [] for name in names}
    for outage in store.outages(begin, end):
        holes[outage.meter].append(outage)
    await store.close()
    return holes, times


def unexplained(time, outages, period):
    """Return the gaps that no outage speaks of: three periods, at least 10 s (core/integral.gap_limit)."""
    found = []
    for a, b in zip(time[:-1].tolist(), time[1:].tolist(), strict=True):
        if b - a > max(3 * period, 10.0) * SECOND and not any(
            outage.start < b and (outage.end is None or outage.end > a) for outage in outages
        ):
            found.append((a, b))
    return found

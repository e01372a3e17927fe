"""A name server that never answers holds up nobody who is known by an address, and is said to be what is wrong."""

import asyncio
import os
import shutil
import socket
import sys

import pytest
import yaml

from wattline.testing.collecting import samples_of
from wattline.testing.process import Process
from wattline.testing.replay import ReplayAgent

OID = "1.3.6.1.4.1.99999.1"
HIDDEN = 'mount --bind resolv.conf /etc/resolv.conf && exec "$0" "$@"'
"""Runs a command that has another name server than everybody else."""


def meter(name, host, port):
    oids = [{"oid": OID, "metric": "power_watts", "unit": "W"}]
    return {"driver": "snmp", "name": name, "device": name, "host": host, "port": port, "every": "500ms", "oids": oids}


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare(1)")
async def test_known_addresses_are_read_while_no_name_is_answered_for(tmp_path):
    agent = ReplayAgent({})
    agent.put(OID, 42)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.77", 53))
        async with agent:
            known = [meter(f"known-{i}", "127.0.0.1", agent.port) for i in range(5)]
            named = [meter(f"named-{i}", f"pdu-{i}.example.org", agent.port) for i in range(100)]
            (tmp_path / "site.yaml").write_text(yaml.safe_dump({"meters": [*named, *known]}))
            (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.77\n")
            command = ["unshare", "-m", "sh", "-c", HIDDEN, sys.executable, "-m", "wattline", "collect"]
            program = Process(
                [*command, "--config", "site.yaml", "--sink", "stdout"], tmp_path / "log", tmp_path / "lines", tmp_path
            )
            with program:
                said = await asyncio.to_thread(program.wait, lambda: "name server does not answer" in program.said())
    assert said
    times: dict[str, list[float]] = {}
    for sample in samples_of(program.lines.read_bytes().rpartition(b"\n")[0]):
        times.setdefault(sample.device, []).append(sample.time)
    assert sorted(times) == [f"known-{i}" for i in range(5)]
    first = min(min(one) for one in times.values())
    assert all(one[0] < first + 4 for one in times.values()), "names wait 8 s for an answer, and these for none of them"

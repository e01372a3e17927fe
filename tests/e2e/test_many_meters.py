"""Two hundred SNMP meters, twenty of them dead: the living keep their second."""

import socket

import pytest
import yaml

from wattline.testing.agents import Snmpd, find_program
from wattline.testing.program import Program

ALIVE, DEAD = 180, 20
OIDS = [f"1.3.6.1.4.1.318.1.1.26.9.4.3.1.7.{i}" for i in range(1, 21)]
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(find_program("snmpd") is None, reason="snmpd is not installed"),
]


def meter(name, port):
    oids = [{"oid": oid, "metric": f"outlet_{i}_power_watts", "unit": "W"} for i, oid in enumerate(OIDS)]
    return {"driver": "snmp", "name": name, "device": name, "host": "127.0.0.1", "port": port, "oids": oids}


def test_the_dead_do_not_delay_the_living(tmp_path):
    lines = [f"override {oid} integer {100 + i}" for i, oid in enumerate(OIDS)]
    site = tmp_path / "site.yaml"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute, Snmpd(lines) as agent:
        mute.bind(("127.0.0.1", 0))  # takes every request and never answers
        meters = [meter(f"pdu-{i:03d}", agent.port) for i in range(ALIVE)]
        meters += [meter(f"dead-{i:02d}", mute.getsockname()[1]) for i in range(DEAD)]
        site.write_text(yaml.safe_dump({"every": "1s", "meters": meters}))
        with Program("--config", str(site), data=tmp_path / "store") as up:
            up.wait(lambda: all(m["state"] != "waiting" for m in up.get("/api/meters")))
            up.wait(lambda: all(m["polls"] >= 10 for m in alive(up)))
            missed = sum(m["missed"] for m in alive(up))
            polls = sum(m["polls"] for m in alive(up))
            assert missed < polls / 10, f"{missed} ticks missed beside {polls} polls"
            for one in up.get("/api/meters"):
                if one["name"].startswith("dead"):
                    assert one["state"] == "silent"
                    assert "no answer" in one["error"]
            start = min(m["last"] for m in alive(up))
            up.wait(lambda: len(told(up, start)) == ALIVE)


def alive(up):
    return [m for m in up.get("/api/meters") if m["name"].startswith("pdu")]


def told(up, start):
    """The devices of which something was stored from `start` on."""
    return {row["device"] for row in up.get(f"/api/samples?metric=outlet_0_power_watts&start={start}")}

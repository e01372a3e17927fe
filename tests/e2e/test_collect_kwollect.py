"""Kwollect's descriptions under kwollector's name and options: one process, several hosts, one of them dead."""

import asyncio
import json
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import web

from wattline.testing.agents import NodeExporter, find_program
from wattline.testing.bmc import FakeBmc
from wattline.testing.bmc_board import Board, full_record
from wattline.testing.collecting import Collecting, Sample
from wattline.testing.replay import Fault, ReplayAgent
from wattline.testing.web_server import WebServer, json_answer

UPTIME, NAME = "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.5.0"
IF_NAME, IF_OCTETS = "1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.10"
MAC = "1.3.6.1.2.1.2.2.1.6.1"
PASSWORD = "p@ss/of kwollect"
ENCODED = "p%40ss%2Fof%20kwollect"
DATABASE = "the-database-password"
DEAD, SECONDS = 5, 9
PAGE = """\
# TYPE node_load1 gauge
node_load1 0.5
node_load5 0.25
node_load15 0.125
escaped{text="a \\"quoted\\" name"} 3
a:b 4
tabbed\t5
stamped 6 1700000000000
"""
CUSTOM = 'kwollect_custom{_metric_id="my_metric",_timestamp="1606389005.1234",room="B1"} 42\n'


class Seen(NamedTuple):
    """What the program printed and wrote to its log, its command line, and what the dead agent was asked by then."""

    samples: list[Sample]
    log: str
    command: str
    began: float
    asked_while_dead: int
    status: int


def described(*, pdu, dead, page, exporter, bmc, power):
    """Return descriptions by the name of their file."""
    one = {"device_id": "pdu-1", "update_every": 1000}
    snmp = f"snmp://public@127.0.0.1:{pdu}"
    uptime = {"name": "sysUpTime", "url": f"{snmp}/.{UPTIME}", "scale_factor": 0.01, **one}
    files = {
        "pdu": [
            uptime,
            {**uptime, "name": "slow_uptime", "update_every": 5000},
            {"name": "sysName", "url": f"{snmp}/{NAME}", **one},
            {"name": "lo_bytes_total", "url": f"{snmp}/{IF_OCTETS}.{{{{ {IF_NAME} == lo }}}}", **one},
            {"name": "nobody_total", "url": f"{snmp}/{IF_OCTETS}.{{{{ {IF_NAME} == nobody }}}}", **one},
            {"name": "mac", "url": f"{snmp}/{MAC}", **one},
            {"name": "first_version", "url": f"snmpv1://public@127.0.0.1:{pdu}/{UPTIME}", **one},
            {"name": "no_community", "url": f"snmp://127.0.0.1:{pdu}/{UPTIME}", **one},
        ],
        "dead": {"name": "dead_watt", "device_id": "pdu-2", "url": f"snmp://public@127.0.0.1:{dead}/{UPTIME}",
                 "update_every": 1000},
        "page": {"name": "prom_page", "device_id": "node-1", "url": f"prometheus://127.0.0.1:{page}/",
                 "update_every": 1000},
        "bmc": [{"name": name, "device_id": "bmc-1", "update_every": 1000,
                 "url": f"ipmisensor://root:{ENCODED}@127.0.0.1:{bmc}/{sensor}"}
                for name, sensor in (("bmc_power_watt", 1), ("bmc_temp_celsius", "Inlet%20Temp"))],
        "http": {"name": "fast_watt", "device_id": "bmc-2", "update_every": 1000,
                 "url": f"http://root:{ENCODED}@127.0.0.1:{power}/FastPowerMeter#PowerDetail[-1].Average"},
        "bad": {"name": "x", "device_id": "y", "url": "snmp://public@pdu-9/1.3", "update_evry": 5},
        "people": {"name": "shown", "device_id": "node-1", "url": "wattmetre://w-1/1"},
    }  # fmt: skip
    if exporter:
        files["node"] = {"name": "prom_node", "device_id": "node-2", "update_every": 1000,
                         "url": f"prometheus://127.0.0.1:{exporter}/node_load1-node_load5-kwollect_custom"}  # fmt: skip
    return files


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    return asyncio.run(collected(tmp_path_factory.mktemp("kwollect")))


async def collected(folder):
    """Run it for some seconds; the dead host comes to life meanwhile."""
    pdu, dead = ReplayAgent({}), ReplayAgent({})
    for oid, value in ((UPTIME, 12_345), (NAME, "pdu one"), (f"{IF_NAME}.1", "lo"), (f"{IF_OCTETS}.1", 77)):
        pdu.put(oid, value)
        dead.put(oid, value)
    pdu.objects[tuple(map(int, MAC.split(".")))] = (4, b"\x00\xff\xfe\x80\x81\x82")
    dead.fault = Fault.SILENT
    bmc = FakeBmc(
        Board(records=[full_record(1, "Power", m=2), full_record(2, "Inlet Temp", "Cel", kind=1)],
              readings={1: 100, 2: 21}), users={"root": PASSWORD})  # fmt: skip
    page = WebServer(lambda _: web.Response(text=PAGE))
    power = WebServer(lambda _: json_answer({"PowerDetail": [{"Average": 1}, {"Average": "344"}]}))
    async with pdu, dead, bmc, page, power:
        with ExitStack() as stack:
            exporter = 0
            if find_program("prometheus-node-exporter"):
                node = stack.enter_context(NodeExporter())
                node.write("custom", CUSTOM)
                exporter = node.port
            metrics = folder / "metrics.d"
            metrics.mkdir()
            ports = {"pdu": pdu.port, "dead": dead.port, "page": page.port, "bmc": bmc.port, "power": power.port}
            for name, given in described(exporter=exporter, **ports).items():
                (metrics / f"{name}.yaml").write_text(json.dumps(given))
            arguments = ("-m", str(metrics), "--db_host", "nowhere", "--db_password", DATABASE, "--sink", "stdout")
            program = stack.enter_context(Collecting("kwollector", *arguments, folder=folder))
            await asyncio.to_thread(program.wait, lambda: "wattline collects" in program.said())
            began = time.time()
            await asyncio.to_thread(program.wait, lambda: time.time() > began + DEAD)
            asked, dead.fault = len(dead.requests), Fault.NONE
            await asyncio.to_thread(
                program.wait, lambda: time.time() > began + SECONDS and program.samples("pdu-2", "dead_watt")
            )
            command = (Path("/proc") / str(program.pid) / "cmdline").read_text()
            await asyncio.to_thread(program.stop)
    return Seen(program.samples(), program.said(), command, began, asked, program.ended())


def of(seen, device, metric):
    return [one for one in seen.samples if (one.device, one.metric) == (device, metric)]


def values(seen, device, metric):
    return {one.value for one in of(seen, device, metric)}


def test_the_first_row_of_a_metric_of_one_second_comes_within_two(seen):
    assert of(seen, "pdu-1", "sysUpTime")[0].time - seen.began < 2
    assert seen.status == 0


def test_the_password_of_the_database_is_in_no_command_line_and_no_log(seen):
    assert DATABASE not in seen.command + seen.log
    assert "password on a command line" in seen.log
    assert "db_host" in seen.log


def test_each_metric_of_a_device_has_its_own_period(seen):
    fast, slow = (len(of(seen, "pdu-1", name)) for name in ("sysUpTime", "slow_uptime"))
    assert 2.5 <= fast / slow <= 6, (fast, slow)
    assert slow >= 2


def test_factors_texts_templates_and_hygiene(seen):
    assert values(seen, "pdu-1", "sysUpTime") == {123.45}
    assert values(seen, "pdu-1", "no_community") == values(seen, "pdu-1", "first_version") == {12_345}
    assert values(seen, "pdu-1", "sysName") == {"pdu one"}
    assert values(seen, "pdu-1", "lo_bytes_total") == {77}
    assert not of(seen, "pdu-1", "nobody_total")
    assert seen.log.count("== nobody") == 1, seen.log


def test_a_page_is_read_whole_and_right(seen):
    said = {one.metric: one.value for one in seen.samples if one.device == "node-1"}
    assert said == {"prom_node_load1": 0.5, "prom_node_load5": 0.25, "prom_node_load15": 0.125, "prom_escaped": 3,
                    "prom_a:b": 4, "prom_tabbed": 5, "prom_stamped": 6}  # fmt: skip
    assert [one.time for one in of(seen, "node-1", "prom_stamped")] == [1_700_000_000]
    assert of(seen, "node-1", "prom_escaped")[0].labels == {"text": 'a "quoted" name'}


@pytest.mark.peer
@pytest.mark.skipif(find_program("prometheus-node-exporter") is None, reason="no prometheus-node-exporter")
def test_of_a_node_exporter_the_listed_names_and_a_users_own_line_once(seen):
    assert {one.metric for one in seen.samples if one.device == "node-2"} == {
        "prom_node_load1", "prom_node_load5", "my_metric",
    }  # fmt: skip
    [own] = of(seen, "node-2", "my_metric")
    assert (own.time, own.value) == (1606389005.1234, 42)
    assert own.labels == {"_metric_origin": "prom_kwollect_custom", "room": "B1"}


def test_sensors_go_by_number_and_by_name(seen):
    assert values(seen, "bmc-1", "bmc_power_watt") == {200}
    assert values(seen, "bmc-1", "bmc_temp_celsius") == {21}
    assert len(of(seen, "bmc-1", "bmc_power_watt")) > 5
    assert PASSWORD not in seen.command + seen.log
    assert ENCODED not in seen.command + seen.log


def test_a_place_in_a_json_page(seen):
    assert values(seen, "bmc-2", "fast_watt") == {344}


def test_a_dead_host_delays_nobody_is_told_of_once_and_is_asked_less_and_less(seen):
    for device, metric in (("pdu-1", "sysUpTime"), ("node-1", "prom_node_load1"), ("bmc-2", "fast_watt")):
        gaps = [b.time - a.time for a, b in pairwise(of(seen, device, metric)[1:])]
        assert max(gaps) < 1.9, (metric, gaps)
    lines = [line for line in seen.log.splitlines() if "is silent" in line or "speaks again" in line]
    told = [line.split(" ", 3)[3].split(":")[0] for line in lines]
    assert len(told) == 2, lines
    assert "is silent" in told[0]
    assert "speaks again after" in told[1]
    assert 2 <= seen.asked_while_dead < 2 * DEAD - 2, "two tries a poll, polls further and further apart"


def test_a_bad_description_costs_itself(seen):
    [line] = [line for line in seen.log.splitlines() if "update_evry" in line]
    assert "bad.yaml" in line

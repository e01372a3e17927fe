"""`wattline discover` on a loopback network of several hosts, each with servers of its own."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

import wattline
from wattline.cli.check import check
from wattline.cli.discover import discover
from wattline.testing.agents import NodeExporter, find_program
from wattline.testing.bmc import FakeBmc
from wattline.testing.bmc_board import Board
from wattline.testing.program import free_port
from wattline.testing.redfish import Bmc, tree
from wattline.testing.replay import ReplayAgent
from wattline.testing.upsd import ReplayUpsd
from wattline.testing.web_server import WebServer, json_answer
from wattline.wire import ber

RECORDED = Path(wattline.__file__).parent / "drivers/snmp/testdata" / "apc-rpdu2.snmprec"
POWER = {"PowerControl": [{"@odata.id": "/redfish/v1/Chassis/1/Power#/PowerControl/0", "PowerConsumedWatts": 344}]}
PASSWORD = "loopback-pass"


def service(host, port=0, password=PASSWORD, maker="Acme"):
    placed = tree(("1", {"Power": POWER}, {}), Vendor=maker, RedfishVersion="1.11.0")
    return Bmc(placed, user="reader", password=password, host=host, port=port)


def plug(request):
    if request.path == "/shelly":
        return json_answer({"type": "SHPLG-S", "mac": "A1", "auth": False})
    return json_answer({"meters": [{"power": 12.5, "is_valid": True, "total": 100}]})


def exporter(request):
    pages = {"/metrics": "# TYPE rack_power_watts gauge\nrack_power_watts 231\n# TYPE up gauge\nup 1\n"}
    return json_answer({}, 404) if request.path not in pages else text_answer(pages[request.path])


def text_answer(text):
    return web.Response(text=text)


async def run(*arguments, stdin=None):
    """Run the command in a thread, while the servers live in this loop."""
    return await asyncio.to_thread(CliRunner().invoke, discover, [*arguments, "--rate", "2000", "--wait", "3"], stdin)


class OldAgent(ReplayAgent):
    """Knows version 1 alone."""

    def datagram_received(self, message, sender):
        [(_, body)] = ber.blocks(message)
        if ber.blocks(body)[0][1] == b"\0":
            super().datagram_received(message, sender)


def logins(bmc):
    return sum(method == "POST" for method, _ in bmc.requests)


class Network:
    """Four hosts: .1 has an SNMP agent, a BMC and upsd, .2 a Redfish service, .3 a Shelly, .4 an exporter."""

    async def __aenter__(self):
        self.stack = AsyncExitStack()
        enter = self.stack.enter_async_context
        self.agent = ReplayAgent.of(RECORDED)
        await enter(self.agent)
        self.bmc = await enter(FakeBmc(Board(watts=230), users={"reader": PASSWORD}))
        self.upsd = await enter(ReplayUpsd({"rack": {"ups.realpower": "41.0"}}))
        self.service = await enter(service("127.0.0.2"))
        self.plug = await enter(WebServer(plug, host="127.0.0.3", port=self.service.port))
        self.exporter = await enter(WebServer(exporter, host="127.0.0.4"))
        self.places = [
            "--ports", str(self.exporter.port), "--place", f"snmp={self.agent.port}",
            "--place", f"ipmi={self.bmc.port}", "--place", f"http={self.service.port}",
            "--place", f"https={free_port()}", "--place", f"nut={self.upsd.port}",
        ]  # fmt: skip
        return self

    async def __aexit__(self, *_):
        await self.stack.aclose()


async def test_several_hosts_are_found_read_and_written_down(tmp_path, monkeypatch):
    monkeypatch.setenv("BMC_PASSWORD", PASSWORD)
    file = tmp_path / "site.yaml"
    async with Network() as net:
        login = ["--bmc-user", "reader", "--bmc-password", "env:BMC_PASSWORD"]
        result = await run("127.0.0.1-5", "--yes", "--json", *login, *net.places, "-o", str(file))
        assert result.exit_code == 0, result.output
        assert net.bmc.logins == 1
        assert net.bmc.refused == 0
    found = {(one["host"], one["driver"]): one for one in json.loads(result.stdout)}
    assert found.keys() == {
        ("127.0.0.1", "snmp"), ("127.0.0.1", "ipmi"), ("127.0.0.1", "nut"), ("127.0.0.2", "redfish"),
        ("127.0.0.3", "shelly"), ("127.0.0.4", "prometheus"),
    }  # fmt: skip
    assert {one["state"] for one in found.values()} == {"reads"}
    pdu = found["127.0.0.1", "snmp"]
    assert "sysObjectID 1.3.6.1.4.1.318." in pdu["why"]
    assert pdu["said"].startswith("apc-rpdu2, 12 series")
    assert found["127.0.0.2", "redfish"]["options"] == {"tls": False, "user": "reader", "password": "env:BMC_PASSWORD"}
    assert found["127.0.0.4", "prometheus"]["url"].endswith("/metrics/rack_power_watts")
    assert PASSWORD not in file.read_text() + result.output
    checked = CliRunner().invoke(check, [str(file)])
    assert checked.exit_code == 0, checked.output
    assert "6 meters" in checked.output
    again = await run("127.0.0.1", "--yes", "-o", str(file))
    assert again.exit_code == 2
    assert "--force" in again.output


async def test_without_credentials_nothing_is_shown_and_the_table_says_what_is_needed(tmp_path, monkeypatch):
    monkeypatch.delenv("BMC_PASSWORD", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    file = tmp_path / "site.yaml"
    async with Network() as net:
        result = await run("127.0.0.1-4", "--yes", *net.places, "-o", str(file))
        assert net.bmc.logins == net.bmc.refused == logins(net.service) == 0
    assert result.exit_code == 0
    assert result.stdout.count("needs a user and a password") == 2
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "6 found, 4 can be read as they are" in result.stderr
    assert "4 meters" in CliRunner().invoke(check, [str(file)]).output


async def test_each_bmc_is_tried_once_and_three_refusals_end_it(monkeypatch):
    monkeypatch.setenv("BMC_PASSWORD", "wrong-one")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(service("127.0.0.2"))
        more = [await stack.enter_async_context(service(f"127.0.0.{n}", first.port)) for n in (3, 4, 5, 6)]
        other = await stack.enter_async_context(service("127.0.0.7", first.port, "wrong-one", "Other"))
        places = ["--ports", "", "--place", f"http={first.port}"]
        login = ["--bmc-user", "reader", "--bmc-password", "env:BMC_PASSWORD"]
        result = await run("127.0.0.2-7", "--yes", "--json", *login, *places)
        assert [logins(bmc) for bmc in (first, *more, other)] == [1, 1, 1, 0, 0, 1]
    states = {one["host"][-1]: one["state"] for one in json.loads(result.stdout)}
    assert states == {"2": "refused", "3": "refused", "4": "refused", "5": "untried", "6": "untried", "7": "reads"}
    assert "wrong-one" not in result.output


async def test_an_agent_of_version_1_with_a_community_of_its_own_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("RACK", "public")
    agent = OldAgent.of(RECORDED)
    file = tmp_path / "site.yaml"
    async with agent:
        given = ["--community", "wrong", "--community", "env:RACK", "--ports", "", "--place", f"snmp={agent.port}"]
        result = await run("127.0.0.1", "--yes", *given, "-o", str(file))
    assert result.exit_code == 0
    text = file.read_text()
    assert 'version: "1"' in text
    assert "community: env:RACK" in text
    assert CliRunner().invoke(check, [str(file)]).exit_code == 0


@pytest.mark.peer
@pytest.mark.skipif(not find_program("prometheus-node-exporter"), reason="prometheus-node-exporter is not installed")
async def test_a_real_node_exporter_is_found_by_its_power(tmp_path):
    with NodeExporter() as server:
        server.write("rack", "# TYPE rack_power_watts gauge\nrack_power_watts 230.5\n")
        result = await run("127.0.0.1", "--yes", "--json", "--ports", str(server.port))
    [one] = [one for one in json.loads(result.stdout) if one["driver"] == "prometheus"]
    assert "rack_power_watts" in one["url"]
    assert one["state"] == "reads"


async def test_nothing_found_says_what_might_be_the_matter():
    places = [f"--place={name}={free_port()}" for name in ("snmp", "ipmi", "http", "https", "nut")]
    result = await run("127.0.0.9", "--yes", "--ports", "", *places)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "--community" in result.stderr
    assert "snmp://public@127.0.0.9/" in result.stderr


async def test_nothing_is_sent_before_it_is_allowed():
    agent = ReplayAgent.of(RECORDED)
    async with agent:
        result = await run("127.0.0.1", "--place", f"snmp={agent.port}")
    assert result.exit_code == 2
    assert "--yes" in result.output
    assert "up to" in result.output
    assert agent.requests == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say where to look"),
        (["10.0.0.1", "--bmc-user", "reader"], "go together"),
        (["10.0.0.1", "--bmc-user", "reader", "--bmc-password", "hush-hush"], "env:NAME or file:PATH"),
        (["10.0.0.1", "--place", "smtp=25"], "no place"),
        (["10.0.0.1", "--ports", "x"], "no list of ports"),
    ],
)
async def test_wrong_arguments_are_told(arguments, said):
    result = await run(*arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert "hush" not in result.output


async def test_hosts_come_from_a_list():
    result = await run("--hosts", "-", "--yes", "--ports", "", stdin="127.0.0.9 # one\n127.0.0.10\n")
    assert "2 addresses, up to 16 questions" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["127.0.0.1", "-o", "{0}/none/site.yaml"], "cannot be written"),
        (["--hosts", "{0}/octets"], "is no list of hosts: it is no text"),
        (["127.0.0.1", "--rate", "nan"], "is no number"),
        (["127.0.0.1", "--wait", "nan"], "is no number"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(tmp_path, arguments, said):
    (tmp_path / "octets").write_bytes(bytes(range(256)))
    result = CliRunner().invoke(discover, [*(one.format(tmp_path) for one in arguments), "--yes"])
    assert result.exit_code
    assert said in result.output + str(result.exception)
    assert "questions" not in result.output

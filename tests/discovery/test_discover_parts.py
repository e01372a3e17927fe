"""The parts of a look: which hosts, how fast, what answers mean, and the file that comes of it."""

import asyncio
import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wattline.core.address import Secret
from wattline.discovery.agents import Agents
from wattline.discovery.controllers import Controllers, capabilities
from wattline.discovery.found import Credential, Found, Proof, State
from wattline.discovery.lines import ModbusUnits, Upses, identification
from wattline.discovery.pace import Pace
from wattline.discovery.pages import Exporters, Pages, energy_names
from wattline.discovery.scan import IN_FLIGHT, scan
from wattline.discovery.site_file import site_file
from wattline.discovery.targets import MOST, listed, targets
from wattline.discovery.words import phrase
from wattline.errors import Misconfigured
from wattline.runtime.config import parse
from wattline.runtime.registry import Registry
from wattline.wire import rmcp

PUBLIC = Credential("community", "", Secret("public"))


@pytest.mark.parametrize(
    ("texts", "hosts"),
    [
        (["10.0.0.7"], ["10.0.0.7"]),
        (["10.0.0.1-3", "10.0.0.2"], ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        (["10.0.0.254-10.0.1.1"], ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        (["10.0.0.0/30"], ["10.0.0.1", "10.0.0.2"]),
        (["10.0.0.9/32", "pdu-1.example.org", "fd00::1"], ["10.0.0.9", "pdu-1.example.org", "fd00::1"]),
        (["fd00::1-fd00::3"], ["fd00::1", "fd00::2", "fd00::3"]),
        (["pdu-1-2"], ["pdu-1-2"]),
    ],
)
def test_hosts_are_named_in_many_ways(texts, hosts):
    assert targets(texts) == hosts


@pytest.mark.parametrize(
    "text", ["10.0.0.1-", "10.0.0.5-3", "10.0.0.1-fd00::1", "10.0.0.0/33", "10.0.0", "10.0.0.1-999", "a b", "", "x/24"]
)
def test_what_is_no_host_is_refused_by_name(text):
    with pytest.raises(Misconfigured) as refused:
        targets([text])
    assert repr(text) in str(refused.value)


def test_a_large_network_has_to_be_asked_for():
    assert len(targets(["10.0.0.0/16"])) == MOST - 2
    for many in (["10.0.0.0/15"], ["10.0.0.0/16", "10.1.0.0/24"]):
        with pytest.raises(Misconfigured, match="--many"):
            targets(many)
    for all_of_it in ("0.0.0.0/0", "fd00::/64", "fd00::-fdff::"):
        with pytest.raises(Misconfigured, match=r"is more than 16,777,216 addresses: name less$"):
            targets([all_of_it], most=2**63)
    assert len(targets(["10.0.0.0/15"], most=1 << 20)) == 2 * MOST - 2


def test_lists_of_hosts_have_comments():
    assert listed("# rack 1\npdu-1, pdu-2\n\n10.0.0.1-5 # the BMCs\n") == ["pdu-1", "pdu-2", "10.0.0.1-5"]


@given(st.text(max_size=60))
def test_any_text_is_hosts_or_refused(text):
    with contextlib.suppress(Misconfigured):
        targets([text])
    listed(text)


@given(st.one_of(st.text(), st.integers(), st.none()), st.integers(5, 80))
def test_what_devices_say_is_one_printable_line(said, longest):
    line = phrase(said, longest)
    assert line.isprintable()
    assert len(line) <= longest


class Counting:
    """A look that notes when it was allowed to ask."""

    questions = 1

    def __init__(self, pace):
        self.pace, self.times, self.now, self.most = pace, [], 0, 0

    async def look(self, host):
        await self.pace.turn()
        self.times.append(asyncio.get_running_loop().time())
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        return [Found(host=host, what="it", why="so")] if host == "h7" else []


async def test_no_more_is_asked_than_the_rate_allows():
    pace, found, done = Pace(200), [], []
    look, begin = Counting(pace), asyncio.get_running_loop().time()
    await scan([f"h{i}" for i in range(101)], [look], found.append, lambda: done.append(1))
    assert pace.turns == len(look.times) == len(done) == 101
    assert [one.host for one in found] == ["h7"]
    assert look.times[-1] - begin >= 0.499


async def test_a_bounded_number_is_in_flight():
    look = Counting(Pace(1e6))
    await scan([f"h{i}" for i in range(3 * IN_FLIGHT)], [look], lambda _: None, lambda: None)
    assert 1 < look.most <= IN_FLIGHT


async def test_what_was_found_before_a_cancellation_is_kept():
    found, seen = [], asyncio.Event()

    def take(one):
        found.append(one)
        seen.set()

    task = asyncio.create_task(scan([f"h{i}" for i in range(10_000)], [Counting(Pace(500))], take, lambda: None))
    await asyncio.wait_for(seen.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [one.host for one in found] == ["h7"]


@given(st.binary(max_size=80))
def test_any_datagram_is_a_controller_or_none(packet):
    assert isinstance(capabilities(packet), str)
    assert isinstance(capabilities(rmcp.IPMI + packet), str)


@given(st.binary(max_size=80))
def test_any_pdu_is_an_identification_or_none(pdu):
    for some in (pdu, b"\x2b\x0e\x01\x01\x00\x00" + pdu):
        said = identification(some)
        assert said is None or all(one.isprintable() for one in said)


def test_an_identification_is_read():
    pdu = b"\x2b\x0e\x01\x01\x00\x00\x02\x00\x04Acme\x01\x05PM-12"
    assert identification(pdu) == ["Acme", "PM-12"]
    assert identification(b"\xab\x01") == []
    assert identification(b"\x03\x02") is None


def test_names_of_power_and_energy_are_preferred():
    names = [
        "node_rapl_package_joules_total", "node_hwmon_power_average_watt", "DCGM_FI_DEV_POWER_USAGE",
        "scaph_host_power_microwatts",
        "kepler_node_cpu_joules_total", "node_power_supply_online",
        "node_power_supply_info", "node_load1", "powerdns_up",
    ]  # fmt: skip
    assert energy_names(names) == names[:5]


class Garbage(asyncio.DatagramProtocol):
    """Answers every datagram, and every connection, with the same octets."""

    def __init__(self, octets):
        self.octets = octets

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, _, sender):
        self.transport.sendto(self.octets, sender)

    async def connected(self, reader, writer):
        await reader.read(1)
        writer.write(self.octets)
        writer.close()


@pytest.mark.parametrize(
    "octets", [b"\xff" * 64, b"\x30\x82\xff\xff", b"HTTP/1.1 200 OK\r\n\r\n<html>", b"BEGIN LIST UPS\n", b"\0" * 7]
)
async def test_garbage_is_nobody(octets):
    loop, fake = asyncio.get_running_loop(), Garbage(octets)
    server = await asyncio.start_server(fake.connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    udp, _ = await loop.create_datagram_endpoint(lambda: fake, local_addr=("127.0.0.1", port))
    pace, found = Pace(1e4), []
    looks = [
        Agents(port, [PUBLIC], pace, 0.3), Controllers(port, pace, 0.3), Pages(port, port, pace, 0.5),
        Exporters([port], pace, 0.5), Upses(port, pace, 0.5), ModbusUnits(port, pace, 0.5),
    ]  # fmt: skip
    try:
        await scan(["127.0.0.1"], looks, found.append, lambda: None)
    finally:
        udp.close()
        server.close()
        await server.wait_closed()
    assert found == []


PDU = Found(
    host="10.0.0.7", what="SNMP agent: 'quoted' # text: yes", why="v1, sysObjectID 1.3.6.1", driver="snmp",
    url="snmp://10.0.0.7/", options={"version": "1"},
    credentials=(Credential("community", "env:RACK", Secret("hush-hush")),),
)  # fmt: skip
BMC = Found(
    host="10.0.0.8", what="Redfish: Acme", why="says so", driver="redfish", url="redfish://10.0.0.8/",
    needs="a user and a password", is_bmc=True, group="Acme",
)  # fmt: skip


def test_the_file_names_secrets_and_holds_none(monkeypatch):
    monkeypatch.setenv("RACK", "hush-hush")
    told = [(PDU, Proof(State.READS, "apc, 3 series")), (BMC, Proof(State.UNTRIED, "needs a user and a password"))]
    text = site_file(told, "2 addresses")
    assert "hush" not in text
    site = parse(text, Registry.installed())
    [meter] = site.meters
    assert (meter.name, meter.driver, meter.options.community.reveal()) == ("snmp-10.0.0.7", "snmp", "hush-hush")
    assert "# - url: redfish://10.0.0.8/" in text
    assert '#   every: "5s"' in text
    assert "#   password: env:BMC_PASSWORD" in text


def test_what_is_behind_a_hash_can_be_uncommented(monkeypatch):
    monkeypatch.setenv("BMC_PASSWORD", "hush-hush")
    text = site_file([(BMC, Proof(State.UNTRIED, ""))], "1 address")
    assert parse(text, Registry.installed()).meters == ()
    [meter] = parse(text.replace("  # - url", "  - url").replace("  #   ", "    "), Registry.installed()).meters
    assert meter.options.password.reveal() == "hush-hush"


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_no_word_of_a_device_breaks_the_file(what, why, said):
    one = Found(host="10.0.0.9", what=phrase(what), why=phrase(why), driver="shelly", url="shelly://10.0.0.9")
    text = site_file([(one, Proof(State.READS, phrase(said)))] * 2, "1 address")
    assert [meter["url"] for meter in yaml.safe_load(text)["meters"]] == ["shelly://10.0.0.9"] * 2

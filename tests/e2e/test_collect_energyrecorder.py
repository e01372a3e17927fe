"""Energyrecorder's collector-settings.yaml as it is: all twelve types in one process.

Beside them stand meters that are slow, hang, refuse us or are not there.
"""

import asyncio
import signal
import time
import urllib.request
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from itertools import pairwise
from typing import NamedTuple

import pytest
import yaml
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from wattline.imports.energyrecorder_types import TYPES
from wattline.testing import redfish
from wattline.testing.agents import Snmpd, find_program
from wattline.testing.bmc import FakeBmc
from wattline.testing.bmc_board import Board, full_record
from wattline.testing.certificate import Certificate
from wattline.testing.collecting import Collecting, Sample, ran
from wattline.testing.driver_suite import dead_port
from wattline.testing.ftp_server import WELCOME, FtpServer
from wattline.testing.program import free_port
from wattline.testing.vendor_pages import VendorPages
from wattline.testing.web_server import WebServer, json_answer

OID = "1.3.6.1.4.1.99999.1"
SECONDS = 6
SLOW = 1.6
SNMP_V3 = {"type": "snmp", "host": "127.0.0.1", "version": "v3", "community": "x", "username": "sealed",
           "auth_protocole": "HMAC-SHA-96", "auth_secret": "signature-1", "privacy_protocole": "CFB128-AES-128",
           "privacy_secret": "sealing-wax-1"}  # fmt: skip
SENSORS = [
    {"name": "power", "oid": f"{OID}.1.0", "unit": "W"},
    {"name": "switch", "oid": f"{OID}.2.0", "unit": "boolean"},
]
TEMPERATURES = {"Temperatures": [{"Name": "Inlet", "ReadingCelsius": 21, "Status": {"State": "Enabled"}}]}
LEGACY = {"PowerControl": [{"@odata.id": "/redfish/v1/Chassis/1/Power/PowerControl/0", "PowerConsumedWatts": "344"}]}
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(None in map(find_program, ("openssl", "snmpd")), reason="no openssl, or no snmpd"),
]


class Seen(NamedTuple):
    """What was printed, logged and shown, and what the BMCs were asked."""

    samples: list[Sample]
    log: str
    figures: str
    listed: str
    states: str
    pages: VendorPages
    refusals: int
    stopped: tuple[float, int]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    return asyncio.run(collected(tmp_path_factory.mktemp("energyrecorder")))


@asynccontextmanager
async def modbus():
    """Serve a float at 0 and a signed number at 8, and nothing else; yields the port."""
    words = [SimData(0, values=[0x4248, 0], datatype=DataType.REGISTERS),
             SimData(8, values=[0xFFFF, 0xFFFE], datatype=DataType.REGISTERS)]  # fmt: skip
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    device = SimDevice(1, (bits, bits, words, [SimData(60_000, datatype=DataType.INVALID)]))
    with dead_port() as port:
        pass
    server = ModbusTcpServer([device], address=("127.0.0.1", port), ignore_missing_devices=True)
    await server.serve_forever(background=True)
    try:
        yield port
    finally:
        await server.shutdown()


async def slowly(_):
    await asyncio.sleep(SLOW)
    return json_answer({"soc_temp": 40})


async def collected(folder):
    """Start every server, run the program over them for some seconds, and ask it for its state before its end."""
    server = Certificate.made_in(folder).server()
    pages = VendorPages(tls=server)
    psus = [full_record(1, "PS1 Input Power", m=2), full_record(2, "PS2 Input Power", m=2)]
    bmc = FakeBmc(Board(manufacturer=343, records=psus, readings={1: 60, 2: 40}), users={"root": "calvin"})
    who = {"user": "root", "password": "calvin", "tls": server}
    old = redfish.Bmc(redfish.tree(("1", {"Power": LEGACY, "Thermal": TEMPERATURES}, {})), **who)
    new = redfish.Bmc(redfish.tree(("1", {"Power": LEGACY, "EnvironmentMetrics": {"PowerWatts": {"Reading": 512.5}}},
                                    {})), **who)  # fmt: skip
    hung, strange = redfish.Bmc(redfish.tree(), **who), redfish.Bmc(redfish.tree(), **{**who, "password": "other"})
    hung.fault = redfish.Fault.HANG
    plug = WebServer(lambda _: json_answer({"type": "SHPLG-S", "meters": [{"power": 0}]}))
    pi, slow = WebServer(lambda _: json_answer({"load1": 0.5, "own": 3})), WebServer(slowly)
    (folder / "ftp").mkdir()
    async with AsyncExitStack() as servers:
        for one in (pages, bmc, old, new, hung, strange, plug, pi, slow):
            await servers.enter_async_context(one)
        registers = await servers.enter_async_context(modbus())
        with ExitStack() as stack:
            snmpd = stack.enter_context(
                Snmpd([f"override .{OID}.1.0 integer 230", f'override .{OID}.2.0 octet_str "on"'])
            )
            ftp, dead = stack.enter_context(FtpServer(folder / "ftp")), stack.enter_context(dead_port())
            web_pages = {"host": f"127.0.0.1:{pages.port}", "user": pages.user, "pass": pages.password}
            bmcs = {"type": "redfish", "user": "root", "pass": "calvin"}
            number = {"unit": "V", "register_type": "MBL"}
            servers_said = [
                *({"id": kind, "type": kind, **web_pages}
                  for kind in ("ilo", "ilo-gui", "idrac8-gui", "intel-gui", "ibmc-gui")),
                {"id": "ipmi", "type": "ipmi", "host": "127.0.0.1", "port": bmc.port, "user": "root", "pass": "calvin"},
                *({"id": name, "host": f"127.0.0.1:{one.port}", **bmcs}
                  for name, one in (("old", old), ("new", new), ("hung", hung), ("strange", strange))),
                {"id": "v3", "port": snmpd.port, **SNMP_V3, "sensors": SENSORS},
                {"id": "v3-wrong", "port": snmpd.port, **SNMP_V3, "auth_secret": "signature-2", "sensors": SENSORS},
                {"id": "v2", "port": snmpd.port, **SNMP_V3, "version": "v2", "community": "public", "sensors": SENSORS},
                {"id": "modbus", "type": "modbus", "host": f"127.0.0.1:{registers}", "sensors": [
                    {"name": "power", "unit": "W", "register_address": 0, "register_type": "MBF"},
                    {"name": "low", "register_address": 8, "register_scaling": 0.1, **number},
                    {"name": "none", "register_address": 4000, **number}]},
                {"id": "plug", "type": "shelly", "host": plug.address, "user": "", "pass": ""},
                *({"id": name, "type": "rpimon", "host": f"127.0.0.1:{port}"}
                  for name, port in (("pi", pi.port), ("slow", slow.port), ("dead", dead))),
                {"id": "csv", "type": "csvftp", "host": f"127.0.0.1:{ftp.port}", "user": "logger", "pass": WELCOME,
                 "root_dir": "/", "purge": False},
                {"id": "off", "type": "ilo", "active": False},
            ]  # fmt: skip
            settings = folder / "collector-settings.yaml"
            settings.write_text(yaml.safe_dump({
                "PODS": [{"environment": "E1", "polling_interval": 1, "servers": servers_said}],
                "RECORDER_API_SERVER": {"base_url": "http://127.0.0.1:1", "user": "u", "pass": "p"},
            }))  # fmt: skip
            listed = await asyncio.to_thread(listing, folder)
            metrics = f"127.0.0.1:{free_port()}"
            options = ("--energyrecorder", settings.name, "--sink", "stdout", "--data", "store", "--metrics", metrics)
            program = stack.enter_context(Collecting("wattline", "collect", *options, folder=folder))
            figures, states = await asyncio.to_thread(acted, program, metrics)
            stopped = await asyncio.to_thread(program.stop), program.ended()
            await asyncio.sleep(0)
    return Seen(program.samples(), program.said(), figures, listed, states, pages, strange.refusals, stopped)


def listing(folder):
    """Return what `wattline check` says of the file that `wattline import` writes."""
    ran("wattline", "import", "energyrecorder", "collector-settings.yaml", "-o", "site.yaml", folder=folder)
    return ran("wattline", "check", "site.yaml", folder=folder).stdout.decode()


def acted(program, metrics):
    """Let it run, and return its page of figures and what it logs at SIGUSR1."""
    program.wait(lambda: "wattline collects" in program.said())
    began = time.monotonic()
    program.wait(lambda: time.monotonic() > began + SECONDS and len(program.samples("slow")) > 3)
    with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=10) as answer:
        figures = answer.read().decode()
    before = len(program.said())
    program.signal(signal.SIGUSR1)
    program.wait(lambda: program.said().count(" polls, ") == 19)
    return figures, program.said()[before:]


def of(seen, device, metric="power_watts"):
    return [one for one in seen.samples if (one.device, one.metric) == (device, metric)]


def values(seen, device, metric="power_watts"):
    return {one.value for one in of(seen, device, metric)}


def test_every_type_is_a_meter_and_what_is_off_is_none(seen):
    lines = seen.listed.splitlines()
    kinds = {line.split()[1] for line in lines if len(line.split()) > 4}
    assert {"ilo", "ilo_gui", "idrac8_gui", "intel_gui", "ibmc_gui", "ipmi", "redfish", "snmp", "modbus", "shelly",
            "rpimonitor", "csvftp"} <= kinds  # fmt: skip
    assert len(TYPES) == 12
    assert "19 meters" in seen.listed
    assert not [line for line in lines if line.startswith("off ")]


def test_vendor_pages_tell_watts_and_every_session_is_ended(seen):
    for kind in ("ilo", "ilo-gui", "idrac8-gui", "intel-gui", "ibmc-gui"):
        assert values(seen, kind) == {182}, kind
    assert seen.pages.logins == seen.pages.logouts >= 4


def test_supplies_of_a_bmc_are_added_up(seen):
    assert values(seen, "ipmi") == {200}


def test_redfish_old_and_new(seen):
    assert (values(seen, "old"), values(seen, "new")) == ({344}, {512.5})
    assert {one.value for one in seen.samples if one.device.startswith("old") and "celsius" in one.metric} == {21}


def test_snmp_with_keys_and_without(seen):
    for device in ("v3", "v2"):
        assert (values(seen, device, "power"), values(seen, device, "switch")) == ({230}, {1})
    assert not of(seen, "v3-wrong", "power")


def test_a_bad_register_hides_no_other(seen):
    assert (values(seen, "modbus", "power"), values(seen, "modbus", "low")) == ({50}, {-0.2})
    assert not of(seen, "modbus", "none")


def test_only_known_keys_of_a_small_computer(seen):
    assert {one.metric for one in seen.samples if one.device == "pi"} == {"load_ratio"}


def test_zero_watts_are_a_value_and_a_dead_meter_is_down(seen):
    assert values(seen, "plug") == {0}
    assert len(of(seen, "plug")) >= SECONDS - 2
    assert "plug shelly://127.0.0.1:" in seen.states
    assert 'wattline_meter_up{meter="plug"} 1' in seen.figures
    assert 'wattline_meter_up{meter="dead"} 0' in seen.figures
    assert not [one for one in seen.samples if one.device == "dead"]


def test_a_slow_meter_a_hung_one_and_a_dead_one_delay_nobody(seen):
    for device, metric in (("plug", "power_watts"), ("pi", "load_ratio"), ("ipmi", "power_watts"), ("v3", "power")):
        gaps = [b.time - a.time for a, b in pairwise(of(seen, device, metric)[1:])]
        assert max(gaps) < 1.9, (device, gaps)
        assert sum(gaps) / len(gaps) == pytest.approx(1.0, abs=0.1), device
    slow = of(seen, "slow", "temperature_celsius")
    assert len(slow) >= 3
    assert min(b.time - a.time for a, b in pairwise(slow)) > SLOW - 0.3
    [line] = [line for line in seen.states.splitlines() if " slow " in line]
    assert int(line.partition(" failed, ")[2].split()[0]) >= 1, line


def test_who_refuses_us_is_not_hammered_and_told_of_once(seen):
    assert seen.refusals <= 2
    assert seen.log.count("strange is silent") == 1
    assert seen.log.count("v3-wrong is silent") == 1
    assert seen.log.count("hung is silent") <= 1


def test_the_state_of_every_meter_is_told_on_request(seen):
    assert {line.split()[3] for line in seen.states.splitlines()} >= {"plug", "dead", "hung", "csv", "v3"}
    [dead] = [line for line in seen.states.splitlines() if " dead " in line]
    assert "silent (" in dead
    assert "last value never" in dead


def test_it_ends_at_once_and_well(seen):
    seconds, status = seen.stopped
    assert status == 0
    assert seconds < 5


def test_no_password_is_told(seen):
    for secret in ("calvin", "p&ss=w%rd", "wel come", "signature-2"):
        assert secret not in seen.log + seen.figures + seen.states + seen.listed

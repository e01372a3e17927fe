"""Kwapi's drivers.conf under Kwapi's program name: one process, every kind of section, and one that nobody can read."""

import asyncio
import json
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from wattline.stores.sqlite.store import Sqlite, SqliteConfig
from wattline.testing.bmc import FakeBmc
from wattline.testing.bmc_board import Board, full_record
from wattline.testing.collecting import Collecting, Sample
from wattline.testing.replay import Fault, ReplayAgent
from wattline.testing.serial_meter import SerialMeter

OUTLETS = "1.3.6.1.4.1.534.6.6.7.6.5.1.3"
RECORD = b"#d,-,18,1005,2301,437,12,0,0,0,1005,2301,437,1005,2301,437,99,100,0,500,1006;\r\n"
PASSWORD = "p%ss/w@rd-of-kwapi"
CONF = """\
[DEFAULT]
probes_endpoint = ipc:///tmp/kwapi-drivers
enable_signing = true
metering_secret = a secret of this site
check_drivers_interval = 60
verbose = true

[Dummy]
probes = ['site.A', 'site.B']
driver = Dummy
parameters = {{'min': 80, 'max': 80}}

[Watts]
probes = ['site.N']
driver = DummyWatts
data_type = {{'name': 'power', 'type': 'Gauge', 'unit': 'W'}}
parameters = {{'min': 40, 'max': 40}}

[Net]
probes = ['site.N']
driver = DummyNet
data_type = {{'name': 'network_in', 'type': 'Cumulative', 'unit': 'B'}}
probes_names = [['site.n1', 'site.n2']]
parameters = {{'min': 10, 'max': 10}}

[Unknown]
probes = ['site.X']
driver = Nonesuch

[Wattsup]
probes = ['site.W']
driver = Wattsup
parameters = {{'device': '{line}'}}

[Pdu]
probes = ['F1', None, 'F3', 'F4']
driver = Snmp
parameters = {{'protocol': 'v2c', 'community': 'public', 'ip': '127.0.0.1', 'port': {pdu}, 'oid': '{oid}'}}

[Two supplies]
probes = ['host-1', 'host-1', 'host-2']
driver = Snmp
parameters = {{'protocol': '1', 'community': 'public', 'ip': '127.0.0.1', 'port': {pdu}, 'oid': '{oid}'}}

[Silent]
probes = ['S1']
driver = Snmp
parameters = {{'protocol': '2c', 'community': 'public', 'ip': '127.0.0.1', 'port': {silent}, 'oid': '{oid}'}}

[Ipmi]
probes = ['site.C']
driver = Ipmi
parameters = {{'interface': 'lanplus', 'host': '127.0.0.1', 'port': {bmc}, 'username': 'root',
    'password': '{password}'}}
"""


class Seen(NamedTuple):
    """What the program printed, wrote to its log and to its store, and how it ended."""

    samples: list[Sample]
    log: str
    units: dict[tuple[str, str], str]
    command: str
    status: int


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    return asyncio.run(collected(tmp_path_factory.mktemp("kwapi")))


async def collected(folder):
    """Run it for some seconds, pull out a cable meanwhile, and put it back."""
    pdu, silent = ReplayAgent({}), ReplayAgent({})
    for i, watts in enumerate((100, 50, 30, 20), start=1):
        pdu.put(f"{OUTLETS}.0.{i}", watts)
    silent.fault = Fault.SILENT
    bmc = FakeBmc(Board(records=[full_record(1, "Watts", m=2)], readings={1: 100}), users={"root": PASSWORD})
    async with pdu, silent, bmc:
        with ExitStack() as stack:
            line = stack.enter_context(SerialMeter(folder / "ttyUSB0"))
            said = CONF.format(line=line.path, pdu=pdu.port, silent=silent.port, bmc=bmc.port, oid=OUTLETS,
                               password=PASSWORD)  # fmt: skip
            (folder / "drivers.conf").write_text(said)
            arguments = ("--config-file", "drivers.conf", "--sink", "stdout", "--data", "store")
            program = stack.enter_context(Collecting("kwapi-drivers", *arguments, folder=folder))
            await asyncio.to_thread(acted, program, line)
            command = (Path("/proc") / str(program.pid) / "cmdline").read_text()
            await asyncio.to_thread(program.stop)
    return Seen(program.samples(), program.said(), await units(folder / "store"), command, program.ended())


def acted(program, line):
    """Speak on the line, pull it out, plug it in and speak again; meanwhile three seconds of all else pass."""
    program.wait(lambda: b"#L" in line.heard())
    line.say(RECORD)
    program.wait(lambda: program.samples("site.W"))
    line.unplug()
    program.wait(lambda: "site.W is silent" in program.said())
    line.plug()
    program.wait(lambda: b"#L" in line.heard())
    line.say(RECORD.replace(b"1005", b"1500"))
    program.wait(lambda: len(program.values("site.W", "power_watts")) > 1)
    for device in ("site.A", "site.B", "F4", "host-2", "site.C"):
        program.wait(lambda device=device: len(program.values(device, "power_watts")) > 3)
    program.wait(lambda: "Silent is silent" in program.said())


async def units(folder):
    """Return the unit of every series in the store."""
    store = Sqlite(SqliteConfig(path=str(folder / "wattline.sqlite"), read_only=True))
    await store.open()
    found = {(one.series.device, one.series.metric.name): one.series.metric.unit.value for one in store.entries()}
    await store.close()
    return found


def values(seen, device, metric="power_watts"):
    return [one.value for one in seen.samples if (one.device, one.metric) == (device, metric)]


def test_a_file_of_kwapi_starts_and_every_probe_speaks_once_a_second(seen):
    assert seen.status == 0
    for probe in ("site.A", "site.B"):
        times = [one.time for one in seen.samples if (one.device, one.metric) == (probe, "power_watts")]
        assert len(times) > 3
        assert all(0.8 < b - a < 1.2 for a, b in pairwise(times[1:]))


def test_dummy_says_watts_volts_and_amperes_within_its_bounds(seen):
    assert set(values(seen, "site.A")) == {80}
    assert set(values(seen, "site.A", "voltage_volts")) == {230}
    assert values(seen, "site.A", "current_amperes")[0] == pytest.approx(80 / 230)


def test_a_section_that_cannot_be_read_is_one_line_of_log_and_stops_nobody(seen):
    [told] = [line for line in seen.log.splitlines() if "Nonesuch" in line]
    assert "[Unknown]" in told
    assert "drivers.conf, line" in told
    assert not values(seen, "site.X")


def test_power_and_traffic_of_one_probe_have_each_its_own_name_and_unit(seen):
    assert set(values(seen, "site.N", "power")) == {40}
    assert values(seen, "site.N", "network_in")[:3] == [10, 20, 30]
    assert (seen.units["site.N", "power"], seen.units["site.N", "network_in"]) == ("W", "By")
    traffic = next(one for one in seen.samples if one.metric == "network_in")
    assert traffic.labels == {"_device_alias": ["site.n1", "site.n2"]}


def test_outlets_go_by_their_place_and_those_of_one_probe_are_added_up(seen):
    assert {probe: set(values(seen, probe)) for probe in ("F1", "F3", "F4")} == {"F1": {100}, "F3": {30}, "F4": {20}}
    assert {probe: set(values(seen, probe)) for probe in ("host-1", "host-2")} == {"host-1": {150}, "host-2": {30}}
    assert not [one for one in seen.samples if one.device.startswith("Pdu/") and one.metric == "power_watts"]


def test_a_serial_meter_that_was_pulled_out_speaks_again(seen):
    assert values(seen, "site.W") == [100.5, 150.0]
    assert "site.W speaks again" in seen.log


def test_the_sensor_of_a_bmc_is_found_and_its_password_shown_nowhere(seen):
    assert set(values(seen, "site.C")) == {200}
    assert PASSWORD not in seen.log + seen.command + json.dumps([one.device for one in seen.samples])


def test_a_silent_meter_is_told_of_once(seen):
    assert seen.log.count("Silent is silent") == 1
    assert not values(seen, "S1")

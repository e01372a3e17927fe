"""IPMI against OpenIPMI's ipmi_sim, with ipmitool, FreeIPMI and pyghmi beside us: all read the same."""

import asyncio
import functools
import os
import re
import subprocess
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from pyghmi.ipmi.command import Command

from wattline.core.address import Url
from wattline.drivers.ipmi.config import IpmiConfig
from wattline.drivers.ipmi.driver import Ipmi
from wattline.errors import Denied, Misconfigured, Unreachable
from wattline.testing.agents import find_program
from wattline.testing.bmc import FakeBmc
from wattline.testing.bmc_board import Board, compact_record, full_record
from wattline.testing.ipmi_sim import IpmiSim
from wattline.testing.program import Program

pytestmark = [
    pytest.mark.peer,
    *(
        pytest.mark.skipif(not find_program(name), reason=f"{name} is not installed (apt-get install {package})")
        for name, package in (("ipmi_sim", "openipmi"), ("ipmitool", "ipmitool"), ("ipmi-sensors", "freeipmi-tools"))
    ),
]

NOW = 1_700_000_000_000_000_000
PASSWORD = "p@ss/wörd1"
RECORDS = [
    full_record(1, "Pwr Consumption", m=4),
    full_record(2, "Inlet Temp", "Cel", kind=1),
    full_record(3, "Fan 1", "RPM", kind=4, m=60),
    full_record(4, "12V", "V", kind=2, m=63, k2=-3),
    full_record(5, "Margin", "Cel", kind=1, form=2),
    full_record(6, "PSU1 Curr Out", "A", kind=3, m=4, b=-4, k1=1, k2=-2),
]
READINGS = {1: 103, 2: 23, 3: 84, 4: 195, 5: 0xC9, 6: 100}
EXPECTED = {"Pwr Consumption": 412, "Inlet Temp": 23, "Fan 1": 84, "12V": 12.285, "Margin": -55, "PSU1 Curr Out": 3.6}


@pytest.fixture(scope="module")
def bmc():
    with IpmiSim(RECORDS, READINGS, password=PASSWORD) as one:
        yield one


def address(bmc, rest="", *, password=PASSWORD, user="meter", scheme="ipmi"):
    return f"{scheme}://{user}:{quote(password, safe='')}@127.0.0.1:{bmc.port}/{rest}"


async def values(text):
    driver = Ipmi(IpmiConfig.from_url(Url.parse(text)))
    try:
        await driver.open()
        [frame] = await driver.read(NOW)
    finally:
        await driver.close()
    there = np.ones(len(frame.layout), bool) if frame.present is None else frame.present
    return {
        (series.device, *dict(series.labels).values()): frame.values[i]
        for i, series in enumerate(frame.layout.series)
        if there[i]
    }


def tool(*command, secret=""):
    """Run a peer; ipmitool takes the password from its environment."""
    environment = {**os.environ, "IPMITOOL_PASSWORD": secret, "IPMI_PASSWORD": secret}
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=environment)
    return done.stdout


def ipmitool(port, *arguments, suite=3, secret=PASSWORD, kg=()):
    where = ["-I", "lanplus", "-H", "127.0.0.1", "-p", str(port), "-U", "meter", "-E", "-C", str(suite), *kg]
    return tool("ipmitool", *where, *arguments, secret=secret)


def freeipmi(port, *arguments, program="ipmi-sensors", suite=3, secret=PASSWORD):
    where = ["-D", "LAN_2_0", "-h", f"127.0.0.1:{port}", "-u", "meter", "-p", secret, "-I", str(suite)]
    return tool(find_program(program), *where, *arguments)


async def test_all_read_the_same(bmc, tmp_path):
    names = ",".join(quote(name) for name in EXPECTED)
    ours = {key[1]: value for key, value in (await values(address(bmc, names))).items()}
    assert ours == pytest.approx(EXPECTED | {"Fan 1": 84})
    theirs = await asyncio.to_thread(ipmitool, bmc.port, "sensor", "list")
    table = {row[0].strip(): row[1].strip() for row in (line.split("|") for line in theirs.splitlines())}
    for name, value in EXPECTED.items():
        assert float(table[name]) == pytest.approx(value * (60 if name == "Fan 1" else 1), abs=1e-3), name
    free = await asyncio.to_thread(
        freeipmi, bmc.port, "-W", "opensesspriv", "-l", "ADMIN", "--no-header-output", "--quiet-cache",
        f"--sdr-cache-directory={tmp_path}", "--comma-separated-output",
    )  # fmt: skip
    rows = {int(row[0]): row for row in (line.split(",") for line in free.splitlines())}
    for record, (name, value) in enumerate(EXPECTED.items(), start=1):
        assert rows[record][1] == name  # its ids are those of records, as ours
        assert float(rows[record][3]) == pytest.approx(value * (60 if name == "Fan 1" else 1), abs=1e-2)


def test_pyghmi_reads_the_same(bmc):
    theirs = Command("127.0.0.1", "meter", PASSWORD, port=bmc.port, keepalive=False)
    read = {name: theirs.get_sensor_reading(name).value for name in EXPECTED}
    theirs.ipmi_session.logout()
    assert read == pytest.approx({**EXPECTED, "Fan 1": 84 * 60})


@pytest.mark.parametrize("suite", [3, 17])
async def test_our_own_controller_is_a_real_one_to_ipmitool_and_freeipmi(suite, tmp_path):
    board = Board(watts=231, records=[*RECORDS, compact_record(7, "State")], readings={**READINGS, 7: 1})
    behind = {(6, 0x2C): Board(343), (0, 0x82): {(7, 0x72): Board(10297)}}
    run = functools.partial(asyncio.to_thread, ipmitool)
    async with FakeBmc(board, kg=b"a-key", suites=(suite,), behind=behind) as bmc:
        user = ("-L", "USER", "-k", "a-key")
        said = await run(bmc.port, "dcmi", "power", "reading", suite=suite, secret="secret", kg=user)
        assert re.search(r"Instantaneous power reading: +231 Watts", said)
        said = await run(bmc.port, "-t", "0x2c", "-b", "6", "raw", "6", "1", suite=suite, secret="secret", kg=user)
        assert said.split()[6:8] == ["57", "01"]
        transit = ("-T", "0x82", "-B", "0", "-t", "0x72", "-b", "7")
        said = await run(bmc.port, *transit, "raw", "6", "1", suite=suite, secret="secret", kg=user)
        assert said.split()[6:8] == ["39", "28"]
        free = await asyncio.to_thread(
            freeipmi, bmc.port, "-k", "a-key", "-l", "USER", "--no-header-output", "--quiet-cache",
            f"--sdr-cache-directory={tmp_path}", "--comma-separated-output", suite=suite, secret="secret",
        )  # fmt: skip
        assert "1,Pwr Consumption,Other Units Based Sensor,412.00,W" in free
        power = ("-k", "a-key", "-l", "USER", "--get-system-power-statistics")
        free = await asyncio.to_thread(freeipmi, bmc.port, *power, program="ipmi-dcmi", suite=suite, secret="secret")
        assert re.search(r"Current Power +: 231 Watts", free)
        assert bmc.logins == 5


async def test_the_one_sensor_in_watts_is_found(bmc):
    assert await values(address(bmc)) == {("127.0.0.1",): 412}


async def test_supplies_of_intel_are_added_up():
    records = [full_record(1, "PS1 Input Power", m=4), full_record(2, "PS2 Input Power", m=4)]
    with IpmiSim(records, {1: 52, 2: 51}, manufacturer=343) as bmc:
        found = await values(address(bmc, password="secret"))
    assert found == {
        ("127.0.0.1",): 412, ("127.0.0.1/PS1 Input Power",): 208, ("127.0.0.1/PS2 Input Power",): 204,
    }  # fmt: skip


async def test_a_kwollect_address_by_number_and_by_name(bmc):
    assert await values(address(bmc, "1", scheme="ipmisensor")) == {("127.0.0.1", "Pwr Consumption"): 412}
    assert await values(address(bmc, "Inlet%20Temp", scheme="ipmisensor")) == {("127.0.0.1", "Inlet Temp"): 23}


async def test_a_wrong_user_and_a_wrong_password_are_denied_and_a_missing_suite_is_told(bmc):
    for wrong in ({"user": "nobody"}, {"password": "wrong"}):
        with pytest.raises(Denied):
            await values(address(bmc, **wrong))
    with pytest.raises(Misconfigured, match="none of cipher suites 17"):
        await values(address(bmc, "?cipher_suite=17"))
    assert await values(address(bmc, "?cipher_suite=3&privilege=administrator")) == {("127.0.0.1",): 412}


async def test_a_simulator_that_is_killed_and_started_again_is_read_again():
    with IpmiSim(RECORDS[:1], {1: 50}) as bmc:
        driver = Ipmi(IpmiConfig.from_url(Url.parse(address(bmc, "?wait=0.1", password="secret"))))
        await driver.open()
        assert (await driver.read(NOW))[0].values.tolist() == [200]
        bmc.stop()
        with pytest.raises(Unreachable):
            await driver.read(NOW)
        await driver.close()
        bmc.start()
        await driver.open()
        assert (await driver.read(NOW))[0].values.tolist() == [200]
        bmc.stop()
        bmc.start()  # within one life of the driver: the session is gone, and nobody says so
        assert (await driver.read(NOW))[0].values.tolist() == [200]
        await driver.close()


def test_a_site_that_polls_resumes_after_a_restart_and_shows_the_password_nowhere(tmp_path):
    with IpmiSim(RECORDS[:2], {1: 50, 2: 20}, password=PASSWORD) as bmc:
        site = tmp_path / "site.yaml"
        site.write_text(
            "every: 200ms\nmeters:\n"
            f"  - {{driver: ipmi, name: node-1, host: 127.0.0.1, port: {bmc.port}, user: meter, wait: 0.1,"
            f" password: 'file:{tmp_path}/password'}}\n"
            f"  - {{name: inlet, device_id: node-2, url: '{address(bmc, 'Inlet%20Temp', scheme='ipmisensor')}',"
            " update_every: 200}\n"
        )
        (tmp_path / "password").write_text(PASSWORD)
        with Program("--config", str(site), data=tmp_path / "data") as up:

            def polls():
                return {meter["name"]: meter["polls"] for meter in up.get("/api/meters")}

            up.wait(lambda: min(polls().values()) >= 3)
            assert len(polls()) == 2
            listed = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
            assert not [line for line in listed if PASSWORD.encode() in line or quote(PASSWORD).encode() in line]
            bmc.stop()
            up.wait(lambda: {meter["state"] for meter in up.get("/api/meters")} == {"silent"})
            before = polls()
            bmc.start()
            up.wait(lambda: all(count > before[name] + 2 for name, count in polls().items()))
            rows = up.get("/api/samples?device=node-2")
            assert {row["value"] for row in rows if row["metric"] == "inlet"} == {20}
        said = up.said()
        for secret in (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD)):
            assert secret not in said


def test_a_password_is_refused_once_and_not_again_soon(tmp_path):
    with IpmiSim(RECORDS[:1], {1: 50}, password=PASSWORD) as bmc:
        url = address(bmc, password="wrong-one")
        with Program("--meter", url, data=tmp_path / "data") as up:
            [meter] = up.wait(lambda: [one for one in up.get("/api/meters") if one["state"] == "silent"])
        assert "wrong-one" not in up.said() + str(meter)
        assert up.said().count("password is wrong") == 1

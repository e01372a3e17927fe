"""SNMP against Debian's snmpd: in every version and security level, what we read is what snmpget prints."""

import asyncio
import re

import msgspec
import numpy as np
import pytest

from wattline.core.address import Url
from wattline.drivers.snmp.config import SnmpConfig
from wattline.drivers.snmp.driver import Snmp
from wattline.errors import Denied, Unreachable
from wattline.plugin import decode_secret
from wattline.testing.agents import Snmpd, find_program

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not find_program("snmpd"), reason="snmpd is not installed (apt-get install snmpd)"),
    pytest.mark.skipif(not find_program("snmpget"), reason="snmpget is not installed (apt-get install snmp)"),
]

NOW = 1_700_000_000_000_000_000
MINUTE = 60_000_000_000
OUTLETS = "1.3.6.1.4.1.99999.26.9.4.3.1"
WATTS = [101 + 7 * i for i in range(48)]
LINES = [
    *(f"override {OUTLETS}.7.{i} integer {watts}" for i, watts in enumerate(WATTS, start=1)),
    *(f"override {OUTLETS}.8.{i} counter {4294967000 + i}" for i in range(1, 49)),
    *(f'override {OUTLETS}.3.{i} octet_str "server {i}"' for i in range(1, 49)),
    f'override {OUTLETS}.9.1 octet_str "12.5 W"',
    f"override {OUTLETS}.9.2 uinteger 4294967295",
    f"override {OUTLETS}.9.3 integer -7",
]
LOAD = "1.3.6.1.4.1.2021.10.1.6.1"  # an opaque float
V3 = {
    "plain": ("", ["-l", "noAuthNoPriv"]),
    "signed": (":signature-1", ["-l", "authNoPriv", "-a", "SHA", "-A", "signature-1"]),
    "sealed": (
        ":signature-1",
        ["-l", "authPriv", "-a", "SHA", "-A", "signature-1", "-x", "AES", "-X", "sealing-wax-1"],
    ),
    "strong": (
        ":signature-1",
        ["-l", "authPriv", "-a", "SHA-512", "-A", "signature-1", "-x", "AES-256", "-X", "sealing-wax-1"],
    ),
    "old": (":signature-1", ["-l", "authPriv", "-a", "MD5", "-A", "signature-1", "-x", "DES", "-X", "sealing-wax-1"]),
}
OPTIONS = {
    "plain": "",
    "signed": "",
    "sealed": "&priv_password=sealing-wax-1",
    "strong": "&auth=sha512&priv=aes256&priv_password=sealing-wax-1",
    "old": "&auth=md5&priv=des&priv_password=sealing-wax-1",
}


@pytest.fixture(scope="module")
def snmpd():
    with Snmpd(LINES, ipv6=True) as agent:
        yield agent


def printed(output):
    """Read the numbers that net-snmp's tools print."""
    return [float(number) for number in re.findall(r"(?:: |: \(|Float: )\"?(-?[\d.]+)", output)]


async def read_url(text, now=NOW):
    driver = Snmp(SnmpConfig.from_url(Url.parse(text)))
    try:
        await driver.open()
        return await driver.read(now)
    finally:
        await driver.close()


OPENED = []


@pytest.fixture(autouse=True)
def closed():
    yield
    while OPENED:
        asyncio.run(OPENED.pop().close())


async def read_block(**given):
    driver = Snmp(msgspec.convert(given, SnmpConfig, dec_hook=decode_secret))
    OPENED.append(driver)
    await driver.open()
    return driver


@pytest.mark.parametrize("version", ["1", "2c"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_twenty_values_equal_those_of_snmpget(snmpd, version, host):
    oids = [f"{OUTLETS}.7.{i}" for i in range(1, 21)]
    [frame] = await read_url(f"snmp://public@{host}:{snmpd.port}/{','.join(oids)}?unit=dW&version={version}")
    said = printed(snmpd.tool("snmpget", f"-v{version}", "-c", "public", *oids))
    assert said == WATTS[:20]
    assert list(frame.values * 10) == said


@pytest.mark.parametrize("user", list(V3))
async def test_version_3_reads_what_snmpget_reads(snmpd, user):
    password, flags = V3[user]
    oids = [f"{OUTLETS}.7.5", f"{OUTLETS}.9.2"]
    [frame] = await read_url(
        f"snmp://{user}{password}@127.0.0.1:{snmpd.port}/{','.join(oids)}?version=3&unit=W,V{OPTIONS[user]}"
    )
    assert list(frame.values) == printed(snmpd.tool("snmpget", "-v3", "-u", user, *flags, *oids))


@pytest.mark.parametrize(
    ("user", "kind", "said"),
    [
        ("nobody:signature-1@", Denied, "refuses user 'nobody'"),
        ("signed:signature-2@", Denied, "refuses user 'signed'.*wrong password"),
        ("sealed:signature-1@", Denied, "wrong level"),
    ],
)
async def test_version_3_says_who_is_refused(snmpd, user, kind, said):
    with pytest.raises(kind, match=said) as error:
        await read_url(f"snmp://{user}127.0.0.1:{snmpd.port}/{OUTLETS}.7.1?version=3")
    assert "signature" not in str(error.value)


async def test_wrong_privacy_password_and_wrong_community_are_silence(snmpd):
    with pytest.raises(Unreachable, match="wrong privacy password"):
        await read_url(
            f"snmp://sealed:signature-1@127.0.0.1:{snmpd.port}/{OUTLETS}.7.1?version=3&priv_password=wrong-wax-1&wait=0.1"
        )
    with pytest.raises(Unreachable, match="wrong community"):
        await read_url(f"snmp://publick@127.0.0.1:{snmpd.port}/{OUTLETS}.7.1?wait=0.1")


async def test_texts_floats_and_types(snmpd):
    oids = [f"{OUTLETS}.9.1", f"{OUTLETS}.9.2", f"{OUTLETS}.9.3", LOAD, f"{OUTLETS}.8.1", f"{OUTLETS}.99.1"]
    driver = await read_block(
        host="127.0.0.1",
        port=snmpd.port,
        oids=[{"oid": oid, "metric": f"m{i}", "unit": "W"} for i, oid in enumerate(oids[:4])]
        + [{"oid": oids[4], "unit": "Wh"}, {"oid": oids[5], "unit": "V"}],
    )
    [frame] = await driver.read(NOW)
    assert list(frame.values[:3]) == [12.5, 4294967295, -7]
    [load] = printed(snmpd.tool("snmpget", "-v2c", "-c", "public", LOAD))
    assert frame.values[3] == pytest.approx(load, abs=0.5)  # it moves
    assert frame.values[4] == 4294967001 * 3600
    assert frame.layout.columns[4].range == 2**32 * 3600
    assert list(frame.present) == [True] * 5 + [False]


@pytest.mark.parametrize("version", [1, "2c", 3])
async def test_a_table_equals_the_walk_of_snmpbulkwalk(snmpd, version):
    who = {"user": "sealed", "password": "signature-1", "priv_password": "sealing-wax-1"} if version == 3 else {}
    columns = [{"oid": f"{OUTLETS}.7", "unit": "W"}, {"oid": f"{OUTLETS}.8", "unit": "Wh", "range": "counter32"}]
    table = {"columns": columns, "names": f"{OUTLETS}.3", "part": "outlet"}
    driver = await read_block(host="127.0.0.1", port=snmpd.port, device="pdu", version=version, tables=[table], **who)
    [frame] = await driver.read(NOW)
    walk = printed(snmpd.tool("snmpbulkwalk", "-v2c", "-c", "public", f"{OUTLETS}.7"))
    assert walk == WATTS
    assert list(frame.values[0::2]) == walk
    assert [series.device for series in frame.layout.series[0::2]] == [f"pdu/server {i}" for i in range(1, 49)]
    assert np.all(np.array([column.range for column in frame.layout.columns[1::2]]) == 2**32 * 3600)


@pytest.mark.parametrize("user", ["signed:signature-1", "sealed:signature-1"])
async def test_a_restarted_agent_is_read_again(user):
    """An agent that starts again has forgotten its v3 sessions: one failure, and after `open` all is well."""
    privacy = "&priv_password=sealing-wax-1" if user.startswith("sealed") else ""
    with Snmpd(LINES) as agent:
        url = f"snmp://{user}@127.0.0.1:{agent.port}/{OUTLETS}.7.1?version=3&wait=0.2{privacy}"
        driver = Snmp(SnmpConfig.from_url(Url.parse(url)))
        await driver.open()
        assert (await driver.read(NOW))[0].values[0] == 101
        agent.configure([f"override {OUTLETS}.7.1 integer 555"])
        with pytest.raises(Unreachable):
            await driver.read(NOW + MINUTE)
        await driver.close()
        await driver.open()
        assert (await driver.read(NOW + 2 * MINUTE))[0].values[0] == 555
        await driver.close()


async def test_a_slow_schedule_keeps_a_v3_session_in_its_time_window(snmpd):
    driver = Snmp(
        SnmpConfig.from_url(Url.parse(f"snmp://signed:signature-1@127.0.0.1:{snmpd.port}/{OUTLETS}.7.1?version=3"))
    )
    await driver.open()
    for k in range(3):
        assert (await driver.read(NOW + k * 5 * MINUTE))[0].values[0] == 101
    await driver.close()

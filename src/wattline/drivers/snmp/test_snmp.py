"""SNMP meters: addresses and blocks, what values mean, tables and templates that move, all against a replayed agent."""

import asyncio
import logging
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml

from wattline.core.address import Url
from wattline.drivers.snmp.config import SnmpConfig
from wattline.drivers.snmp.driver import Snmp
from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.model import Kind
from wattline.plugin import decode_secret
from wattline.testing.replay import Fault, ReplayAgent
from wattline.units import Scale, Unit

HERE = Path(__file__).parent
PDU = "1.3.6.1.4.1.99999.1"
SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


def imaginary() -> ReplayAgent:
    return ReplayAgent.of(HERE / "testdata" / "imaginary-pdu.snmprec")


def block(agent, **options):
    given = {"host": "127.0.0.1", "port": agent.port, "device": "pdu-1", **options}
    return msgspec.convert(given, SnmpConfig, dec_hook=decode_secret)


OPENED = []


@pytest.fixture(autouse=True)
def closed():
    yield
    while OPENED:
        asyncio.run(OPENED.pop().close())


async def opened(agent, **options):
    driver = Snmp(block(agent, **options))
    OPENED.append(driver)
    await driver.open()
    return driver


async def values(driver, now=NOW):
    """Return (device, metric, labels) -> value of what is there."""
    [frame] = await driver.read(now)
    there = np.ones(len(frame.layout), bool) if frame.present is None else frame.present
    return {
        (series.device, series.metric.name, *(value for _, value in series.labels)): frame.values[i]
        for i, series in enumerate(frame.layout.series)
        if there[i]
    }


def address(text):
    return SnmpConfig.from_url(Url.parse(text))


def test_an_address_in_full():
    config = address(
        "snmp://secret@[::1]:1161/.1.3.6.1.4.1.1.1,1.3.6.1.4.1.1.2?unit=dA,V&scale=1,0.5&version=1&device=pdu-7&tries=3"
    )
    assert (config.host, config.port, config.who().version, config.device, config.tries) == ("::1", 1161, 1, "pdu-7", 3)
    assert config.community.reveal() == "secret"
    current, voltage = config.oids
    assert (current.of_metric().name, current.of_metric().unit, current.factor()) == (
        "current_amperes",
        Unit.AMPERE,
        Scale(1, 10),
    )
    assert (voltage.of_metric().kind, voltage.factor()) == (Kind.GAUGE, Scale(1, 2))


def test_an_address_of_version_3():
    config = address("snmp://meter:longsecret@pdu/1.3.6.1?version=3&auth=sha256&priv=aes256&priv_password=othersecret")
    user = config.who()
    assert (user.name, user.auth, user.auth_password, user.priv_password) == (
        "meter",
        "sha256",
        "longsecret",
        "othersecret",
    )
    assert "secret" not in repr(config) + repr(user)


def test_several_values_of_one_unit_are_told_apart_by_their_oid():
    config = address("snmp://c@pdu/1.3.6.1.1,1.3.6.1.2?unit=W")
    assert [one.labels for one in config.oids] == [{"oid": "1.3.6.1.1"}, {"oid": "1.3.6.1.2"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("snmp://c@pdu/?auth=crc32&version=3&password=12345678", "'crc32' is none of md5, sha"),
        ("snmp://u:12345678@pdu/?version=3&priv=3DES-EDE", "3DES is not to be had here"),
        ("snmp://c@pdu/?unit=W", "`unit`"),
        ("snmp://c@pdu/ifDescr.1", "'ifDescr.1' is no numeric OID"),
        ("snmp://c@pdu/1.3.6.99999999999", "no numeric OID"),
        ("snmp://c@pdu/1.3.6.{{ x == y }}", "no numeric OID"),
        ("snmp://c@pdu/1.3.6.1?unit=watt", "'watt' is no unit"),
        ("snmp://c@pdu/1.3.6.1?scale=0", "cannot be inverted"),
        ("snmp://c@pdu/1.3.6.1?scale=x", "'x' is no number to multiply with"),
        ("snmp://c@pdu/1.3.6.1?kind=meter", "kind"),
        ("snmp://c@pdu/1.3.6.1,1.3.6.2,1.3.6.3?unit=W,V", "unit names 2 for 3 OIDs"),
        ("snmp://c@pdu/1.3.6.1?version=4", "version"),
        ("snmp://c:p@pdu/1.3.6.1", r"a password needs \?version=3"),
        ("snmp://c@pdu/1.3.6.1?version=3&priv_password=12345678", "beside it"),
        ("snmp://c@pdu/1.3.6.1?wiat=3", "wiat"),
        ("snmp://c@pdu/1.3.6.1?tries=0", "`tries` lies between 1 and 100"),
        ("snmp://c@pdu/1.3.6.1?wait=nan", "`wait` lies between 0.001 and 3600"),
        ("snmp:///1.3.6.1", "`host` is a name"),
        (f"snmp://{'c' * 256}@pdu/1.3.6.1", "a community has at most 255 octets"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(text, said):
    with pytest.raises(Misconfigured, match=said):
        address(text)


def test_the_sample_is_valid_and_shows_every_option():
    text = (HERE / "sample.yaml").read_text()
    given = yaml.safe_load(text)
    assert given.pop("driver") == "snmp"
    msgspec.convert(given, SnmpConfig, dec_hook=decode_secret)
    shown = {line.lstrip("# ").partition(":")[0] for line in text.splitlines() if not line.startswith("##")}
    assert set(SnmpConfig.__struct_fields__) <= shown


async def test_numbers_texts_floats_and_registers():
    async with imaginary() as agent:
        driver = await opened(
            agent,
            oids=[
                {"oid": f"{PDU}.1.0", "unit": "W"},
                {"oid": f".{PDU}.2.0", "unit": "Wh"},
                {"oid": f"{PDU}.3.0", "unit": "V", "scale": 0.1},
                {"oid": f"{PDU}.4.0", "unit": "W", "metric": "text_watts"},
                {"oid": f"{PDU}.5.0", "unit": "A", "absent": [-1]},
                {"oid": f"{PDU}.6.0", "metric": "source", "kind": "state"},
                {"oid": f"{PDU}.7.0", "unit": "Hz"},
                {"oid": f"{PDU}.9.0", "metric": "packets", "kind": "counter"},
            ],
        )
        [frame] = await driver.read(NOW)
    by_name = {series.metric.name: i for i, series in enumerate(frame.layout.series)}
    assert frame.values[by_name["power_watts"]] == 1017
    assert frame.values[by_name["energy_joules"]] == 4294960000 * 3600
    assert frame.values[by_name["voltage_volts"]] == 229.75
    assert frame.values[by_name["text_watts"]] == 12.5
    assert not frame.present[by_name["current_amperes"]]
    assert frame.texts == {by_name["source"]: ("ON BATTERY",)}
    assert frame.values[by_name["frequency_hertz"]] == 25.0
    assert frame.values[by_name["packets"]] == float(2**64 - 1)
    energy, packets = frame.layout.columns[by_name["energy_joules"]], frame.layout.columns[by_name["packets"]]
    assert (energy.range, energy.resolution) == (2**32 * 3600, 3600)
    assert packets.range == 2**64
    assert energy.scale.count(frame.values[by_name["energy_joules"]]) == 4294960000


async def test_a_row_of_integers_is_each_correctly_rounded():
    counts = {f"{PDU}.50.{i}": n for i, n in enumerate([1, 3, 7, 2**31 - 1, 2**32 - 1, 0])}
    async with imaginary() as agent:
        for oid, n in counts.items():
            agent.put(oid, n)
        scale = {"unit": "kWh", "scale": "0.001", "kind": "counter", "range": "counter32"}
        driver = await opened(agent, oids=[{"oid": oid, "labels": {"n": oid}, **scale} for oid in counts])
        [frame] = await driver.read(NOW)
    assert frame.present is None
    assert [frame.layout.columns[i].scale.count(v) for i, v in enumerate(frame.values)] == list(counts.values())
    assert list(frame.values) == [Scale(3600).base(n) for n in counts.values()]


TABLE = {
    "columns": [
        {"oid": f"{PDU}.10.1.2", "unit": "W", "absent": [-1]},
        {"oid": f"{PDU}.10.1.3", "unit": "kWh", "scale": 0.1},
    ],
    "part": "outlet",
}


async def test_a_table_names_its_rows_by_a_column():
    async with imaginary() as agent:
        driver = await opened(agent, tables=[{**TABLE, "names": f"{PDU}.10.1.1"}])
        found = await values(driver)
        assert found["pdu-1/web-1", "power_watts", "1"] == 60
        assert found["pdu-1/web-1", "energy_joules", "1"] == 123456 * 360_000
        assert found["pdu-1/spare", "power_watts", "4"] == 0
        assert ("pdu-1/spare", "power_watts", "5") not in found  # the outlet says -1
        assert found["pdu-1/outlet-3", "power_watts"] == 0  # nobody has named it
        [layout] = await driver.open()
        assert {device.name: device.parent for device in layout.devices}["pdu-1/db-1"] == "pdu-1"
        assert {device.type for device in layout.devices} == {"", "outlet"}
        agent.requests.clear()
        await driver.read(NOW + SECOND)
        assert agent.requests == [0xA0]  # sixteen cells, two columns, one PDU


async def test_a_table_gives_its_rows_to_the_devices_of_a_map():
    async with imaginary() as agent:
        driver = await opened(agent, tables=[{**TABLE, "names": {"1": "node-1", "2": "node-1", "6": "node-2"}}])
        found = await values(driver)
    assert {device for device, *_ in found} == {"node-1", "node-2"}
    assert found["node-1", "power_watts", "2"] == 172


async def test_a_refresh_finds_new_rows_and_keeps_series():
    async with imaginary() as agent:
        driver = await opened(agent, tables=[TABLE], refresh=300)
        [before] = await driver.read(NOW)
        agent.put(f"{PDU}.10.1.2.9", 99)
        [same] = await driver.read(NOW + 149 * SECOND)  # each meter has its share of the first period
        assert same.layout is before.layout
        [after] = await driver.read(NOW + 301 * SECOND)
        assert after.layout.family == before.layout.family
        assert after.layout.series[: len(before.layout)] == before.layout.series
        assert after.values[-1] == 99


async def test_a_template_follows_its_row():
    oid = f"{PDU}.10.1.2.{{{{ {PDU}.10.1.1 == left: far }}}}"
    async with imaginary() as agent:
        driver = await opened(agent, oids=[{"oid": oid, "unit": "W"}])
        assert await values(driver) == {("pdu-1", "power_watts"): 18}
        agent.put(f"{PDU}.10.1.1.8", "gone")
        agent.put(f"{PDU}.10.1.1.2", "left: far")
        assert await values(driver, NOW + 301 * SECOND) == {("pdu-1", "power_watts"): 172}
        await driver.close()
    config = address(f"snmp://public@127.0.0.1/{oid.replace(' ', '%20')}?unit=W")
    assert config.oids[0].oid == oid


async def test_a_template_without_a_row_says_so(caplog):
    async with imaginary() as agent:
        driver = await opened(
            agent, oids=[{"oid": f"{PDU}.10.1.2.{{{{ {PDU}.10.1.1 == nowhere }}}}"}, {"oid": f"{PDU}.1.0"}]
        )
        assert list((await values(driver)).values()) == [1017]
        assert "nothing is found for" in caplog.text
        assert "nowhere" in caplog.text


async def test_tables_that_hold_nothing_are_malformed():
    async with imaginary() as agent:
        driver = await opened(agent, tables=[{"columns": [{"oid": f"{PDU}.99", "unit": "W"}]}])
        with pytest.raises(Malformed, match="hold nothing of what is asked for"):
            await driver.read(NOW)


async def test_a_missing_object_is_absent_and_told_once(caplog):
    caplog.set_level(logging.INFO)
    async with imaginary() as agent:
        driver = await opened(agent, oids=[{"oid": f"{PDU}.1.0", "unit": "W"}, {"oid": f"{PDU}.77.0", "unit": "V"}])
        for k in range(3):
            assert await values(driver, NOW + k * SECOND) == {("pdu-1", "power_watts"): 1017}
        assert [record.message for record in caplog.records] == [
            f"127.0.0.1:{agent.port} gives no value for {PDU}.77.0; the rest is read"
        ]
        agent.put(f"{PDU}.77.0", 230)
        assert len(await values(driver, NOW + 9 * SECOND)) == 2
        assert "again" in caplog.records[-1].message


async def test_two_values_of_one_series_are_refused():
    async with imaginary() as agent:
        driver = Snmp(block(agent, oids=[{"oid": f"{PDU}.1.0", "unit": "W"}, {"oid": f"{PDU}.2.0", "unit": "W"}]))
        OPENED.append(driver)
        with pytest.raises(Misconfigured, match="would both be power_watts of pdu-1"):
            await driver.open()


async def test_version_1_leaves_out_what_the_agent_refuses_and_tries_again():
    async with imaginary() as agent:
        driver = await opened(
            agent, version=1, oids=[{"oid": f"{PDU}.{i}.0", "labels": {"i": str(i)}} for i in (1, 2, 88)]
        )
        assert len(await values(driver)) == 2
        agent.put(f"{PDU}.88.0", 5)
        assert len(await values(driver, NOW + 10 * SECOND)) == 2
        assert len(await values(driver, NOW + 61 * SECOND)) == 3


async def test_a_dead_agent_is_unreachable_and_comes_back():
    async with imaginary() as agent:
        driver = await opened(agent, oids=[{"oid": f"{PDU}.1.0", "unit": "W"}], wait=0.1)
        agent.fault = Fault.SILENT
        with pytest.raises(Unreachable, match=r"within 0\.1 s, asked 2 times: host down"):
            await driver.read(NOW)
        await driver.close()
        agent.fault = Fault.NONE
        await driver.open()
        assert list((await values(driver)).values()) == [1017]

"""SNMP against net-snmp's agent, as the older systems ask for it: outlets by position, words, trees, odd values."""

import logging

import msgspec
import numpy as np
import pytest

from wattline.core.address import Url
from wattline.drivers.snmp.config import SnmpConfig
from wattline.drivers.snmp.driver import Snmp, SnmpV1
from wattline.errors import Denied
from wattline.plugin import decode_secret
from wattline.testing.agents import Snmpd

pytestmark = pytest.mark.peer
OUTLETS = "1.3.6.1.4.1.534.6.6.7.6.5.1.3"
OWN = "1.3.6.1.4.1.99999.1"
NOW = 1_700_000_000_000_000_000
LINES = [
    *(f"override {OUTLETS}.0.{i} integer {watts}" for i, watts in enumerate((100, 70, 50, 25), start=1)),
    f"override {OWN}.1.0 integer 230",
    f'override {OWN}.2.0 octet_str "on"',
    f'override {OWN}.3.0 octet_str "Unavailable"',
    f'override {OWN}.4.0 octet_str "off"',
    f"override {OWN}.5.0 octet_str 0x32fe0a0b0c0d",
]
VERSIONS = [
    {"version": "1"}, {"version": "v1"}, {"version": 2}, {"version": "2c"}, {"version": "v2c"},
    {"version": "v3", "user": "plain"},
    {"version": "3", "user": "signed", "password": "signature-1", "auth": "HMAC-SHA-96"},
    {"version": 3, "user": "sealed", "password": "signature-1", "priv_password": "sealing-wax-1",
     "priv": "CFB128-AES-128"},
    {"version": 3, "user": "strong", "password": "signature-1", "auth": "SHA-512/384", "priv_password": "sealing-wax-1",
     "priv": "CFB256-AES-BLU"},
    {"version": 3, "user": "old", "password": "signature-1", "auth": "HMAC-MD5-96", "priv_password": "sealing-wax-1",
     "priv": "CBC-DES"},
]  # fmt: skip


@pytest.fixture(scope="module")
def agent():
    with Snmpd(LINES) as running:
        yield running


def block(agent, **options):
    return msgspec.convert({"host": "127.0.0.1", "port": agent.port, **options}, SnmpConfig, dec_hook=decode_secret)


async def values(config, driver=Snmp):
    one = driver(config)
    try:
        await one.open()
        [frame] = await one.read(NOW)
    finally:
        await one.close()
    there = np.ones(len(frame.layout), bool) if frame.present is None else frame.present
    return {
        (series.device, series.metric.name, *(value for _, value in series.labels)): (
            frame.texts[i][0] if i in frame.texts else frame.values[i]
        )
        for i, series in enumerate(frame.layout.series)
        if there[i]
    }


def outlets(*names):
    return [{"columns": [{"oid": OUTLETS, "unit": "W"}], "names": names, "part": "outlet"}]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"{version['version']}-{version.get('user', '')}")
async def test_outlets_by_position(agent, version):
    found = await values(block(agent, tables=outlets("F1", None, "F3", "F4"), **version))
    assert found == {("F1", "power_watts"): 100, ("F3", "power_watts"): 50, ("F4", "power_watts"): 25}


async def test_two_outlets_of_one_server_are_summed(agent):
    found = await values(block(agent, tables=outlets("F1", None, "F1")))
    assert found == {("F1", "power_watts"): 150}


async def test_a_register_is_never_summed(agent):
    tables = [{"columns": [{"oid": OUTLETS, "unit": "Wh"}], "names": ["F1", None, "F1"], "part": "outlet"}]
    found = await values(block(agent, tables=tables))
    assert found == {("F1", "energy_joules", "0.1"): 360_000, ("F1", "energy_joules", "0.3"): 180_000}


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        (f".{OWN}.1.0?unit=V", {("voltage_volts",): 230}),
        (f"{OWN}.2.0?unit=boolean", {("snmp_value",): 1}),
        (f"{OWN}.2.0,{OWN}.4.0?unit=boolean&metric=door,fan", {("door",): 1, ("fan",): 0}),
        (f"{OWN}.1.0,{OWN}.3.0?unit=W&metric=a,b", {("a",): 230}),
        (f"{OWN}.1.0,{OWN}.5.0?unit=W&metric=a,mac", {("a",): 230}),
        (f"{OWN}.1.0,{OWN}.1.0?metric=a,b&unit=V", {("a",): 230, ("b",): 230}),
        (f"{OWN}?subtree=true", {("snmp_value", f"{OWN}.1.0"): 230}),
        (
            f"{OWN}?subtree=true&unit=boolean&metric=is",
            {("is", f"{OWN}.{i}.0"): n for i, n in ((1, 1), (2, 1), (4, 0))},
        ),
    ],
)
@pytest.mark.parametrize("scheme", ["snmp", "snmpv1"])
async def test_words_trees_and_odd_values(agent, scheme, rest, found):
    url = Url.parse(f"{scheme}://127.0.0.1:{agent.port}/{rest}")
    told = await values(SnmpConfig.from_url(url), SnmpV1 if scheme == "snmpv1" else Snmp)
    assert {key[1:]: value for key, value in told.items()} == found


async def test_a_driver_block_of_the_old_scheme_speaks_version_1(agent):
    assert SnmpV1(block(agent)).config.number == 1
    assert SnmpV1(block(agent, version="2c")).config.number == 2


async def test_uptime_a_name_and_a_template(agent, caplog):
    caplog.set_level(logging.WARNING)
    names, octets = "1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.10"
    found = await values(
        block(
            agent,
            device="it",
            oids=[
                {"oid": "1.3.6.1.2.1.1.3.0", "unit": "s", "scale": 0.01},
                {"oid": "1.3.6.1.2.1.1.5.0", "metric": "name", "kind": "state"},
                {"oid": f"{octets}.{{{{ {names} == lo }}}}", "metric": "in", "unit": "B"},
                {"oid": f"{octets}.{{{{ {names} == nowhere }}}}", "metric": "out", "unit": "B"},
            ],
        )
    )
    assert 0 < found["it", "time_seconds"] < 3600
    assert found["it", "name"] == agent.tool("snmpget", "-v2c", "-c", "public", "-Oqv", "1.3.6.1.2.1.1.5.0").strip(
        '"\n'
    )
    assert found["it", "in"] >= 0
    assert len(found) == 3
    assert "nothing is found for" in caplog.text


async def test_a_wrong_secret_is_refused_once(agent):
    wrong = {"version": 3, "user": "signed", "password": "signature-2", "oids": [{"oid": f"{OWN}.1.0"}]}
    with pytest.raises(Denied, match="refuses user 'signed'"):
        await values(block(agent, **wrong))

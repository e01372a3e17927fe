"""Profiles: strict files, how a device's family is found, and what is read of devices that we made up."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.drivers.snmp.config import SnmpConfig
from wattline.drivers.snmp.driver import Snmp
from wattline.drivers.snmp.profile import fitting, names, parse, profile
from wattline.drivers.snmp.quantity import Scaled
from wattline.errors import Malformed, Misconfigured
from wattline.model import Point
from wattline.testing.recordings.snmprec import readings
from wattline.testing.recordings.table import compared, failed, known_of
from wattline.testing.replay import ReplayAgent
from wattline.wire import ber
from wattline.wire.snmp import boolean

RECORDED = Path(__file__).parent / "testdata"
KNOWN = sorted(path for path in RECORDED.glob("*.snmprec") if known_of(path, path.stem))
NOW = 1_700_000_000_000_000_000


async def frame_of(agent, **options):
    driver = Snmp(SnmpConfig(host="127.0.0.1", port=agent.port, device="it", **options))
    try:
        await driver.open()
        [frame] = await driver.read(NOW)
        return driver, frame
    finally:
        await driver.close()


def there(frame):
    present = frame.present if frame.present is not None else [True] * len(frame.layout)
    return {
        (series.device, series.metric.name, *(f"{k}={v}" for k, v in series.labels)): frame.values[i]
        for i, series in enumerate(frame.layout.series)
        if present[i]
    }


@pytest.mark.parametrize("name", names())
def test_every_profile_can_be_read(name):
    one = profile(name)
    assert one.values or one.tables
    assert one.find or name == "apc-probes"


@pytest.mark.parametrize("path", KNOWN, ids=lambda path: path.stem)
def test_what_is_known_of_a_device_is_read(path):
    lines = compared(known_of(path, path.stem), readings(path), ())
    assert not failed(lines), [line.known for line in lines if line.ours is None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "Expected `object`"),
        ("title: [", "while parsing"),
        ("title: x\nvlaues: []", "vlaues"),
        ("title: x\nfind: [{says: x}]", "a mark says"),
        ("title: x\nfind: [{describes: '['}]", "no regular expression"),
        ("title: x\nroot: 1.3.6.1.4.1.9\nvalues: [{oid: 4.3}]", "Expected `str`, got `float`"),
        ("title: x\nroot: 1.3.6.1.4.1.9\nvalues: [{oid: 4.3.1, unit: watts}]", "no unit"),
        ("title: x\ntables: [{columns: [{oid: 1.3.6.1.4.1, by: index}]}]", "belong together"),
        ("title: x\ntables: [{columns: [{oid: 1.3.6.1.4.1, by: index, cases: {'1': {unit: x}}}]}]", "no unit"),
        ("title: x\ntables: [{columns: [{oid: 1.3.6.1.4.1}], part: [a, b], arcs: [0]}]", "as many as the parts"),
        ("title: x\nvalues: [{oid: 1.3.6.1.4.1, number: '\\d+'}]", "has no group"),
        ("title: x\nvalues: [{oid: 1.3.6.1.4.1, number: '('}]", "`number`: no regular expression"),
        (
            "title: x\ntables: [{columns: [{oid: 1.3.6.1.4.1}], within: {oid: 1.3.6, like: '('}}]",
            "`within`: no regular",
        ),
        ("title: x\ntables: [{columns: [{oid: 1.3.6.1.4.1}], part: [], names: [a]}]", "need a `part`"),
    ],
)
def test_a_wrong_profile_says_what_is_wrong(text, said):
    with pytest.raises(Misconfigured, match="profile mine: .*" + said):
        parse("mine", text)


def test_the_mark_that_says_most_comes_first():
    found = [name for _, name in fitting(".1.3.6.1.4.1.534.6.6.7", "ePDU")]
    assert found[0] == "eaton-epdu"
    assert found.index("ups-mib") > found.index("hpe-ilo")  # what anybody answers comes after what one maker does
    assert next(iter(fitting("1.3.6.1.4.1.5340", "")))[0].identity == ""  # a number that only begins alike


async def test_an_unknown_device_says_so_and_a_named_profile_is_not_searched():
    async with ReplayAgent({}) as agent:
        agent.put("1.3.6.1.2.1.1.1.0", "toaster")
        with pytest.raises(Malformed, match=r"of no family that Wattline knows: .*'toaster'"):
            await frame_of(agent)
        with pytest.raises(Misconfigured, match="no profile 'toast'; near to it are"):
            await frame_of(agent, profile="toast")


async def test_a_tree_of_devices_registers_and_what_is_not_measured():
    async with ReplayAgent.of(RECORDED / "apc-rpdu2.snmprec") as agent:
        _, frame = await frame_of(agent)
    found = there(frame)
    assert found["it", "energy_joules"] == 45678 * 360_000
    assert ("it/spare", "power_watts", "outlet=2") not in found
    assert ("it/bank-1", "current_amperes") not in found
    devices = {device.name: device for device in frame.layout.devices}
    assert (devices["it"].type, devices["it/web-1"].type, devices["it/web-1"].parent) == ("pdu", "outlet", "it")
    [energy] = [
        c
        for s, c in zip(frame.layout.series, frame.layout.columns, strict=True)
        if s.device == "it" and c.scale.num == 360_000
    ]
    assert (energy.range, energy.resolution, energy.point) == (None, 360_000, Point.WALL)


async def test_what_a_sensor_says_of_itself_is_asked_at_every_poll():
    async with ReplayAgent.of(RECORDED / "raritan-px2.snmprec") as agent:
        driver = Snmp(SnmpConfig(host="127.0.0.1", port=agent.port, device="it"))
        await driver.open()
        [before] = await driver.read(NOW)
        assert there(before)["it", "power_watts"] == 1665
        agent.put("1.3.6.1.4.1.13742.6.5.2.3.1.2.1.1.5", 2, tag=2)  # unavailable, and its value goes on to be 1665
        [after] = await driver.read(NOW + 10**9)
        await driver.close()
    assert ("it", "power_watts") not in there(after)
    assert there(after)["it", "current_amperes"] == 7.467


async def test_two_units_are_two_devices_and_one_is_none():
    async with ReplayAgent.of(RECORDED / "schleifenbauer.snmprec") as agent:
        _, two = await frame_of(agent)
        assert there(two)["it/t=master", "apparent_power_va", "input=1"] == 70
        agent.objects = {arcs: value for arcs, value in agent.objects.items() if arcs[-2:] != (210, 2)}
        _, one = await frame_of(agent)
    assert there(one)["it", "apparent_power_va"] == 70


async def test_a_number_within_a_text_is_read_while_it_is_one():
    table = "1.3.6.1.3.94.1.8.1.6.80.12.15.255.1.2.3.0.0.0.0.0.0.0.0.0"
    async with ReplayAgent.of(RECORDED / "fcmgmt.snmprec") as agent:
        driver = Snmp(SnmpConfig(host="127.0.0.1", port=agent.port, device="it"))
        await driver.open()
        [before] = await driver.read(NOW)
        rail = ("it/supply-left", "voltage_volts", "sensor=Voltage 12V Rail Loc: left-PSU")
        assert there(before)[rail] == 12.14
        assert there(before)["it/controller-A", "temperature_celsius", "sensor=CPU Temperature-Ctlr A"] == 41
        for row, said in ((7, "Voltage 12V Rail Loc: left-PSU: 12.3.1V"), (8, "5"), (9, ""), (10, "x" * 9999 + ": 5A")):
            agent.put(f"{table}.{row}", said)
        agent.put(f"{table}.11", 12)
        [after] = await driver.read(NOW + 10**9)
        await driver.close()
    assert {series[0] for series in there(before)} - {series[0] for series in there(after)} == {
        "it/supply-left",
        "it/supply-right",
    }


async def test_a_total_its_phases_and_its_outlets_are_a_tree():
    async with ReplayAgent.of(RECORDED / "rittal-cmc3.snmprec") as agent:
        _, frame = await frame_of(agent)
    devices = {device.name: device for device in frame.layout.devices}
    assert {name: device.parent for name, device in devices.items() if device.parent != "it"} == {
        "it": None,
        "it/PDU-1/phase-L1": "it/PDU-1",
        "it/PDU-1/phase-L2": "it/PDU-1",
        "it/PDU-1/outlet-07": "it/PDU-1",
        "it/device-3/module-PSM_P1_1": "it/device-3",
        "it/device-3/module-PSM_P1_1/outlet-3": "it/device-3/module-PSM_P1_1",
    }
    assert devices["it/PDU-1/outlet-07"].type == "outlet"
    energies = [series.device for series in frame.layout.series if series.metric.name == "energy_joules"]
    assert energies == ["it/PDU-1", "it/PDU-1/phase-L1"]  # and not what counts the same since somebody reset it
    assert ("it/device-4", "power_watts") not in {key[:2] for key in there(frame)}  # the heat that a cooler carries


def agent_of(identity, objects):
    agent = ReplayAgent({})
    agent.put("1.3.6.1.2.1.1.1.0", "made up")
    agent.objects[1, 3, 6, 1, 2, 1, 1, 2, 0] = (6, ber.object_id(identity)[2:])
    for oid, value in objects.items():
        agent.put(oid, value, tag=2)
    return agent


@pytest.mark.parametrize(
    ("identity", "objects", "family", "values"),
    [
        # a model's own tree below the maker's
        ("1.3.6.1.4.1.28507.99", {"1.3.6.1.4.1.28507.99.1.5.1.2.1.4.1": 42}, "gude", {"power_watts": 42}),
        ("1.3.6.1.4.1.8691.7.999", {"1.3.6.1.4.1.8691.7.999.1.10.8.0": "6.21"}, "moxa", {"power_watts": 6.21}),
        ("1.3.6.1.4.1.1918.2.14", {"1.3.6.1.4.1.1918.2.14.10.50.10.0": 3}, "eaton-sc200", {"current_amperes": 3}),
        # scales that differ within a family
        ("1.3.6.1.4.1.232.165.11", {"1.3.6.1.4.1.232.165.11.2.1.1.5.1": 154}, "hpe-pdu-g3", {"power_watts": 154}),
        ("1.3.6.1.4.1.12148.10", {"1.3.6.1.4.1.12148.10.9.2.5.0": 56}, "enexus", {"current_amperes": 56}),
        ("1.3.6.1.4.1.6302.2.1", {"1.3.6.1.4.1.6302.2.1.2.3.0": 42864}, "vertiv-ncu", {"current_amperes": 42.864}),
        ("1.3.6.1.4.1.7309.5", {"1.3.6.1.2.1.33.1.4.4.1.2.1": 122}, "alpha-cxc", {"voltage_volts": 122}),
        ("1.3.6.1.4.1.674.10892.6", {"1.3.6.1.4.1.674.10892.6.4.1.1.9.1": "4843"}, "dell-ome", {"power_watts": 4843}),
        ("1.3.6.1.4.1.2011.2.9", {"1.3.6.1.4.1.2011.6.157.1.6.0": 34874}, "huawei-vrp", {"power_watts": 34.874}),
        ("1.3.6.1.4.1.1916.2.1", {"1.3.6.1.4.1.1916.1.1.1.40.1.0": 131120}, "extreme", {"power_watts": 131.12}),
        ("1.3.6.1.4.1.12551.4.0", {"1.3.6.1.4.1.12551.4.1.2.2.1.12.1": 3411}, "cet-tsi", {"power_watts": 3411}),
        # a card that has the coarse objects alone
        ("1.3.6.1.4.1.318.1.3.33.1", {"1.3.6.1.4.1.318.1.1.1.4.2.1.0": 244}, "apc-ups", {"voltage_volts": 244}),
    ],
)  # fmt: skip
async def test_families_with_a_value_of_each_scale(identity, objects, family, values):
    async with agent_of(identity, objects) as agent:
        driver, frame = await frame_of(agent)
    assert driver.recognised == family
    assert {metric: there(frame)["it", metric] for metric in values} == pytest.approx(values)


async def test_a_named_profile_finds_the_tree_of_the_model():
    async with agent_of("1.3.6.1.4.1.28507.99", {"1.3.6.1.4.1.28507.99.1.5.1.2.1.4.1": 42}) as agent:
        _, frame = await frame_of(agent, profile="gude")
    assert there(frame)["it", "power_watts"] == 42


async def test_what_cannot_be_is_not_read():
    sensor = "1.3.6.1.2.1.99.1.1.1"
    objects = {}
    # volts in thousandths told as whole ones, a probe that is not there, a sensor below its range, and a good one
    for index, kind, value in ((1, 4, 232500), (2, 8, -3276), (3, 6, -1000000000), (4, 6, 55)):
        for column, told in ((1, kind), (2, 9), (3, 0), (4, value), (5, 1)):
            objects[f"{sensor}.{column}.{index}"] = told
    async with agent_of("1.3.6.1.4.1.99999", objects) as agent:
        _, frame = await frame_of(agent)
    assert there(frame) == {("it/sensor-4", "power_watts"): 55}


async def test_power_over_ethernet_of_any_maker():
    async with agent_of("1.3.6.1.4.1.99999", {"1.3.6.1.2.1.105.1.3.1.1.4.1": 248}) as agent:
        _, frame = await frame_of(agent)
    assert there(frame) == {("it/poe-1", "power_watts"): 248}


async def test_watts_beyond_the_volt_amperes_are_left_out(caplog):
    async with ReplayAgent.of(RECORDED / "apc-rpdu2.snmprec") as agent:
        agent.put("1.3.6.1.4.1.318.1.1.26.4.3.1.16.1", 80)
        _, frame = await frame_of(agent)
    assert ("it", "power_watts") not in there(frame)
    assert ("it", "apparent_power_va") not in there(frame)
    assert there(frame)["it/phase-1", "power_watts"] == 1210
    assert "more watts than volt-amperes of it" in caplog.text


@settings(max_examples=40, deadline=None)
@given(
    octets=st.binary(max_size=12), tag=st.sampled_from([4, 6, 64, 68]), name=st.sampled_from([p.stem for p in KNOWN])
)
def test_octets_of_any_kind_in_every_object_are_no_other_error(octets, tag, name):
    async def read():
        async with ReplayAgent.of(RECORDED / f"{name}.snmprec") as agent:
            whole = dict(agent.objects)
            driver = Snmp(SnmpConfig(host="127.0.0.1", port=agent.port, device="it", tries=1, wait=5))
            try:
                await driver.open()
                agent.objects = dict.fromkeys(whole, (tag, octets))
                await driver.read(NOW)
                await driver.read(NOW + 301 * 10**9)  # plans again, with what is there now
            finally:
                await driver.close()

    with contextlib.suppress(Malformed):
        asyncio.run(read())


@given(st.binary(max_size=12))
def test_any_octets_are_on_off_or_neither(octets):
    assert boolean(octets) in (None, 0, 1)


async def test_rated_watts_are_those_that_the_device_tells():
    async with ReplayAgent.of(RECORDED / "ups-mib.snmprec") as agent:
        _, frame = await frame_of(agent)
    place = [series.metric.name for series in frame.layout.series].index("power_watts")
    assert frame.layout.columns[place].rated == 2700


@pytest.mark.parametrize(
    ("how", "told", "factor"),
    [
        ("digits", 2, "1/100"), ("digits", -1, "10"), ("exponent", -2, "1/100"), ("factor", -10, "1/10"),
        ("factor", 1, "1"), ("factor", 0, None),
        ("thousands", 8, "1/1000"), ("decimal", "0.25", "1/4"), ("digits", 99, None), ("digits", "x", None),
        ("digits", "1e999999999", None), ("decimal", "1e999999999", None),
    ],
)  # fmt: skip
def test_scales_that_a_device_tells(how, told, factor):
    found = Scaled(oid="1.3.6.1.4.1", how=how).scale(told)
    assert (None if found is None else str(found)) == factor

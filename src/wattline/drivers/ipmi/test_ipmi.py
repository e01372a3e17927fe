"""IPMI meters: addresses and blocks, which sensors are read, what absence means; against a controller of ours."""

import logging

import msgspec
import numpy as np
import pytest

from wattline.core.address import Url
from wattline.drivers.ipmi.config import IpmiConfig
from wattline.drivers.ipmi.driver import Ipmi
from wattline.errors import Denied, Malformed, Misconfigured, Unreachable
from wattline.model import Kind, Point
from wattline.plugin import decode_secret
from wattline.testing.bmc import FakeBmc, Fault
from wattline.testing.bmc_board import POWER, READING, RECORD, Board, compact_record, event_record, full_record
from wattline.testing.driver_suite import DriverSuite, dead_port, opened
from wattline.units import Scale
from wattline.wire.ipmi.message import Hop

NOW = 1_700_000_000_000_000_000
HOUR = 3_600_000_000_000


def dell(**options):
    """A server with a sensor for the whole, one for each supply, a temperature, and sensors without numbers."""
    records = [
        full_record(1, "Pwr Consumption", m=2, number=0x77),
        full_record(2, "PSU1 Input", m=2, number=0x10),
        full_record(3, "PSU2 Input", m=2, number=0x11),
        full_record(4, "Inlet Temp", "Cel", kind=1, number=4),
        compact_record(5, "PSU1 Status", number=0x20),
        event_record(6, "Watchdog", number=0x21),
    ]
    return Board(records=records, readings={0x77: 206, 0x10: 104, 0x11: 102, 4: 23, 0x20: 1}, **options)


def block(bmc, **options):
    given = {"host": "127.0.0.1", "port": bmc.port, "user": "meter", "password": "secret", "device": "node-1"}
    return msgspec.convert(given | {"wait": 0.3} | options, IpmiConfig, dec_hook=decode_secret)


def seen(frame):
    """Return (device, metric, label) -> value of what is there."""
    there = np.ones(len(frame.layout), bool) if frame.present is None else frame.present
    return {
        (series.device, series.metric.name, *dict(series.labels).values()): frame.values[i]
        for i, series in enumerate(frame.layout.series)
        if there[i]
    }


async def values(bmc, **options):
    async with opened(Ipmi(block(bmc, **options))) as (driver, _):
        return seen(*await driver.read(NOW))


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Ipmi

    @pytest.fixture
    async def working(self):
        async with FakeBmc(dell(watts=412)) as bmc:
            yield block(bmc, all="power,temperature")

    @pytest.fixture
    def dead(self):
        with dead_port() as port:
            yield IpmiConfig(host="127.0.0.1", port=port, wait=0.05)


def address(text):
    return IpmiConfig.from_url(Url.parse(text))


def test_an_address_in_full():
    config = address(
        "ipmi://me:p%40ss%2Fword@[::1]:6230/1,Inlet%20Temp?kg=0x6b6579&cipher_suite=3&privilege=operator&bridge=0x82/0x72:7"
    )
    assert (config.host, config.port, config.sensors) == ("::1", 6230, ("1", "Inlet Temp"))
    who = config.who()
    assert (who.user, who.password, who.kg, who.level, who.suites) == (b"me", b"p@ss/word", b"key", 3, (3,))
    assert config.route() == (Hop(0x82, 0), Hop(0x72, 7))
    assert "p@ss" not in repr(config) + repr(who) + str(config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ipmi:///1", "`host` is a name"),
        ("ipmi://h/?tries=0", "`tries` lies between"),
        ("ipmi://h/?wait=nan", "`wait` lies between"),
        ("ipmi://h/?cipher_suite=0", "cipher_suite"),
        ("ipmi://h/?privilege=root", "privilege"),
        ("ipmi://h/?bridge=0x2c:6/0x72/0x10", "`bridge` is ADDRESS:CHANNEL"),
        ("ipmi://h/?bridge=999", "`bridge` is ADDRESS:CHANNEL"),
        ("ipmi://h/1?sum=true", "name two at least"),
        ("ipmi://h/?all=watts", "`all` names none of power"),
        ("ipmi://h/1?all=power", "give one of them"),
        ("ipmi://a-user-with-a-long-name:x@h/", "`user` has at most 16 bytes"),
        ("ipmi://u:a-password-of-more-than-20@h/", "`password` has at most 20 bytes"),
        ("ipmi://h/?senors=1", "senors"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(text, said):
    with pytest.raises(Misconfigured, match=said):
        address(text)


async def test_dcmi_power_is_taken_where_it_is():
    async with FakeBmc(dell(watts=410, average=400, window_ms=60_000)) as bmc:
        driver = Ipmi(block(bmc))
        async with opened(driver) as (_, [layout]):
            assert seen(*await driver.read(NOW)) == {
                ("node-1", "power_watts"): 410,
                ("node-1", "power_average_watts"): 400,
            }
            assert [column.window for column in layout.columns] == [None, 60]
            assert {column.point for column in layout.columns} == {Point.BMC}
            bmc.board.window_ms = 61_000  # it averages over the time since something: that is no window
            assert set(seen(*await driver.read(NOW))) == {("node-1", "power_watts")}
    assert RECORD not in bmc.board.asked


@pytest.mark.parametrize("window", [0, 2_685_198_000])
async def test_an_average_over_a_month_is_not_given(window):
    async with FakeBmc(Board(watts=332, average=348, window_ms=window)) as bmc:
        assert await values(bmc) == {("node-1", "power_watts"): 332}


async def test_a_deactivated_power_of_zero_is_absent_and_another_is_right():
    async with FakeBmc(Board(watts=0, active=False)) as bmc:
        with pytest.raises(Malformed, match="none of what is read has a value now"):
            await values(bmc)
        bmc.board.watts = 235
        assert await values(bmc) == {("node-1", "power_watts"): 235}
        bmc.board.refuse[POWER] = 0xC0
        with pytest.raises(Malformed, match="has no DCMI power now: busy"):
            await values(bmc)


async def test_the_one_sensor_in_watts_is_the_whole():
    board = Board(1, records=[full_record(9, "System Level", m=5), full_record(10, "Temp", "Cel")], readings={9: 21})
    async with FakeBmc(board) as bmc:
        assert await values(bmc) == {("node-1", "power_watts"): 105}


async def test_of_several_the_manufacturers_own_is_the_whole():
    async with FakeBmc(dell()) as bmc:
        assert await values(bmc) == {("node-1", "power_watts"): 412}


async def test_supplies_of_intel_are_added_up_and_stay_parts():
    records = [full_record(i, f"PS{i} Input Power", m=4) for i in (1, 2)] + [full_record(3, "CPU Power")]
    async with FakeBmc(Board(343, records=records, readings={1: 50, 2: 52, 3: 90})) as bmc:
        driver = Ipmi(block(bmc))
        async with opened(driver) as (_, [layout]):
            assert seen(*await driver.read(NOW)) == {
                ("node-1", "power_watts"): 408,
                ("node-1/PS1 Input Power", "power_watts"): 200,
                ("node-1/PS2 Input Power", "power_watts"): 208,
            }
            assert {device.name: device.parent for device in layout.devices} == {
                "node-1": None,
                "node-1/PS1 Input Power": "node-1",
                "node-1/PS2 Input Power": "node-1",
            }
            bmc.board.readings[2] = False  # pulled out: not scanned
            assert seen(*await driver.read(NOW))["node-1", "power_watts"] == 200
            bmc.board.readings[2] = None  # there, and without a reading now: the sum is unknown, not smaller
            assert ("node-1", "power_watts") not in seen(*await driver.read(NOW))


async def test_where_nothing_is_clear_the_message_lists_what_there_is():
    records = [full_record(7, "A"), full_record(8, "B"), full_record(9, "Fan", "RPM")]
    async with FakeBmc(Board(99, records=records)) as bmc:
        with pytest.raises(
            Misconfigured, match=r"2 sensors in watts.* manufacturer 99.*7 'A' \(Watts\), 8 'B'"
        ) as said:
            await values(bmc)
        assert "Fan" not in str(said.value)
        bmc.board.records = records[2:]
        with pytest.raises(Misconfigured, match=r"neither DCMI power nor a sensor in watts; it has: 9 'Fan' \(RPM\)"):
            await values(bmc)
        bmc.board.records = []
        with pytest.raises(Misconfigured, match="it has: none that gives a number"):
            await values(bmc)


async def test_sensors_by_number_and_by_name():
    async with FakeBmc(dell()) as bmc:
        assert await values(bmc, sensors=[1, "inlet temp"]) == {
            ("node-1", "power_watts", "Pwr Consumption"): 412,
            ("node-1", "temperature_celsius", "Inlet Temp"): 23,
        }
        assert await values(bmc, sensors=["PSU1 Input", "PSU2 Input"], sum=True) == {
            ("node-1", "power_watts"): 412,
            ("node-1/PSU1 Input", "power_watts"): 208,
            ("node-1/PSU2 Input", "power_watts"): 204,
        }
        for sensors, said in (
            (["Outlet"], "no sensor 'Outlet'; it has: 1 'Pwr Consumption'"),
            (["PSU1 Status"], "says states, and gives no number"),
            ([6], "says states, and gives no number"),
        ):
            with pytest.raises(Misconfigured, match=said):
                await values(bmc, sensors=sensors)
        with pytest.raises(Misconfigured, match="'Inlet Temp' is in degrees C"):
            await values(bmc, sensors=[2, 4], sum=True)


async def test_names_that_stand_twice_are_told_apart_by_number():
    records = [full_record(1, "Temp", "Cel"), full_record(2, "Temp", "Cel")]
    async with FakeBmc(Board(records=records, readings={1: 20, 2: 30})) as bmc:
        with pytest.raises(Misconfigured, match="several sensors 'Temp'; name one by its number: 1 'Temp'"):
            await values(bmc, sensors=["Temp"])
        assert await values(bmc, all="temperature") == {
            ("node-1", "temperature_celsius", "Temp-1"): 20,
            ("node-1", "temperature_celsius", "Temp-2"): 30,
        }


async def test_all_of_a_quantity_counts_nothing_twice():
    async with FakeBmc(dell()) as bmc:
        assert await values(bmc, all="power,temperature") == {
            ("node-1", "power_watts", "Pwr Consumption"): 412,
            ("node-1/PSU1 Input", "power_watts"): 208,
            ("node-1/PSU2 Input", "power_watts"): 204,
            ("node-1", "temperature_celsius", "Inlet Temp"): 23,
        }
        bmc.board.watts = 410
        found = await values(bmc, all="power")
        assert found["node-1", "power_watts"] == 410
        assert found["node-1/Pwr Consumption", "power_watts"] == 412


async def test_units_reach_their_base():
    records = [
        full_record(1, "Front", "F", b=0),
        full_record(2, "Cold", "K"),
        full_record(3, "Fan", "RPM", m=60),
        full_record(4, "Duty", 0, m=392, k2=-3, flags=1),
        full_record(5, "12V", "V", m=63, k2=-3),
        full_record(6, "Energy", "W", modifier=24, flags=4),
        full_record(7, "Airflow", 17),
        full_record(8, "Margin", "Cel", form=2),
        full_record(9, "Input", "A", m=4, b=-4, k1=1, k2=-2),
        full_record(10, "Joules/s", 7, flags=3 << 3),
    ]
    readings = {1: 212, 2: 255, 3: 84, 4: 100, 5: 195, 6: 3, 7: 40, 8: 256 - 55, 9: 100, 10: 250}
    async with (
        FakeBmc(Board(records=records, readings=readings)) as bmc,
        opened(Ipmi(block(bmc, sensors=list(readings)))) as (driver, [layout]),
    ):
        [frame] = await driver.read(NOW)
    found = {name: value for (_, _, name), value in seen(frame).items()}
    assert found == {
        "Front": 100, "Cold": -18.15, "Fan": 84, "Duty": 0.392, "12V": 12.285, "Energy": 10_800, "Airflow": 40,
        "Margin": -55, "Input": 3.6, "Joules/s": 250,
    }  # fmt: skip
    columns = dict(zip((series.labels[0][1] for series in layout.series), layout.columns, strict=True))
    kinds = {series.labels[0][1]: (series.metric.name, series.metric.kind) for series in layout.series}
    assert kinds["Energy"] == ("energy_joules", Kind.COUNTER)
    assert kinds["Airflow"] == ("ipmi_value", Kind.UNKNOWN)
    assert (columns["Energy"].range, columns["Energy"].resolution) == (256 * 3600, 3600)
    assert columns["12V"].scale == Scale(1, 1000)
    assert columns["Input"].scale.count(3.6) == 360


async def test_a_sensor_that_is_not_linear_is_asked_for_its_factors_once_a_reading():
    factors = {(3, 10): bytes((2, 0, 5, 0, 0, 0xF0)), (3, 11): bytes((4, 0, 0, 0, 0, 0))}
    board = Board(records=[full_record(3, "Odd", function=0x70)], readings={3: 10}, factors=factors)
    async with FakeBmc(board) as bmc, opened(Ipmi(block(bmc, sensors=[3]))) as (driver, _):
        read = [[*seen(*await driver.read(NOW)).values()] for _ in range(2)]
        board.readings[3] = 11
        assert [*read, [*seen(*await driver.read(NOW)).values()]] == [[2.5], [2.5], [44]]
    assert board.asked.count((4, 0x23)) == 2


async def test_absence():
    async with FakeBmc(dell()) as bmc, opened(Ipmi(block(bmc, sensors=[1, 4]))) as (driver, _):
        for gone in (None, False):
            bmc.board.readings[4] = gone
            assert set(seen(*await driver.read(NOW))) == {("node-1", "power_watts", "Pwr Consumption")}
        del bmc.board.readings[4]
        assert set(seen(*await driver.read(NOW))) == {("node-1", "power_watts", "Pwr Consumption")}
        bmc.board.readings[0x77] = None
        with pytest.raises(Malformed, match="none of what is read has a value now"):
            await driver.read(NOW)
        bmc.board.refuse[READING] = 0xC1
        with pytest.raises(Malformed, match=r"Get Sensor Reading of 'Pwr Consumption' with: no such command \(0xc1\)"):
            await driver.read(NOW)
        bmc.board.refuse[READING] = 0xD4
        with pytest.raises(Misconfigured, match="give a higher `privilege` than user"):
            await driver.read(NOW)


async def test_records_are_read_again_when_they_have_changed():
    board = dell()
    async with FakeBmc(board) as bmc, opened(Ipmi(block(bmc, refresh=3600))) as (driver, _):
        await driver.read(NOW)
        await driver.read(NOW + HOUR)
        first = board.asked.count(RECORD)
        await driver.close()
        await driver.open()
        assert board.asked.count(RECORD) == first
        board.records = [full_record(1, "Pwr Consumption", m=4, number=0x77)]
        board.changed += 1
        await driver.read(NOW)
        assert seen(*await driver.read(NOW + HOUR)) == {("node-1", "power_watts"): 824}


async def test_a_controller_that_restarts_forgets_the_session_and_is_logged_in_to_again():
    async with FakeBmc(Board(watts=300)) as bmc, opened(Ipmi(block(bmc, wait=0.05))) as (driver, _):
        await driver.read(NOW)
        bmc.restart()
        assert seen(*await driver.read(NOW))["node-1", "power_watts"] == 300
        assert bmc.logins == 2
        bmc.fault = Fault.SILENT
        with pytest.raises(Unreachable, match="host down, wrong port"):
            await driver.read(NOW)


async def test_a_wrong_password_is_denied_after_one_try_and_shows_nowhere(caplog):
    caplog.set_level(logging.DEBUG)
    async with FakeBmc(Board(watts=300)) as bmc:
        with pytest.raises(Denied) as said:
            await values(bmc, password="hunter-2")
        assert sum(packet[5:6] == b"\x12" for packet in bmc.packets if packet[4] == 6) == 1
    assert "password is wrong" in str(said.value)
    assert "hunter-2" not in caplog.text + str(said.value) + repr(said.value)


async def test_behind_a_bridge_and_owned_by_a_controller_behind():
    me = Board(343, watts=77, records=[full_record(1, "Far")], readings={1: 5, 2: 9})
    host = Board(records=[full_record(4, "ME Power", number=2, owner=0x2C, channel=6)])
    async with FakeBmc(host, behind={(6, 0x2C): me}) as bmc:
        assert await values(bmc, bridge="0x2c:6") == {
            ("node-1", "power_watts"): 77,
            ("node-1", "power_average_watts"): 77,
        }
        assert await values(bmc, bridge="0x2c:6", sensors=["Far"]) == {("node-1", "power_watts", "Far"): 5}
        assert await values(bmc, sensors=[4]) == {("node-1", "power_watts", "ME Power"): 9}


async def test_power_that_is_gone_is_told_and_sensors_are_looked_for():
    async with FakeBmc(dell(watts=410)) as bmc, opened(Ipmi(block(bmc))) as (driver, _):
        bmc.board.watts = None
        with pytest.raises(Malformed, match="had DCMI power, and has none any more"):
            await driver.read(NOW)
        assert seen(*await driver.read(NOW)) == {("node-1", "power_watts"): 412}


async def test_a_controller_without_a_repository_has_its_own_records():
    async with FakeBmc(dell(has_repository=False, piece=16, lose_reservations=2)) as bmc:
        assert await values(bmc) == {("node-1", "power_watts"): 412}


async def test_a_sensor_with_a_name_of_its_own_keeps_its_own_unit():
    board = Board(
        records=[
            full_record(1, "Pwr Consumption", m=2, number=0x77),
            full_record(2, "Fan1", "RPM", m=30, kind=4, number=0x30),
        ],
        readings={0x77: 206, 0x30: 100},
    )
    async with FakeBmc(board) as bmc:
        own = [
            {"sensor": 1, "metric": "bmc_power_watt", "labels": {"a": "b"}},
            {"sensor": "Fan1", "metric": "bmc_fan_rpm", "device": "node-1-bmc"},
            {"sensor": "2", "metric": "bmc_fan_krpm", "scale": 0.001},
        ]
        async with opened(Ipmi(block(bmc, sensors=[1, *own]))) as (driver, [layout]):
            assert seen(*await driver.read(NOW)) == {
                ("node-1", "power_watts", "Pwr Consumption"): 412,
                ("node-1", "bmc_power_watt", "b"): 412,
                ("node-1-bmc", "bmc_fan_rpm"): 3000,
                ("node-1", "bmc_fan_krpm"): 3,
            }
        units = {series.metric.name: (series.metric.unit, series.metric.kind) for series in layout.series}
        assert units["bmc_power_watt"] == ("W", Kind.GAUGE)
        assert units["bmc_fan_rpm"] == ("", Kind.UNKNOWN)
        with pytest.raises(Misconfigured, match="give one of the sensors"):
            await values(bmc, sensors=[own[0], own[0]])
    for wrong in ({"sensor": 1, "metric": ""}, {"sensor": 1, "metric": "a", "scale": 0}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"host": "a", "sensors": [wrong]}, IpmiConfig, dec_hook=decode_secret)

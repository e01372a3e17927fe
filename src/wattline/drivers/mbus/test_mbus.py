"""M-Bus: records of every coding, a bus with silent and broken meters, and any octets at all."""

import asyncio
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.core.address import Url
from wattline.drivers.mbus.config import MbusConfig
from wattline.drivers.mbus.driver import Mbus
from wattline.drivers.mbus.meaning import values
from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.testing.driver_suite import DriverSuite
from wattline.testing.mbus_meter import answer_of, mbus_gateway
from wattline.testing.recordings.mbus import matches, readings
from wattline.testing.recordings.reading import readings_of
from wattline.wire.mbus import length_of, request, unpack

POWER = "042b d2040000"  # 1234 W
SEVERAL = (
    POWER
    + "02fd48 fd08"  # 230.1 V
    + "03fd59 d20400"  # 1.234 A
    + "0c03 78563412"  # 12345678 Wh
    + "0c83 7f 78563412"  # the same, as nobody knows what
    + "4403 01000000"  # stored
    + "142b ffff0000"  # the most
    + "0afb2e 9904"  # 49.9 Hz
    + "02acff01 2100"  # phase 1, 330 W
    + "8240acff01 2100"  # a subunit, with the maker's own
    + "0d78 0341424a"  # a text
    + "2f"
)


def told(records, address=1):
    found = values(address, unpack(answer_of(address, bytes.fromhex(records))).records)
    return {(key.part, key.metric.name, *dict(key.labels).values()): one.value for key, one in found.items()}


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Mbus

    @pytest.fixture
    async def working(self):
        async with mbus_gateway({5: [answer_of(5, bytes.fromhex(SEVERAL))]}) as port:
            yield MbusConfig(line=f"tcp://127.0.0.1:{port}")

    @pytest.fixture
    def dead(self, tmp_path):
        return MbusConfig(line=str(tmp_path / "ttyUSB9"))


def test_records_are_what_the_standard_says():
    assert told(SEVERAL) == {
        ("", "power_watts"): 1234,
        ("", "voltage_volts"): 230.1,
        ("", "current_amperes"): 1.234,
        ("", "energy_joules"): 12_345_678 * 3600,
        ("", "frequency_hertz"): 49.9,
        ("phase-1", "power_watts"): 330,
    }


@pytest.mark.parametrize(
    ("record", "watts"),
    [
        ("012b fe", -2),
        ("022b feff", -2),
        ("032b feffff", -2),
        ("042b feffffff", -2),
        ("062b feffffffffff", -2),
        ("072b feffffffffffffff", -2),
        ("052b " + struct.pack("<f", 12.5).hex(), 12.5),
        ("092b 42", 42),
        ("0b2b 2301f0", -123),
        ("0e2b 563412000000", 123_456),
        ("012e 07", 7000),
        ("01fb28 02", 200_000),
        ("0133 24", 10),
        ("012b 07", 7),
        ("01ab73 07", 0.007),
        ("01ab7d 07", 7000),
    ],
)
def test_every_coding_is_a_number(record, watts):
    assert told(record) == {("", "power_watts"): pytest.approx(watts)}


@pytest.mark.parametrize(
    "record", ["0a2b a000", "052b 0000c07f", "002b", "0d2b 0141", "017c 01 41 07", "01fd17 00", f"01ab{'fd' * 9}7d 07"]
)
def test_what_counts_nothing_is_absent(record):
    assert told(record) == {}


def test_tariffs_are_summed_and_what_repeats_is_numbered():
    assert told("841003 01000000 842003 02000000") == {
        ("", "energy_joules", "1"): 3600,
        ("", "energy_joules", "2"): 7200,
        ("", "energy_joules"): 10_800,
    }
    assert told("012b01 012b02 012b03") == {
        ("", "power_watts"): 1,
        ("", "power_watts", "2"): 2,
        ("", "power_watts", "3"): 3,
    }


def test_a_register_of_digits_wraps_after_its_last():
    [one] = values(1, unpack(answer_of(1, bytes.fromhex("0c03 78563412"))).records).values()
    assert one.column.range == 10**8 * 3600


async def read(port, **options):
    driver = Mbus(MbusConfig(line=f"tcp://127.0.0.1:{port}", device="bus", wait=0.5, **options))
    try:
        await driver.open()
        return await driver.read(0)
    finally:
        await driver.close()


async def test_a_meter_that_is_silent_or_broken_is_absent_and_the_others_are_not():
    good, broken = answer_of(1, bytes.fromhex(POWER)), bytearray(answer_of(2, bytes.fromhex(POWER)))
    broken[20] ^= 1
    async with mbus_gateway({1: [good], 2: [bytes(broken)]}) as port:
        frames = await read(port, address=(1, 2, 3))
        assert [(one.device, one.value) for one in readings_of(frames)] == [("bus/1", 1234)]
        with pytest.raises(Malformed, match=r"meter 2 on tcp://127.0.0.1:\d+: a frame's sum"):
            await read(port, address=(2,))
        with pytest.raises(Unreachable, match=r"meter 3 on .* did not answer within 0.5 s|said nothing"):
            await read(port, address=(3,))


async def test_an_answer_of_several_frames_is_read_to_its_end():
    frames = [answer_of(1, bytes.fromhex(record)) for record in ("012b01 1f", "01fd48 05 1f", "01fd5c 07")]
    async with mbus_gateway({1: frames}) as port:
        told = {one.metric: one.value for one in readings_of(await read(port))}
        assert told == {"power_watts": 1, "voltage_volts": 0.5, "current_amperes": 7}


async def test_a_meter_that_repeats_itself_has_told_all():
    async with mbus_gateway({1: [answer_of(1, bytes.fromhex("012b01 1f"))]}) as port:
        assert [one.value for one in readings_of(await read(port))] == [1]


async def test_what_is_no_frame_is_malformed():
    async with mbus_gateway({1: [b"\x10\x02\x03"]}) as port:
        with pytest.raises(Malformed, match="a frame begins with 68"):
            await read(port)
    async with mbus_gateway({1: [b"\x68\x09\x0a\x68"]}) as port:
        with pytest.raises(Malformed, match="no frame begins with"):
            await read(port)


def test_phases_are_part_of_their_meter():
    async def layout():
        async with mbus_gateway({1: [answer_of(1, bytes.fromhex(SEVERAL))]}) as port:
            [frame] = await read(port)
            return frame.layout

    above = {device.name: device.parent for device in asyncio.run(layout()).devices}
    assert above == {"bus": None, "bus/phase-1": "bus"}


@settings(deadline=None)
@given(st.binary(max_size=240))
def test_any_octets_are_records_or_malformed(said):
    for frame in (said, answer_of(1, said)):
        try:
            for one in values(1, unpack(frame).records).values():
                assert one.column.resolution > 0
        except Malformed:
            continue


@settings(deadline=None)
@given(st.binary(max_size=8))
def test_any_beginning_has_a_length_or_none(said):
    try:
        assert length_of(said) in (None, 1, *range(9, 262))
    except Malformed:
        assert said


def test_a_recording_is_read(tmp_path):
    path = tmp_path / "mbus" / "acme.hex"
    path.parent.mkdir()
    path.write_text(answer_of(9, bytes.fromhex(POWER)).hex(" "))
    assert matches(path)
    assert [(one.device, one.metric, one.value) for one in readings(path)] == [("acme", "power_watts", 1234.0)]


def test_addresses_and_options():
    assert MbusConfig.from_url(Url.parse("mbus:///dev/ttyUSB0?address=1,%202")).address == (1, 2)
    assert MbusConfig.from_url(Url.parse("mbus://gateway:10001")).line == "tcp://gateway:10001"
    assert request(0x5B, 1) == bytes.fromhex("105b015c16")
    for wrong in ("address=x", "address=", "address=251", "address=1,1", "address=1,254", "wait=0"):
        with pytest.raises(Misconfigured, match=r"`(address|wait)`"):
            MbusConfig.from_url(Url.parse(f"mbus:///dev/ttyUSB0?{wrong}"))

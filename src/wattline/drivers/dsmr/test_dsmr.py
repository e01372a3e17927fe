"""P1 telegrams of every version, whole and broken, on a pseudo terminal and behind a serial server."""

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wattline.core.address import Url
from wattline.drivers.dsmr import meaning
from wattline.drivers.dsmr.driver import Dsmr, DsmrConfig
from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.testing.driver_suite import DriverSuite
from wattline.testing.recordings.dsmr import matches, readings, telegram
from wattline.testing.recordings.reading import readings_of
from wattline.testing.serial_meter import SerialMeter, serial_server
from wattline.wire.p1 import LONGEST, Telegrams, crc16, parse

FIVE = telegram(rb"""/XYZ5\2ACME-1

1-3:0.2.8(50)
0-0:1.0.0(261120120000W)
1-0:1.8.1(000004.426*kWh)
1-0:1.8.2(000002.399*kWh)
1-0:2.8.1(000002.444*kWh)
1-0:2.8.2(000000.000*kWh)
1-0:1.7.0(00.244*kW)
1-0:2.7.0(00.000*kW)
0-0:96.7.21(00013)
0-0:96.7.9(00002)
1-0:99.97.0(1)(0-0:96.7.19)(190326095015W)(0000002014*s)
1-0:32.32.0(00004)
1-0:72.36.0(00001)
1-0:32.7.0(230.1*V)
1-0:31.7.0(001*A)
1-0:21.7.0(00.070*kW)
1-0:41.7.0(00.000*kW)
1-0:42.7.0(00.032*kW)
0-1:24.1.0(003)
0-1:24.2.1(261120110000W)(00246.138*m3)
0-2:24.2.1(261120110000W)(12.345*GJ)
0-3:24.2.1(700101010000W)(00000000)
!0000
""")
OLD = telegram(rb"""/XYZ5\2ACME-0

1-0:1.8.1(00001.001*kWh)
1-0:1.8.2(00001.001*kWh)
1-0:1.7.0(0001.01*kW)
0-0:17.0.0(016*A)
0-1:24.3.0(161107190000)(00)(60)(1)(0-1:24.2.1)(m3)
(00001.001)
!
""")

PIECES = (b"/", b"!", b"\r\n", b"\n", b"1-0:1.8.0", b"(5*kWh)", b"(", b"0", b"\x85")


def values(frames):
    return {(one.device, one.metric, *dict(one.labels).values()): one.value for one in readings_of(frames)}


@pytest.fixture
def meter(tmp_path):
    with SerialMeter(tmp_path / "ttyUSB0") as one:
        yield one


async def first(driver, meter, said):
    try:
        await driver.open()
        meter.say(said)
        return await anext(driver.stream())
    finally:
        await driver.close()


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Dsmr

    @pytest.fixture
    async def working(self):
        async with serial_server(FIVE) as port:
            yield DsmrConfig(line=f"tcp://127.0.0.1:{port}")

    @pytest.fixture
    def dead(self, tmp_path):
        return DsmrConfig(line=str(tmp_path / "ttyUSB9"))


async def test_a_telegram_is_a_frame(meter):
    frames = await first(Dsmr(DsmrConfig(line=str(meter.path), device="m")), meter, FIVE)
    assert values(frames) == {
        ("m", "energy_joules"): 6825 * 3600,
        ("m", "energy_joules", "1"): 4426 * 3600,
        ("m", "energy_joules", "2"): 2399 * 3600,
        ("m", "energy_joules", "export"): 2444 * 3600,
        ("m", "energy_joules", "export", "1"): 2444 * 3600,
        ("m", "energy_joules", "export", "2"): 0,
        ("m", "power_watts"): 244,
        ("m", "power_failures_total"): 13,
        ("m", "long_power_failures_total"): 2,
        ("m", "broken_messages_total"): 0,
        ("m/phase-1", "power_watts"): 70,
        ("m/phase-1", "voltage_volts"): 230.1,
        ("m/phase-1", "current_amperes"): 1,
        ("m/phase-1", "voltage_sags_total"): 4,
        ("m/phase-2", "power_watts"): -32,
        ("m/phase-3", "voltage_swells_total"): 1,
        ("m/mbus-1", "volume_cubic_metres"): 246.138,
        ("m/mbus-2", "energy_joules"): 12.345e9,
    }
    [frame] = frames
    above = {device.name: device.parent for device in frame.layout.devices}
    assert above["m/phase-1"] == "m"
    assert above["m/mbus-1"] is None, "gas is no part of electricity"
    tariff = next(c for s, c in zip(frame.layout.series, frame.layout.columns, strict=True) if dict(s.labels))
    assert (tariff.range, tariff.resolution, tariff.period) == (3.6e12, 3600, 1.0)


async def test_an_old_telegram_has_no_check_and_comes_every_ten_seconds(meter):
    frames = await first(Dsmr(DsmrConfig(line=str(meter.path), device="m", baud=9600, framing="7E1")), meter, OLD)
    told = values(frames)
    assert told["m", "power_watts"] == 1010
    assert told["m", "energy_joules"] == 2002 * 3600
    assert told["m/mbus-1", "volume_cubic_metres"] == 1.001
    assert frames[0].layout.columns[0].period == 10.0


async def test_broken_telegrams_are_passed_over_and_counted(meter):
    broken = FIVE.replace(b"00.244", b"99.244")
    said = FIVE[300:] + broken + FIVE[:200] + broken + FIVE
    told = values(await first(Dsmr(DsmrConfig(line=str(meter.path), device="m")), meter, said))
    assert told["m", "power_watts"] == 244
    assert told["m", "broken_messages_total"] == 2


def test_a_unit_beyond_all_measure_costs_its_line_alone():
    said = FIVE.replace(b"00.244*kW", b"0.000000000001*nW")
    head = said[: said.rindex(b"!") + 1]
    told = meaning.sums(parse(head + f"{crc16(head):04X}\r\n".encode()))
    names = [key.metric.name for key in told]
    assert "energy_joules" in names
    assert "power_watts" in names  # of the phases


async def test_nothing_but_broken_telegrams_is_malformed():
    async with serial_server(FIVE.replace(b"00.244", b"99.244")) as port:
        driver = Dsmr(DsmrConfig(line=f"tcp://127.0.0.1:{port}"))
        await driver.open()
        with pytest.raises(Malformed, match=r"CRC is .* as had 10 before it"):
            await anext(driver.stream())
        await driver.close()


async def test_silence_is_unreachable(meter):
    driver = Dsmr(DsmrConfig(line=str(meter.path), wait=0.2))
    assert driver.patience == pytest.approx(1.2)
    await driver.open()
    with pytest.raises(Unreachable, match="said nothing"):
        await anext(driver.stream())
    await driver.close()


def test_telegrams_come_in_pieces():
    telegrams = Telegrams()
    whole = [one for i in range(0, 3 * len(FIVE), 7) for one in telegrams.feed((FIVE * 3)[i : i + 7])]
    assert whole == [FIVE] * 3
    assert telegrams.feed(b"/" + b"x" * 2 * LONGEST) == []
    assert telegrams.feed(FIVE) == [FIVE]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
@example([b"/", b"!", b"\r\n"])
def test_any_pieces_are_telegrams_or_malformed(pieces):
    for whole in Telegrams().feed(b"".join(pieces)):
        with contextlib.suppress(Malformed):
            meaning.sums(parse(whole))


def test_the_check_is_that_of_the_standard():
    assert crc16(b"123456789") == 0xBB3D
    text = FIVE.rpartition(b"!")[0]
    assert parse(text + b"!%X\n" % crc16(text + b"!")).identification == r"XYZ5\2ACME-1", "without leading zeros"


@settings(deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda said: b"/X\r\n1-0:1.7.0(" + said + b")\r\n!\r\n"))
def test_any_bytes_are_a_telegram_or_malformed(said):
    for one in [said, *Telegrams().feed(said + b"\n")]:
        try:
            meaning.sums(parse(one))
        except Malformed:
            continue


def test_a_recording_is_made_true_again(tmp_path):
    path = tmp_path / "dsmr" / "acme.txt"
    path.parent.mkdir()
    path.write_bytes(FIVE.replace(b"\r\n", b"\n").rpartition(b"!")[0] + b"!DEAD\n")
    assert matches(path)
    assert ("acme", "power_watts", 244.0) in [(one.device, one.metric, one.value) for one in readings(path)]


def test_addresses_and_options():
    assert DsmrConfig.from_url(Url.parse("dsmr:///dev/ttyUSB0?baud=9600&framing=7E1")).baud == 9600
    assert DsmrConfig.from_url(Url.parse("dsmr://bridge:2000")).line == "tcp://bridge:2000"
    with pytest.raises(Misconfigured, match="`wait` lies between"):
        DsmrConfig.of("test", {"line": "/dev/ttyUSB0", "wait": -1})

"""Watts Up? records: decoded as Kwapi did, and a line that falls silent, breaks, or lies behind a server."""

import asyncio
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.core.address import Url
from wattline.drivers.wattsup.driver import Wattsup, WattsupConfig
from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.testing.driver_suite import DriverSuite
from wattline.testing.serial_meter import SerialMeter, serial_server

RECORD = b"#d,-,18,1005,2301,437,12,0,0,0,1005,2301,437,1005,2301,437,99,100,0,500,1006;\r\n"


@pytest.fixture
def meter(tmp_path):
    with SerialMeter(tmp_path / "ttyUSB0") as one:
        yield one


def wattsup(meter, **options):
    return Wattsup(WattsupConfig(line=str(meter.path), device="node", **options))


def values_of(frame):
    present = frame.present if frame.present is not None else [True] * len(frame.values)
    names = [series.metric.name for series in frame.layout.series]
    return {name: value for name, value, there in zip(names, frame.values.tolist(), present, strict=True) if there}


async def first(driver):
    return (await anext(driver.stream()))[0]


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Wattsup

    @pytest.fixture
    async def working(self):
        async with serial_server(RECORD) as port:
            yield WattsupConfig(line=f"tcp://127.0.0.1:{port}")

    @pytest.fixture
    def dead(self, tmp_path):
        return WattsupConfig(line=str(tmp_path / "ttyUSB9"))


async def test_the_fourth_field_is_tenths_of_a_watt(meter):
    driver = wattsup(meter)
    await driver.open()
    said = b"#R,W,0;#L,W,3,E,1,1;"
    assert meter.hear(len(said)) == said
    meter.say(b"05,2301;#d,-,18,1005,2301,437,12;")
    frame = await first(driver)
    assert values_of(frame) == {
        "power_watts": 100.5,
        "voltage_volts": 230.1,
        "current_amperes": 0.437,
        "energy_joules": 12 * 360.0,
    }
    assert frame.layout.columns[0].scale.count(frame.values[0]) == 1005
    await driver.close()


async def test_a_whole_record_tells_more(meter):
    driver = wattsup(meter)
    await driver.open()
    meter.say(b"#v,-,8,2,0,9,27,7,D,4,0,1;\r\n" + RECORD)
    told = values_of(await first(driver))
    assert told["power_factor_ratio"] == 0.99
    assert told["frequency_hertz"] == 50
    assert told["apparent_power_va"] == 100.6
    await driver.close()


async def test_silence_is_unreachable(meter):
    driver = wattsup(meter, wait=0.2)
    await driver.open()
    with pytest.raises(Unreachable, match=r"said nothing for 0.2 s"):
        await first(driver)
    meter.say(b"#d,-,18,10")
    with pytest.raises(Unreachable, match="nothing whole"):
        await first(driver)
    await driver.close()


async def test_a_port_that_is_pulled_out_is_unreachable_until_it_is_back(meter):
    driver = wattsup(meter)
    await driver.open()
    meter.say(RECORD)
    stream = driver.stream()
    await anext(stream)
    meter.unplug()
    with pytest.raises(Unreachable, match=r"is gone|was closed"):
        await anext(stream)
    await driver.close()
    with pytest.raises(Unreachable, match="is not there"):
        await driver.open()
    await driver.close()
    meter.plug()
    await driver.open()
    meter.say(RECORD)
    assert values_of(await first(driver))["power_watts"] == 100.5
    await driver.close()


async def test_a_port_is_held_alone(meter):
    one, other = wattsup(meter), wattsup(meter)
    await one.open()
    with pytest.raises(Unreachable, match="held by another program"):
        await other.open()
    await other.close()
    await one.close()
    await other.open()
    await other.close()


async def test_what_is_no_port_says_so(tmp_path):
    (tmp_path / "notes").write_text("no meter")
    driver = Wattsup(WattsupConfig(line=str(tmp_path / "notes")))
    with pytest.raises(Misconfigured, match="is no serial port"):
        await driver.open()
    await driver.close()


@pytest.mark.parametrize(
    "said", [b"#d,-,18,_,2301;", b"#d,-,18;", b"#d;", b"#d,-,18,1e9;", b"#d,-,18,\xff;", b"x" * 5000]
)
async def test_garbage_is_malformed(meter, said):
    driver = wattsup(meter)
    await driver.open()
    meter.say(said)
    with pytest.raises(Malformed):
        await first(driver)
    await driver.close()


@settings(deadline=None)
@given(said=st.binary(max_size=200))
def test_any_record_is_a_frame_or_malformed(said):
    driver = Wattsup(WattsupConfig(line="/dev/ttyUSB0"))
    layout = asyncio.run(_layout(driver))
    try:
        frame = driver._frame(said)
    except Malformed:
        return
    assert frame is None or frame.layout is layout


async def _layout(driver):
    with pytest.raises(Unreachable):
        await driver.open()
    return driver._layout


@pytest.mark.skipif(os.path.exists("/dev/ttyUSB0"), reason="there is a real port")
@pytest.mark.parametrize(
    ("address", "line"),
    [("wattsup:///dev/ttyUSB0", "/dev/ttyUSB0"), ("wattsup://[::1]:2000", "tcp://[::1]:2000")],
)
def test_an_address_names_the_line(address, line):
    assert WattsupConfig.from_url(Url.parse(address)).line == line


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"line": "ttyUSB0"}, "path of a serial port"),
        ({"line": "tcp://bridge"}, "tcp://host:port"),
        ({"line": "/dev/ttyS0", "baud": 12345}, "no speed"),
        ({"line": "/dev/ttyS0", "framing": "9X3"}, "data bits, parity"),
        ({"line": "/dev/ttyS0", "wait": 0}, "`wait` lies between"),
    ],
)
def test_wrong_options_are_told(options, says):
    with pytest.raises(Misconfigured, match=says):
        WattsupConfig.of("test", options)

"""SML files, whole and broken, as meters push them, and any bytes at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.core.address import Url
from wattline.drivers.sml.driver import Sml, SmlConfig
from wattline.drivers.sml.meaning import readings as read_values
from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.testing.driver_suite import DriverSuite
from wattline.testing.recordings.reading import readings_of
from wattline.testing.recordings.sml import matches, readings
from wattline.testing.serial_meter import SerialMeter, serial_server
from wattline.testing.sml_meter import file_of, octets, several, signed, unsigned, value_of, wrapped
from wattline.units import Unit
from wattline.wire.sml import DEEPEST, LONGEST, MOST, Files, crc_kermit, entries

VALUES = [
    value_of("1-0:96.1.0", None, 0, b"\x0a\x01ACM\x00\x00\x00\x00\x01"),
    value_of("1-0:1.8.0", 30, -1, 123_456),
    value_of("1-0:2.8.0", 30, -1, 7),
    value_of("1-0:16.7.0", 27, -1, -1055, width=2),
    value_of("1-0:36.7.0", 27, 0, -105, width=1),
    value_of("1-0:52.7.0", 35, -1, 2305, width=2),
    value_of("1-0:71.7.0", 33, -2, 45),
    value_of("1-0:14.7.0", 44, -1, 499),
    value_of("1-0:81.7.1", 8, 0, 120),
    value_of("129-129:199.130.5", None, 0, b"\x1b\x1b\x1b\x1b" * 3),
]
FILE = file_of(VALUES)


def values(frames):
    return {(one.device, one.metric, *dict(one.labels).values()): one.value for one in readings_of(frames)}


@pytest.fixture
def meter(tmp_path):
    with SerialMeter(tmp_path / "ttyUSB0") as one:
        yield one


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Sml

    @pytest.fixture
    async def working(self):
        async with serial_server(FILE) as port:
            yield SmlConfig(line=f"tcp://127.0.0.1:{port}")

    @pytest.fixture
    def dead(self, tmp_path):
        return SmlConfig(line=str(tmp_path / "ttyUSB9"))


async def test_a_file_is_a_frame(meter):
    driver = Sml(SmlConfig(line=str(meter.path), device="m"))
    await driver.open()
    meter.say(FILE[100:] + FILE)
    frames = await anext(driver.stream())
    await driver.close()
    assert values(frames) == {
        ("m", "energy_joules"): 123_456 * 360,
        ("m", "energy_joules", "export"): 7 * 360,
        ("m", "power_watts"): -105.5,
        ("m", "frequency_hertz"): 49.9,
        ("m", "broken_messages_total"): 0,
        ("m/phase-1", "power_watts"): -105,
        ("m/phase-2", "voltage_volts"): 230.5,
        ("m/phase-3", "current_amperes"): 0.45,
    }
    assert frames[0].layout.columns[0].resolution == 360


async def test_broken_files_are_passed_over_and_counted(meter):
    driver = Sml(SmlConfig(line=str(meter.path), device="m"))
    await driver.open()
    bad = bytearray(FILE)
    bad[60] ^= 1
    meter.say(bytes(bad) + FILE[:90] + wrapped(b"\x76\x05") + FILE)
    told = values(await anext(driver.stream()))
    await driver.close()
    assert told["m", "power_watts"] == -105.5
    assert told["m", "broken_messages_total"] == 3, "a wrong check, a cut one, and one whose values end too early"


async def test_nothing_but_broken_files_is_malformed():
    async with serial_server(FILE[:-1] + b"\x00") as port:
        driver = Sml(SmlConfig(line=f"tcp://127.0.0.1:{port}"))
        await driver.open()
        with pytest.raises(Malformed, match="10 broken files in a row"):
            await anext(driver.stream())
        await driver.close()


async def test_silence_is_unreachable(meter):
    driver = Sml(SmlConfig(line=str(meter.path), wait=0.2))
    await driver.open()
    with pytest.raises(Unreachable, match="said nothing"):
        await anext(driver.stream())
    await driver.close()


def test_files_come_in_pieces_and_without_end():
    files = Files()
    whole = [one for i in range(0, 3 * len(FILE), 5) for one in files.feed((FILE * 3)[i : i + 5])]
    assert len(whole) == 3
    assert files.broken == 0
    assert files.feed(FILE[:8] + b"x" * 2 * LONGEST) == []
    assert files.feed(FILE) == whole[:1]
    assert files.broken == 1


def test_another_check_is_taken():
    text = FILE[:-2]
    assert len(Files().feed(text + crc_kermit(text).to_bytes(2, "little"))) == 1


@pytest.mark.parametrize(("serial", "watts"), [(42_000_001, 32_805), (60_000_001, -32_731)])
def test_a_meter_that_sends_no_sign_is_read_as_it_means(serial, watts):
    own = value_of("1-0:96.1.0", None, 0, b"\x0a\x01DZG" + serial.to_bytes(5, "big"))
    [file] = Files().feed(file_of([own, value_of("1-0:16.7.0", 27, -2, -32_731, width=2)]))
    [one] = read_values(entries(file))
    assert (one.number, one.unit) == (watts, Unit.WATT)


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x76\x01",  # ends too early
        several(octets(b"x")) + b"\x05ab",  # a text behind its end
        b"\x05abcd",  # no message
        b"\x71\x20",  # a type that there is not
        b"\x71\x51",  # an integer without bytes
        b"\x71\x5a" + bytes(9),  # one with too many
        b"\x71" * (DEEPEST + 3) + b"\x01",
        bytes([0xF1, 0x80, 0x80, 0x80, 0x00]) + b"\x01" * (MOST + 10),
        several(*[b"\x01"] * 3, several(unsigned(0x0701, 2), several(b"\x01")), b"\x01", b"\x00"),
        several(*[b"\x01"] * 3, several(unsigned(0x0701, 2), several(*[several(b"\x01")] * 7)), b"\x01", b"\x00"),
    ],
)
def test_what_is_no_tree_of_values_is_malformed(wrong):
    with pytest.raises(Malformed):
        list(entries(wrong))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_values_or_malformed(said):
    files = Files()
    for file in [said, *files.feed(said), *files.feed(wrapped(said))]:
        try:
            list(read_values(entries(file)))
        except Malformed:
            continue


@settings(deadline=None)
@given(at=st.integers(0, len(FILE) - 1), octet=st.integers(0, 255))
def test_a_changed_octet_is_found_or_changes_nothing(at, octet):
    changed = FILE[:at] + bytes([octet]) + FILE[at + 1 :]
    assert Files().feed(changed + FILE)[-1] == Files().feed(FILE)[0]


def test_long_lists_and_numbers_of_any_width():
    many = [value_of(f"1-0:{c}.7.0", 27, 0, c, width=(1, 2, 3, 8)[c % 4]) for c in range(1, 40)]
    [file] = Files().feed(file_of(many))
    assert [one.number for one in read_values(entries(file))] == list(range(1, 40))
    assert signed(-1, 1) == b"\x52\xff"


def test_a_recording_is_read(tmp_path):
    path = tmp_path / "sml" / "acme.hex"
    path.parent.mkdir()
    path.write_text(FILE.hex() + "\n")
    assert matches(path)
    assert ("acme", "power_watts", -105.5) in [(one.device, one.metric, one.value) for one in readings(path)]


def test_addresses_and_options():
    assert SmlConfig.from_url(Url.parse("sml:///dev/ttyUSB0")).line == "/dev/ttyUSB0"
    assert SmlConfig.from_url(Url.parse("sml://bridge:2000")).line == "tcp://bridge:2000"
    with pytest.raises(Misconfigured, match="`wait` lies between"):
        SmlConfig.of("test", {"line": "/dev/ttyUSB0", "wait": -1})

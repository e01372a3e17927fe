"""Modbus meters: every type in every order, requests that are joined and halved, and meters that misbehave."""

import asyncio
import logging
import os
import struct
import tty
from contextlib import asynccontextmanager, suppress

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from wattline.core.address import Url
from wattline.drivers.modbus.config import ModbusConfig
from wattline.drivers.modbus.driver import Modbus
from wattline.drivers.modbus.spans import spans
from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.model import Kind
from wattline.testing.driver_suite import DriverSuite, dead_port, opened
from wattline.wire import modbus
from wattline.wire.modbus import Refusal, Space

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
POWER = {"address": 0, "type": "f32", "unit": "W"}
FIFTY = [0x4248, 0x0000]
EVERY_TYPE = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q", "f32": "f", "f64": "d"}


def blocks(registers):
    """Return what pymodbus makes of {address: words}."""
    return [SimData(at, values=words, datatype=DataType.REGISTERS) for at, words in registers.items()]


def device(holding, given=None, unit=1):
    never = [SimData(60_000, datatype=DataType.INVALID)]
    bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
    return SimDevice(unit, (bits, bits, blocks(holding) or never, blocks(given or {}) or never))


class Meter:
    """pymodbus' server with what it was asked."""

    def __init__(self):
        self.requests = []
        self.connections = 0
        self.port = 0

    def heard(self, sending, content):
        if not sending:
            self.requests.append(content)
        return content

    def connected(self, there):
        self.connections += there


@asynccontextmanager
async def meter(*devices, framer=FramerType.SOCKET):
    seen = Meter()
    with dead_port() as free:
        seen.port = free
    server = ModbusTcpServer(
        list(devices), framer=framer, address=("127.0.0.1", seen.port), trace_packet=seen.heard,
        trace_connect=seen.connected, ignore_missing_devices=True,
    )  # fmt: skip
    await server.serve_forever(background=True)
    try:
        yield seen
    finally:
        await server.shutdown()


@asynccontextmanager
async def speaker(*answers):
    """Serve one connection after another; each question gets the next of `answers`: octets, or None to hang up."""
    left, serving = list(answers), set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        with suppress(OSError):
            while question := await reader.read(1000):
                answer = left.pop(0) if left else b""
                if answer is None:
                    break
                writer.write(answer(question) if callable(answer) else answer)
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*serving)  # the driver has closed: each ends by itself


def block(port, *registers, **options):
    return ModbusConfig.of("test", {"host": "127.0.0.1", "port": port, "registers": list(registers), **options})


def driver(port, *registers, **options):
    return Modbus(block(port, *registers, **options))


def there(frame):
    """Return value by (device, metric, labels) of what is there."""
    present = np.ones(len(frame.layout), bool) if frame.present is None else frame.present
    return {
        (series.device, series.metric.name, *(text for _, text in series.labels)): float(frame.values[i])
        for i, series in enumerate(frame.layout.series)
        if present[i]
    }


async def read(port, *registers, **options):
    async with opened(driver(port, *registers, **options)) as (one, _):
        [frame] = await one.read(NOW)
        return there(frame)


def told(values):
    return {metric: value for (_, metric, *_), value in values.items()}


def test_an_address_as_kwollect_writes_it():
    config = ModbusConfig.from_url(Url.parse("modbus://inverter-1/3/1032/le_be_f32?unit=W"))
    [place] = config.places()
    assert (config.host, config.port, place.unit, place.address, place.space) == ("inverter-1", 502, 3, 1032, 3)
    assert (place.shape.kind, place.shape.octets, place.shape.words) == ("f32", "le", "be")
    assert place.series.metric.name == "power_watts"


def test_an_address_with_several_registers_and_a_serial_line():
    text = "modbus:///7/0/be_be_u16,2/be_be_u32?serial=/dev/ttyS0&baud=9600&parity=none&unit=V,kWh&category=input"
    config = ModbusConfig.from_url(Url.parse(text))
    assert [(one.unit, one.address, one.space) for one in config.places()] == [(7, 0, 4), (7, 2, 4)]
    assert config.places()[1].column.range == 2**32 * 3_600_000
    assert config.name == "modbus on /dev/ttyS0"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modbus://m/", "says in no `registers`"),
        ("modbus://m/1/5/f32", "'1/5/f32' is no register"),
        ("modbus://m/1/5/be_be_f16", "f16"),
        ("modbus://m/300/5/be_be_f32", "`device_unit` lies between 0 and 255"),
        ("modbus://m/1/65535/be_be_f32", "`address` lies between 0 and 65534"),
        ("modbus://m/1/5/be_be_f32?unit=watt", "'watt' is no unit"),
        ("modbus://m/1/5/be_be_f32?scale=0", "cannot be inverted"),
        ("modbus://m/1/5/be_be_f32?scale=1e300", "can be kept"),
        ("modbus://m/1/5/be_be_f32?kind=state", "no state"),
        ("modbus://m/1/5/be_be_f32,6/be_be_f32?unit=W,V,A", "unit names 3 for 2 registers"),
        ("modbus://user@m/1/5/be_be_f32", "knows no user"),
        ("modbus://m/1/5/be_be_f32?wait=nan", "`wait` lies between"),
        ("modbus://m/1/5/be_be_f32?serial=/dev/ttyS0", "and not both"),
        ("modbus:///1/5/be_be_f32?serial=/dev/ttyS0&baud=1", "`baud` is one of"),
        ("modbus:///1/5/be_be_f32?serial=/dev/ttyS0&framing=tcp", "of a serial line is rtu"),
        ("modbus://m/1/5/be_be_f32?max_registers=126", "`max_registers` lies between 4 and 125"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(text, said):
    with pytest.raises(Misconfigured, match=said):
        ModbusConfig.from_url(Url.parse(text))


def test_two_registers_of_one_series_are_refused():
    with pytest.raises(Misconfigured, match="holding 0 of unit 1 and holding 2 of unit 1 would both be power_watts"):
        block(502, POWER, {**POWER, "address": 2})


@pytest.mark.parametrize(
    ("words", "kind", "order", "value"),
    [
        ([0xFFFF], "MBI", "right", -1),
        ([0xFFFF], "MBU", "right", 65535),
        ([0xFFFF, 0xFFFE], "MBL", "right", -2),
        ([0x0001, 0x0000], "MBUL", "right", 65536),
        ([0x4248, 0x0000], "MBF", "right", 50.0),
        ([0x0000, 0x4248], "MBF", "left", 50.0),
    ],
)
@pytest.mark.parametrize("category", ["holding", "input"])
async def test_energyrecorders_vectors(words, kind, order, value, category):
    registers = ({10: words}, {}) if category == "holding" else ({}, {10: words})
    one = {"address": 10, "type": kind, "words": order, "category": category, "unit": "W", "device_unit": 17}
    async with meter(device(*registers, unit=17)) as there_:
        assert told(await read(there_.port, one)) == {"power_watts": value}
        assert told(await read(there_.port, {**one, "scale": 0.1})) == {"power_watts": value / 10}


@pytest.mark.parametrize("kind", EVERY_TYPE)
@pytest.mark.parametrize("words", ["be", "le"])
@pytest.mark.parametrize("octets", ["be", "le"])
async def test_every_type_in_every_order(kind, words, octets):
    number = 12.5 if kind.startswith("f") else -2 if kind.startswith("s") else 40_000
    content = struct.pack(f">{EVERY_TYPE[kind]}", number)
    cells = [content[i : i + 2] for i in range(0, len(content), 2)][:: 1 if words == "be" else -1]
    sent = [int.from_bytes(cell, "big" if octets == "be" else "little") for cell in cells]
    async with meter(device({3: sent})) as there_:
        assert told(await read(there_.port, {"address": 3, "type": kind, "words": words, "octets": octets})) == {
            "modbus_value": number
        }


def test_a_register_of_energy_stays_raw_with_its_range():
    config = block(502, {"address": 0, "type": "u32", "unit": "Wh", "scale": 10})
    [place] = config.places()
    assert place.series.metric.kind is Kind.COUNTER
    assert (place.column.range, place.column.resolution) == (2**32 * 36_000, 36_000)
    decimal = block(502, {"address": 0, "type": "bcd32", "unit": "kWh"}).places()[0]
    assert decimal.column.range == 10**8 * 3_600_000
    own = block(502, {"address": 0, "type": "u32", "unit": "kWh", "range": 1_000_000}).places()[0]
    assert own.column.range == 1_000_000 * 3_600_000


def numbered(*addresses, **more):
    return [{"address": at, "metric": f"value_{at}", **more} for at in addresses]


def joined(*registers, most=125, gap=8):
    return [(one.start, one.count) for one in spans(block(502, *registers).places(), most, gap)]


def test_what_lies_together_is_asked_for_together():
    assert joined(*numbered(0, 1, 2, 9)) == [(0, 10)]
    assert joined(*numbered(0, 1, 2, 12)) == [(0, 3), (12, 1)]
    assert joined(*numbered(0, 1, 2, 9), gap=0) == [(0, 3), (9, 1)]
    assert joined(*numbered(0, 2, 4, 6, type="u32"), most=4) == [(0, 4), (4, 4)]
    assert joined(*numbered(0), *numbered(1, category="input"), *numbered(2, device_unit=2)) == [(0, 1), (1, 1), (2, 1)]


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60, unique=True), st.integers(4, 125), st.integers(0, 20))
def test_every_register_is_in_one_request_of_bounded_size(addresses, most, gap):
    found = spans(block(502, *numbered(*addresses, type="u64")).places(), most, gap)
    assert sorted(place.address for one in found for place in one.places) == sorted(addresses)
    assert all(one.count <= most and one.start + one.count == max(p.end for p in one.places) for one in found)


async def test_one_request_on_a_kept_connection():
    async with meter(device({0: [*FIFTY, 0, 0, 7, 0xFFFF]})) as there_:
        registers = [POWER, *numbered(4, 5)]
        async with opened(driver(there_.port, *registers, device="m")) as (one, _):
            for n in range(3):
                [frame] = await one.read(NOW + n * SECOND)
        assert there(frame) == {("m", "power_watts"): 50, ("m", "value_4"): 7, ("m", "value_5"): 0xFFFF}
        assert (len(there_.requests), there_.connections) == (3, 1)


async def test_a_bad_register_costs_only_itself_and_is_tried_again_later(caplog):
    caplog.set_level(logging.INFO, "wattline")
    good = {0: FIFTY, 2: [1], 3: [2], 5: [4]}  # 4 is not there
    async with meter(device(good)) as there_:
        async with opened(driver(there_.port, POWER, *numbered(2, 3, 4, 5))) as (one, _):
            [first] = await one.read(NOW)
            searched = len(there_.requests)
            [second] = await one.read(NOW + SECOND)
            polled = len(there_.requests) - searched
            await one.read(NOW + 60 * SECOND)
            again = len(there_.requests) - searched - polled
        expected = {"power_watts": 50, "value_2": 1, "value_3": 2, "value_5": 4}
        assert told(there(first)) == told(there(second)) == expected
        assert (polled, again, there_.connections) == (3, searched, 1)
    assert caplog.messages == [
        f"modbus://127.0.0.1:{there_.port} refuses holding 4 of unit 1: illegal data address; the rest is read"
    ]


async def test_a_gap_that_is_not_there_is_found_out():
    async with meter(device({0: FIFTY, 6: [9]})) as there_:
        assert told(await read(there_.port, POWER, *numbered(6))) == {"power_watts": 50, "value_6": 9}


async def test_a_meter_that_has_none_of_it_says_so():
    async with meter(device({100: [1]})) as there_:
        with pytest.raises(Malformed, match="refuses every register that is asked for: illegal data address"):
            await read(there_.port, POWER)


async def test_absent_counts_are_absent():
    async with meter(device({0: [0xFFFF, 0xFFFF]})) as there_:
        registers = [{"address": 0, "type": "s16", "metric": "one", "absent": [-1]}, *numbered(1)]
        assert told(await read(there_.port, *registers)) == {"value_1": 0xFFFF}
        assert told(await read(there_.port, *registers, markers=True)) == {}


async def test_rtu_frames_over_tcp():
    async with meter(device({0: FIFTY}, {1: [3]}), framer=FramerType.RTU) as there_:
        values = await read(there_.port, POWER, *numbered(1, category="input"), *numbered(9), framing="rtu")
        assert told(values) == {"power_watts": 50, "value_1": 3}


async def test_a_silent_unit_costs_only_itself(caplog):
    caplog.set_level(logging.INFO, "wattline")
    other = {**POWER, "device_unit": 2, "device": "127.0.0.1/feed-2"}

    def speaks(asked):
        return GOOD(asked) if asked[6] == 1 else b""

    async with speaker(*[speaks] * 4) as port, opened(driver(port, other, POWER, wait=0.1)) as (one, [layout]):
        for n in range(2):
            [frame] = await one.read(NOW + n * SECOND)
    assert there(frame) == {("127.0.0.1", "power_watts"): 50}
    assert {one.name: one.parent for one in layout.devices} == {"127.0.0.1": None, "127.0.0.1/feed-2": "127.0.0.1"}
    assert [text.partition(": ")[2] for text in caplog.messages] == ["unit 2 is silent"]


@asynccontextmanager
async def serial_meter(*devices):
    """Join two pseudo terminals: pymodbus' server on the one, the name of the other."""
    loop, (ours, near), (theirs, far) = asyncio.get_running_loop(), os.openpty(), os.openpty()
    for end in (near, far):
        tty.setraw(end)
    loop.add_reader(ours, lambda: os.write(theirs, os.read(ours, 1000)))
    loop.add_reader(theirs, lambda: os.write(ours, os.read(theirs, 1000)))
    server = ModbusSerialServer(list(devices), port=os.ttyname(far), baudrate=19200, ignore_missing_devices=True)
    await server.serve_forever(background=True)
    try:
        yield os.ttyname(near)
    finally:
        await server.shutdown()
        for end in (ours, theirs):
            loop.remove_reader(end)
        for end in (ours, near, theirs, far):
            os.close(end)


def on_line(path, *registers, **options):
    return Modbus(ModbusConfig.of("test", {"serial": path, "registers": list(registers), **options}))


async def test_units_on_a_serial_line():
    async with serial_meter(device({0: FIFTY}), device({0: [0x42C8, 0]}, unit=2)) as path:
        other = {**POWER, "device_unit": 2, "device": "feed-2"}
        async with opened(on_line(path, POWER, other, *numbered(7), device="feed-1")) as (one, _):
            for n in range(3):
                [frame] = await one.read(NOW + n * SECOND)
            assert there(frame) == {("feed-1", "power_watts"): 50, ("feed-2", "power_watts"): 100}
            with pytest.raises(Unreachable, match="held by another program"):
                await on_line(path, POWER).open()


async def test_a_line_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="is no serial port"):
        await on_line(str(tmp_path / "file"), POWER).open()
    with pytest.raises(Unreachable, match="No such file"):
        await on_line(str(tmp_path / "none"), POWER).open()


def reply(pdu, unit=1, number=None):
    """Answer a question over TCP with this PDU."""
    return lambda asked: modbus.tcp_frame(int.from_bytes(asked[:2], "big") if number is None else number, unit, pdu)


GOOD = reply(b"\x03\x04\x42\x48\0\0")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (b"", Unreachable, "no answer within 0.2 s"),
        (None, Unreachable, "closed the connection"),
        (b"\xff" * 50, Malformed, "no Modbus/TCP"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Malformed, "no Modbus/TCP"),
        (reply(b"\x03\x02\x42\x48"), Malformed, "4 octets of function 3 for 2 registers"),
        (reply(b"\x03\x05\x42\x48\0\0"), Malformed, "for 2 registers"),
        (reply(b"\x04\x04\x42\x48\0\0"), Malformed, "function 4"),
        (reply(b"\x83\x63"), Malformed, "exception 99"),
        (reply(b"\x83\x06"), Malformed, "unit 1: busy"),
        (reply(b"\x83\x0b"), Unreachable, "gateway target does not respond"),
        (reply(b"\x03\x04\x42\x48\0\0", unit=9), Malformed, "unit 9 answers for unit 1"),
        (lambda asked: GOOD(asked)[:-1], Unreachable, "no answer within"),
        (lambda asked: reply(b"\x83\x02", number=77)(asked) * 20, Malformed, "answers to other requests"),
    ],
)
async def test_a_meter_that_misbehaves_is_an_error_and_the_next_poll_is_good(answer, error, said):
    async with speaker(answer, GOOD) as port, opened(driver(port, POWER, wait=0.2)) as (one, _):
        with pytest.raises(error, match=said):
            await one.read(NOW)
        [frame] = await one.read(NOW + SECOND)
        assert told(there(frame)) == {"power_watts": 50}


async def test_a_late_answer_to_another_request_is_passed_over():
    late = reply(b"\x03\x04\0\0\0\0", number=9)
    async with speaker(lambda asked: late(asked) + GOOD(asked)) as port:
        assert told(await read(port, POWER)) == {"power_watts": 50}


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (b"\1\3\4\x42\x48\0\0\0\0", Malformed, "wrong checksum"),
        (b"\xff" * 400, Malformed, "256 octets that are no answer"),
        (modbus.rtu_frame(1, b"\x83\x02"), Malformed, "refuses every register"),
        (modbus.rtu_frame(2, b"\x03\x04\x42\x48\0\0"), Unreachable, "no answer within"),
    ],
)
async def test_rtu_that_misbehaves(answer, error, said):
    good = modbus.rtu_frame(1, b"\x03\x04\x42\x48\0\0")
    options = {"framing": "rtu", "wait": 0.2}
    async with speaker(answer, b"\0\xff" + good) as port, opened(driver(port, POWER, **options)) as (one, _):
        with pytest.raises(error, match=said):
            await one.read(NOW)
        [frame] = await one.read(NOW + 61 * SECOND)
        assert told(there(frame)) == {"power_watts": 50}


async def test_a_connection_that_was_closed_between_polls_is_opened_again():
    serving = set()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        writer.write(GOOD(await reader.read(100)))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with opened(driver(server.sockets[0].getsockname()[1], POWER)) as (one, _):
        for n in range(3):
            [frame] = await one.read(NOW + n * SECOND)
            assert told(there(frame)) == {"power_watts": 50}
            while not one._connection._ends[0].at_eof():  # noqa: ASYNC110 - until its end has come to us
                await asyncio.sleep(0)
    server.close()
    await asyncio.gather(*serving)
    assert len(serving) == 3


@given(st.binary(max_size=300), st.integers(1, 125))
def test_any_octets_are_words_or_malformed(pdu, count):
    try:
        said = modbus.words(pdu, Space.HOLDING, count)
    except Malformed:
        return
    assert isinstance(said, Refusal) or len(said) == count


@given(content=st.binary(max_size=600), framing=st.sampled_from(["tcp", "rtu"]))
def test_any_stream_of_octets_is_an_answer_or_one_of_our_errors(content, framing):
    async def once():
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        if framing == "tcp":
            return await modbus._tcp_answer(reader, 1, 1)
        return await modbus._rtu_answer(reader, 1, 3)

    with suppress(Malformed, asyncio.IncompleteReadError):
        assert isinstance(asyncio.run(once()), bytes)


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Modbus

    @pytest.fixture
    async def working(self):
        async with meter(device({0: FIFTY}, {342: [0, 5]}, unit=1)) as there_:
            yield block(there_.port, POWER, {"address": 342, "type": "u32", "unit": "Wh", "category": "input"})


def test_the_options_are_plain_data():
    assert msgspec.json.decode(msgspec.json.encode(block(502, POWER)), type=ModbusConfig) == block(502, POWER)

"""UPSes behind upsd: variables as metrics, Debian's own server, and servers that go wrong."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.drivers.nut.driver import Nut, NutConfig
from wattline.drivers.nut.variables import METRICS, values
from wattline.errors import Denied, Malformed, Misconfigured, Unreachable
from wattline.plugin import Secret, Url
from wattline.testing.driver_suite import DriverSuite, opened
from wattline.testing.recordings import nut as recordings
from wattline.testing.recordings.reading import readings_of
from wattline.testing.upsd import SERVER, ReplayUpsd, Upsd

UPS = {
    "ups.realpower": "41.0", "ups.realpower.nominal": "700", "ups.power": "  46", "ups.load": "23.0",
    "ups.status": "OL", "ups.mfr": 'A "B" \\ C', "input.voltage": "242.0", "input.voltage.nominal": "230",
    "input.bypass.voltage": "241", "input.L1-N.voltage": "236.6", "input.transfer.high": "260",
    "output.L2.realpower": "12", "output.frequency": "50.0", "battery.charge": "100", "battery.runtime": "4020",
    "battery.voltage": "N/A", "ambient.humidity": "18.80", "ambient.2.temperature": "23.9", "output.powerfactor": "0.9",
}  # fmt: skip
PDU = {
    "input.realpower": "6.00", "outlet.1.realpower": "4", "outlet.1.groupid": "1", "outlet.2.current": "0.00",
    "outlet.2.groupid": "7", "outlet.group.1.realpower": "5", "outlet.group.1.name": "left", "outlet.1.status": "on",
    "outlet.realpower": "6", "outlet.count": "2",
}  # fmt: skip


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Nut

    @pytest.fixture
    async def working(self):
        async with ReplayUpsd({"rack-ups": UPS | PDU}) as server:
            yield NutConfig(host="127.0.0.1", port=server.port, ups="rack-ups")


async def read(variables, **options):
    async with ReplayUpsd({"rack": variables}) as server:
        config = NutConfig(host="127.0.0.1", port=server.port, **options)
        async with opened(Nut(config)) as (one, _):
            return await one.read(0)


async def test_variables_of_a_ups():
    [frame] = await read(UPS)
    told = {
        (reading.metric, *(value for _, value in reading.labels)): reading.value for reading in readings_of([frame])
    }
    assert told == {
        ("power_watts",): 41.0,
        ("apparent_power_va",): 46.0,
        ("load_ratio",): 0.23,
        ("voltage_volts", "input"): 242.0,
        ("voltage_volts", "bypass"): 241.0,
        ("voltage_volts", "L1-N", "input"): 236.6,
        ("power_watts", "L2", "output"): 12.0,
        ("frequency_hertz", "output"): 50.0,
        ("charge_ratio", "battery"): 1.0,
        ("runtime_seconds", "battery"): 4020.0,
        ("humidity_ratio", "ambient"): 0.188,
        ("temperature_celsius", "2", "ambient"): 23.9,
        ("power_factor_ratio", "output"): 0.9,
    }
    columns = {s.metric.name: c for s, c in zip(frame.layout.series, frame.layout.columns, strict=True) if not s.labels}
    assert columns["power_watts"].rated == 700


async def test_outlets_and_groups_are_parts():
    [frame] = await read(PDU, device="pdu")
    assert {device.name: device.parent for device in frame.layout.devices} == {
        "pdu": None,
        "pdu/group-1": "pdu",
        "pdu/outlet-1": "pdu/group-1",
        "pdu/outlet-2": "pdu",
    }


async def test_the_only_ups_needs_no_name_and_several_do():
    async with ReplayUpsd({"a": UPS, "b": UPS}) as server:
        one = Nut(NutConfig(host="127.0.0.1", port=server.port))
        with pytest.raises(Misconfigured, match="name one of its UPSes: a, b"):
            await one.open()
        await one.close()
        async with opened(Nut(NutConfig(host="127.0.0.1", port=server.port, ups="c"))) as (one, _):
            with pytest.raises(Misconfigured, match="knows no UPS"):
                await one.read(0)


async def test_texts_alone_are_malformed():
    with pytest.raises(Malformed, match="no quantity"):
        await read({"ups.status": "OL"})


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"ERR DATA-STALE\n", Unreachable),
        (b"ERR DRIVER-NOT-CONNECTED\n", Unreachable),
        (b"ERR ACCESS-DENIED\n", Denied),
        (b"ERR UNKNOWN-UPS\n", Misconfigured),
        (b"ERR\n", Malformed),
        (b"OK\n", Malformed),
        (b"\xff\xfe\n", Malformed),
        (b"", Unreachable),
        (b"x" * 10_000, Malformed),
        (b"BEGIN LIST VAR rack\nVAR rack a", Unreachable),
        (b"BEGIN LIST VAR rack\nVAR other a b\n", Malformed),
        (b'BEGIN LIST VAR rack\nVAR rack\nVAR rack a "\nEND LIST VAR rack\n', Malformed),
        (b"BEGIN LIST VAR rack\n" + b'VAR rack a "1"\n' * 10_001, Malformed),
    ],
)
async def test_what_a_server_may_say_instead(said, error):
    async with ReplayUpsd({"rack": UPS}) as server:
        config = NutConfig(host="127.0.0.1", port=server.port, ups="rack")
        async with opened(Nut(config)) as (one, _):
            server.spoiled = said
            with pytest.raises(error):
                await one.read(0)


async def test_a_silent_server_is_unreachable_in_time():
    async def answer(_, writer):
        await ended.wait()
        writer.close()

    ended = asyncio.Event()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with opened(Nut(NutConfig(host="127.0.0.1", port=port, ups="rack", wait=0.05))) as (one, _):
            with pytest.raises(Unreachable, match=r"0\.05 s"):
                await one.read(0)
        ended.set()


NAMES = st.sampled_from([*UPS, *PDU, "input.L1.load", "outlet.9.groupid", "outlet.group.9.power", "battery.current"])


@settings(max_examples=50)
@given(st.dictionaries(NAMES | st.text("ups.input1LN-", max_size=12), st.text("0123456789.-eE NaInf", max_size=8)))
def test_any_variables_are_values_or_nothing(variables):
    for one in values(variables):
        assert one.metric in METRICS
        assert isinstance(one.value, float)


def test_a_dump_is_read_as_upsd_would_tell_it(tmp_path):
    path = tmp_path / "nut" / "Maker__Model.dev"
    path.parent.mkdir()
    path.write_text("# DEVICE:COMMENT: none\nups.realpower: 41.0\nups.status: OL\nbattery.voltage:  13.4\n")
    assert recordings.matches(path)
    assert [(one.metric, one.value) for one in recordings.readings(path)] == [
        ("power_watts", 41.0),
        ("voltage_volts", 13.4),
    ]


@pytest.mark.peer
@pytest.mark.skipif(not Path(SERVER).exists(), reason="Debian's nut-server is not installed")
async def test_debians_server_with_a_dummy_ups():
    lines = "".join(f"{name}: {value}\n" for name, value in UPS.items() if name != "ups.mfr")
    with Upsd(lines) as server:
        options = {"user": "reader", "password": Secret("wel come")}
        async with opened(Nut(NutConfig(host="127.0.0.1", port=server.port, **options))) as (one, _):
            for _ in range(2):
                told = {(r.metric, r.labels): r.value for r in readings_of(await one.read(0))}
                assert told["power_watts", ()] == 41.0
                assert told["voltage_volts", (("side", "input"),)] == 242.0
        async with opened(Nut(NutConfig(host="127.0.0.1", port=server.port, ups="other"))) as (one, _):
            with pytest.raises(Misconfigured, match="knows no UPS"):
                await one.read(0)
        one = Nut(NutConfig(host="127.0.0.1", port=server.port, tls=True))
        with pytest.raises(Misconfigured, match="no TLS"):
            await one.open()
        await one.close()


def test_addresses():
    config = NutConfig.from_url(Url.parse("nut://me:secret@ups-server:3494/rack-ups?device=ups-1"))
    assert (config.host, config.port, config.ups, config.user) == ("ups-server", 3494, "rack-ups", "me")
    assert "secret" not in repr(config)
    with pytest.raises(Misconfigured, match="`wait` lies between"):
        NutConfig.of("test", {"host": "h", "wait": 0})


@pytest.mark.parametrize(
    ("name", "said", "read"),
    [
        ("ups.temperature", "302.4", 0), ("ups.temperature", "31.2", 1), ("input.voltage", "-159357152.0", 0),
        ("output.voltage", "9812", 0), ("output.voltage", "231", 1), ("ups.load", "660", 0), ("ups.load", "104", 1),
        ("input.frequency", "0.0", 0), ("input.frequency", "49.9", 1),
    ],
)  # fmt: skip
def test_what_cannot_be_is_not_read(name, said, read):
    assert len(list(values({name: said}))) == read

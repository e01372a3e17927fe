"""Shellies of four generations: channels and totals, what is absent, who may ask."""

import base64
import re
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.drivers.shelly.components import first_generation, later_generation
from wattline.drivers.shelly.driver import Shelly, ShellyConfig
from wattline.errors import Denied, Malformed
from wattline.plugin import Misconfigured, Secret, Url
from wattline.testing.driver_suite import DriverSuite, opened
from wattline.testing.recordings.reading import readings_of
from wattline.testing.web_server import WebServer, json_answer
from wattline.web_meter import quantity
from wattline.wire.digest import Challenge, answer

PLUG = {"relays": [{"ison": True}], "meters": [{"power": 52.4, "is_valid": True, "total": 130}], "temperature": 24.5}
RELAYS = {
    "meters": [{"power": 10.5, "is_valid": True, "total": 60}, {"power": 3, "is_valid": False, "total": 9}],
    "temperature": 99.0,
    "tmp": {"tC": 51.5, "is_valid": True},
}
PHASES = {
    "emeters": [
        {"power": 10.66, "pf": 0.5, "current": 0.08, "voltage": 232.06, "is_valid": True, "total": 5.3,
         "total_returned": 0.0},
        {"power": -2.5, "reactive": 1.25, "voltage": 231.0, "is_valid": True, "total": 0.0, "total_returned": 7.5},
    ],
    "total_power": 8.16,
}  # fmt: skip
SWITCH = {
    "id": 0, "output": True, "apower": 15.8, "voltage": 230.1, "current": 0.132, "freq": 50.0, "pf": 0.6,
    "aenergy": {"total": 9492.468, "by_minute": [1, 2, 3]}, "temperature": {"tC": 46.2, "tF": 115.2},
}  # fmt: skip
TRIPHASE = {
    "em:0": {"id": 0, "a_current": 4.0, "a_voltage": 236.1, "a_act_power": 951.2, "a_aprt_power": 951.9, "a_pf": 1.0,
             "a_freq": 50.0, "b_act_power": 0.0, "c_act_power": None, "total_current": 5.1, "total_act_power": 951.2,
             "total_aprt_power": 1000.0},
    "emdata:0": {"id": 0, "a_total_act_energy": 100.5, "total_act": 100.5, "total_act_ret": 0.25},
    "temperature:0": {"id": 0, "tC": 41.0},
}  # fmt: skip
MONOPHASE = {
    "em1:0": {"id": 0, "act_power": 0.0, "aprt_power": 4.6, "pf": 0.0, "freq": 50.0},
    "em1:1": {"id": 1, "act_power": 5080.3},
    "em1data:1": {"id": 1, "total_act_energy": 6644.9, "total_act_ret_energy": 2595.26},
    "switch:0": {"id": 0, "output": True, "temperature": {"tC": None}},
}


def first(status):
    return lambda request: json_answer({"type": "SHPLG-S"} if request.path == "/shelly" else status)


def later(status, generation=2):
    def respond(request):
        if request.path == "/shelly":
            return json_answer({"id": "plug", "gen": generation, "auth_en": False})
        assert request.path == "/rpc/Shelly.GetStatus"
        return json_answer(status)

    return respond


async def values(respond, **options):
    """Return {(part, metric): value} of one read, and the device tree."""
    async with WebServer(respond) as server:
        config = ShellyConfig(host=server.address, device="plug", **options)
        async with opened(Shelly(config)) as (one, _):
            frames = await one.read(0)
    told = readings_of(frames)
    return {(reading.device.removeprefix("plug").removeprefix("/"), reading.metric): reading.value for reading in told}


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Shelly

    @pytest.fixture
    async def working(self):
        async with WebServer(later({"switch:0": SWITCH})) as server:
            yield ShellyConfig(host=server.address)


async def test_a_plug_of_the_first_generation():
    assert await values(first(PLUG)) == {
        ("", "power_watts"): 52.4,
        ("", "energy_joules"): 7800.0,
        ("", "temperature_celsius"): 24.5,
    }


async def test_a_plug_without_a_thermometer_tells_the_rest():
    assert await values(first({"meters": [{"power": 7.25, "is_valid": True}]})) == {("", "power_watts"): 7.25}


async def test_relays_are_parts_and_an_invalid_one_is_absent_under_the_same_names():
    assert await values(first(RELAYS)) == {
        ("meter-0", "power_watts"): 10.5,
        ("meter-0", "energy_joules"): 3600.0,
        ("", "temperature_celsius"): 51.5,
    }


async def test_energy_meters_count_watt_hours():
    told = await values(first(PHASES))
    assert told["", "power_watts"] == 8.16
    assert told["emeter-0", "energy_joules"] == 19_080.0
    assert told["emeter-1", "power_watts"] == -2.5
    assert told["emeter-1", "energy_returned_joules"] == 27_000.0
    assert told["emeter-1", "reactive_power_var"] == 1.25


async def test_a_status_without_meters_has_them_on_a_page_of_their_own():
    def respond(request):
        pages = {"/shelly": {"type": "SHPLG-1"}, "/status": {"temperature": 20}, "/meter/0": {"power": 4.5}}
        return json_answer(pages[request.path])

    assert await values(respond) == {("", "power_watts"): 4.5, ("", "temperature_celsius"): 20.0}


@pytest.mark.parametrize("generation", [2, 3, 4])
async def test_a_plug_of_the_later_generations(generation):
    assert await values(later({"switch:0": SWITCH, "sys": {"mac": "x"}}, generation)) == {
        ("", "power_watts"): 15.8,
        ("", "voltage_volts"): 230.1,
        ("", "current_amperes"): 0.132,
        ("", "frequency_hertz"): 50.0,
        ("", "power_factor_ratio"): 0.6,
        ("", "energy_joules"): 34_172_884.8,
        ("", "temperature_celsius"): 46.2,
    }


async def test_a_later_plug_without_a_thermometer_and_a_meter_alone():
    assert await values(later({"pm1:0": {"apower": 3.5, "aenergy": None}})) == {("", "power_watts"): 3.5}


async def test_several_channels_are_parts():
    told = await values(later({f"switch:{n}": {"apower": n + 0.5} for n in range(4)}))
    assert told == {(f"switch-{n}", "power_watts"): n + 0.5 for n in range(4)}


async def test_three_phases_and_their_total():
    told = await values(later(TRIPHASE))
    assert told["", "power_watts"] == 951.2
    assert told["", "energy_joules"] == 361_800.0
    assert told["", "energy_returned_joules"] == 900.0
    assert told["phase-a", "energy_joules"] == 361_800.0
    assert told["phase-a", "apparent_power_va"] == 951.9
    assert told["phase-b", "power_watts"] == 0.0
    assert ("phase-c", "power_watts") not in told


async def test_single_phases():
    told = await values(later(MONOPHASE))
    assert told["em1-0", "power_watts"] == 0.0
    assert told["em1-1", "energy_joules"] == 23_921_640.0
    assert told["em1-1", "energy_returned_joules"] == 9_342_936.0
    assert ("", "temperature_celsius") not in told


async def test_parts_belong_to_the_device_and_registers_keep_their_steps():
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(WebServer(later(TRIPHASE)))
        config = ShellyConfig(host=server.address, device="plug")
        one, _ = await stack.enter_async_context(opened(Shelly(config)))
        [frame] = await one.read(0)
    assert {device.name: device.parent for device in frame.layout.devices} == {
        "plug": None, "plug/phase-a": "plug", "plug/phase-b": "plug"
    }  # fmt: skip
    column = next(
        c for s, c in zip(frame.layout.series, frame.layout.columns, strict=True) if s.metric.name == "energy_joules"
    )
    assert (column.scale.num, column.scale.den, column.resolution) == (36, 1, 36.0)


def guarded(password, nonces):
    """Answer as a device of generation 2 that wants digests, whose nonces are good once each of `nonces` is shown."""

    def respond(request):
        if request.path == "/shelly":
            return json_answer({"gen": 2, "auth_en": True})
        said = request.headers.get("Authorization", "")
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', said.removeprefix("Digest ")))
        asked = Challenge("plug", nonces[0], "", "SHA-256")
        count = int(fields.get("nc", "0"), 16)
        right = answer(
            asked, "admin", password, method="GET", path=request.path, count=count, own=fields.get("cnonce", "")
        )
        if said == right:
            return json_answer({"switch:0": {"apower": 15.8}})
        header = f'Digest qop="auth", realm="plug", nonce="{nonces[0]}", algorithm=SHA-256'
        return json_answer(None, 401, {"WWW-Authenticate": header})

    return respond


async def test_the_later_generations_are_asked_with_a_digest_whose_nonce_is_kept():
    nonces = ["60dc59c6"]
    async with WebServer(guarded("secret", nonces)) as server:
        config = ShellyConfig(host=server.address, password=Secret("secret"))
        async with opened(Shelly(config)) as (one, _):
            for _ in range(3):
                assert (await one.read(0))[0].values[0] == 15.8
            assert len(server.asked) == 5, "one challenge for three polls"
            nonces[0] = "60dc59c7"
            assert (await one.read(0))[0].values[0] == 15.8


@pytest.mark.parametrize("password", ["", "wrong"])
async def test_a_wrong_password_is_denied_and_sent_once(password):
    async with WebServer(guarded("secret", ["60dc59c6"])) as server:
        async with opened(Shelly(ShellyConfig(host=server.address, password=Secret(password)))) as (one, _):
            with pytest.raises(Denied) as refused:
                await one.read(0)
        assert len(server.asked) == (3 if password else 2)
    assert "wrong" not in str(refused.value)


async def test_the_first_generation_is_asked_with_basic_authentication():
    def respond(request):
        if request.path == "/shelly":
            return json_answer({"type": "SHPLG-S", "auth": True})
        right = "Basic " + base64.b64encode(b"me:secret").decode()
        return json_answer(PLUG) if request.headers.get("Authorization") == right else json_answer(None, 401)

    assert (await values(respond, user="me", password=Secret("secret")))["", "power_watts"] == 52.4
    with pytest.raises(Denied):
        await values(respond, user="me", password=Secret("wrong"))


@pytest.mark.parametrize("page", [[], {}, 7, {"name": "no Shelly"}])
async def test_what_is_no_shelly(page):
    async with WebServer(lambda _: json_answer(page)) as server:
        one = Shelly(ShellyConfig(host=server.address))
        with pytest.raises(Malformed):
            await one.open()
        await one.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text("a1.", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*SWITCH, *TRIPHASE, *PLUG, *PHASES["emeters"][0], "tC", "total", "tmp", "switch:1", "em:0"]
            ),
            inner,
            max_size=5,
        )
    ),
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([*PLUG, *PHASES, *RELAYS, *TRIPHASE, *MONOPHASE]), JSON))
def test_any_status_tells_items_or_nothing(status):
    for item in (*first_generation(status), *later_generation(status)):
        value = quantity(item.said, item.scale)
        assert value is None or isinstance(value, float)


@pytest.mark.parametrize(
    ("host", "root"),
    [
        ("plug-1", "http://plug-1:80"),
        ("http://plug-1", "http://plug-1:80"),
        ("https://plug-1/", "https://plug-1:443"),
        ("https://plug-1:8443", "https://plug-1:8443"),
        ("[fe80::1]:81", "http://[fe80::1]:81"),
        ("fe80::1", "http://[fe80::1]:80"),
    ],
)
def test_a_host_may_hold_a_scheme_and_a_port(host, root):
    assert ShellyConfig.of("test", {"host": host}).root == root


@pytest.mark.parametrize("host", ["", "a b", "ftp://plug", "plug/page", "plug:99999", "user@plug"])
def test_what_is_no_host(host):
    with pytest.raises(Misconfigured, match="host"):
        ShellyConfig.of("test", {"host": host})


def test_an_address():
    config = ShellyConfig.from_url(Url.parse("shelly://admin:secret@plug-1:8443?tls=true&verify=false"))
    assert (config.root, config.user, config.verify) == ("https://plug-1:8443", "admin", False)
    assert "secret" not in repr(config)
    with pytest.raises(Misconfigured, match="path"):
        ShellyConfig.from_url(Url.parse("shelly://plug-1/status"))

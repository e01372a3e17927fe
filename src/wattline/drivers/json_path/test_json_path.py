"""JSON meters: paths, addresses, what is read of a page, and pages that go wrong."""

import contextlib
import json
import logging
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.core.address import Url
from wattline.core.tree import at, number, parse_path, split_paths, text
from wattline.drivers.json_path.config import JsonPathConfig
from wattline.drivers.json_path.driver import JsonPath
from wattline.errors import Denied, Malformed, Misconfigured, Unreachable
from wattline.model import Kind
from wattline.testing.certificate import Certificate
from wattline.testing.driver_suite import DriverSuite
from wattline.testing.recordings.reading import readings_of
from wattline.testing.redfish import Bmc, Fault
from wattline.units import Unit

NOW = 1_795_184_315_000_000_000
METER = "/redfish/v1/Chassis/1/Power/FastPowerMeter"
PAGES = {
    METER: {"PowerDetail": [{"Average": 90}, {"Average": "93"}]},
    "/status": {
        "meters": [{"power": 12.5, "total": 3600, "on": True}], "tmp": {"tC": 21.5}, "name": " plug ", "x": None,
    },
    "/odd": {"a.b": {"c[0]": [[1, 2], [3]]}, "": 7, "7": 8},
}  # fmt: skip


def address(text):
    return JsonPathConfig.from_url(Url.parse(text))


def at_port(url, bmc):
    return address(url.replace("SERVER", f"127.0.0.1:{bmc.port}"))


@asynccontextmanager
async def opened(config):
    driver = JsonPath(config)
    try:
        await driver.open()
        yield driver
    finally:
        await driver.close()


async def read(url, **bmc):
    async with Bmc(PAGES, **bmc) as server, opened(at_port(url, server)) as driver:
        return readings_of(await driver.read(NOW))


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return JsonPath

    @pytest.fixture
    async def working(self):
        async with Bmc(PAGES) as bmc:
            yield at_port(f"http://SERVER{METER}?unit=W#PowerDetail[-1].Average", bmc)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("PowerDetail[-1].Average", ("PowerDetail", -1, "Average")),
        ("$.a.b[0][1]", ("a", "b", 0, 1)),
        (".a", ("a",)),
        ("[2].a", (2, "a")),
        ("a['b.c'][\"d[0]\"]", ("a", "b.c", "d[0]")),
        ("a['']", ("a", "")),
        ("emeter 1:total", ("emeter 1:total",)),
        ("$", ()),
        ("", ()),
    ],
)
def test_paths(written, path):
    assert parse_path(written) == path


@pytest.mark.parametrize("written", ["a[", "a[x]", "a..b", "a]", "a['b", "a.", "a[0]b[", "a[99999999999]"])
def test_what_is_no_path_is_refused_with_its_place(written):
    with pytest.raises(Misconfigured, match="is no path such as PowerDetail"):
        parse_path(written)


def test_paths_stand_with_commas_between():
    assert split_paths("a.b, c[0],d['x,y'],") == ["a.b", "c[0]", "d['x,y']"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=9,
)


@given(values, st.lists(st.integers(-3, 3) | st.text(max_size=3), max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_value_at_any_path_is_a_number_a_text_or_absent(value, path):
    found = at(value, *path)
    assert number(found) is None or abs(number(found)) < float("inf")
    assert isinstance(text(found), str)


@given(st.text(max_size=20))
def test_any_text_is_a_path_or_misconfigured(written):
    with contextlib.suppress(Misconfigured):
        assert isinstance(parse_path(written), tuple)


def test_an_address_of_kwollect():
    one = address(f"https://root:s3cret@bmc-1{METER}#PowerDetail[-1].Average")
    assert (one.root, one.target, one.values[0].path) == ("https://bmc-1:443", METER, "PowerDetail[-1].Average")
    assert one.headers()["Authorization"].startswith("Basic ")
    assert "s3cret" not in repr(one)
    assert one.values[0].of_metric().kind is Kind.UNKNOWN
    assert address("http://h/p#a").root == "http://h:80"


def test_options_and_the_parameters_of_the_server():
    one = address("https://h:8443/p?unit=W,kWh&metric=,&id=0&param.unit=x&device=plug&verify=false#a,b")
    assert one.target == "/p?id=0&unit=x"
    assert [value.of_metric().name for value in one.values] == ["power_watts", "energy_joules"]
    assert (one.device, one.verify) == ("plug", False)
    assert [value.labels for value in address("http://h/p?unit=W#a,b").values] == [{"path": "a"}, {"path": "b"}]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://h/p", "stand behind a #"),
        ("https://h/p#a[", "is no path"),
        ("https://h/p?unit=W,W,W#a,b", "unit names 3 for 2 paths"),
        ("https://h/p?unit=parsec#a", "'parsec' is no unit"),
        ("https://h/p?scale=x#a", "no number to multiply with"),
        ("https://h/p?wait=0#a", "`wait` lies between"),
        ("https://u:p@h/p?token=t#a", "not both"),
    ],
)
def test_addresses_that_are_refused(url, said):
    with pytest.raises(Misconfigured, match=said):
        address(url)


async def test_several_values_are_one_request():
    url = "http://SERVER/status?unit=W,Wh,Cel,,&metric=,,,relay_state,name&kind=gauge,counter,gauge,gauge,state"
    async with Bmc(PAGES) as bmc:
        config = at_port(f"{url}#meters[0].power,meters[0].total,tmp.tC,meters[-1].on,name", bmc)
        async with opened(config) as driver:
            [frame] = await driver.read(NOW)
        assert bmc.asked == ["/status"]
    found = {one.metric: one.text or one.value for one in readings_of([frame])}
    assert found == {
        "power_watts": 12.5, "energy_joules": 3600 * 3600, "temperature_celsius": 21.5, "relay_state": 1,
        "name": "plug",
    }  # fmt: skip
    assert frame.layout.series[0].metric.unit is Unit.WATT


async def test_the_last_of_a_list_over_tls_with_a_user(tmp_path):
    made = Certificate.made_in(tmp_path)
    url = f"https://admin:secret@SERVER{METER}?unit=W&ca={made.path}#PowerDetail[-1].Average"
    [one] = await read(url, user="admin", password="secret", tls=made.server())
    assert (one.device, one.metric, one.value) == ("127.0.0.1", "power_watts", 93)
    with pytest.raises(Denied, match="401"):
        await read(url.replace("secret", "wrong"), user="admin", password="secret", tls=made.server())
    with pytest.raises(Unreachable, match="not trusted"):
        await read(url.replace("ca=", "device="), tls=made.server())


async def test_a_block_says_what_a_register_is():
    block = {"path": "meters[0].total", "unit": "kWh", "scale": "0.001", "range": 1000, "resolution": 0.001}
    async with Bmc(PAGES) as bmc:
        given = {"host": "127.0.0.1", "port": bmc.port, "tls": False, "page": "/status", "device": "plug"}
        absent = {"path": "meters[0].power", "unit": "W", "absent": [12.5]}
        config = JsonPathConfig.of("test", given | {"values": [block, absent]})
        async with opened(config) as driver:
            [frame] = await driver.read(NOW)
    assert frame.present.tolist() == [True, False]
    assert frame.values[0] == 3.6 * 3_600_000
    assert (frame.layout.columns[0].range, frame.layout.columns[0].resolution) == (3.6e9, 3600)


async def test_a_value_that_is_missing_is_told_once_and_back(caplog):
    caplog.set_level(logging.INFO)
    url = "http://SERVER/status?unit=W,V#meters[0].power,x"
    async with Bmc(json.loads(json.dumps(PAGES))) as bmc, opened(at_port(url, bmc)) as driver:
        for _ in range(3):
            assert [one.value for one in readings_of(await driver.read(NOW))] == [12.5]
        bmc.resources["/status"]["x"] = 230
        assert len(readings_of(await driver.read(NOW))) == 2
        bmc.resources["/status"] = {}
        with pytest.raises(Malformed, match=r"/status has no value at meters\[0\]\.power, x"):
            await driver.read(NOW)
    told = [record.message.partition(" gives ")[2] for record in caplog.records if "wattline" in record.name]
    assert told == ["no value for x", "a value for x again", "no value for meters[0].power, x"]


async def test_odd_names():
    found = await read("http://SERVER/odd?metric=a,b#['a.b']['c[0]'][0][-1],[7]")
    assert [one.value for one in found] == [2, 8]


async def test_two_values_of_one_series_are_refused():
    given = {"host": "h", "values": [{"path": "a", "unit": "W"}, {"path": "b", "unit": "W"}]}
    with pytest.raises(Misconfigured, match="stands twice in one layout: give one of them"):
        await JsonPath(JsonPathConfig.of("test", given)).open()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.DENIED, Denied), (Fault.BROKEN, Malformed), (Fault.GARBAGE, Malformed), (Fault.HUGE, Malformed),
        (Fault.TRUNCATED, Unreachable), (Fault.HANG, Unreachable),
    ],
)  # fmt: skip
async def test_a_server_that_goes_wrong_and_comes_back(fault, error):
    url = "http://SERVER/status?wait=0.3&limit_mib=1#tmp.tC"
    async with Bmc(PAGES) as bmc, opened(at_port(url, bmc)) as driver:
        bmc.fault = fault
        with pytest.raises(error):
            await driver.read(NOW)
        bmc.fault = Fault.NONE
        assert [one.value for one in readings_of(await driver.read(NOW))] == [21.5]

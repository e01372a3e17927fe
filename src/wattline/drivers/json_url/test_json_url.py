"""A page of hosts: each with its own times, each time once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.drivers.json_url.driver import JsonUrl, JsonUrlConfig
from wattline.errors import Malformed
from wattline.plugin import Misconfigured, Url
from wattline.testing.driver_suite import NOW, DriverSuite, check_frame, opened
from wattline.testing.web_server import WebServer, json_answer

STAMP = NOW / 1e9


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return JsonUrl

    @pytest.fixture
    async def working(self):
        n = iter(range(1000))

        def answer(_):
            return json_answer({f"taurus-{i}": {"timestamp": STAMP - 2000 + next(n), "watt": 168.2} for i in (1, 2)})

        async with WebServer(answer) as server:
            yield JsonUrlConfig(host=server.address, path="/power.json")


def told(frames):
    return {frame.layout.series[0].device: (frame.time, float(frame.values[0])) for frame in frames}


async def test_every_host_has_its_own_times_and_nothing_is_told_twice():
    page = {
        "a": {"timestamp": 1417512345, "watt": 168.2},
        "b": {"timestamp": "1417512345.250001", "watt": "12"},
        "c": {"timestamp": 1417512345, "watt": None},
        "d": {"watt": 3},
        "e": 7,
        "f": {"timestamp": STAMP + 3600, "watt": 1},
        "g": {"timestamp": -5, "watt": 1},
    }
    async with WebServer(lambda _: json_answer(page)) as server:
        async with opened(JsonUrl(JsonUrlConfig(host=server.address))) as (one, _):
            assert told(await one.read(NOW)) == {
                "a": (1_417_512_345_000_000_000, 168.2),
                "b": (1_417_512_345_250_001_000, 12.0),
            }
            assert await one.read(NOW) == []
            page["a"] = {"timestamp": 1417512346, "watt": 0}
            page["b"] = {"timestamp": 1417512300, "watt": 9}
            assert told(await one.read(NOW)) == {"a": (1_417_512_346_000_000_000, 0.0)}
        async with opened(one):
            assert await one.read(NOW) == [], "a connection that was opened again tells nothing twice"


@pytest.mark.parametrize("page", [[], 7, None])
async def test_a_page_that_is_no_map(page):
    async with WebServer(lambda _: json_answer(page)) as server:
        config = JsonUrlConfig(host=server.address)
        async with opened(JsonUrl(config)) as (one, _):
            with pytest.raises(Malformed):
                await one.read(NOW)


ANYTHING = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text("1.e-a\0", max_size=5) | st.lists(st.integers())
)


@given(
    st.dictionaries(
        st.text("abé\0", max_size=3), ANYTHING | st.fixed_dictionaries({"timestamp": ANYTHING, "watt": ANYTHING})
    )
)
def test_any_map_gives_frames(page):
    for frame in JsonUrl(JsonUrlConfig(host="h"))._new(page, NOW):
        check_frame(frame, JsonUrl.metrics)
        assert np.isfinite(frame.values).all()


def test_an_address():
    config = JsonUrlConfig.from_url(Url.parse("json_url://wattmetre-1:8443/a/b.json?tls=true"))
    assert (config.root, config.path) == ("https://wattmetre-1:8443", "/a/b.json")
    with pytest.raises(Misconfigured, match="`path` begins with /"):
        JsonUrlConfig.of("test", {"host": "h", "path": "a"})

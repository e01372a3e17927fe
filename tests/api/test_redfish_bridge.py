"""The tree of Redfish chassis: read by our own driver and by sushy, as yoko2redfish's clients read it, and its gaps."""

import asyncio
import socket
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest
import uvicorn

from wattline.api.redfish.app import create_redfish
from wattline.api.redfish.picture import draw
from wattline.api.redfish.tree import resource
from wattline.drivers.redfish.config import RedfishConfig
from wattline.drivers.redfish.driver import Redfish
from wattline.model import Batch, Column, Device, Kind, Layout, Metric, Series, pack_mask
from wattline.testing.memory import MemoryStore
from wattline.testing.recordings.reading import readings_of
from wattline.units import NANOSECONDS, Unit

NOW = 1_795_184_315 * NANOSECONDS
WATTS = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power.")
JOULES = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy.")
CELSIUS = Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Temperature.")
ODD = Metric("load_ratio", Unit.RATIO, Kind.GAUGE, "Load.")


def batch(values, devices=(), time=NOW - NANOSECONDS, name="m"):
    """A frame of `{(device, metric, label?): value}`; None is absent."""
    series = [Series.of(device, metric, dict(label)) for device, metric, *label in values]
    present = np.array([[value is not None for value in values.values()]])
    row = np.array([[np.nan if value is None else value for value in values.values()]])
    columns = [Column(period=1.0, accuracy=0.01)] * len(series)
    layout = Layout.of(series, columns, devices=devices)
    return Batch(layout, np.array([time]), row, pack_mask(present), {}, name, 1, 1)


async def kept(*batches):
    store = MemoryStore()
    await store.write(batches)
    return store


async def rack():
    devices = [
        Device("rack"),
        Device("rack/a b", "outlet", (("", "rack"),)),
        Device("rack/ü", "outlet", (("", "rack"),)),
    ]
    values = {
        ("rack", WATTS): 512.5, ("rack", JOULES): 7_200_000.5, ("rack", CELSIUS): 21.5,
        ("rack/a b", WATTS, ("phase", "L1")): 200.25, ("rack/ü", WATTS): 312.25,
    }  # fmt: skip
    return await kept(batch(values, devices))


@asynccontextmanager
async def served(store, wanted=()):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # who comes before the server waits
        port = listener.getsockname()[1]
        app = create_redfish(store, lambda: NOW, f"127.0.0.1:{port}", wanted)
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield port
        finally:
            server.should_exit = True
            await task


async def read(port, **options):
    driver = Redfish(RedfishConfig.of("t", {"host": "127.0.0.1", "port": port, "tls": False, "device": "x", **options}))
    try:
        await driver.open()
        return {(one.device, one.metric): one.value for one in readings_of(await driver.read(NOW))}
    finally:
        await driver.close()


async def test_the_two_meters_of_yoko2redfish_are_25_watts():
    store = await kept(batch({("usbtmc1", WATTS): 12.6}, name="1"), batch({("usbtmc2", WATTS): 12.6}, name="2"))
    async with served(store) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:

        async def get(path):
            async with client.get(path) as answer:
                assert answer.headers["OData-Version"] == "4.0"
                return await answer.json()

        assert {"@odata.id": "/redfish/v1/Chassis/1/"} in (await get("/redfish/v1/Chassis/"))["Members"]
        for name in ("1", "anything"):
            assert (await get(f"/redfish/v1/Chassis/{name}"))["Power"] == {
                "@odata.id": f"/redfish/v1/Chassis/{name}/Power/"
            }
            [control] = (await get(f"/redfish/v1/Chassis/{name}/Power"))["PowerControl"]
            assert control["PowerConsumedWatts"] == 25
            assert isinstance(control["PowerConsumedWatts"], int)
        assert await get("/redfish/v1/Chassis/1/Power/") == await get("/redfish/v1/Chassis/1/Power")
        assert await read(port) == {
            ("x", "power_watts"): 25, ("x/usbtmc1", "power_watts"): 12.6, ("x/usbtmc2", "power_watts"): 12.6,
        }  # fmt: skip


async def test_our_driver_reads_what_was_stored():
    async with served(await rack()) as port:
        assert await read(port) == {
            ("x", "power_watts"): 512,
            ("x/rack", "power_watts"): 512.5,
            ("x/rack", "energy_joules"): 7_200_000.5,
            ("x/rack", "temperature_celsius"): 21.5,
            ("x/rack.a-b", "power_watts"): 200.25,
            ("x/rack.-", "power_watts"): 312.25,
        }
        assert list(await read(port, chassis=["rack.a-b"])) == [("x/rack.a-b", "power_watts")]
    async with served(await rack(), ["rack/a*"]) as port:
        assert await read(port) == {("x", "power_watts"): 200, ("x/rack.a-b", "power_watts"): 200.25}


async def test_sushy_reads_it():
    sushy = pytest.importorskip("sushy")

    def look(port):
        root = sushy.Sushy(f"http://127.0.0.1:{port}", auth=sushy.auth.BasicAuth("nobody", "nothing"))
        chassis = {one.identity: one for one in root.get_chassis_collection().get_members()}
        rack = chassis["rack"]
        return chassis["1"].name, rack.chassis_type, rack.status.state, rack.power.json["PowerControl"]

    async with served(await rack()) as port:
        name, kind, state, [control] = await asyncio.to_thread(look, port)
    assert (name, kind, state) == ("All that is metered", sushy.CHASSIS_TYPE_OTHER, sushy.STATE_ENABLED)
    assert control["PowerConsumedWatts"] == 512


async def test_links_lead_to_what_is_there():
    picture = draw(await rack(), NOW)
    seen, waiting = set(), ["/redfish", "/redfish/v1"]
    while waiting:
        path = waiting.pop()
        body = resource(path, picture)
        assert body is not None, path
        assert path == "/redfish" or body["@odata.id"].rstrip("/") == path.rstrip("/")
        seen.add(path)
        waiting += [link for link in links(body) if link not in seen and link not in waiting]
    assert len(seen) > 20
    assert resource("/redfish/v1/Chassis/rack.a-b/", picture)["Links"] == {
        "ContainedBy": {"@odata.id": "/redfish/v1/Chassis/rack/"}
    }


def links(value):
    if isinstance(value, list):
        return [link for one in value for link in links(one)]
    if not isinstance(value, dict):
        return []
    own = [value[key].partition("#")[0] for key in ("@odata.id", "DataSourceUri") if key in value]
    return own + [link for one in value.values() for link in links(one)]


async def test_what_is_not_fresh_is_null_and_what_is_silent_for_an_hour_is_gone():
    old = batch({("b", WATTS): 5.0}, time=NOW - 11 * NANOSECONDS, name="b")
    store = await kept(batch({("a", WATTS): 7.0}, name="a"), old)
    picture = draw(store, NOW)
    assert picture.watts is None
    for name in ("1", "b"):
        power = resource(f"/redfish/v1/Chassis/{name}/Power", picture)
        assert power["PowerControl"][0]["PowerConsumedWatts"] is None
    environment = resource("/redfish/v1/Chassis/b/EnvironmentMetrics", picture)
    assert environment["PowerWatts"]["Reading"] is None
    assert resource("/redfish/v1/Chassis/b/Sensors/power_watts", picture)["Status"] == {"State": "UnavailableOffline"}
    later = draw(store, NOW + 3590 * NANOSECONDS)
    assert list(later.chassis) == ["a"]
    assert draw(MemoryStore(), NOW).watts is None


async def test_ids_are_apart_and_processes_are_no_chassis():
    devices = [Device("p", "process", (("", "1"),)), Device("a/b"), Device("a.b"), Device("1")]
    store = await kept(batch({(device.name, WATTS): 1.0 for device in devices}, devices))
    assert {one.name: one.id for one in draw(store, NOW).chassis.values()} == {"1": "1-2", "a.b": "a.b", "a/b": "a.b-2"}


async def test_a_circle_of_parents_ends_and_a_register_alone_has_no_watts():
    devices = [Device("a", parents=(("", "b"),)), Device("b", parents=(("", "a"),))]
    store = await kept(batch({("a", JOULES): 3.6e6, ("b", JOULES): 1.0, ("a", ODD): 0.5}, devices))
    picture = draw(store, NOW)
    environment = resource("/redfish/v1/Chassis/a/EnvironmentMetrics", picture)
    assert environment["EnergykWh"] == {"Reading": 1.0}
    assert "PowerWatts" not in environment
    assert resource("/redfish/v1/Chassis/a/Sensors", picture)["Members@odata.count"] == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/redfish/v1/Chassis/1/Thermal", 404),
        ("GET", "/redfish/v1/Chassis/a%00b", 404),
        ("GET", "/", 404),
        ("GET", "/redfish/v1/Chassis/1/Sensors/x/y", 404),
        ("POST", "/redfish/v1/SessionService/Sessions", 405),
        ("DELETE", "/redfish/v1/Chassis/1", 405),
        ("HEAD", "/redfish/v1/", 200),
        ("GET", "/redfish/v1/SessionService/Sessions", 200),
    ],
)
async def test_what_is_not_there_or_would_change_something(method, path, status):
    async with served(await rack()) as port, aiohttp.ClientSession() as client:
        async with client.request(method, f"http://127.0.0.1:{port}{path}") as answer:
            assert answer.status == status
            assert method == "HEAD" or ("error" in await answer.json()) == (status >= 400)
        async with client.get(f"http://127.0.0.1:{port}/redfish", headers={"Host": "evil.example"}) as answer:
            assert answer.status == 421

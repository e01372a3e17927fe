"""A node on two outlets: what bears its name in the label `_device_alias` is its power and its energy."""

import numpy as np
import pytest
from litestar.testing import TestClient

from wattline.api.app import View, create_app
from wattline.ledger.aliases import bearers, sums, with_aliases
from wattline.ledger.chosen import choose, roots
from wattline.model import Batch, Column, Device, Kind, Layout, Metric, Series
from wattline.plugin import Entry
from wattline.runtime.health import Health
from wattline.runtime.live import Live
from wattline.runtime.site import Site
from wattline.testing.memory import MemoryStore
from wattline.units import NANOSECONDS, Unit

BEGIN = 1_795_179_600 * NANOSECONDS
WATTS = Metric("power_watts", Unit.WATT, Kind.GAUGE)
VOLTS = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE)
NODE = {"_device_alias": "node-1"}
FEEDS = (("1", "pdu-a/outlet-3"), ("2", "pdu-b/outlet-5"))


def outlet(name: str, watts: float, late: int) -> Batch:
    """A minute of an outlet that is read `late` ns after the full second."""
    layout = Layout.of([Series.of(name, WATTS, NODE), Series.of(name, VOLTS, NODE)], [Column(period=1.0)] * 2)
    time = BEGIN + np.arange(61) * NANOSECONDS + late
    return Batch(layout, time, np.tile([watts, 230.0], (61, 1)), None, {}, name, 1, 1)


@pytest.fixture
async def client():
    """Two outlets, read at two instants, feed node-1; so Kwollect shows half of its power, twice as often."""
    store, live = MemoryStore(), Live()
    batches = [outlet("pdu-a/outlet-3", 100.0, 0), outlet("pdu-b/outlet-5", 110.0, 400_000_000)]
    for batch in batches:
        await store.write([batch])
    live.publish(batches)
    view = View(store, Health(), live, Site(timezone="UTC"), BEGIN, lambda: BEGIN + 61 * NANOSECONDS)
    with TestClient(create_app(view), base_url="http://127.0.0.1:8780") as one:
        yield one


def test_its_power_is_the_sum_and_the_site_counts_it_once(client):
    now = client.get("/api/now").json()
    assert {one["device"]: one["watts"] for one in now["devices"]} == {
        "node-1": 210.0,
        "pdu-a/outlet-3": 100.0,
        "pdu-b/outlet-5": 110.0,
    }
    assert now["watts"] == 210.0


def test_its_energy_is_that_of_its_origins(client):
    window = {"start": str(BEGIN // NANOSECONDS + 1), "end": str(BEGIN // NANOSECONDS + 51)}
    for metric in ({}, {"metric": "power_watts"}):
        told = client.get("/api/energy", params={"device": "node-1", **window, **metric}).json()
        assert [(one["device"], one["joules"]) for one in told["series"]] == [
            ("pdu-a/outlet-3", 5000.0),
            ("pdu-b/outlet-5", 5500.0),
        ]
        assert told["total"]["joules"] == 10_500.0


def test_its_samples_are_those_of_its_origins(client):
    rows = client.get("/api/samples", params={"device": "node-1", "metric": "power_watts", "start": "0"}).json()
    assert len(rows) == 122
    assert {row["device"] for row in rows} == {name for _, name in FEEDS}


def test_it_stands_among_the_devices(client):
    (told,) = client.get("/api/devices", params={"device": "node-1"}).json()
    assert told["parents"] == dict(FEEDS)
    assert told["sum_of"] == [name for _, name in FEEDS]
    assert told["power"] is None


def entries(*rows):
    """Make entries of (device, metric, alias)."""
    return [
        Entry(i, Series.of(device, metric, {"_device_alias": alias} if alias else {}), Column())
        for i, (device, metric, alias) in enumerate(rows, 1)
    ]


def test_what_is_measured_itself_speaks_for_itself_and_its_origins_hold_it():
    found = entries(("outlet", WATTS, "node"), ("node", WATTS, ""))
    devices = with_aliases([], found)
    chosen = choose(devices, found)
    assert sums(devices, found, chosen) == {}
    assert roots(devices, chosen) == ("outlet",)


def test_a_pdu_and_its_outlet_under_one_alias_are_not_added():
    found = entries(("pdu", WATTS, "node"), ("pdu/1", WATTS, "node"))
    devices = with_aliases([Device("pdu/1", parents=(("", "pdu"),))], found)
    assert sums(devices, found, choose(devices, found)) == {"node": ("pdu",)}


def test_levels_texts_and_own_names_make_no_alias():
    odd = Entry(9, Series.of("c", WATTS, {"_device_alias": 7}), Column())
    assert bearers([*entries(("a", VOLTS, "n"), ("b", WATTS, "b")), odd]) == {}


def test_what_the_operator_says_of_an_alias_stays():
    found = entries(("outlet", WATTS, "node"))
    said = Device("node", "server", (("", "rack"),))
    assert with_aliases([said], found) == [said]
    assert with_aliases([Device("node", "server")], found) == [Device("node", "server", (("", "outlet"),))]

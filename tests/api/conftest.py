"""A store in memory with numbers, texts, odd values and gaps, and the ways to look into an answer."""

import csv
import io
import json
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from litestar.testing import TestClient

from wattline.api.app import View, create_app
from wattline.model import Batch, Cause, Column, Device, Kind, Layout, Metric, Outage, Series, pack_mask
from wattline.runtime.health import Health, Pulse
from wattline.runtime.live import Live
from wattline.runtime.site import Clients, Site
from wattline.testing.memory import MemoryStore
from wattline.units import NANOSECONDS, Unit

BEGIN = 1_795_179_600 * NANOSECONDS  # 2026-11-20T13:00:00Z
WATTS = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power drawn now.")
JOULES = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy drawn since some beginning.")
CELSIUS = Metric("inlet_temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Air at the inlet.")
STATE = Metric("outlet_state", Unit.NONE, Kind.STATE, "What the outlet says of itself.")


@pytest.fixture
async def store() -> MemoryStore:
    """A rack with two PDUs of two outlets, one minute at 1 Hz; outlet 2 of PDU 1 is absent for 20 s."""
    held = MemoryStore()
    for number in (2, 1):  # not in the order of names
        await held.write([pdu(number)])
    return held


def pdu(number: int) -> Batch:
    name = f"rack-1/pdu-{number}"
    series = [Series.of(name, WATTS), Series.of(name, JOULES)]
    labels = {"phase": "L1", "who": 'a "quoted", name'}
    series += [Series.of(f"{name}/outlet-{outlet}", WATTS, labels) for outlet in (1, 2)]
    series += [Series.of(name, CELSIUS, {"slot": number}), Series.of(name, STATE)]
    columns = [Column(period=1.0, rated=1000.0)] * 4 + [Column(period=1.0)] * 2
    devices = [Device("rack-1", "rack"), Device(name, "pdu", (("", "rack-1"),))]
    devices += [Device(f"{name}/outlet-{outlet}", "outlet", (("", name),)) for outlet in (1, 2)]
    n = 60
    values = np.zeros((n, 6))
    values[:, 0] = 300.1
    values[:, 1] = 1000 + 300.1 * np.arange(n)
    values[:, 2], values[:, 3] = 100.05, 200.05
    values[:, 4] = 21.5
    values[5:9, 4] = [math.nan, math.inf, -math.inf, -0.0]
    values[:, 5] = np.arange(n) // 20 % 2
    mask = np.ones((n, 6), bool)
    mask[20:40, 3] = number != 1
    time = BEGIN + np.arange(n) * NANOSECONDS + 1000 * number
    return Batch(
        Layout.of(series, columns, devices=devices), time, values, pack_mask(mask), {5: ("on", 'of,f "x"')}, name, 1, 1
    )


def rows_of(body: bytes, form: str) -> list[dict]:
    """Read an answer in any format as rows of the same Python values."""
    if form == "json":
        return [_plain(row) for row in json.loads(body)]
    if form == "ndjson":
        return [_plain(json.loads(line)) for line in body.decode().splitlines()]
    if form == "csv":
        return [_plain(_typed(row)) for row in csv.DictReader(io.StringIO(body.decode(), newline=""))]
    table = pa.ipc.open_stream(body).read_all()
    times = [f"{np.datetime_as_string(t)}"[:26] + "Z" for t in table["time"].to_numpy()]
    rows = table.drop_columns(["time"]).to_pylist()
    return [_plain({"time": t} | _merged(row)) for t, row in zip(times, rows, strict=True)]


def _merged(row: dict) -> dict:
    text = row.pop("text", None)
    row["labels"] = json.loads(row["labels"])
    return row if text is None else row | {"value": text}


def _typed(row: dict) -> dict:
    row["labels"] = json.loads(row["labels"])
    return {key: _number(value) if key not in ("time", "device", "metric", "labels") else value
            for key, value in row.items()}  # fmt: skip


def _number(text: str):
    if text == "":
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _plain(row: dict) -> dict:
    """Write numbers in one way: floats as their `repr`, JSON's words for odd ones as Python's."""
    words = {"NaN": math.nan, "+Inf": math.inf, "-Inf": -math.inf}
    plain = {key: words.get(value, value) if isinstance(value, str) else value for key, value in row.items()}
    return {key: repr(float(value)) if isinstance(value, int | float) else value for key, value in plain.items()}


@pytest.fixture(name="rows_of")
def _rows_of():
    return rows_of


@pytest.fixture(name="rows_of_any", scope="session")
def _rows_of_any():
    return rows_of


class Wall:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = BEGIN + 62 * NANOSECONDS

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def view(wall: Wall):
    """What the interface sees of a site with the two PDUs, all of it committed and published."""
    held, live = MemoryStore(), Live(2)
    written = [pdu(2), pdu(1)]
    await held.write(written)
    live.publish(written)
    await held.note([Outage("pdu-1", BEGIN + 5 * NANOSECONDS, BEGIN + 9 * NANOSECONDS, Cause.TIMEOUT, "no answer")])
    pulses = [Pulse(name, "snmp", f"snmp://***@{name}", 1.0, BEGIN) for name in ("pdu-1", "pdu-2", "pdu-3")]
    pulses[0].answered(BEGIN, BEGIN, 0.01)
    pulses[1].fell_silent(BEGIN + NANOSECONDS, Cause.TIMEOUT, "pdu-2 did not answer within 1 s")
    counters = {"wattline_missed_ticks_total": 2.0}
    health = Health(lambda: pulses, lambda: counters, lambda: OWN)
    site = Site(
        price_per_kwh=Decimal("0.25"), currency="EUR", timezone="Europe/Paris", clients=Clients(live=2, queue=2)
    )
    return View(held, health, live, site, BEGIN, wall)


OWN = (
    b"# HELP wattline_missed_ticks_total Missed ticks.\n"
    b"# TYPE wattline_missed_ticks_total counter\nwattline_missed_ticks_total 2\n"
)


@pytest.fixture
def client(view):
    with TestClient(create_app(view), base_url="http://127.0.0.1:8780") as one:
        yield one


@pytest.fixture
def batches() -> list[Batch]:
    return [pdu(2), pdu(1)]

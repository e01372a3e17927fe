"""Every installed driver keeps the contract."""

import asyncio
import importlib.metadata
import os
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import numpy as np
import pytest

from wattline.core.address import Url
from wattline.drivers.sim.driver import Sim, SimConfig
from wattline.model import Column, Kind, Layout, Metric, Series
from wattline.plugin import DriverConfig, Frame, Polled, Streamed
from wattline.testing.bmc import FakeBmc
from wattline.testing.bmc_board import Board
from wattline.testing.driver_suite import DriverSuite, check_frame, check_metric
from wattline.testing.mbus_meter import answer_of, mbus_gateway
from wattline.testing.powercap import Powercap
from wattline.testing.replay import ReplayAgent
from wattline.testing.serial_meter import serial_server
from wattline.testing.sml_meter import file_of, value_of
from wattline.units import Unit

POINTS = importlib.metadata.entry_points(group="wattline.drivers")
INSTALLED = {point.name: point for point in POINTS}
PAGE = b"""# HELP node_power_watts Power.
# TYPE node_power_watts gauge
node_power_watts{rail="12V"} 42.5
# TYPE node_energy_joules_total counter
node_energy_joules_total 1234.5
"""

PUSHED = {
    "dsmr": b"/XYZ5\\ACME\r\n\r\n1-0:1.8.1(000004.426*kWh)\r\n1-0:1.7.0(00.244*kW)\r\n!\r\n",
    "sml": file_of([value_of("1-0:16.7.0", 27, -1, 1367)]),
    "wattsup": b"#d,-,18,1005,2301,437;",
}
"""What meters on a line say again and again."""


@asynccontextmanager
async def page():
    """Serve one page on a free port of loopback."""

    async def answer(reader, writer):
        while (await reader.readline()).strip():
            pass
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(PAGE)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + PAGE)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def address(name, tmp_path, stack):
    """An address of each of our drivers at which something answers now."""
    if name == "sim":
        return "sim://rack?servers=3&pdus=2&frames=5&gaps=60"
    if name == "rapl":
        return f"rapl://{Powercap(tmp_path, packages=2, psys=True).root}"
    if name == "host":
        return "host://?top=3&power=always"
    if name in ("snmp", "snmpv1"):
        agent = await stack.enter_async_context(ReplayAgent({}))
        agent.put("1.3.6.1.4.1.99.1.0", 230)
        return f"{name}://public@127.0.0.1:{agent.port}/1.3.6.1.4.1.99.1.0?unit=W"
    if name == "ipmi":
        bmc = await stack.enter_async_context(FakeBmc(Board(watts=230)))
        return f"ipmi://meter:secret@127.0.0.1:{bmc.port}/"
    if name == "prometheus":
        return f"prometheus://127.0.0.1:{await stack.enter_async_context(page())}/metrics"
    if name == "mbus":
        bus = mbus_gateway({5: [answer_of(5, bytes.fromhex("042b d2040000"))]})
        return f"mbus://127.0.0.1:{await stack.enter_async_context(bus)}?address=5"
    if name in PUSHED:
        return f"{name}://127.0.0.1:{await stack.enter_async_context(serial_server(PUSHED[name]))}"
    if name == "wattmetre":
        lines = (f"0,0,{1_795_179_600 + n // 50}.{n % 50 * 2:02d},OK,{n}\n" for n in range(250))
        (tmp_path / "frames").write_text("".join(lines))
        return f"wattmetre://{tmp_path}/frames"
    return None


def is_alias(point):
    """Whether a driver has a name of its own beside this one, under which the suite runs: `http` is `json_path`."""
    scheme = Url.parse(point.load().example).scheme
    return point.name != scheme and any(other.name == scheme and other.value == point.value for other in POINTS)


class TestInstalled(DriverSuite):
    @pytest.fixture(params=sorted(point.name for point in POINTS if not is_alias(point)))
    def name(self, request):
        return request.param

    @pytest.fixture
    def driver(self, name):
        return INSTALLED[name].load()

    @pytest.fixture
    async def working(self, name, driver, tmp_path):
        async with AsyncExitStack() as stack:
            text = await address(name, tmp_path, stack)
            if text is None:
                pytest.skip(f"{name} answers where its own tests know")
            yield driver.Config.from_url(Url.parse(text))


class Pushed(Streamed[SimConfig]):
    """What the simulated rack says, pushed instead of polled."""

    Config = SimConfig
    summary = "a rack that speaks on its own"
    metrics = Sim.metrics
    example = "sim://rack"

    async def open(self):
        self._rack = Sim(self.config)
        return await self._rack.open()

    async def stream(self):
        for n in range(100):
            yield await self._rack.read(n * 10**9)


class TestStreamed(DriverSuite):
    """A streamed driver runs the same suite; what its folder tells is its neighbour's."""

    @pytest.fixture
    def driver(self):
        return Pushed

    @pytest.fixture
    def working(self):
        return SimConfig(servers=2)

    test_its_sample_shows_and_explains_every_option = None
    test_a_misspelt_option_is_refused_by_name = None
    test_its_readme_has_the_headings = None
    test_its_readme_tells_the_metrics_that_it_declares = None


# --- the suite finds what is wrong ---

WATTS = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power")


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (Metric("energy_joules", Unit.JOULE, Kind.GAUGE, "E"), "counted, not a level"),
        (Metric("power_watts", Unit.VOLT, Kind.GAUGE, "P"), "is in V"),
        (Metric("reads_total", Unit.NONE, Kind.GAUGE, "R"), "is a total"),
        (Metric("job", Unit.WATT, Kind.STATE, "J"), "is a text"),
        (Metric("power_watts", Unit.WATT, Kind.GAUGE), "no help"),
    ],
)
def test_a_wrong_metric_is_found(metric, says):
    with pytest.raises(AssertionError, match=says):
        check_metric(metric)


def test_wrong_frames_are_found():
    layout = Layout.of([Series.of("d", WATTS)], [Column()])
    check_frame(Frame(layout, np.zeros(1)), (WATTS,))
    state = Layout.of([Series.of("d", Metric("job", Unit.NONE, Kind.STATE, "J"))])
    for frame, says in (
        (Frame(layout, np.zeros(2)), None),
        (Frame(layout, np.zeros(1, np.float32)), None),
        (Frame(layout, np.zeros((2, 1))), "carry their own times"),
        (Frame(layout, np.zeros(1), 1_234_567), "whole microseconds"),
        (Frame(layout, np.zeros(1), present=np.ones((1, 1), bool)), None),
        (Frame(state, np.zeros(1)), None),
        (Frame(state, np.ones(1), texts={0: ("a",)}), None),
        (Frame(layout, np.zeros(1), texts={0: ("a",)}), "is no state"),
    ):
        with pytest.raises(AssertionError, match=says):
            check_frame(frame, ())
    with pytest.raises(AssertionError, match="not declared"):
        check_frame(Frame(state, np.zeros(1), texts={0: ("a",)}), (WATTS,))


LEAKING = """
import os, pytest
from wattline.drivers.sim.driver import Sim, SimConfig
from wattline.errors import Misconfigured
from wattline.testing.driver_suite import DriverSuite

class Leaking(Sim):
    async def open(self):
        os.dup(0)
        return await super().open()

class Deaf(Sim):
    async def read(self, now):
        return []

class TestLeaking(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Leaking

    @pytest.fixture
    def working(self):
        return SimConfig(servers=2)

class TestWrongError(TestLeaking):
    @pytest.fixture
    def driver(self):
        return Sim

    @pytest.fixture
    def dead(self):
        return SimConfig(servers=2)
"""


def test_a_driver_that_leaks_or_never_fails_does_not_pass(tmp_path):
    (tmp_path / "test_leaking.py").write_text(LEAKING)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\naddopts = -q -p no:cacheprovider\n")
    command = [sys.executable, "-m", "pytest", "-k", "leaves_nothing_open", str(tmp_path)]
    told = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ)
    ).stdout
    failed = sorted(line.split("::", 1)[1].split(" ")[0] for line in told.splitlines() if line.startswith("FAILED"))
    assert failed == [
        "TestLeaking::test_it_opens_and_closes_again_and_leaves_nothing_open",
        "TestWrongError::test_a_dead_address_is_unreachable_and_leaves_nothing_open",
    ]


def test_every_driver_takes_the_name_of_its_device():
    for point in INSTALLED.values():
        driver = point.load()
        assert issubclass(driver.Config, DriverConfig)
        assert issubclass(driver, Polled | Streamed)

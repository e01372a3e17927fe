"""RPi-Monitor: only known keys, in base units, absent where they mean nothing."""

import pytest

from wattline.drivers.rpimonitor.driver import KEYS, RpiMonitor, RpiMonitorConfig
from wattline.errors import Denied, Malformed
from wattline.testing.driver_suite import DriverSuite, opened
from wattline.testing.recordings.reading import readings_of
from wattline.testing.web_server import WebServer, json_answer

PAGE = {
    "cpu_frequency": 1500, "cpu_voltage": "0.8688", "load1": "0.42", "load5": 0.35, "load15": 0.3, "uptime": 86400.5,
    "soc_temp": "48.31", "memory_free": 1024, "memory_available": "2048.5", "swap_used": 0, "sdcard_root_used": 4000,
    "sdcard_boot_used": "N/A", "packages": "<b>3 upgradable</b>", "my_own_watts": 5, "net_received": 123,
    "localtime": [2026, 11, 28],
}  # fmt: skip


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return RpiMonitor

    @pytest.fixture
    async def working(self):
        async with WebServer(lambda _: json_answer(PAGE)) as server:
            yield RpiMonitorConfig(host=server.address)


async def read(page, status=200):
    async with WebServer(lambda _: json_answer(page, status)) as server:
        config = RpiMonitorConfig(host=server.address, device="pi")
        async with opened(RpiMonitor(config)) as (one, _):
            return readings_of(await one.read(0)), server.asked


async def test_known_keys_alone_in_base_units():
    told, asked = await read(PAGE)
    assert asked == ["GET /dynamic.json"]
    assert {(one.metric, *one.labels): one.value for one in told} == {
        ("frequency_hertz",): 1.5e9,
        ("voltage_volts",): 0.8688,
        ("load_ratio", ("minutes", "1")): 0.42,
        ("load_ratio", ("minutes", "5")): 0.35,
        ("load_ratio", ("minutes", "15")): 0.3,
        ("uptime_seconds",): 86400.5,
        ("temperature_celsius",): 48.31,
        ("size_bytes", ("of", "memory_free")): 2**30,
        ("size_bytes", ("of", "memory_available")): 2048.5 * 2**20,
        ("size_bytes", ("of", "swap_used")): 0,
        ("size_bytes", ("of", "sdcard_root_used")): 4000 * 2**20,
    }


def test_the_keys_are_those_that_energyrecorder_knew():
    assert set(KEYS) == {
        "sdcard_boot_used", "sdcard_root_used", "swap_used", "memory_free", "memory_available", "cpu_frequency",
        "cpu_voltage", "load1", "load5", "load15", "uptime", "soc_temp",
    }  # fmt: skip


@pytest.mark.parametrize("page", [[], {}, {"packages": 3}, {"uptime": None}, {"uptime": True}, 7])
async def test_a_page_that_means_nothing(page):
    with pytest.raises(Malformed):
        await read(page)


async def test_a_refusal_is_denied():
    with pytest.raises(Denied):
        await read(PAGE, 401)

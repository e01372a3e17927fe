"""Pages of exporters, served over HTTP and read by the driver `prometheus`."""

import asyncio
from pathlib import Path
from typing import Final

from aiohttp import web

from wattline.drivers.prometheus.config import PrometheusConfig
from wattline.drivers.prometheus.driver import Prometheus
from wattline.errors import Malformed
from wattline.testing.driver_suite import opened
from wattline.testing.recordings.reading import Reading, readings_of
from wattline.wire.exposition import Parser

_NOW: Final = 1_700_000_000_000_000_000
_UNITS: Final = {
    "DCGM_FI_DEV_POWER_USAGE": "W", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "mJ", "DCGM_FI_DEV_GPU_TEMP": "Cel",
}  # fmt: skip
_BLANKS: Final = [140737488355328, 2**63]
_KINDS: Final = {"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "counter"}


def matches(path: Path) -> bool:
    """Say whether a file is a page: it parses as one."""
    if path.suffix not in (".prom", ".txt"):
        return False
    try:
        return bool(Parser(None, ()).parse(path.read_bytes(), openmetrics=False).keys)
    except Malformed:
        return False


def readings(path: Path) -> list[Reading]:
    """Return what the driver reads, with the units and the blanks of DCGM, of which its pages say nothing."""
    return asyncio.run(_read(path.read_bytes()))


async def _read(page: bytes) -> list[Reading]:
    async def show(_: web.Request) -> web.Response:
        return web.Response(body=page, content_type="text/plain")

    application = web.Application()
    application.router.add_get("/metrics", show)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        options = {"host": "127.0.0.1", "port": runner.addresses[0][1], "device": "host"}
        config = PrometheusConfig.of("recording", {**options, "units": _UNITS, "kinds": _KINDS, "absent": _BLANKS})
        async with opened(Prometheus(config)) as (driver, _):
            assert isinstance(driver, Prometheus)
            return readings_of(await driver.read(_NOW))
    finally:
        await runner.cleanup()

"""RPi-Monitor: what a small computer says of itself at `/dynamic.json`."""

from collections.abc import Mapping, Sequence
from typing import Final

from wattline.plugin import Column, Frame, Kind, Malformed, Metric, Point, Scale, Series, Unit
from wattline.units import IDENTITY
from wattline.web_meter import Told, WebConfig, WebMeter, quantity

MEGA: Final = Scale(1_000_000)
MEBI: Final = Scale(2**20)
"""What energyrecorder calls `Mo`: RPi-Monitor's own templates divide KiB by 1024."""

SIZE: Final = Metric("size_bytes", Unit.BYTE, Kind.GAUGE, "Memory or storage, by what is counted")
FREQUENCY: Final = Metric("frequency_hertz", Unit.HERTZ, Kind.GAUGE, "Clock of the processor")
VOLTAGE: Final = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage of the processor's core")
LOAD: Final = Metric("load_ratio", Unit.RATIO, Kind.GAUGE, "Load average: runnable processes")
UPTIME: Final = Metric("uptime_seconds", Unit.SECOND, Kind.GAUGE, "Time since the start")
TEMPERATURE: Final = Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Temperature of the processor")

KEYS: Final[Mapping[str, tuple[Metric, dict[str, str], Scale]]] = {
    "sdcard_boot_used": (SIZE, {"of": "sdcard_boot_used"}, MEBI),
    "sdcard_root_used": (SIZE, {"of": "sdcard_root_used"}, MEBI),
    "swap_used": (SIZE, {"of": "swap_used"}, MEBI),
    "memory_free": (SIZE, {"of": "memory_free"}, MEBI),
    "memory_available": (SIZE, {"of": "memory_available"}, MEBI),
    "cpu_frequency": (FREQUENCY, {}, MEGA),
    "cpu_voltage": (VOLTAGE, {}, IDENTITY),
    "load1": (LOAD, {"minutes": "1"}, IDENTITY),
    "load5": (LOAD, {"minutes": "5"}, IDENTITY),
    "load15": (LOAD, {"minutes": "15"}, IDENTITY),
    "uptime": (UPTIME, {}, IDENTITY),
    "soc_temp": (TEMPERATURE, {}, IDENTITY),
}
"""The keys that are known, and what each means; others are left alone (they are the owner's own)."""


class RpiMonitorConfig(WebConfig, frozen=True, kw_only=True):
    """Options of an RPi-Monitor: those of every web server, at its own port."""

    port: int = 8888


class RpiMonitor(WebMeter[RpiMonitorConfig]):
    """Fetches `/dynamic.json` and keeps the known keys."""

    Config = RpiMonitorConfig
    summary = "small computers with RPi-Monitor: clock, core voltage, temperature, load, memory"
    metrics = (SIZE, FREQUENCY, VOLTAGE, LOAD, UPTIME, TEMPERATURE)
    example = "rpimonitor://pi-1:8888"

    async def read(self, now: int) -> Sequence[Frame]:
        """Fetch the page once. Raises Malformed: it holds none of the known keys."""
        page = (await self._web.ask("/dynamic.json", headers=self.config.basic())).good().json()
        if not isinstance(page, dict):
            raise Malformed(f"{self.config.root}/dynamic.json holds no object")
        told = []
        for key, (metric, labels, scale) in KEYS.items():
            value = quantity(page.get(key), scale)
            if value is not None:
                told.append(Told(Series.of(self.name, metric, labels), _column(scale), value))
        if not told:
            raise Malformed(f"{self.config.root}/dynamic.json holds none of the keys that are known")
        return self._frames(now, told)


def _column(scale: Scale) -> Column:
    return Column(scale=scale, point=Point.COMPONENT)

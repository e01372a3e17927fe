"""Sensors that Linux shows in its hwmon tree: power meters, rails, voltages, currents, temperatures of this machine."""

import asyncio
import fnmatch
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from wattline.plugin import (
    Column,
    Device,
    DriverConfig,
    Frame,
    Kind,
    Layout,
    Malformed,
    Metric,
    Misconfigured,
    Point,
    Polled,
    Scale,
    Series,
    Unit,
    Unreachable,
)
from wattline.wire.hwmon import Chip, Sensor, find_chips, open_sensor, read_sensor

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power at a sensor")
ENERGY: Final = Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy register of a sensor")
VOLTAGE: Final = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage at a sensor")
CURRENT: Final = Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current through a sensor")
TEMPERATURE: Final = Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE, "Temperature at a sensor")
HUMIDITY: Final = Metric("humidity_ratio", Unit.RATIO, Kind.GAUGE, "Relative humidity at a sensor")

KINDS: Final = {
    "power": (POWER, Scale(1, 10**6)), "energy": (ENERGY, Scale(1, 10**6)), "in": (VOLTAGE, Scale(1, 1000)),
    "curr": (CURRENT, Scale(1, 1000)), "temp": (TEMPERATURE, Scale(1, 1000)), "humidity": (HUMIDITY, Scale(1, 10**5)),
}  # fmt: skip
"""The kernel counts in microwatts, microjoules, millivolts, milliamperes, thousandths of a degree and of a percent."""

log = logging.getLogger(__name__)


class HwmonConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of the hwmon tree."""

    path: str = "/sys/class/hwmon"
    chips: str = "*"
    kinds: str = ",".join(KINDS)

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.wanted) - set(KINDS)):
            raise ValueError(f"`kinds`: {unknown[0]!r} is none of {', '.join(KINDS)}")

    @property
    def wanted(self) -> list[str]:
        """The kinds of sensors to be read."""
        return [kind.strip() for kind in self.kinds.split(",")]


class Hwmon(Polled[HwmonConfig]):
    """Keeps a descriptor on each sensor; a slow bus holds up a thread, not the program."""

    Config = HwmonConfig
    summary = "this machine's own sensors: hwmon power meters, rails, voltages, temperatures"
    metrics = tuple(metric for metric, _ in KINDS.values())
    example = "hwmon://"

    def __init__(self, config: HwmonConfig) -> None:
        super().__init__(config)
        self._descriptors: list[int] = []
        self._reading: asyncio.Task[list[int | None]] | None = None

    async def open(self) -> Sequence[Layout]:
        """Find the sensors and open them. Raises Misconfigured when there are none that may be read."""
        root, host = Path("/", self.config.path), self.config.device or os.uname().nodename
        series, columns, devices, refused = [], [], [Device(host, "host")], []
        self._scales: list[Scale] = []
        for chip, sensor in self._sensors(root):
            try:
                self._descriptors.append(open_sensor(sensor))
            except OSError as error:
                refused.append(f"{sensor.path}: {error.strerror}")
                continue
            metric, scale = KINDS[sensor.kind]
            part = Device(f"{host}/{chip.name}", "chip", (("", host),))
            series.append(Series.of(part.name, metric, _labels(sensor)))
            columns.append(_column(metric, scale, sensor))
            self._scales.append(scale)
            if part not in devices:
                devices.append(part)
        if not series:
            raise Misconfigured(f"{root} shows no sensor that may be read" + (f": {refused[0]}" if refused else ""))
        if refused:
            log.warning("%d sensors may not be read, the first is %s", len(refused), refused[0])
        self._layout = Layout.of(series, columns, devices=devices)
        return [self._layout]

    async def read(self, now: int) -> Sequence[Frame]:
        """Read every sensor; one that says nothing is absent. Raises Unreachable when none says anything."""
        self._reading = asyncio.create_task(asyncio.to_thread(_read, tuple(self._descriptors)))
        try:
            counts = await asyncio.shield(self._reading)
        except ValueError as error:
            raise Malformed(f"{self.config.path}: a sensor holds no number") from error
        present = np.array([count is not None for count in counts])
        if not present.any():
            raise Unreachable(f"{self.config.path}: no sensor says anything")
        values = [scale.base(count or 0) for scale, count in zip(self._scales, counts, strict=True)]
        return [Frame(self._layout, np.array(values), present=None if present.all() else present)]

    async def close(self) -> None:
        """Close the sensors, those that a thread still reads when it has ended."""
        descriptors, self._descriptors = self._descriptors, []
        reading, self._reading = self._reading, None
        if reading is None or reading.done():
            _close(descriptors)
        else:
            reading.add_done_callback(lambda _: _close(descriptors))

    def _sensors(self, root: Path) -> Iterator[tuple[Chip, Sensor]]:
        try:
            chips = find_chips(root)
        except FileNotFoundError as error:
            raise Misconfigured(f"{root} is not there: this machine shows no sensors") from error
        except OSError as error:
            raise Unreachable(f"{root}: {error.strerror}") from error
        for chip in chips:
            if any(fnmatch.fnmatchcase(chip.name, wanted.strip()) for wanted in self.config.chips.split(",")):
                yield from ((chip, sensor) for sensor in chip.sensors if sensor.kind in self.config.wanted)


def _labels(sensor: Sensor) -> dict[str, str]:
    name = f"{sensor.kind}{sensor.number}" + ("_average" if sensor.is_average else "")
    return {"sensor": name} | ({"label": sensor.label} if sensor.label else {})


def _column(metric: Metric, scale: Scale, sensor: Sensor) -> Column:
    resolution = scale.base(1) if metric.kind is Kind.COUNTER else 0.0
    return Column(scale=scale, resolution=resolution, window=sensor.window, point=Point.COMPONENT)


def _read(descriptors: Sequence[int]) -> list[int | None]:
    return [read_sensor(descriptor) for descriptor in descriptors]


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)

"""IPMI controllers (BMCs): DCMI power and any sensor, over LAN. The protocol is in `wire/ipmi`.

A session stays open between polls; all meters share one socket. Sensor records are read once, and again when the
controller says that they have changed.
"""

from collections.abc import Sequence
from typing import Final

from wattline.drivers.ipmi.choice import Choice, named, of_quantities, whole
from wattline.drivers.ipmi.config import IpmiConfig
from wattline.drivers.ipmi.meaning import METRICS
from wattline.drivers.ipmi.readout import Readout
from wattline.plugin import Frame, Layout, Malformed, Misconfigured, Polled, Unreachable
from wattline.wire.ipmi.commands import (
    DEVICE_ID,
    LEVEL_TOO_LOW,
    NOT_NOW,
    NOT_THERE,
    POWER_READING,
    Controller,
    Level,
    Power,
    read_device_id,
    read_level,
    read_power,
    reading_factors,
    said,
    sensor_reading,
)
from wattline.wire.ipmi.formula import Factors, read_factors
from wattline.wire.ipmi.message import Reply
from wattline.wire.ipmi.repository import Repository
from wattline.wire.ipmi.sdr import Sensor
from wattline.wire.ipmi.session import Session

_SECOND: Final = 1_000_000_000
_NOTHING: Final = Choice(())


class Ipmi(Polled[IpmiConfig]):
    """Reads one controller, or one behind it."""

    Config = IpmiConfig
    summary = "management controllers of servers (BMC): DCMI power and sensors by IPMI 2.0 over LAN"
    metrics = METRICS
    example = "ipmi://meter:secret@bmc-1/Pwr%20Consumption"

    def __init__(self, config: IpmiConfig) -> None:
        super().__init__(config)
        self._session = Session(config.host, config.port, config.who(), wait=config.wait, tries=config.tries)
        self._route = config.route()
        self._readout: Readout | None = None
        self._stamp = b""
        self._has_power = False
        self._factors: dict[tuple[int, int], Factors] = {}
        self._planned = 0

    async def open(self) -> Sequence[Layout]:
        """Log in, and find out what there is to read where that is not known or has changed."""
        await self._session.login()
        self._planned = 0
        return [(await self._plan()).layout]

    async def read(self, now: int) -> Sequence[Frame]:
        """Ask for DCMI power and each sensor, one after another; log in again where the session is gone."""
        try:
            return await self._poll(now)
        except Unreachable:
            if not self._session.is_warm:
                raise
            await self._session.login()
            return await self._poll(now)

    async def close(self) -> None:
        """End the session."""
        await self._session.close()

    async def _poll(self, now: int) -> Sequence[Frame]:
        self._planned = self._planned or now
        if self._readout is None or now - self._planned >= self.config.refresh * _SECOND:
            await self._plan()
            self._planned = now
        readout = self._readout
        assert readout is not None
        power = await self._power() if self._has_power else None
        if self._has_power and power is None:
            self._readout = None  # to look again what there is
            raise Malformed(f"{self._session.name} had DCMI power, and has none any more")
        levels = [await self._level(sensor) for sensor in readout.sensors]
        frame = readout.frame(power, levels, self._factors)
        if frame is None:
            raise Malformed(f"{self._session.name} answers, but none of what is read has a value now")
        return [frame]

    async def _plan(self) -> Readout:
        """Return what is read; made anew when the controller or its records are others than before."""
        config, power = self.config, None
        if "power" in config.quantities or not (config.sensors or config.quantities):
            power = await self._power()
        if power is not None and not config.quantities:
            return self._made(power, _NOTHING, b"power")
        controller = read_device_id(self._good(await self._session.ask(DEVICE_ID, self._route), "Get Device ID"))
        records = Repository(self._session, controller, self._route)
        stamp = bytes((power is not None,)) + controller.manufacturer.to_bytes(3, "big") + await records.stamp()
        if self._readout is not None and stamp == self._stamp:
            return self._readout
        return self._made(power, self._choose(await records.sensors(), controller), stamp)

    def _made(self, power: Power | None, choice: Choice, stamp: bytes) -> Readout:
        if self._readout is None or stamp != self._stamp:
            self._readout = Readout(self.config.device or self.config.host, power, choice)
            self._factors.clear()
            self._stamp, self._has_power = stamp, power is not None
        return self._readout

    def _choose(self, sensors: Sequence[Sensor], controller: Controller) -> Choice:
        try:
            if self.config.sensors:
                return named(self.config.sensors, sensors, add_up=self.config.sum)
            if self.config.quantities:
                return of_quantities(sensors, self.config.quantities, controller.manufacturer)
            return whole(sensors, controller.manufacturer)
        except Misconfigured as error:
            raise Misconfigured(f"{self._session.name}: {error}") from error

    async def _power(self) -> Power | None:
        """Return DCMI power; None: the controller has none, or not for us."""
        reply = await self._session.ask(POWER_READING, self._route)
        if reply.code in NOT_NOW:
            raise Malformed(f"{self._session.name} has no DCMI power now: {said(reply.code)}")
        if reply.code:
            return None
        try:
            return read_power(reply.content)
        except Malformed as error:
            raise Malformed(f"{self._session.name}: {error}") from error

    async def _level(self, sensor: Sensor) -> Level:
        route = self._route + sensor.route
        reply = await self._session.ask(sensor_reading(sensor.number, sensor.unit), route)
        if reply.code and reply.code not in (NOT_THERE, *NOT_NOW):
            self._good(reply, f"Get Sensor Reading of {sensor.name!r}")
        try:
            level = read_level(reply)
        except Malformed as error:
            raise Malformed(f"{self._session.name}: {sensor.name!r}: {error}") from error
        if level.raw is not None and sensor.formula and sensor.formula.needs_factors:
            await self._learn(sensor, level.raw)
        return level

    async def _learn(self, sensor: Sensor, raw: int) -> None:
        """Ask for the factors of a sensor that is not linear, once for each reading that it may have."""
        if (sensor.record, raw) in self._factors:
            return
        request = reading_factors(sensor.number, sensor.unit, raw)
        reply = await self._session.ask(request, self._route + sensor.route)
        what = f"Get Sensor Reading Factors of {sensor.name!r}"
        content = self._good(reply, what)
        try:
            self._factors[sensor.record, raw] = read_factors(content[1:])
        except Malformed as error:
            raise Malformed(f"{self._session.name}: {what}: {error}") from error

    def _good(self, reply: Reply, what: str) -> bytes:
        if not reply.code:
            return reply.content
        about = f"{self._session.name} answers {what} with: {said(reply.code)}"
        if reply.code == LEVEL_TOO_LOW:
            raise Misconfigured(f"{about}; give a higher `privilege` than {self.config.privilege}")
        raise Malformed(about)

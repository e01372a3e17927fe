"""Meters on a wired M-Bus, one after another, through a level converter or a gateway."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Final

from wattline.drivers.mbus.config import MbusConfig
from wattline.drivers.mbus.meaning import METRICS, Key, Value, values
from wattline.plugin import (
    Column,
    Device,
    DriverConfig,
    Frame,
    Layout,
    Malformed,
    Metric,
    Polled,
    Roster,
    Series,
    Unreachable,
)
from wattline.wire.mbus import ACKNOWLEDGED, ASK, LONGEST, RESET, TOGGLE, Record, length_of, request, unpack
from wattline.wire.serial_line import Line

_MOST_FRAMES: Final = 16
"""Frames that one meter's answer may have."""


class Mbus(Polled[MbusConfig]):
    """Asks each address for its values; one that does not answer is absent."""

    Config: ClassVar[type[DriverConfig]] = MbusConfig
    summary: ClassVar[str] = "meters on a wired M-Bus (EN 13757): electricity and heat"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    example: ClassVar[str] = "mbus:///dev/ttyUSB0?address=1,2"

    def __init__(self, config: MbusConfig) -> None:
        super().__init__(config)
        self._line = Line(config.line, baud=config.baud, framing=config.framing, wait=config.wait)
        self._name = config.device or f"mbus-{config.line.rpartition('/')[2].replace(':', '-')}"
        self._columns: dict[Key, Column] = {}
        self._roster: Roster[Key] = Roster(self._describe, self._devices)

    async def open(self) -> Sequence[Layout]:
        """Open the line; what the meters tell is seen at the first read."""
        await self._line.open()
        return []

    async def read(self, now: int) -> Sequence[Frame]:
        """Ask every meter once. Raises Unreachable when none answers, Malformed when the only one makes no sense."""
        told: dict[Key, Value] = {}
        fault: Unreachable | Malformed | None = None
        answered = False
        for address in self.config.address:
            try:
                told |= values(address, await self._ask(address))
                answered = True
            except (Unreachable, Malformed) as error:
                fault = error
        if not answered and fault is not None:
            raise fault
        if not told:
            return []
        self._columns = {key: one.column for key, one in told.items()}
        layout, row, present = self._roster.frame(now, list(told), [one.value for one in told.values()])
        return [Frame(layout, row, present=None if present.all() else present)]

    async def close(self) -> None:
        """Close the line."""
        self._line.close()

    async def _ask(self, address: int) -> list[Record]:
        where = f"meter {address} on {self.config.line}"
        try:
            async with asyncio.timeout(self.config.wait):
                return await self._records(address)
        except TimeoutError as error:
            raise Unreachable(f"{where} did not answer within {self.config.wait:g} s") from error
        except Malformed as error:
            raise Malformed(f"{where}: {error}") from error

    async def _records(self, address: int) -> list[Record]:
        if await self._exchange(request(RESET, address)) != ACKNOWLEDGED:
            raise Malformed("it does not acknowledge")
        told: list[tuple[Record, ...]] = []
        control = ASK | TOGGLE
        while len(told) < _MOST_FRAMES:
            answer = unpack(await self._exchange(request(control, address)))
            if answer.records not in told:
                told.append(answer.records)
                control ^= TOGGLE
                if answer.follows:
                    continue
            return [record for records in told for record in records]  # some say for ever that more follows
        raise Malformed(f"more than {_MOST_FRAMES} frames")

    async def _exchange(self, asked: bytes) -> bytes:
        """Send a request and return the frame that comes."""
        self._line.drop()
        await self._line.write(asked)
        came = b""
        while (length := length_of(came)) is None or len(came) < length:
            came += await self._line.read()
            if len(came) > 2 * LONGEST:
                raise Malformed("more octets than a frame has")
        return came[:length]

    def _describe(self, key: Key) -> tuple[Series, Column]:
        return Series.of(self._device(key), key.metric, dict(key.labels)), self._columns[key]

    def _device(self, key: Key) -> str:
        name = self._name if len(self.config.address) == 1 else f"{self._name}/{key.address}"
        return f"{name}/{key.part}" if key.part else name

    def _devices(self, series: Sequence[Series]) -> list[Device]:
        found = []
        for name in dict.fromkeys(one.device for one in series):
            above, _, part = name.rpartition("/")
            is_phase = part.startswith("phase-")
            found.append(Device(name, "phase" if is_phase else "meter", (("", above),) if is_phase else ()))
        return found

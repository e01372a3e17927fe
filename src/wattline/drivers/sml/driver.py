"""Electricity meters that push SML from their optical or serial port, every one to four seconds."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar, Final, Self

from wattline.core import obis
from wattline.core.obis import Registers, add_up
from wattline.drivers.sml.meaning import readings
from wattline.plugin import DriverConfig, Frame, Layout, Malformed, Metric, Streamed, Url
from wattline.wire.serial_line import Line, check_line, name_line
from wattline.wire.sml import Files, entries

_PATIENCE: Final = 10
"""Broken files in a row after which something is wrong with the line."""


class SmlConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a meter that speaks SML."""

    line: str
    baud: int = 9600
    framing: str = "8N1"
    wait: float = 10.0

    def __post_init__(self) -> None:
        check_line(self.line, self.baud, self.framing)
        if not 0 < self.wait <= 3600:
            raise ValueError("`wait` lies between 0 and 3600 seconds")

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `sml:///dev/ttyUSB0`, or `sml://host:port` of a serial server."""
        given: dict[str, Any] = {"line": name_line(url.host, url.port, url.path), **dict(url.options)}
        return cls.of(f"{url.scheme}://{url.host}", given)


class Sml(Streamed[SmlConfig]):
    """Reads files from a serial port or a serial server; one that fails its check is passed over and counted."""

    Config: ClassVar[type[DriverConfig]] = SmlConfig
    summary: ClassVar[str] = "electricity meters that push SML (Germany) from their optical or serial port"
    metrics: ClassVar[tuple[Metric, ...]] = obis.METRICS
    example: ClassVar[str] = "sml:///dev/ttyUSB0"

    def __init__(self, config: SmlConfig) -> None:
        super().__init__(config)
        self.patience = config.wait + 1
        self._line = Line(config.line, baud=config.baud, framing=config.framing, wait=config.wait)

    async def open(self) -> Sequence[Layout]:
        """Open the line; what the meter tells is seen in its first file."""
        await self._line.open()
        return []

    async def stream(self) -> AsyncIterator[Sequence[Frame]]:
        """Yield a frame for each file. Raises Malformed when file after file is broken."""
        files = Files()
        registers = Registers(self.config.device or f"sml-{self.config.line.rpartition('/')[2].replace(':', '-')}")
        good = nonsense = 0
        while True:
            for file in files.feed(await self._line.read()):
                try:
                    sums = add_up(readings(entries(file)))
                except Malformed:
                    nonsense += 1
                    continue
                good = files.broken + nonsense
                layout, values, present = registers.frame(sums, good)
                yield [Frame(layout, values, present=None if present.all() else present)]
            if files.broken + nonsense - good >= _PATIENCE:
                raise Malformed(f"{self.config.line}: {_PATIENCE} broken files in a row; is its speed right?")

    async def close(self) -> None:
        """Close the line."""
        self._line.close()

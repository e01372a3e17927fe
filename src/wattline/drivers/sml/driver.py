"""Electricity meters that push SML from their optical or serial port, every one to four seconds."""

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar, Final

from wattline.core import obis
from wattline.core.obis import Registers, add_up
from wattline.drivers.sml.meaning import readings
from wattline.line_meter import LineConfig
from wattline.plugin import DriverConfig, Frame, Layout, Malformed, Metric, Streamed
from wattline.wire.sml import Files, entries

_PATIENCE: Final = 10
"""Broken files in a row after which something is wrong with the line."""


class SmlConfig(LineConfig, frozen=True, kw_only=True):
    """Options of a meter that speaks SML."""

    baud: int = 9600
    wait: float = 10.0


class Sml(Streamed[SmlConfig]):
    """Reads files from a serial port or a serial server; one that fails its check is passed over and counted."""

    Config: ClassVar[type[DriverConfig]] = SmlConfig
    summary: ClassVar[str] = "electricity meters that push SML (Germany) from their optical or serial port"
    metrics: ClassVar[tuple[Metric, ...]] = obis.METRICS
    example: ClassVar[str] = "sml:///dev/ttyUSB0"

    def __init__(self, config: SmlConfig) -> None:
        super().__init__(config)
        self.patience = config.wait + 1
        self._line = config.opened_by()

    async def open(self) -> Sequence[Layout]:
        """Open the line; what the meter tells is seen in its first file."""
        await self._line.open()
        return []

    async def stream(self) -> AsyncIterator[Sequence[Frame]]:
        """Yield a frame for each file. Raises Malformed when file after file is broken."""
        files = Files()
        registers = Registers(self.config.own_name("sml"))
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

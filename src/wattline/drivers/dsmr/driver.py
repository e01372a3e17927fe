"""Smart meters with a P1 port: a telegram every second or every ten, as it comes."""

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar, Final

from wattline.core import obis
from wattline.core.obis import Registers
from wattline.drivers.dsmr import meaning
from wattline.line_meter import LineConfig
from wattline.plugin import DriverConfig, Frame, Layout, Malformed, Metric, Streamed
from wattline.wire.p1 import Telegrams, parse

_PATIENCE: Final = 10
"""Broken telegrams in a row after which something is wrong with the line."""


class DsmrConfig(LineConfig, frozen=True, kw_only=True):
    """Options of a P1 port."""

    wait: float = 30.0


class Dsmr(Streamed[DsmrConfig]):
    """Reads telegrams from a serial port or a serial server; one that fails its check is passed over and counted."""

    Config: ClassVar[type[DriverConfig]] = DsmrConfig
    summary: ClassVar[str] = "smart meters with a P1 port (DSMR 2.2 to 5, Belgium, Sweden, Hungary)"
    metrics: ClassVar[tuple[Metric, ...]] = (*obis.METRICS, *meaning.METRICS)
    example: ClassVar[str] = "dsmr:///dev/ttyUSB0"

    def __init__(self, config: DsmrConfig) -> None:
        super().__init__(config)
        self.patience = config.wait + 1
        self._line = config.opened_by()

    async def open(self) -> Sequence[Layout]:
        """Open the line; what the meter tells is seen in its first telegram."""
        await self._line.open()
        return []

    async def stream(self) -> AsyncIterator[Sequence[Frame]]:
        """Yield a frame for each telegram. Raises Malformed when telegram after telegram is broken."""
        telegrams = Telegrams()
        registers = Registers(self.config.own_name("dsmr"))
        broken = in_a_row = 0
        while True:
            for telegram in telegrams.feed(await self._line.read()):
                try:
                    sums = meaning.sums(parse(telegram))
                except Malformed as error:
                    broken, in_a_row = broken + 1, in_a_row + 1
                    if in_a_row >= _PATIENCE:
                        raise Malformed(f"{self.config.line}: {error}, as had {in_a_row} before it") from error
                    continue
                in_a_row = 0
                layout, values, present = registers.frame(sums, broken)
                yield [Frame(layout, values, present=None if present.all() else present)]

    async def close(self) -> None:
        """Close the line."""
        self._line.close()

"""OmegaWatt wattmeters: what `wattmetre-read` prints, as a mean a second or, where somebody wants it, every frame."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import ClassVar

from wattline.drivers.wattmetre.config import WattmetreConfig
from wattline.drivers.wattmetre.ports import CURRENT, LOST, POWER, REFUSED, VOLTAGE, read_mapping
from wattline.drivers.wattmetre.rows import Reader
from wattline.drivers.wattmetre.seconds import Seconds
from wattline.plugin import DriverConfig, Frame, Gone, Layout, Metric, Streamed, Unreachable
from wattline.wire.text_stream import TextStream


class Wattmetre(Streamed[WattmetreConfig]):
    """Reads lines from standard input, a FIFO, a file or a program, and hands on what a second held when it is over."""

    Config: ClassVar[type[DriverConfig]] = WattmetreConfig
    summary: ClassVar[str] = "OmegaWatt wattmeters of 6 to 42 ports, 50 or 100 frames a second (wattmetre-read)"
    metrics: ClassVar[tuple[Metric, ...]] = (POWER, CURRENT, VOLTAGE, REFUSED, LOST)
    example: ClassVar[str] = "wattmetre:///run/omegawatt.fifo"

    def __init__(self, config: WattmetreConfig) -> None:
        super().__init__(config)
        self.patience = config.wait + 1
        self._text = TextStream(config.path, config.words, wait=config.wait)
        self._nodes: Mapping[str, Sequence[str]] = {}

    async def open(self) -> Sequence[Layout]:
        """Read the mapping and open the text; how many ports there are is seen in the first frame."""
        self._nodes = await asyncio.to_thread(read_mapping, self.config.mapping)
        await self._text.open()
        return []

    async def stream(self) -> AsyncIterator[Sequence[Frame]]:
        """Yield what each second held, the last and unfinished one as well. Raises Gone at the end."""
        reader = Reader(self.config.version, self.config.tail, electrical=self.config.electrical)
        seconds = Seconds(self.config, reader, self._nodes, self.promoted)
        while True:
            try:
                lines: Iterable[bytes] = await self._text.lines()
            except (Gone, Unreachable):
                if frames := seconds.flush():
                    yield frames
                raise
            for line in lines:
                if frames := seconds.take(line):
                    yield frames

    async def close(self) -> None:
        """Close the text."""
        await self._text.close()

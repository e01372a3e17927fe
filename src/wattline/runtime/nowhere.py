"""The store of a program that only passes samples on: it keeps nothing, and so acknowledges nothing to anybody.

An engine that has it takes the word of its first sink for what is safe.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from wattline.plugin import Batch, Block, Cells, Config, Device, Entry, Outage, Run, Store


class Nowhere(Store[Config]):
    """Takes everything, and answers that there is nothing."""

    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "keeps nothing: for programs that pass samples on"

    async def write(self, batches: Sequence[Batch]) -> None:
        """Take batches, and forget them."""

    async def note(self, outages: Sequence[Outage] = (), runs: Sequence[Run] = ()) -> None:
        """Take notes, and forget them."""

    def entries(self) -> Sequence[Entry]:
        """Return nothing."""
        return ()

    def devices(self) -> Sequence[Device]:
        """Return nothing."""
        return ()

    def samples(self, ids: Sequence[int], start: int, end: int, *, around: bool = False) -> Iterator[Sequence[Block]]:
        """Yield nothing."""
        yield from ()

    def cells(self, ids: Sequence[int], start: int, end: int, span: int) -> Iterator[Mapping[int, Cells]]:
        """Yield nothing."""
        yield from ()

    def texts(self, series: int) -> Sequence[str]:
        """Return nothing."""
        return ()

    def last(self, since: int) -> Mapping[int, tuple[int, float]]:
        """Return nothing."""
        return {}

    def outages(self, start: int, end: int) -> Sequence[Outage]:
        """Return nothing."""
        return ()

    def statistics(self) -> Mapping[str, int | float | str]:
        """Return nothing."""
        return {}

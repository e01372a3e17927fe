"""Standard output: every sample as a line, for pipes and eyes."""

import asyncio
import errno
import os
from collections.abc import Sequence
from typing import ClassVar

from wattline.plugin import Batch, Config, Gone, Sink, Unreachable
from wattline.sinks.stdout.lines import HEADER, Format, render


class StdoutConfig(Config, frozen=True, kw_only=True):
    """Options of standard output."""

    format: Format = "ndjson"
    descriptor: int = 1


class Stdout(Sink[StdoutConfig]):
    """Acknowledges when the system has taken every byte; a slow reader slows this sink and nothing else.

    What was rendered and not taken yet waits in `_unsent`, so that an answer cut short by a full disk goes on where it
    was cut when the same batches come again.
    """

    Config: ClassVar[type[Config]] = StdoutConfig
    summary: ClassVar[str] = "one sample a line on standard output, as NDJSON or CSV"

    def __init__(self, config: StdoutConfig) -> None:
        super().__init__(config)
        self._unsent = HEADER if config.format == "csv" else b""
        self._seen: dict[tuple[str, int], _Seen] = {}

    async def write(self, batches: Sequence[Batch]) -> None:
        """Write the lines of batches that were not written before, in a thread, since a pipe may block for ever.

        Raises Gone: the reader has left. Raises Unreachable: the disk behind it is full, or the like.
        """
        fresh = [render(batch, self.config.format) for batch in batches if self._is_new(batch)]
        self._unsent += b"".join(fresh)
        await asyncio.to_thread(self._send)

    def _send(self) -> None:
        try:
            while self._unsent:
                taken = os.write(self.config.descriptor, self._unsent)
                self._unsent = self._unsent[taken:]
        except OSError as error:
            where = f"standard output (descriptor {self.config.descriptor})"
            if error.errno in (errno.EPIPE, errno.EBADF):
                raise Gone(f"{where}: its reader has left") from error
            raise Unreachable(f"{where}: {error.strerror}") from error

    def _is_new(self, batch: Batch) -> bool:
        if not batch.sequence:
            return True
        return self._seen.setdefault((batch.source, batch.run), _Seen()).add(batch.sequence)


class _Seen:
    """The sequences of a run that were taken: all up to `_until`, and those in `_beyond`, which a hole keeps apart."""

    def __init__(self) -> None:
        self._until = 0
        self._beyond: set[int] = set()

    def add(self, sequence: int) -> bool:
        """Note a sequence; False when it was noted before."""
        if sequence <= self._until or sequence in self._beyond:
            return False
        self._beyond.add(sequence)
        while self._until + 1 in self._beyond:
            self._until += 1
            self._beyond.remove(self._until)
        return True

"""A serial port as an asyncio stream: for protocols that speak over TCP as over a line."""

import asyncio
import os

from wattline.errors import Unreachable
from wattline.wire.serial_line import open_port

_LIMIT = 4096


class Port:
    """An open port: what comes is in `reader`; `write` takes what the line's buffer can hold at once."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.reader = asyncio.StreamReader(_LIMIT)
        self._descriptor = descriptor
        self._transport: asyncio.ReadTransport | None = None

    @classmethod
    async def open(cls, path: str, baud: int, framing: str) -> "Port":
        """Open a port for us alone; see `open_port`."""
        port = cls(path, open_port(path, baud, framing))
        try:
            loop, pipe = asyncio.get_running_loop(), os.fdopen(os.dup(port._descriptor), "rb", 0)
            port._transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(port.reader), pipe)
        except BaseException:
            port.close()
            raise
        return port

    def write(self, content: bytes) -> None:
        """Send some bytes. Raises Unreachable when the line has gone or takes nothing."""
        try:
            sent = os.write(self._descriptor, content)
        except OSError as error:
            raise Unreachable(f"{self.path}: {error.strerror}") from error
        if sent < len(content):
            raise Unreachable(f"{self.path} takes no more")

    def close(self) -> None:
        """Let go of the port."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

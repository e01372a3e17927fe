"""A meter on a serial line that is no hardware: a pseudo terminal under a name of its own, plugged in and pulled out.

with SerialMeter(tmp_path / "ttyUSB0") as meter:
    meter.say(b"#d,-,18,1005,2301;")
    meter.unplug()                       # the port is gone, whoever reads it is told
    meter.plug()                         # and there again
"""

import asyncio
import os
import pty
import select
import time
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self

from wattline.errors import Unreachable

_PATIENCE: Final = 20.0


class SerialMeter:
    """The far end of a line whose near end is at `path`. What is said before anybody opens it is kept by the kernel."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ours = self._theirs = -1

    def __enter__(self) -> Self:
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def plug(self) -> None:
        """Put the port there."""
        self._ours, self._theirs = pty.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._theirs))

    def unplug(self) -> None:
        """Take the port away, as a cable that is pulled."""
        self.path.unlink(missing_ok=True)
        for descriptor in (self._ours, self._theirs):
            if descriptor >= 0:
                os.close(descriptor)
        self._ours = self._theirs = -1

    def say(self, said: bytes) -> None:
        """Send bytes to whoever has the port open. Raises Unreachable when nobody takes them."""
        until = time.monotonic() + _PATIENCE
        while said and time.monotonic() < until:
            _, ready, _ = select.select([], [self._ours], [], _PATIENCE)
            said = said[os.write(self._ours, said) :] if ready else said
        if said:
            raise Unreachable(f"nobody reads {self.path}")

    def heard(self) -> bytes:
        """Return what was sent to the meter and not returned yet; never waits."""
        try:
            return os.read(self._ours, 65_536)
        except BlockingIOError:
            return b""

    def hear(self, count: int) -> bytes:
        """Return the next `count` bytes that were sent to the meter. Raises Unreachable when they do not come."""
        heard = b""
        until = time.monotonic() + _PATIENCE
        while len(heard) < count and time.monotonic() < until:
            ready, _, _ = select.select([self._ours], [], [], _PATIENCE)
            heard += os.read(self._ours, count - len(heard)) if ready else b""
        if len(heard) < count:
            raise Unreachable(f"{self.path} was sent {heard!r} alone")
        return heard


class _Talker(asyncio.Protocol):
    def __init__(self, said: bytes, every: float, open_ones: set[asyncio.Transport]) -> None:
        self._said, self._every, self._open = said, every, open_ones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(transport)
        self._speak()

    def connection_lost(self, _: Exception | None) -> None:
        self._open.discard(self._transport)
        self._timer.cancel()

    def _speak(self) -> None:
        self._transport.write(self._said)
        self._timer = asyncio.get_running_loop().call_later(self._every, self._speak)


@asynccontextmanager
async def serial_server(said: bytes, *, every: float = 0.02) -> AsyncIterator[int]:
    """Serve a meter that says the same again and again, behind a serial server on loopback; yields its port."""
    open_ones: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Talker(said, every, open_ones), "127.0.0.1", 0)
    try:
        port: int = server.sockets[0].getsockname()[1]
        yield port
    finally:
        server.close()
        for transport in tuple(open_ones):
            transport.abort()
        await server.wait_closed()

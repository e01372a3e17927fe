"""A serial port as an asyncio stream: speed, parity and stop bits by termios(3), nobody else on the line."""

import asyncio
import contextlib
import fcntl
import os
import termios
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from wattline.errors import Misconfigured, Unreachable

Parity = Literal["none", "even", "odd"]
SPEEDS: Final = {
    int(name[1:]): getattr(termios, name) for name in dir(termios) if name.startswith("B") and name[1:].isdigit()
}
"""Constants of termios by baud."""
_PARITY: Final = {"none": 0, "even": termios.PARENB, "odd": termios.PARENB | termios.PARODD}
_LIMIT: Final = 4096


class Line(Struct, frozen=True):
    """How bits go over a line: eight to a character, as all meters have it."""

    baud: int = 19_200
    parity: Parity = "even"
    stop: Literal[1, 2] = 1


class Port:
    """An open port: what comes is in `reader`; `write` takes what the line's buffer can hold at once."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.reader = asyncio.StreamReader(_LIMIT)
        self._descriptor = descriptor
        self._transport: asyncio.ReadTransport | None = None

    @classmethod
    async def open(cls, path: str, line: Line) -> "Port":
        """Open a port for us alone. Raises Misconfigured (no right to it, no terminal) and Unreachable."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError as error:
            group = _group(path)
            raise Misconfigured(
                f"{path} may not be opened: add the user of this program to the group {group}"
            ) from error
        except OSError as error:
            raise Unreachable(f"{path}: {error.strerror}") from error
        port = cls(path, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _set(descriptor, line)
            loop, pipe = asyncio.get_running_loop(), os.fdopen(os.dup(descriptor), "rb", 0)
            port._transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(port.reader), pipe)
        except BlockingIOError as error:
            port.close()
            raise Unreachable(f"{path} is in use by another meter or program") from error
        except termios.error as error:
            port.close()
            raise Misconfigured(f"{path} is no serial port: {error.args[-1]}") from error
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


def _set(descriptor: int, line: Line) -> None:
    stop = termios.CSTOPB if line.stop == 2 else 0
    control = termios.CS8 | termios.CLOCAL | termios.CREAD | _PARITY[line.parity] | stop
    speed = SPEEDS[line.baud]
    quiet = [b"\0"] * len(termios.tcgetattr(descriptor)[6])
    termios.tcsetattr(descriptor, termios.TCSANOW, [0, 0, control, 0, speed, speed, quiet])
    termios.tcflush(descriptor, termios.TCIOFLUSH)


def _group(path: str) -> str:
    with contextlib.suppress(KeyError, OSError):
        return Path(path).group()
    return "dialout"

"""A line that bytes come by: a serial port of this machine, or one behind a TCP server (ser2net, an ESP bridge).

    line = Line("/dev/ttyUSB0", baud=9600, framing="7E1")
    line = Line("tcp://bridge-1:2000")

Both are one descriptor that is read when it is ready: nothing is buffered here but what one `read_until` holds, so a
reader that is slow is told so by the line itself. A serial port is put into raw mode (termios(3), cfmakeraw) and held
alone: what another program reads of it would be lost to us.
"""

import asyncio
import errno
import fcntl
import os
import re
import socket
import termios
from typing import Final
from urllib.parse import urlsplit

from wattline.errors import Malformed, Misconfigured, Unreachable, WattlineError
from wattline.wire.names import places

_B: Final = re.compile("B([1-9][0-9]*)")
SPEEDS: Final = tuple(sorted(int(match[1]) for match in map(_B.fullmatch, dir(termios)) if match))
"""Speeds that a serial port may have, in baud."""
MOST: Final = 4096
"""Bytes of one read: what the kernel holds of a serial port."""
_FRAMING: Final = re.compile("([5-8])([NEO])([12])")
_SIZES: Final = {"5": termios.CS5, "6": termios.CS6, "7": termios.CS7, "8": termios.CS8}
_AWAY: Final = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO, errno.EBUSY)


def name_line(host: str, port: int | None, path: str) -> str:
    """Return the name of a line from the parts of an address: `/dev/ttyUSB0`, or `tcp://host:port`."""
    if not host:
        return f"/{path}"
    shown = f"[{host}]" if ":" in host else host
    return f"tcp://{shown}:{port}" if port else f"tcp://{shown}"


def check_line(name: str, baud: int, framing: str) -> None:
    """Raise ValueError, in words for an operator, when there can be no such line."""
    if name.startswith("tcp://"):
        try:
            parts = urlsplit(name)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise ValueError(f"`line`: {name} is no address: {error}") from error
        if not host or not port:
            raise ValueError("`line` of a serial server is written tcp://host:port")
    elif not name.startswith("/"):
        raise ValueError("`line` is the path of a serial port, such as /dev/ttyUSB0, or tcp://host:port")
    if baud not in SPEEDS:
        raise ValueError(f"`baud`: {baud} is no speed of a serial port, such as 9600 or 115200")
    if not _FRAMING.fullmatch(framing):
        raise ValueError("`framing` is data bits, parity (N, E, O) and stop bits, such as 8N1")


class Line:
    """One line with one owner, who reads or writes one thing at a time; `open` before, `close` after.

    `wait` is how many seconds the line may be silent, or take nothing, before it is Unreachable.
    """

    def __init__(self, name: str, *, baud: int = 115_200, framing: str = "8N1", wait: float = 2.0) -> None:
        self.name = name
        self._baud, self._framing, self._wait = baud, framing, wait
        self._descriptor: int | None = None
        self._rest = b""

    async def open(self) -> None:
        """Open the line. Raises Unreachable (not there, or taken) and Misconfigured (no right, or no serial port)."""
        self.close()
        if self.name.startswith("tcp://"):
            self._descriptor = await self._connect()
            return
        self._descriptor = open_port(self.name, self._baud, self._framing)

    def close(self) -> None:
        """Let go of the line."""
        self._rest = b""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    async def read(self) -> bytes:
        """Return what has come, at least a byte and at most `MOST`. Raises Unreachable: silent too long, or gone."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        try:
            async with asyncio.timeout(self._wait):
                return await self._read()
        except TimeoutError as error:
            raise Unreachable(f"{self.name} said nothing for {self._wait:g} s") from error

    async def read_until(self, end: bytes, limit: int) -> bytes:
        """Return what comes up to `end`, with it; what came behind it is kept for the next reading.

        Raises Unreachable when `end` does not come within the wait, and Malformed when it is not within `limit` bytes:
        what came is dropped then.
        """
        came, self._rest = bytearray(self._rest), b""
        try:
            async with asyncio.timeout(self._wait):
                while (place := came.find(end)) < 0 and len(came) <= limit:
                    came += await self._read()
        except TimeoutError as error:
            said = f"nothing whole for {self._wait:g} s" if came else f"nothing for {self._wait:g} s"
            raise Unreachable(f"{self.name} said {said}") from error
        if not 0 <= place <= limit:
            raise Malformed(f"{self.name}: no end of a message within {limit} bytes")
        self._rest = bytes(came[place + len(end) :])
        return bytes(came[: place + len(end)])

    async def write(self, said: bytes) -> None:
        """Say something. Raises Unreachable: the line takes it not in time, or is gone."""
        try:
            async with asyncio.timeout(self._wait):
                while said:
                    said = said[await self._write(said) :]
        except TimeoutError as error:
            raise Unreachable(f"{self.name} took nothing for {self._wait:g} s") from error

    def drop(self) -> None:
        """Forget what has come and was not read yet; never waits."""
        self._rest = b""
        try:
            while os.read(self._open_descriptor(), MOST):
                pass
        except OSError:  # nothing is there now, or the line is gone, which the next reading tells
            pass

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise Unreachable(f"{self.name} is not open")
        return self._descriptor

    async def _read(self) -> bytes:
        descriptor = self._open_descriptor()
        while True:
            try:
                came = os.read(descriptor, MOST)
            except BlockingIOError:
                await _ready(descriptor, write=False)
                continue
            except OSError as error:
                raise Unreachable(f"{self.name} is gone: {error.strerror}") from error
            if not came:
                raise Unreachable(f"{self.name} was closed at its other end")
            return came

    async def _write(self, said: bytes) -> int:
        descriptor = self._open_descriptor()
        while True:
            try:
                return os.write(descriptor, said)
            except BlockingIOError:
                await _ready(descriptor, write=True)
            except OSError as error:
                raise Unreachable(f"{self.name} is gone: {error.strerror}") from error

    async def _connect(self) -> int:
        """Return a connected socket's descriptor, which is ours."""
        parts = urlsplit(self.name)
        loop, last = asyncio.get_running_loop(), "it has no address"
        try:
            async with asyncio.timeout(self._wait):
                found = await places(parts.hostname or "", parts.port or 0, socket.SOCK_STREAM)
                for family, kind, protocol, _, address in found:
                    with socket.socket(family, kind, protocol) as one:
                        one.setblocking(False)
                        try:
                            await loop.sock_connect(one, address)
                        except OSError as error:
                            last = error.strerror or str(error)
                            continue
                        return one.detach()
        except TimeoutError as error:
            raise Unreachable(f"{self.name} did not answer within {self._wait:g} s") from error
        except OSError as error:
            last = error.strerror or str(error)
        except UnicodeError as error:  # a name that no resolver takes
            last = str(error)
        raise Unreachable(f"{self.name} cannot be reached: {last}")


def open_port(path: str, baud: int, framing: str) -> int:
    """Return the descriptor of a serial port, raw and held alone, with nothing in it from before.

    Raises Unreachable (not there, or taken) and Misconfigured (no right, or no serial port).
    """
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _make_raw(descriptor, baud, framing)
    except (OSError, termios.error) as error:
        if descriptor >= 0:
            os.close(descriptor)
        raise _refusal(path, error) from error
    return descriptor


def _refusal(path: str, error: Exception) -> WattlineError:
    match error:
        case PermissionError():
            return Misconfigured(_forbidden(path))
        case BlockingIOError():
            return Unreachable(f"{path} is held by another program")
        case OSError() if error.errno in _AWAY:
            return Unreachable(f"{path} is not there: {error.strerror}")
        case OSError():
            return Misconfigured(f"{path} cannot be opened: {error.strerror}")
    return Misconfigured(f"{path} is no serial port")


async def _ready(descriptor: int, *, write: bool) -> None:
    """Return when a descriptor can be read or written."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    watch, forget = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    watch(descriptor, _wake, ready)
    try:
        await ready
    finally:
        forget(descriptor)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _make_raw(descriptor: int, baud: int, framing: str) -> None:
    """Set speed and framing, no flow control, and bytes as they come."""
    match = _FRAMING.fullmatch(framing)
    assert match is not None
    bits, parity, stop = match.groups()
    speed = getattr(termios, f"B{baud}")
    control = _SIZES[bits] | termios.CREAD | termios.CLOCAL
    control |= {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}[parity]
    control |= termios.CSTOPB if stop == "2" else 0
    characters = termios.tcgetattr(descriptor)[6]
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0  # an empty line would block, and says so
    given = termios.IGNPAR if parity == "N" else termios.INPCK | termios.IGNPAR
    termios.tcsetattr(descriptor, termios.TCSANOW, [given, 0, control, 0, speed, speed, characters])
    termios.tcflush(descriptor, termios.TCIOFLUSH)


def _forbidden(path: str) -> str:
    return (
        f"{path} may not be opened by this user: add it to the group of the port (mostly dialout), or write to "
        '/etc/udev/rules.d/60-meters.rules: SUBSYSTEM=="tty", KERNEL=="ttyUSB*", GROUP="wattline", MODE="0660"'
    )

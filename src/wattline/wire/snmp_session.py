"""gufo-snmp's session with a look at each datagram before its parser sees it.

Its parser (0.13) panics on octets that are no BER, and a panic of Rust writes to standard error each time, whoever
catches it: an agent that answers garbage would fill a log. So what is no single SEQUENCE of the datagram's own length
(ITU-T X.690 section 8.1; RFC 3417 section 8) never gets there.
"""

import asyncio
import ctypes
import errno
import os
import socket
from collections.abc import Callable
from typing import Final, TypeVar

from gufo.snmp.aio import SnmpSession

from wattline.errors import Malformed

_SEQUENCE: Final = 0x30
LONGEST: Final = 4080
"""Octets of the longest datagram that gufo reads; it cuts a longer one off."""
_LOOK: Final = 6
"""Octets that a tag and a length of up to four octets take."""
_PEEK: Final = socket.MSG_PEEK | socket.MSG_TRUNC | socket.MSG_DONTWAIT
_recv: Final = ctypes.CDLL(None, use_errno=True).recv

T = TypeVar("T")


class TooLong(Malformed):
    """An answer that is longer than `LONGEST`: what was asked for has to be asked for in parts."""


class Session(SnmpSession):
    """A session that waits for its socket, looks, and then lets gufo read."""

    async def _recv(self, receiver: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        while True:
            readable: asyncio.Future[None] = loop.create_future()
            loop.add_reader(self._fd, _wake, readable)
            try:
                await readable
            finally:
                loop.remove_reader(self._fd)
            _refuse_garbage(self._fd)
            try:
                return receiver()
            except BlockingIOError:  # it was of an older request
                continue


def _wake(readable: "asyncio.Future[None]") -> None:
    if not readable.done():
        readable.set_result(None)


def _refuse_garbage(descriptor: int) -> None:
    """Raise Malformed, with the datagram taken away, when what waits is no message, and OSError when it is an error.

    TooLong is a Malformed.
    """
    head = ctypes.create_string_buffer(_LOOK)
    size = _recv(descriptor, head, _LOOK, _PEEK)
    if size < 0 and (error := ctypes.get_errno()) not in (errno.EAGAIN, errno.EINTR):
        raise OSError(error, os.strerror(error))
    if size >= 0 and not is_message(head.raw[:size], size):
        _recv(descriptor, head, _LOOK, socket.MSG_DONTWAIT)
        raise Malformed(f"a datagram of {size} octets that is no message")
    if size > LONGEST:
        _recv(descriptor, head, _LOOK, socket.MSG_DONTWAIT)
        raise TooLong(f"a datagram of {size} octets")


def is_message(head: bytes, size: int) -> bool:
    """Say whether a datagram of `size` octets that begins with `head` is one SEQUENCE of that length."""
    if len(head) < 2 or head[0] != _SEQUENCE:
        return False
    octets = head[1] & 0x7F
    if head[1] < 0x80:
        return size == 2 + octets
    return 0 < octets <= _LOOK - 2 and size == 2 + octets + int.from_bytes(head[2 : 2 + octets], "big")

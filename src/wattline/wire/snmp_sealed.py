"""SNMP v3 with one agent: gufo-snmp's session, with the retries that it lacks and a look at each datagram before it.

What had to be known of gufo-snmp 0.13, each seen by trying:

- It wants an IP address, and it allows one request in flight for each session.
- Its parser panics on octets that are no BER, which arrives as a `BaseException`, and a panic of Rust writes to
  standard error each time, whoever catches it: an agent that answers garbage would fill a log. So what is no single
  SEQUENCE of the datagram's own length (ITU-T X.690 section 8.1; RFC 3417 section 8) never gets there.
- An object that is no such thing, as an OID without an arc, arrives as a `RuntimeError`.
- It calls a refusal a timeout when it meets it while sending.
- It cuts a datagram of more than 4080 octets off: a table with long texts is then walked row by row, a poll halved.
"""

import asyncio
import ctypes
import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, TypeVar, cast

from gufo.snmp import SnmpEncodeError, User
from gufo.snmp.aio import SnmpSession

from wattline.errors import Malformed
from wattline.wire.ber import Value

LONGEST: Final = 4080
"""Octets of the longest datagram that gufo reads."""
_SEQUENCE: Final = 0x30
_LOOK: Final = 6
"""Octets that a tag and a length of up to four octets take."""
_PEEK: Final = socket.MSG_PEEK | socket.MSG_TRUNC | socket.MSG_DONTWAIT
_recv: Final = ctypes.CDLL(None, use_errno=True).recv

T = TypeVar("T")
Rows = AsyncIterator[tuple[str, Value]]


class TooLong(Malformed):
    """An answer of more than `LONGEST` octets: what was asked for has to be asked for in parts."""


class Sealed:
    """A conversation with one agent, which asks one thing at a time.

    Every method raises TimeoutError (no answer, however often it was asked), OSError (ConnectionRefusedError: nobody
    listens there), Malformed, and what gufo-snmp raises.
    """

    def __init__(self, there: tuple[str, int], user: User, *, wait: float, tries: int) -> None:
        self._wait, self._tries = wait, tries
        # No timeout of its own: every request has ours around it, which garbage that keeps coming cannot prolong.
        self._session = _Session(addr=there[0], port=there[1], timeout=cast("float", None), user=user)

    def close(self) -> None:
        """Do nothing: the socket closes with the session."""

    async def refresh(self) -> None:
        """Learn the engine and its time, and show the user to it."""
        await self.patiently(self._session.refresh)

    async def get(self, oids: Sequence[str]) -> dict[str, Value]:
        """Return the values that are there; none where the agent refuses the request, or one of the two is too long."""
        try:
            return await self.patiently(lambda: self._session.get_many(oids))
        except (SnmpEncodeError, TooLong):
            return {}

    def below(self, root: str) -> "Below":
        """Return a walk through what stands below `root`, and maybe some steps beyond."""
        return Below(self, lambda: self._session.fetch(root), lambda: self._session.getnext(root))

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask up to `tries` times; asking again sends the same request again."""
        for _ in range(self._tries):
            limit = asyncio.timeout(self._wait)
            try:
                async with limit:
                    return await ask()
            except TimeoutError:
                if not limit.expired():
                    raise ConnectionRefusedError from None
        raise TimeoutError


class Below:
    """A walk: OIDs and values one by one. It goes by GETBULK (`many`), and by GETNEXT (`one`) once that is too long."""

    def __init__(self, session: Sealed, many: Callable[[], Rows], one: Callable[[], Rows]) -> None:
        self._session = session
        self._rows, self._one = many(), one
        self._told = 0

    async def __anext__(self) -> tuple[str, Value]:
        try:
            row = await self._next()
        except TooLong:
            self._rows = self._one()
            for _ in range(self._told):
                await self._next()
            row = await self._next()
        self._told += 1
        return row

    async def _next(self) -> tuple[str, Value]:
        return await self._session.patiently(self._rows.__anext__)


class _Session(SnmpSession):
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
    """Raise Malformed, with the datagram taken away, when what waits is no message or TooLong, OSError for an error."""
    head = ctypes.create_string_buffer(_LOOK)
    size = _recv(descriptor, head, _LOOK, _PEEK)
    if size < 0 and (error := ctypes.get_errno()) not in (errno.EAGAIN, errno.EINTR):
        raise OSError(error, os.strerror(error))
    if size >= 0 and not is_message(head.raw[:size], size):
        _recv(descriptor, head, _LOOK, socket.MSG_DONTWAIT)
        raise Malformed(f"a datagram of {size} octets that is no message")
    if size > LONGEST:
        _recv(descriptor, head, _LOOK, socket.MSG_DONTWAIT)
        raise TooLong(f"a datagram of {size} octets, of which one can read {LONGEST}")


def is_message(head: bytes, size: int) -> bool:
    """Say whether a datagram of `size` octets that begins with `head` is one SEQUENCE of that length."""
    if len(head) < 2 or head[0] != _SEQUENCE:
        return False
    octets = head[1] & 0x7F
    if head[1] < 0x80:
        return size == 2 + octets
    return 0 < octets <= _LOOK - 2 and size == 2 + octets + int.from_bytes(head[2 : 2 + octets], "big")

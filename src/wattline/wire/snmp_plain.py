"""SNMP v1 and v2c with one agent: a socket of its own that is watched for good, and requests that are encoded once.

An answer to a GET names the objects in the order of the request, so its names are compared and not decoded. What is
not so (another order, other objects, an error) is read by `ber`, as walks are.
"""

import asyncio
import errno
import secrets
import socket
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeVar

from wattline.errors import Malformed
from wattline.wire import ber
from wattline.wire.ber import Pdu, Value
from wattline.wire.waits import Wait, waits

_DATAGRAM: Final = 65_535
_LEAST, _MOST = 1 << 24, 1 << 31
"""Numbers of requests: those between take four octets, so that all requests of a question are of one length."""
_ROWS: Final = 20
"""Most rows of one GETBULK."""
_NO_ERROR: Final = b"\x02\x01\0\x02\x01\0"
_HEAD: Final = 300
"""Octets before which a request's number stands: a community has at most 255."""

T = TypeVar("T")


class Question:
    """A GET of some objects, encoded but for its number."""

    __slots__ = ("_end", "_names", "_start")

    def __init__(self, version: int, community: bytes, oids: Sequence[str]) -> None:
        whole = ber.get_request(version - 1, community, _LEAST, oids)
        at = whole.index(ber.integer(_LEAST) + _NO_ERROR) + 2
        self._start, self._end = whole[:at], whole[at + 4 :]
        self._names = [(oid, ber.object_id(oid)) for oid in oids]

    def request(self, number: int) -> bytes:
        """Return the request of a number."""
        return self._start + number.to_bytes(4, "big") + self._end

    def read(self, message: bytes, number: int) -> dict[str, Value] | None:
        """Return the values that are there, by OID; none where the agent refuses. None: it answers another request.

        Raises Malformed.
        """
        mark = b"\x02\x04" + number.to_bytes(4, "big") + _NO_ERROR
        at = message.find(mark, 0, _HEAD)
        found = self._values(message, at + len(mark)) if at > 0 else None
        if found is not None:
            return found
        response = ber.read_response(message)
        if response.request != number:
            return None
        return {oid: value for oid, value in response.values.items() if not response.status and value is not None}

    def _values(self, message: bytes, at: int) -> dict[str, Value] | None:
        """Read the bindings that begin at `at`; None: they are not the objects of the question in their order."""
        found: dict[str, Value] = {}
        number, unsigned, starts = int.from_bytes, ber.UNSIGNED, message.startswith
        try:
            at = _inside(message, at)
            for oid, name in self._names:
                at = at + 2 if message[at + 1] < 0x80 else _inside(message, at)
                if not starts(name, at):
                    return None
                at += len(name)
                tag, size = message[at], message[at + 1]
                at += 2
                if size > 0x7F:
                    at = _inside(message, at - 2)
                    size = int.from_bytes(message[at - (size & 0x7F) : at], "big")
                content = message[at : at + size]
                at += size
                if tag in unsigned and size < 10:
                    found[oid] = number(content, "big")
                elif (value := ber.value(tag, content)) is not None:
                    found[oid] = value
                elif tag == ber.Tag.NULL:
                    return None  # an error, or an echo of the request
        except (IndexError, ValueError):
            return None
        return found if at == len(message) else None


question = lru_cache(maxsize=4096)(Question)
"""One question for all agents of which the same is asked."""


class Plain:
    """A conversation with one agent, which asks one thing at a time; `close` after.

    Every method raises TimeoutError (no answer, however often it was asked), OSError (ConnectionRefusedError: nobody
    listens there) and Malformed.
    """

    __slots__ = (
        "_answer", "_community", "_left", "_loop", "_number", "_packet", "_read", "_socket", "_timer", "_tries",
        "_version", "_waits",
    )  # fmt: skip

    def __init__(self, there: tuple[str, int], version: int, community: str, *, wait: float, tries: int) -> None:
        self._version, self._community = version, community.encode()
        self._waits, self._tries = waits(wait), tries
        self._number = secrets.randbelow(_MOST - _LEAST) + _LEAST
        self._answer: asyncio.Future[object] | None = None
        self._read: Callable[[bytes], object | None] = _nothing
        self._packet, self._left = b"", 0
        self._timer: Wait | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET6 if ":" in there[0] else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect(there)
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._arrived)

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket.fileno() >= 0:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._socket)
            self._socket.close()

    async def refresh(self) -> None:
        """Nothing has to be kept fresh."""

    async def get(self, oids: Sequence[str]) -> dict[str, Value]:
        """Return the values that are there; none where the agent refuses the request, or it is too long to be sent."""
        asked = question(self._version, self._community, tuple(oids))
        number = self._next()
        try:
            return await self._ask(asked.request(number), lambda message: asked.read(message, number))
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            return {}

    async def types(self, oids: Sequence[str]) -> dict[str, int] | None:
        """Return the `ber.Tag` of each value that is there; None: the agent refuses the request."""
        response = await self._response(Pdu.GET, oids)
        return None if response.status else response.tags

    def below(self, root: str) -> "Below":
        """Return a walk through what stands below `root`, and maybe some steps beyond."""
        return Below(self, root)

    async def following(self, oid: str) -> ber.Response:
        """Return what follows an OID: some rows by GETBULK; one in v1, and where the agent refuses a GETBULK."""
        if self._version > 1:
            response = await self._response(Pdu.GET_BULK, [oid], _ROWS)
            if not response.status:
                return response
        return await self._response(Pdu.GET_NEXT, [oid])

    async def _response(self, kind: Pdu, oids: Sequence[str], rows: int = 0) -> ber.Response:
        number = self._next()
        packet = ber.message(self._version - 1, self._community, ber.pdu(kind, number, ber.bindings(oids), rows))

        def read(message: bytes) -> ber.Response | None:
            response = ber.read_response(message)
            return response if response.request == number else None

        return await self._ask(packet, read)

    def _next(self) -> int:
        self._number = self._number + 1 if self._number + 1 < _MOST else _LEAST
        return self._number

    async def _ask(self, packet: bytes, read: Callable[[bytes], T | None]) -> T:
        """Send, up to `tries` times, until `read` finds the answer in what comes."""
        answer: asyncio.Future[T] = self._loop.create_future()
        self._answer, self._read = answer, read  # type: ignore[assignment]
        self._packet, self._left = packet, self._tries
        self._send()
        try:
            return await answer
        finally:
            self._answer, self._read, self._packet = None, _nothing, b""
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _send(self) -> None:
        """Send, and again after `wait`; a timer is cheaper than a task, and a method than a function in a circle."""
        answer = self._answer
        if answer is None or answer.done():
            return
        if not self._left:
            answer.set_exception(TimeoutError())
            return
        self._left -= 1
        try:
            self._socket.send(self._packet)
        except BlockingIOError:  # no room: it is lost, as it may be anywhere
            pass
        except OSError as error:
            answer.set_exception(error)
            return
        self._timer = self._waits.begin(self._send)

    def _arrived(self) -> None:
        """Take a datagram; one that nobody waits for is dropped."""
        answer = self._answer
        try:
            message = self._socket.recv(_DATAGRAM)
            if answer is None or answer.done():
                return
            found = self._read(message)
        except BlockingIOError:
            return
        except (OSError, Malformed) as error:
            if answer is not None and not answer.done():
                answer.set_exception(error)
            return
        if found is not None:
            answer.set_result(found)


class Below:
    """A walk: OIDs and values one by one, in the agent's order, until it has none or one outside of `root`."""

    def __init__(self, session: Plain, root: str) -> None:
        self._session = session
        self._inside = f"{root}."
        self._last = root
        self._found: deque[tuple[str, int, Value]] = deque()

    async def __anext__(self) -> tuple[str, Value]:
        if not self._found:
            response = await self._session.following(self._last)
            if not response.status:
                tags = response.tags
                self._found.extend((oid, tags[oid], value) for oid, value in response.values.items())
        if not self._found:
            raise StopAsyncIteration
        oid, tag, value = self._found.popleft()
        if tag >= ber.Tag.NO_OBJECT or not oid.startswith(self._inside):
            raise StopAsyncIteration
        self._last = oid
        return oid, value


def _inside(message: bytes, at: int) -> int:
    """Return where the content of the value at `at` begins."""
    size = message[at + 1]
    return at + 2 + (size & 0x7F if size > 0x7F else 0)


def _nothing(_: bytes) -> None:
    return None

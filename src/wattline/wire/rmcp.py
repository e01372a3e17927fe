"""RMCP over UDP: what management controllers speak on port 623, and one socket for all of them.

DMTF DSP0136 (ASF 2.0) section 3.2: a header of four bytes, `06 00 FF class`. Class 6 is ASF itself, of which only the
presence ping is used here; class 7 is IPMI, whose packets say in their session header whom they are for.

A thousand controllers need no thousand sockets: `Post` is one for each event loop and address family, opened by the
first that needs it and closed by the last. It hands a datagram to the `Recipient` that its session id names, and one
without a session to all that wait for something from its address.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

LOGINS: Final = 64
"""Most logins at one time."""
IPMI: Final = b"\x06\x00\xff\x07"
ASF: Final = b"\x06\x00\xff\x06"

_IANA: Final = b"\x00\x00\x11\xbe"  # of ASF itself, DSP0136 section 3.2.2.3
_PING, _PONG = 0x80, 0x40
_RMCP_PLUS: Final = 6
_PAYLOAD: Final = 16
_REPLIES: Final = (0x11, 0x13, 0x15)
"""Payloads of a session that is being made: its id stands in them, IPMI 2.0 section 13.18 to 13.23."""
_BUFFER: Final = 1 << 20

Address = tuple[Any, ...]
"""As the socket module has it: host and port, in IPv6 flow and scope as well."""


class Recipient(Protocol):
    """Whom datagrams are for. `address` is where they must come from; `session` is the id that we gave, 0: none."""

    address: Address
    session: int

    def arrived(self, packet: bytes) -> None:
        """Take a datagram that came from `address`; anybody may have sent it."""


def ping(tag: int) -> bytes:
    """Return a presence ping (DSP0136 section 3.2.4.2); `tag` comes back in the pong."""
    return ASF + _IANA + bytes((_PING, tag & 0xFF, 0, 0))


def pong(tag: int) -> bytes:
    """Return the answer of something that supports IPMI (DSP0136 section 3.2.4.3)."""
    return ASF + _IANA + bytes((_PONG, tag & 0xFF, 0, 16)) + _IANA + bytes((0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0))


def is_pong(packet: bytes) -> bool:
    """Say whether a datagram is a pong that promises IPMI."""
    return packet[:8] == ASF + _IANA and packet[8:9] == bytes((_PONG,)) and len(packet) > 20 and packet[20] & 0x80 > 0


class Post(asyncio.DatagramProtocol):
    """One socket for all controllers of an event loop and address family. `join` and `leave` it in pairs."""

    def __init__(self) -> None:
        self._sessions: dict[int, Recipient] = {}
        self._waiting: dict[tuple[str, int], list[Recipient]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._members = 0
        self.logins = asyncio.Semaphore(LOGINS)
        """To be held by who logs in, once somebody has answered there."""

    @classmethod
    async def join(cls, family: int) -> "Post":
        """Return the socket of this loop and family. Raises OSError when there can be none."""
        posts = _posts.setdefault(asyncio.get_running_loop(), {})
        post = posts.get(family)
        if post is None:
            loop = asyncio.get_running_loop()
            transport, made = await loop.create_datagram_endpoint(cls, family=family)
            made._transport = transport
            # Room for a burst of answers.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            post = posts.get(family)
            if post is None:
                post = posts[family] = made
            else:  # another came first
                transport.close()
        post._members += 1
        return post

    def leave(self) -> None:
        """Say that one of those who joined is done; with the last one the socket closes."""
        self._members -= 1
        if self._members or self._transport is None:
            return
        posts = _posts.get(asyncio.get_running_loop(), {})
        for family in [family for family, post in posts.items() if post is self]:
            del posts[family]
        self._transport.close()

    def send(self, packet: bytes, address: Address) -> None:
        """Send one datagram; a network that refuses it is like one that loses it."""
        if self._transport is not None:
            self._transport.sendto(packet, address)

    def bind(self, recipient: Recipient) -> None:
        """Give a recipient what carries its session id."""
        self._sessions[recipient.session] = recipient

    def release(self, recipient: Recipient) -> None:
        """Stop giving it anything by session."""
        if self._sessions.get(recipient.session) is recipient:
            del self._sessions[recipient.session]

    def is_free(self, session: int) -> bool:
        """Say whether no recipient has this session id."""
        return session not in self._sessions

    @contextlib.contextmanager
    def without_session(self, recipient: Recipient) -> Iterator[None]:
        """Give a recipient, within this context, whatever comes from its address without a session."""
        key = _key(recipient.address)
        waiting = self._waiting.setdefault(key, [])
        waiting.append(recipient)
        try:
            yield
        finally:
            waiting.remove(recipient)
            if not waiting:
                self._waiting.pop(key, None)

    def datagram_received(self, packet: bytes, source: Address) -> None:
        """Hand a datagram to whom it is for; what is for nobody is dropped."""
        session = _session_of(packet)
        if not session:
            for one in tuple(self._waiting.get(_key(source), ())):
                one.arrived(packet)
            return
        recipient = self._sessions.get(session)
        if recipient is not None and _key(recipient.address) == _key(source):
            recipient.arrived(packet)

    def error_received(self, _: Exception) -> None:
        """Do nothing: the error does not say which datagram it is about, and silence will be noticed."""


_posts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, Post]] = WeakKeyDictionary()


def _session_of(packet: bytes) -> int:
    """Return the id of the session that a datagram belongs to; 0: none, or no IPMI 2.0."""
    if packet[:4] != IPMI or len(packet) < _PAYLOAD or packet[4] != _RMCP_PLUS:
        return 0
    at = _PAYLOAD + 4 if packet[5] & 0x3F in _REPLIES else 6
    return int.from_bytes(packet[at : at + 4], "little")


def _key(address: Address) -> tuple[str, int]:
    """Return host and port; the kernel names the scope of a link-local address where the resolver does not."""
    return address[0].partition("%")[0], address[1]

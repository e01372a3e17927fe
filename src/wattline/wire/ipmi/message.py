"""IPMI messages, and messages within messages for controllers behind the one that is spoken to.

IPMI 2.0 sections 13.8 (LAN messages) and 6.13 (bridging), 22.7 (Send Message).
"""

from typing import Final, NamedTuple

from msgspec import Struct

BMC: Final = 0x20
"""Slave address of the management controller itself."""
CONSOLE: Final = 0x81
"""Software id of a remote console."""
APP: Final = 0x06
SEND_MESSAGE: Final = 0x34
_TRACKED: Final = 0x40  # the controller keeps the request's address and sends the answer after it
_SHORTEST: Final = 8


class Request(Struct, frozen=True):
    """A command: network function (even), number, data, and the logical unit that it is for."""

    function: int
    command: int
    content: bytes = b""
    unit: int = 0


class Reply(NamedTuple):
    """What came: completion code (0 is success) and what stands behind it."""

    code: int
    content: bytes


class Hop(Struct, frozen=True):
    """One step beyond the controller before it: a slave address on a channel."""

    address: int
    channel: int = 0


class Message(NamedTuple):
    """A message that was read. In an answer `content` begins with the completion code."""

    receiver: int
    function: int
    sender: int
    sequence: int
    command: int
    content: bytes
    unit: int


def checksum(some: bytes) -> int:
    """Return the byte that makes the sum 0."""
    return -sum(some) & 0xFF


def write(
    receiver: int, function: int, sender: int, content: bytes, *, sequence: int, units: tuple[int, int] = (0, 0)
) -> bytes:
    """Return a message with its two checksums. `content` begins with the command."""
    head = bytes((receiver, function << 2 | units[0]))
    body = bytes((sender, sequence << 2 | units[1])) + content
    return head + bytes((checksum(head),)) + body + bytes((checksum(body),))


def read(message: bytes) -> Message | None:
    """Read a message; None: it is cut off, or its checksums are wrong."""
    if len(message) < _SHORTEST - 1 or sum(message[:3]) & 0xFF or sum(message[3:]) & 0xFF:
        return None
    receiver, function, _, sender, sequence, command = message[:6]
    return Message(receiver, function >> 2, sender, sequence >> 2, command, message[6:-1], function & 3)


def ask(request: Request, sequence: int, route: tuple[Hop, ...] = ()) -> bytes:
    """Return the message that brings a request to the end of a route, all its parts with one sequence number."""
    content = bytes((request.command,)) + request.content
    function, units = request.function, (request.unit, 0)
    for place, hop in reversed(tuple(enumerate(route))):
        sender = BMC if place else CONSOLE  # as ipmitool has it
        inner = write(hop.address, function, sender, content, sequence=sequence, units=units)
        content = bytes((SEND_MESSAGE, hop.channel | _TRACKED)) + inner
        function, units = APP, (0, 0)
    return write(BMC, function, CONSOLE, content, sequence=sequence, units=units)


def answers(message: bytes, request: Request, sequence: int, route: tuple[Hop, ...]) -> Reply | None:
    """Return what a message answers to a request; None: it is another's answer, or only says that it was passed on.

    A controller sends the answer of one behind it either after its own, or within.
    """
    found = read(message)
    for _ in range(len(route) + 1):
        if found is None or found.sequence != sequence or not found.content:
            return None
        if found.function == request.function | 1 and found.command == request.command:
            return Reply(found.content[0], found.content[1:])
        if not (route and found.function == APP | 1 and found.command == SEND_MESSAGE):
            return None
        if found.content[0]:
            return Reply(found.content[0], b"")
        found = read(found.content[1:])
    return None

"""An SNMP agent in this process that plays a file of objects over v1 and v2c, and fails as a test wants it to.

A line of such a file is `OID|TAG|VALUE`, as simulators of agents write them: tag 2 INTEGER, 4 octets, 4x octets in
hexadecimal, 6 an OID, 64 an IPv4 address, 65 Counter32, 66 Gauge32, 67 TimeTicks, 70 Counter64. A file
`.snmpwalk` is what `snmpwalk -On` printed.

async with ReplayAgent.of(path) as agent:
    agent.fault = Fault.GARBAGE
"""

import asyncio
import enum
import re
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from wattline.wire import ber

_GET, _GET_NEXT, _RESPONSE, _GET_BULK = 0xA0, 0xA1, 0xA2, 0xA5
_TOO_BIG, _NO_SUCH_NAME = 1, 2
_OCTETS, _NULL = 4, 5
_PRINTED: Final = {
    "INTEGER": "2", "Counter32": "65", "Gauge32": "66", "Unsigned32": "66", "Timeticks": "67", "Counter64": "70",
}  # fmt: skip
_JOINED: Final = re.compile(r"\n(?=\.?1\.)")
_LAST_NUMBER: Final = re.compile(r"\(?(-?\d+)\)?")
OID: Final = re.compile(r"\d+(\.\d+)+")


class Fault(enum.Enum):
    """What an agent can do wrong."""

    NONE = enum.auto()
    SILENT = enum.auto()
    GARBAGE = enum.auto()
    """Octets that are no BER at all."""
    FLOOD = enum.auto()
    """A hundred answers to another request, and none to this one."""
    OTHER_REQUEST = enum.auto()
    TRUNCATED = enum.auto()
    ECHO = enum.auto()
    CIRCLE = enum.auto()
    """A walk that comes back to where it was."""
    LOST_ONCE = enum.auto()
    """The first answer is lost, the next ones come."""


class ReplayAgent(asyncio.DatagramProtocol):
    """Answers for community `public`. `most` is how many values it puts into an answer before it says tooBig."""

    def __init__(self, objects: Mapping[str, tuple[int, bytes]], *, most: int = 1000) -> None:
        self.objects = {_arcs(oid): value for oid, value in objects.items()}
        self._ordered: list[tuple[int, ...]] = []
        self.most = most
        self.fault = Fault.NONE
        self.requests: list[int] = []
        """Tag of the PDU of every request, in order."""
        self.port, self.host = 0, "127.0.0.1"
        self._arrived = asyncio.Event()
        self._closed = asyncio.Event()

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read a file of objects."""
        return cls(_walked(path) if path.suffix == ".snmpwalk" else _recorded(path))

    def put(self, oid: str, value: int | str, tag: int = 0x42) -> None:
        """Set an object: a number of this tag, or a text."""
        octets = value.encode() if isinstance(value, str) else ber.integer(value)[2:]
        self.objects[_arcs(oid)] = (_OCTETS if isinstance(value, str) else tag, octets)

    async def asked(self, times: int) -> None:
        """Wait until so many requests have come."""
        while len(self.requests) < times:
            self._arrived.clear()
            await self._arrived.wait()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._closed.clear()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self.host, self.port))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Return when the port is free again."""
        self._transport.close()
        await self._closed.wait()

    def connection_lost(self, _: Exception | None) -> None:
        """Tell who waits for the port."""
        self._closed.set()

    def connection_made(self, _: asyncio.BaseTransport) -> None:
        """Nothing to do: datagrams have no connection."""

    def datagram_received(self, message: bytes, sender: tuple[str | Any, int]) -> None:
        """Answer one request, well or badly."""
        [(_, body)] = ber.blocks(message)
        version, community, (tag, pdu) = ber.blocks(body)
        self.requests.append(tag)
        self._arrived.set()
        if community[1] != b"public" or self.fault is Fault.SILENT:
            return
        if self.fault is Fault.LOST_ONCE:
            self.fault = Fault.NONE
            return
        answer = self._answer(version[1], tag, pdu)
        for one in self._spoil(message, answer):
            self._transport.sendto(one, sender)

    def _spoil(self, message: bytes, answer: bytes) -> list[bytes]:
        match self.fault:
            case Fault.GARBAGE:
                return [b"\xff" * 50]
            case Fault.FLOOD:
                return [answer.replace(b"\x02\x04", b"\x02\x04\x01", 1)[:-1]] * 100
            case Fault.OTHER_REQUEST:
                return [self._answer(b"\x01", _GET, b"\x02\x01\x07\x02\x01\x00\x02\x01\x00\x30\x00")]
            case Fault.TRUNCATED:
                return [answer[:-3]]
            case Fault.ECHO:
                return [message]
        return [answer]

    def _answer(self, version: bytes, tag: int, pdu: bytes) -> bytes:
        request, _, repeat, (_, bindings) = ber.blocks(pdu)
        names = [_arcs(ber.dotted(ber.blocks(binding)[0][1])) for _, binding in ber.blocks(bindings)]
        status, culprit, found = 0, 0, [self._find(tag, name) for name in names]
        if tag == _GET_BULK:
            found = self._run(names[0], int.from_bytes(repeat[1], "big"))
        missing = [i for i, (_, (value_tag, _)) in enumerate(found, start=1) if value_tag >= ber.Tag.NO_OBJECT]
        wide = [i for i, (_, (value_tag, _)) in enumerate(found, start=1) if value_tag == ber.Tag.COUNTER64]
        if version == b"\0" and (refused := missing or wide):
            status, culprit, found = _NO_SUCH_NAME, refused[0], [(name, (5, b"")) for name in names]
        elif len(found) > self.most:
            status, found = _TOO_BIG, []
        rows = (ber.object_id(".".join(map(str, name))) + ber.block(*value) for name, value in found)
        body = b"".join(ber.block(0x30, row) for row in rows)
        head = ber.block(*request) + ber.integer(status) + ber.integer(culprit)
        response = ber.block(_RESPONSE, head + ber.block(0x30, body))
        return ber.block(0x30, ber.block(2, version) + ber.block(_OCTETS, b"public") + response)

    def _find(self, tag: int, name: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, bytes]]:
        if tag == _GET_NEXT:
            return self._run(name, 1)[0]
        return name, self.objects.get(name, (ber.Tag.NO_INSTANCE, b""))

    def _run(self, name: tuple[int, ...], length: int) -> list[tuple[tuple[int, ...], tuple[int, bytes]]]:
        if len(self._ordered) != len(self.objects):
            self._ordered = sorted(self.objects)
        ordered = self._ordered
        start = bisect_right(ordered, name)
        if self.fault is Fault.CIRCLE:
            start = 0
        found = ordered[start : start + min(length, self.most)]
        return [(one, self.objects[one]) for one in found] or [(name, (ber.Tag.END_OF_VIEW, b""))]


def _recorded(path: Path) -> dict[str, tuple[int, bytes]]:
    lines = (line.split("|", 2) for line in path.read_text("utf-8").split("\n") if line and line[0] != "#")
    return {oid: _value(tag, text) for oid, tag, text in lines}


def _walked(path: Path) -> dict[str, tuple[int, bytes]]:
    """Read what `snmpwalk -On` prints; a text may go on over lines, and a value without a type is a number."""
    objects: dict[str, tuple[int, bytes]] = {}
    for line in _JOINED.split(path.read_text("utf-8")):
        oid, equals, said = line.strip().partition(" = ")
        kind, colon, text = said.partition(": ")
        if not equals or said.startswith("No ") or not OID.fullmatch(oid.lstrip(".")):
            continue
        if not colon:
            kind, text = ("STRING", said.partition(":")[2]) if ":" in said else ("INTEGER", said)
        objects[oid.lstrip(".")] = _printed(kind, text)
    return objects


def _printed(kind: str, text: str) -> tuple[int, bytes]:
    bare = text.strip()
    if kind == "OID":
        return _value("6", bare)
    if kind == "Hex-STRING":
        return _value("4x", bare.replace(" ", "").replace("\n", ""))
    number = _LAST_NUMBER.search(bare)
    if kind in _PRINTED and number:
        return _value(_PRINTED[kind], number[1])
    return _value("4", bare.removeprefix('"').removesuffix('"'))


def _arcs(oid: str) -> tuple[int, ...]:
    return tuple(map(int, oid.lstrip(".").split(".")))


def _value(tag: str, text: str) -> tuple[int, bytes]:
    """Return tag and octets; an object that is no such thing is NULL, as agents send it."""
    try:
        if tag.endswith("x"):
            return int(tag[:-1]), bytes.fromhex(text)
        match int(tag):
            case 2 | 65 | 66 | 67 | 70:
                return int(tag), ber.integer(int(text))[2:]
            case 6:
                return 6, ber.object_id(text.strip().lstrip("."))[2:]
            case 64:
                return 64, bytes(map(int, text.split(".")))
    except ValueError:
        return _NULL, b""
    return int(tag), text.encode()

"""Management controllers in this process: the other end of RMCP+, real to ipmitool and FreeIPMI, thousands at once.

async with FakeBmc(Board(watts=230), users={"meter": "secret"}) as bmc:
    Url.parse(f"ipmi://meter:secret@127.0.0.1:{bmc.port}/")

Logins with cipher suites 3 and 17, with and without Kg; bridging to boards behind it; and what goes wrong in a network.
"""

import asyncio
import enum
import itertools
import os
from collections.abc import Mapping
from typing import Any, Final, Self

from msgspec import Struct

from wattline.errors import Malformed
from wattline.testing.bmc_board import Board
from wattline.wire import rmcp
from wattline.wire.ipmi import envelope, handshake, message
from wattline.wire.ipmi.keys import USER, Exchange, Keys, same
from wattline.wire.ipmi.message import APP, BMC, SEND_MESSAGE, Message
from wattline.wire.ipmi.suites import SUITES, Suite

_GUID: Final = bytes(range(16))
_CAPABILITIES, _SUITES, _SET_LEVEL, _CLOSE = 0x38, 0x54, 0x3B, 0x3C
_BEHIND: Final = 0x83  # nobody acknowledges at that address


class Fault(enum.Enum):
    """What a controller, or the network before it, can do wrong."""

    NONE = enum.auto()
    SILENT = enum.auto()
    GARBAGE = enum.auto()
    """Octets that are no RMCP."""
    FORGED = enum.auto()
    """A packet of the session with a wrong signature."""
    CUT = enum.auto()
    """Half of each packet."""
    SHORT = enum.auto()
    """Well signed answers without what should stand behind the completion code."""
    REPLAY = enum.auto()
    """The first answer again and again, in place of new ones."""
    TWICE = enum.auto()
    LOST_ONCE = enum.auto()


class _Session(Struct):
    suite: Suite
    ours: bytes
    theirs: bytes
    level: int
    said: Exchange | None = None
    password: bytes = b""
    seal: envelope.Seal | None = None


class FakeBmc(asyncio.DatagramProtocol):
    """One controller on a loopback port of its own. `behind` maps (channel, slave address) to boards reached through
    it; `within` says that answers from there come within those of Send Message, as some controllers have it.
    """

    def __init__(
        self,
        board: Board | None = None,
        *,
        users: Mapping[str, str] | None = None,
        kg: bytes = b"",
        suites: tuple[int, ...] = (3, 17),
        limit: int = 4,
        behind: Mapping[tuple[int, int], "Board | Mapping[tuple[int, int], Board]"] | None = None,
        within: bool = False,
        is_old: bool = False,
    ) -> None:
        self.board = board or Board()
        self.users = dict(users or {"meter": "secret"})
        self.kg, self.suites, self.limit, self.behind, self.within = kg, suites, limit, dict(behind or {}), within
        self.is_old = is_old
        self.fault = Fault.NONE
        self.logins = self.refused = 0
        """How many logins were whole, and how many ended at the password."""
        self.packets: list[bytes] = []
        """The first that came, a few."""
        self.port = 0
        self._sessions: dict[bytes, _Session] = {}
        self._numbers = itertools.count(int.from_bytes(os.urandom(3), "little") + 1)
        self._transport: asyncio.DatagramTransport | None = None
        self._first: bytes | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    async def start(self) -> None:
        """Listen, on the port that it had before if it had one."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))
        self.port = self._transport.get_extra_info("sockname")[1]

    def stop(self) -> None:
        """Stop listening."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def restart(self) -> None:
        """Forget every session, as a controller does that was reset."""
        self._sessions.clear()
        self._first = None

    @property
    def sessions(self) -> int:
        """How many sessions it holds."""
        return sum(one.seal is not None for one in self._sessions.values())

    def datagram_received(self, packet: bytes, source: tuple[str | Any, int]) -> None:
        """Answer a packet, or do what `fault` says."""
        if len(self.packets) < 100:
            self.packets.append(packet)
        if self.fault is Fault.SILENT:
            return
        try:
            reply = self._reply(packet)
        except Malformed:
            return
        for one in reply:
            self._send(one, source)

    def _send(self, packet: bytes, source: tuple[str | Any, int]) -> None:
        assert self._transport is not None
        self._first = self._first or packet
        match self.fault:
            case Fault.GARBAGE:
                packet = b"\xde\xad\xbe\xef" * 8
            case Fault.FORGED:
                packet = packet[:-1] + bytes((packet[-1] ^ 1,))
            case Fault.CUT:
                packet = packet[: len(packet) // 2]
            case Fault.REPLAY:
                packet = self._first
            case Fault.TWICE:
                self._transport.sendto(packet, source)
            case Fault.LOST_ONCE:
                self.fault = Fault.NONE
                return
        self._transport.sendto(packet, source)

    def _reply(self, packet: bytes) -> list[bytes]:
        if packet[:4] == rmcp.ASF:
            return [rmcp.pong(packet[9])] if len(packet) > 9 else []
        session = self._sessions.get(packet[6:10]) if packet[4:5] == b"\x06" and packet[5] & 0xC0 else None
        if session is not None and session.seal is not None:
            opened = session.seal.open(packet)
            asked = message.read(opened) if opened else None
            return [session.seal.close(one) for one in self._answers(asked, session)] if asked else []
        found = envelope.read_plain(packet)
        if found is None:
            return []
        if found.kind == envelope.MESSAGE:
            asked = message.read(found.payload)
            return [envelope.without_session(one) for one in self._answers(asked, None)] if asked else []
        shaken = self._shake(found.kind, found.payload)
        return [envelope.plain(found.kind + 1, shaken)] if shaken else []

    def _shake(self, kind: int, payload: bytes) -> bytes:
        if kind == handshake.OPEN:
            return self._opened(payload)
        if kind == handshake.RAKP_1:
            return self._challenge(payload)
        return self._accept(payload) if kind == handshake.RAKP_3 else b""

    def _opened(self, payload: bytes) -> bytes:
        tag, ours, suite = handshake.read_open_request(payload)
        if suite is None or suite.id not in self.suites:
            return handshake.opened(tag, 0x11, ours, level=0, theirs=b"", suite=SUITES[3])
        theirs = next(self._numbers).to_bytes(4, "little")
        self._sessions[theirs] = _Session(suite, ours, theirs, 0)
        return handshake.opened(tag, 0, ours, level=payload[1] or self.limit, theirs=theirs, suite=suite)

    def _challenge(self, payload: bytes) -> bytes:
        tag, theirs, random, role = handshake.read_rakp_1(payload)
        session = self._sessions.get(theirs)
        if session is None:
            return handshake.rakp_2(tag, bytes(4), handshake.Challenge(handshake.UNKNOWN_SESSION))
        password = self.users.get(role[2:].decode(errors="replace"))
        if password is None or role[0] & 15 > self.limit:
            self.refused += password is None
            del self._sessions[theirs]
            status = handshake.WRONG_USER if password is None else handshake.WRONG_LEVEL
            return handshake.rakp_2(tag, session.ours, handshake.Challenge(status))
        said = session.said  # the same challenge again where the answer was lost
        if said is None or said.our_random != random:
            said = Exchange(session.suite, session.ours, theirs, random, os.urandom(16), _GUID, role)
        session.said, session.password, session.level = said, password.encode().ljust(20, b"\0"), role[0] & 15
        proof = said.controllers_proof(session.password)
        return handshake.rakp_2(tag, session.ours, handshake.Challenge(0, said.their_random, said.guid, proof))

    def _accept(self, payload: bytes) -> bytes:
        tag, status, theirs, proof = handshake.read_rakp_3(payload)
        session = self._sessions.get(theirs)
        if status or session is None or session.said is None:
            self.refused += bool(status)
            self._sessions.pop(theirs, None)
            return b"" if status else handshake.rakp_4(tag, handshake.UNKNOWN_SESSION, bytes(4), b"")
        if not same(session.said.our_proof(session.password), proof):
            self.refused += 1
            del self._sessions[theirs]
            return handshake.rakp_4(tag, handshake.WRONG_PROOF, session.ours, b"")
        key = session.said.session_key(session.password, self.kg.ljust(20, b"\0") if self.kg else b"")
        if session.seal is None:
            session.seal = envelope.Seal(Keys.of(session.suite, key), session.ours)
            self.logins += 1
        return handshake.rakp_4(tag, 0, session.ours, session.said.final_proof(key))

    def _answers(self, asked: Message, session: _Session | None) -> list[bytes]:
        if (asked.function, asked.command) == (APP, SEND_MESSAGE) and session:
            return self._passed_on(asked, self.behind, within=self.within)
        content = self._own(asked, session)
        if content is None:
            content = self.board.answer(asked.function, asked.command, asked.content) if session else b"\xd4"
        return [_answer(asked, content[:1] if self.fault is Fault.SHORT else content)]

    def _own(self, asked: Message, session: _Session | None) -> bytes | None:
        """Answer what is about sessions; None: it is for the board."""
        if asked.function != APP:
            return None
        if asked.command == _CAPABILITIES:
            kg = 0x20 if self.kg else 0
            return bytes((0, 1, 0x80 if not self.is_old else 0x04, 0x04 | kg, 0 if self.is_old else 2, 0, 0, 0, 0))
        if asked.command == _SUITES:
            return b"\0\1" + b"".join(_suite_record(SUITES[number]) for number in self.suites)
        if session is None:
            return None
        if asked.command == _SET_LEVEL:
            wanted = asked.content[0] if asked.content else USER
            return b"\x81" if wanted > session.level else bytes((0, wanted or USER))
        if asked.command == _CLOSE:
            self._sessions.pop(session.theirs, None)
            return b"\0"
        return None

    def _passed_on(self, asked: Message, boards: Mapping[tuple[int, int], Any], *, within: bool) -> list[bytes]:
        """Pass on what a message holds; a controller on a bus sends what comes back within its own answer."""
        below = message.read(asked.content[1:])
        behind = boards.get((asked.content[0] & 15, below.receiver)) if below else None
        if below is None or behind is None:
            return [_answer(asked, bytes((_BEHIND,)))]
        if isinstance(behind, Board):
            answer = _answer(below, behind.answer(below.function, below.command, below.content))
        else:
            [answer] = self._passed_on(below, behind, within=True)
        return [_answer(asked, b"\0" + answer)] if within else [_answer(asked, b"\0"), answer]


def _answer(asked: Message, content: bytes) -> bytes:
    units = (0, asked.unit)
    body = bytes((asked.command,)) + content
    return message.write(
        asked.sender, asked.function | 1, asked.receiver or BMC, body, sequence=asked.sequence, units=units
    )


def _suite_record(suite: Suite) -> bytes:
    return bytes((0xC0, suite.id, suite.authentication, 0x40 | suite.integrity, 0x80 | suite.confidentiality))

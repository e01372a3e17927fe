"""A conversation with one management controller: found, logged in to, kept warm, asked one thing at a time.

    closed ──login──▶ warm ──ask──▶ warm          a retransmission has the same rq sequence and a new session sequence
       ▲                └── silence, close ──▶ closed

A controller forgets a session after 60 s without a word (IPMI 2.0 section 6.12.15, plus or minus 3 s); a word every
30 s keeps it, which nobody waits for.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable
from typing import Final, TypeVar

from wattline.errors import Denied, Malformed, Misconfigured, Unreachable, reason
from wattline.wire import rmcp
from wattline.wire.ipmi import envelope, handshake, message
from wattline.wire.ipmi.keys import Exchange, Keys, Who, same
from wattline.wire.ipmi.message import APP, Hop, Reply, Request
from wattline.wire.ipmi.suites import SUITES, Suite
from wattline.wire.names import places
from wattline.wire.waits import Wait, waits

_KEEP_WARM: Final = 30.0
_CAPABILITIES, _SET_LEVEL, _CLOSE = 0x38, 0x3B, 0x3C
_THIS_CHANNEL: Final = 0x0E
_EXTENDED: Final = 0x80
_HAS_KG: Final = 0x20
_SEQUENCES: Final = 64
_NOT_RAISED: Final = (0x80, 0x81)  # IPMI 2.0 section 22.18: not for this user, or not on this channel
_LEVELS: Final = {2: "user", 3: "operator", 4: "administrator"}
_KEEP: Final = Request(APP, 0x01)  # Get Device ID: every controller has it, and nothing changes by it

T = TypeVar("T")


class Session:
    """One controller at one address. It has one owner, who asks one thing at a time; `login` before, `close` after.

    `wait` is how many seconds one answer may take, `tries` how often a request is sent before the controller counts as
    silent. Every method raises Unreachable (silence, no such name, no room), Malformed (an answer that means nothing),
    `login` also Denied (user, password, Kg or level) and Misconfigured (no IPMI 2.0, no suite in common).
    """

    __slots__ = (
        "_answer", "_heard", "_host", "_keep", "_port", "_post", "_read", "_seal", "_sequence", "_spoke",
        "_theirs", "_tries", "_wait", "_who", "address", "session",
    )  # fmt: skip

    def __init__(self, host: str, port: int, who: Who, *, wait: float = 1.0, tries: int = 2) -> None:
        self._host, self._port, self._who, self._wait, self._tries = host, port, who, wait, tries
        self.address: rmcp.Address = ()
        self.session = 0
        self._post: rmcp.Post | None = None
        self._seal: envelope.Seal | None = None
        self._theirs = b""
        self._sequence = secrets.randbelow(_SEQUENCES)
        self._answer: asyncio.Future[object] | None = None
        self._read: Callable[[bytes], object | None] = _nothing
        self._keep: asyncio.TimerHandle | None = None
        self._spoke = 0.0
        self._heard = False

    @property
    def name(self) -> str:
        """Where it is, as the operator wrote it: `bmc-1:623`."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    async def login(self) -> None:
        """Begin a session, in place of the one that there may be. A refused password is not tried again."""
        self._forget()
        if self._post is None:
            await self._join()
        self._heard = False
        with self._open.without_session(self):
            has_kg = await self._capabilities()
            # Those who are answered log in a few at a time: a thousand at once would wait until all give up.
            async with self._open.logins:
                try:
                    await self._shake_hands(has_kg=has_kg)
                except BaseException:
                    self._forget()
                    raise
        self._keep = asyncio.get_running_loop().call_later(_KEEP_WARM, self._keep_warm)

    async def _shake_hands(self, *, has_kg: bool) -> None:
        for number in self._who.suites:
            if theirs := await self._opened(SUITES[number]):
                break
        else:
            names = " and ".join(map(str, self._who.suites))
            raise Misconfigured(f"{self.name} takes none of cipher suites {names}, and no other is safe")
        self._theirs = theirs
        await self._prove(SUITES[number], has_kg=has_kg)
        reply = await self.ask(Request(APP, _SET_LEVEL, bytes((self._who.level,))))
        if reply.code:
            self._say_goodbye()
            error = Denied if reply.code in _NOT_RAISED else Unreachable
            raise error(f"{self.name} does not raise the session to {_LEVELS[self._who.level]} ({reply.code:#04x})")

    @property
    def is_warm(self) -> bool:
        """Whether there is a session, as far as we know."""
        return self._seal is not None

    async def ask(self, request: Request, route: tuple[Hop, ...] = ()) -> Reply:
        """Ask the controller, or the one at the end of `route`, and return its answer, whatever the code."""
        if self._seal is None:
            raise Unreachable(f"{self.name} is not connected")
        seal = self._seal
        self._sequence = sequence = (self._sequence + 1) % _SEQUENCES
        asked = message.ask(request, sequence, route)

        def read(packet: bytes) -> Reply | None:
            opened = seal.open(packet)
            return None if opened is None else message.answers(opened, request, sequence, route)

        return await self._exchange(lambda _: seal.close(asked), read)

    async def close(self) -> None:
        """Tell the controller that the session ends, without waiting for what it says, and let go of the socket."""
        self._say_goodbye()
        self._forget()
        if self._post is not None:
            self._post.leave()
            self._post = None

    def arrived(self, packet: bytes) -> None:
        """Take a datagram from the controller's address; what answers nothing is dropped."""
        if rmcp.is_pong(packet):
            self._heard = True
            return
        answer = self._answer
        if answer is None or answer.done():
            return
        try:
            found = self._read(packet)
        except Malformed as error:
            answer.set_exception(Malformed(f"{self.name}: {error}"))
            return
        if found is not None:
            answer.set_result(found)

    @property
    def _open(self) -> rmcp.Post:
        if self._post is None:
            raise Unreachable(f"{self.name} is not connected")
        return self._post

    async def _join(self) -> None:
        [(family, *_, self.address), *_] = await places(self._host, self._port, socket.SOCK_DGRAM)
        try:
            self._post = await rmcp.Post.join(family)
        except OSError as error:
            raise Unreachable(f"{self.name} cannot be reached from here: {reason(error)}") from error

    async def _capabilities(self) -> bool:
        """Make sure that it speaks IPMI 2.0; return whether it has a Kg (Get Channel Authentication Capabilities)."""
        self._sequence = sequence = (self._sequence + 1) % _SEQUENCES
        request = Request(APP, _CAPABILITIES, bytes((_THIS_CHANNEL | _EXTENDED, self._who.level)))
        packet = envelope.without_session(message.ask(request, sequence))

        def write(attempt: int) -> bytes:
            if attempt:  # whoever is silent may at least say that it is there
                self._open.send(rmcp.ping(sequence), self.address)
            return packet

        def read(packet: bytes) -> Reply | None:
            found = envelope.read_plain(packet)
            return message.answers(found.payload, request, sequence, ()) if found and found.kind == 0 else None

        reply = await self._exchange(write, read)
        if reply.code:
            raise Misconfigured(f"{self.name} does not say how it lets in who asks ({reply.code:#04x}): no IPMI 2.0?")
        if len(reply.content) < 4:
            raise Malformed(f"{self.name}: Get Channel Authentication Capabilities is cut off")
        if not reply.content[1] & _EXTENDED or not reply.content[3] & 2:
            raise Misconfigured(f"{self.name} speaks IPMI 1.5 alone, whose passwords are easily read: update it")
        return bool(reply.content[2] & _HAS_KG)

    async def _opened(self, suite: Suite) -> bytes:
        """Ask for a session with a suite; return the controller's id of it, or nothing where it does not know these."""
        post = self._open
        while not self.session or not post.is_free(self.session):
            self.session = secrets.randbelow(0xFFFFFFFF) + 1
        post.bind(self)
        tag = secrets.randbelow(256)
        request = handshake.open_request(tag, self._who.level, self._ours, suite)
        answer = await self._shake(handshake.OPEN, request, handshake.read_opened)
        if answer.status in handshake.NO_SUITE:
            self._forget()
            return b""
        self._check(answer.status)
        return answer.theirs

    async def _prove(self, suite: Suite, *, has_kg: bool) -> None:
        who, random = self._who, os.urandom(handshake.RANDOM)
        password = who.password.ljust(20, b"\0")
        tag = secrets.randbelow(256)
        challenge = await self._shake(
            handshake.RAKP_1,
            handshake.rakp_1(tag, self._theirs, random, who.role),
            lambda payload: handshake.read_rakp_2(payload, suite),
        )
        self._check(challenge.status)
        said = Exchange(suite, self._ours, self._theirs, random, challenge.random, challenge.guid, who.role)
        if not same(said.controllers_proof(password), challenge.proof):
            raise Denied(f"{self.name} refuses user {_shown(who.user)}: the password is wrong")
        status, proof = await self._shake(
            handshake.RAKP_3,
            handshake.rakp_3((tag + 1) & 0xFF, self._theirs, said.our_proof(password)),
            lambda payload: handshake.read_rakp_4(payload, suite),
        )
        self._check(status)
        key = said.session_key(password, who.kg.ljust(20, b"\0") if who.kg else b"")
        if not same(said.final_proof(key), proof):
            said_kg = "it has a Kg, and it is not the one given" if has_kg or who.kg else "does it have a Kg?"
            raise Denied(f"{self.name} knows the password but not the key of the session: {said_kg}")
        self._seal = envelope.Seal(Keys.of(suite, key), self._theirs)

    async def _shake(self, kind: int, payload: bytes, read: Callable[[bytes], T]) -> T:
        """Send one message of the login and return what the next one says; its tag must be that of ours."""
        tag, packet = payload[0], envelope.plain(kind, payload)

        def read_packet(packet: bytes) -> T | None:
            found = envelope.read_plain(packet)
            if found is None or found.kind != kind + 1 or found.payload[:1] != bytes((tag,)):
                return None
            return read(found.payload)

        return await self._exchange(lambda _: packet, read_packet)

    def _check(self, status: int) -> None:
        if not status:
            return
        said = handshake.STATUSES.get(status, f"ends the login with status {status:#04x}")
        if status in (handshake.WRONG_USER, handshake.WRONG_LEVEL):
            level = f" as {_LEVELS[self._who.level]}" if status == handshake.WRONG_LEVEL else ""
            raise Denied(f"{self.name} refuses user {_shown(self._who.user)}{level}: it {said}")
        raise Unreachable(f"{self.name} {said}")

    async def _exchange(self, write: Callable[[int], bytes], read: Callable[[bytes], T | None]) -> T:
        """Send, up to `tries` times, until `read` finds the answer in what comes."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T | None] = loop.create_future()
        attempts = iter(range(self._tries))
        timer: Wait | None = None
        again = waits(self._wait)

        def send() -> None:
            """Send, and again after `wait`; with no attempt left the answer is None. A timer is cheaper than a task."""
            nonlocal timer
            attempt = next(attempts, None)
            if attempt is not None and self._post is not None:
                self._post.send(write(attempt), self.address)
                self._spoke = loop.time()
                timer = again.begin(send)
            elif not answer.done():
                answer.set_result(None)

        self._answer, self._read = answer, read  # type: ignore[assignment]
        send()
        try:
            found = await answer
        finally:
            self._answer, self._read = None, _nothing
            if timer is not None:
                timer.cancel()
            if answer.done() and not answer.cancelled():
                answer.exception()  # looked at, so that nobody complains where the wait was cancelled
        if found is None:
            raise Unreachable(self._silence()) from TimeoutError()  # as when the poll's own time ends first
        return found

    def _silence(self) -> str:
        sent = "" if self._tries == 1 else f", asked {self._tries} times"
        why = "host down, wrong port, or no IPMI over LAN"
        if self.is_warm:
            why = "it has forgotten the session, or is down"
        elif self._heard:
            why = "it answers a ping, but IPMI over LAN is off or busy"
        return f"no answer from {self.name} within {self._wait:g} s{sent}: {why}"

    def _keep_warm(self) -> None:
        if self._seal is None or self._post is None:
            return
        loop = asyncio.get_running_loop()
        idle = loop.time() - self._spoke
        if idle >= _KEEP_WARM and self._answer is None:
            self._sequence = (self._sequence + 1) % _SEQUENCES
            self._post.send(self._seal.close(message.ask(_KEEP, self._sequence)), self.address)
            self._spoke, idle = loop.time(), 0.0
        self._keep = loop.call_later(max(_KEEP_WARM / 8, _KEEP_WARM - idle), self._keep_warm)

    def _say_goodbye(self) -> None:
        if self._seal is not None and self._post is not None:
            goodbye = message.ask(Request(APP, _CLOSE, self._theirs), self._sequence)
            self._post.send(self._seal.close(goodbye), self.address)

    def _forget(self) -> None:
        """Drop the session on our side."""
        if self._keep is not None:
            self._keep.cancel()
            self._keep = None
        if self._post is not None and self.session:
            self._post.release(self)
        self.session, self._seal, self._theirs = 0, None, b""

    @property
    def _ours(self) -> bytes:
        return self.session.to_bytes(4, "little")


def _nothing(_: bytes) -> None:
    return None


def _shown(user: bytes) -> str:
    return repr(user.decode(errors="replace")) if user else "without a name"

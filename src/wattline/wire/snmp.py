"""One SNMP agent: v1, v2c and v3 over UDP, with a window, walks and plain errors.

v1 and v2c are ours (`snmp_plain`), v3 is gufo-snmp's (`snmp_sealed`). Seen at agents and networks:

- A refused PDU (`tooBig`, `noSuchName`, `genErr`) looks here like an answer without values; so does an answer in which
  every object is missing. `Poll` finds out which by halving.
- A wrong community and a wrong privacy password are silence; a wrong user or authentication password is an error.
- After an agent's restart a v3 session is silent for ever (engine boots and time, RFC 3414 section 3.2): a new
  `connect` mends it, and `refresh` keeps it fresh where polls are more than 150 s apart (the time window there).
- Opaque floats are octets (`reading` decodes them).
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Final, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

import gufo.snmp as gufo
import numpy as np
from msgspec import Struct

from wattline.errors import Denied, Malformed, Unreachable, WattlineError, reason
from wattline.wire.ber import Value
from wattline.wire.names import places
from wattline.wire.snmp_plain import Plain
from wattline.wire.snmp_sealed import Sealed

WINDOW: Final = 32
"""Most requests in flight to one address, all sessions together: a burst beyond that overruns a socket's buffer."""

AT_ONCE: Final = 64
"""Most agents that are begun with at one time: of a thousand that share a slow CPU none would be ready in time."""

LONGEST_TABLE: Final = 20_000
"""Rows after which a walk is taken for one that never ends."""

AUTHENTICATION: Final = {
    "md5": gufo.Md5Key, "sha": gufo.Sha1Key, "sha224": gufo.Sha224Key, "sha256": gufo.Sha256Key,
    "sha384": gufo.Sha384Key, "sha512": gufo.Sha512Key,
}  # fmt: skip
PRIVACY: Final = {
    "des": gufo.DesKey, "aes": gufo.Aes128Key, "aes192": gufo.Aes192Key, "aes256": gufo.Aes256Key,
    "aes192c": gufo.Aes192Key, "aes256c": gufo.Aes256Key,
}  # fmt: skip
"""A `c` stands for the key expansion of Cisco (Reeder's); without it Blumenthal's, as net-snmp has it."""

_LONG: Final = 20  # digits; no counter of 64 bits has more
_LONGEST_COMMUNITY: Final = 255  # octets; snmp_plain looks for the number of a request behind so many
_SHORTEST_PASSWORD: Final = 8  # RFC 3414 section 11.2
_NUMBER: Final = re.compile(r"\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*[^\d.,:]*$", re.ASCII)
_FLOATS: Final = {b"\x9f\x78\x04": ">f4", b"\x9f\x79\x08": ">f8"}  # Opaque float and double, as net-snmp writes them

T = TypeVar("T")
_windows: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[tuple[str, int], asyncio.Semaphore]] = (
    WeakKeyDictionary()
)

_begun: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def opening() -> asyncio.Semaphore:
    """Return what admits `AT_ONCE` tasks of this loop."""
    return _begun.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


class Community(Struct, frozen=True):
    """Who asks, in v1 and v2c. Its repr shows no secret."""

    text: str
    version: int = 2

    def __repr__(self) -> str:
        return f"Community(v{self.version})"

    def fault(self) -> str:
        """Say what is wrong with it in words, or nothing."""
        long = len(self.text.encode()) > _LONGEST_COMMUNITY
        return f"a community has at most {_LONGEST_COMMUNITY} octets" if long else ""


class User(Struct, frozen=True):
    """Who asks, in v3: without passwords noAuthNoPriv, with one authNoPriv, with both authPriv."""

    name: str
    auth: str = "sha"
    auth_password: str = ""
    priv: str = "aes"
    priv_password: str = ""

    def __repr__(self) -> str:
        return f"User({self.name})"

    def fault(self) -> str:
        """Say what is wrong with it in words, or nothing."""
        if not self.name:
            return "version 3 needs a user"
        if self.priv_password and not self.auth_password:
            return "a privacy password needs an authentication password beside it (RFC 3411 knows no privacy alone)"
        short = 0 < len(self.auth_password) < _SHORTEST_PASSWORD or 0 < len(self.priv_password) < _SHORTEST_PASSWORD
        return f"a password of version 3 has at least {_SHORTEST_PASSWORD} characters" if short else ""


class Agent:
    """One agent at one address. It has one owner, who asks one thing at a time; `connect` before, `close` after.

    `wait` is how many seconds one answer may take, `tries` how often a request is sent before the agent counts as
    silent. Every method raises Unreachable (silence, no such name), Malformed (an answer that means nothing) or
    Denied (the agent says that it does not know this user).
    """

    def __init__(self, host: str, port: int, who: Community | User, *, wait: float = 1.0, tries: int = 2) -> None:
        self._host, self._port, self._who = host, port, who
        self._wait, self._tries = wait, tries
        self._session: Plain | Sealed | None = None
        self._address = ""
        self._window = asyncio.Semaphore(WINDOW)

    @property
    def name(self) -> str:
        """Where it is, as the operator wrote it: `pdu-1:161`."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    async def resolve(self) -> None:
        """Look up where it is."""
        [(*_, address), *_] = await places(self._host, self._port, socket.SOCK_DGRAM)
        self._address = str(address[0])

    async def connect(self) -> None:
        """Begin a session where it is; in v3 learn the engine and its time, and show the user to it."""
        if not self._address:
            await self.resolve()
        of_loop = _windows.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
        self._window = of_loop.setdefault((self._address, self._port), asyncio.Semaphore(WINDOW))
        self.close()
        there, who = (self._address, self._port), self._who
        try:
            if isinstance(who, User):
                self._session = Sealed(there, _keys(who), wait=self._wait, tries=self._tries)
            else:
                self._session = Plain(there, who.version, who.text, wait=self._wait, tries=self._tries)
        except OSError as error:
            raise Unreachable(f"{self.name} cannot be reached from here: {reason(error)}") from error
        await self.refresh()

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()
            self._session = None

    async def refresh(self) -> None:
        """Set a v3 session's idea of the agent's time right; nothing to do in v1 and v2c."""
        await self._exchange(self._open.refresh)

    async def get(self, oids: Sequence[str]) -> dict[str, Value]:
        """Ask for values in one PDU. A missing object is missing here; a refused PDU gives nothing at all."""
        session = self._open
        return await self._exchange(lambda: session.get(oids))

    async def walk(self, root: str) -> dict[str, Value]:
        """Return what stands below `root`, index to value, in the agent's order; by GETBULK, or GETNEXT in v1.

        Raises Malformed when the agent does not go forward, or has more than `LONGEST_TABLE` rows.
        """
        step = self._open.below(root)
        found: dict[str, Value] = {}
        last: tuple[int, ...] = ()
        while len(found) < LONGEST_TABLE:
            try:
                oid, value = await self._exchange(step.__anext__)
            except (StopAsyncIteration, gufo.NoSuchInstance):
                return found
            arcs = tuple(map(int, oid.split(".")))
            if arcs <= last or not oid.startswith(f"{root}."):
                raise Malformed(f"{self.name} walks in a circle at {oid}")
            last = arcs
            if value is not None:  # a UPS of one phase tells of the other two like that
                found[oid[len(root) + 1 :]] = value
        raise Malformed(f"{self.name} has more than {LONGEST_TABLE} rows below {root}")

    async def first(self, root: str) -> Value:
        """Return the first value below `root`, or None where there is none."""
        step = self._open.below(root)
        try:
            oid, value = await self._exchange(step.__anext__)
        except (StopAsyncIteration, gufo.NoSuchInstance):
            return None
        return value if oid.startswith(f"{root}.") else None

    async def types(self, oids: Sequence[str]) -> dict[str, int]:
        """Return the `ber.Tag` of each value that is there. v3 hides them: nothing is returned then."""
        session = self._open
        if not isinstance(session, Plain):
            return {}
        tags: dict[str, int] = {}
        for part in _batched(oids, 20):
            tags |= await self._types(session, part)
        return tags

    async def _types(self, session: Plain, oids: Sequence[str]) -> dict[str, int]:
        tags = await self._exchange(lambda: session.types(oids))
        if tags is not None or len(oids) == 1:
            return tags or {}
        middle = len(oids) // 2
        return await self._types(session, oids[:middle]) | await self._types(session, oids[middle:])

    @property
    def _open(self) -> Plain | Sealed:
        if self._session is None:
            raise Unreachable(f"{self.name} is not connected")
        return self._session

    async def _exchange(self, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            async with self._window:
                return await ask()
        except ConnectionRefusedError:  # the agent's host has answered that nobody listens; it would say so again
            raise Unreachable(self._silence(refused=True)) from None
        except TimeoutError:
            raise Unreachable(
                self._silence(refused=False)
            ) from TimeoutError()  # as when the poll's own time ends first
        except (StopAsyncIteration, gufo.NoSuchInstance):
            raise
        except BaseException as error:
            if decision := self._decide(error):
                raise decision from error
            raise

    def _decide(self, error: BaseException) -> WattlineError | None:
        if isinstance(error, gufo.SnmpAuthError):
            assert isinstance(self._who, User)
            return Denied(f"{self.name} refuses user {self._who.name!r}: unknown, wrong password, or wrong level")
        garbage = isinstance(error, RuntimeError) and "DecodeError" in str(error)
        if garbage or isinstance(error, (gufo.SnmpError, Malformed)) or type(error).__name__ == "PanicException":
            return Malformed(f"{self.name} answered what is no SNMP: {error}")
        if isinstance(error, OSError):
            return Unreachable(f"{self.name} cannot be reached: {reason(error)}")
        return None

    def _silence(self, *, refused: bool) -> str:
        if refused:
            return f"{self.name} is refused: its host is up, but nothing listens on that port"
        wrong = "wrong community"
        if isinstance(self._who, User):
            wrong = "wrong privacy password" if self._who.priv_password else "wrong version"
        sent = "" if self._tries == 1 else f", asked {self._tries} times"
        return f"no answer from {self.name} within {self._wait:g} s{sent}: host down, wrong port, or {wrong}"


class Poll:
    """What is asked at every tick: some OIDs, cut into PDUs that the agent answers.

    An OID that makes the agent refuse a whole PDU (v1: `noSuchName`) is found by halving and left out until `renew`; a
    PDU that is too big for it stays halved.
    """

    def __init__(self, agent: Agent, oids: Sequence[str], per_request: int) -> None:
        self._agent = agent
        self._whole = _pdus(tuple(oids), per_request)
        self._pdus = self._whole
        self.refused: frozenset[str] = frozenset()
        """OIDs that are left out because the agent refuses any PDU that holds them."""

    def renew(self) -> None:
        """Forget what was refused, so that all are asked for again."""
        self.refused = frozenset()
        self._pdus = self._whole

    async def ask(self) -> dict[str, Value]:
        """Return the values that are there. Raises as `Agent` does, and Malformed when not one is there."""
        found: dict[str, Value] = {}
        for pdu in self._pdus or [one[:1] for one in self._whole[:1]]:
            answer = await self._agent.get(pdu)
            if not answer and len(pdu) > 1:
                answer = await self._halve(pdu)
            if not found:
                found = answer
            else:
                found.update(answer)
        if not found and self._whole:
            oids = [oid for pdu in self._whole for oid in pdu]
            raise Malformed(f"{self._agent.name} answers, but has nothing at {_some(oids)}: wrong OID, or a view")
        if not self._pdus:
            self.renew()
        return found

    async def _halve(self, pdu: tuple[str, ...]) -> dict[str, Value]:
        parts, found = await self._answered(pdu)
        answered = tuple(oid for part in parts for oid in part)
        refused = set(pdu) - set(answered)
        self.refused |= refused
        # With the culprits gone the rest fits into one PDU again; without any, the PDU was too big.
        at = self._pdus.index(pdu)
        better = (answered,) if refused and answered else tuple(parts)
        self._pdus = (*self._pdus[:at], *better, *self._pdus[at + 1 :])
        return found

    async def _answered(self, pdu: tuple[str, ...]) -> tuple[list[tuple[str, ...]], dict[str, Value]]:
        parts: list[tuple[str, ...]] = []
        found: dict[str, Value] = {}
        middle = len(pdu) // 2
        for half in (pdu[:middle], pdu[middle:]):
            if answer := await self._agent.get(half):
                parts.append(half)
                found |= answer
            elif len(half) > 1:
                below, answers = await self._answered(half)
                parts += below
                found |= answers
        return parts, found


def reading(value: Value) -> int | float | str | None:
    """Return a value as a number, as the decimal text of one, or None where it is none.

    Reads texts such as `12.5` and `12.5 W`, and opaque floats.
    """
    if isinstance(value, int | float):
        return value
    if not isinstance(value, bytes):
        return None
    if form := _FLOATS.get(value[:3]):
        try:
            [number] = np.frombuffer(value[3:], form, 1)
        except ValueError:
            return None
        return float(str(number))  # the double that prints as the float does: 0.1, not 0.10000000149
    try:
        said = value.rstrip(b"\0").decode().strip()
    except UnicodeDecodeError:
        return None
    if said.isascii() and said.isdigit() and len(said) < _LONG:
        return int(said)
    match = _NUMBER.match(said) if said.isprintable() else None  # a MAC address may begin with a digit
    return match[1] if match else None


def boolean(value: Value) -> int | None:
    """Return what is on or off as 1 or 0, told as a number or as a word; None: it is neither."""
    if isinstance(value, int):
        return int(value != 0)
    return {"on": 1, "true": 1, "1": 1, "off": 0, "false": 0, "0": 0}.get(text(value).lower())


def text(value: Value) -> str:
    """Return a value as text; octets that are no UTF-8 as hexadecimal pairs."""
    if not isinstance(value, bytes):
        return "" if value is None else str(value)
    try:
        return value.rstrip(b"\0").decode().strip()
    except UnicodeDecodeError:
        return value.hex(":")


def _keys(user: User) -> gufo.User:
    auth = AUTHENTICATION[user.auth](user.auth_password.encode()) if user.auth_password else None
    priv = PRIVACY[user.priv](user.priv_password.encode()) if user.priv_password else None
    expansion = gufo.KeyExpansion.Cisco if user.priv.endswith("c") else gufo.KeyExpansion.Blumenthal
    return gufo.User(user.name, auth_key=auth, priv_key=priv, key_expansion=expansion)


def _batched(oids: Sequence[str], size: int) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(oids[at : at + size]) for at in range(0, len(oids), size))


@lru_cache(maxsize=4096)
def _pdus(oids: tuple[str, ...], size: int) -> tuple[tuple[str, ...], ...]:
    """Return each OID once, cut into PDUs; one cut for all agents that are asked the same."""
    return _batched(tuple(dict.fromkeys(oids)), size)


def _some(oids: Sequence[str]) -> str:
    return oids[0] if len(oids) == 1 else f"any of {len(oids)} OIDs, such as {oids[0]}"

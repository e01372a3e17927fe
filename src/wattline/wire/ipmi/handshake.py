"""The six messages of a login: Open Session and RAKP 1 to 4, IPMI 2.0 sections 13.17 to 13.24. No I/O, no secrets.

The controller's half is here as well: a fake one in `wattline.testing` speaks it.
"""

from typing import Final

from msgspec import Struct

from wattline.errors import Malformed
from wattline.wire.ipmi.suites import SUITES, Suite

OPEN, OPENED, RAKP_1, RAKP_2, RAKP_3, RAKP_4 = range(0x10, 0x16)
"""Payload types, IPMI 2.0 table 13-16."""
RANDOM: Final = 16

NO_SUITE: Final = (0x04, 0x05, 0x10, 0x11)
"""Statuses that say: not with these algorithms."""
FULL, UNKNOWN_SESSION, WRONG_LEVEL, WRONG_PROOF, WRONG_USER = 0x01, 0x02, 0x09, 0x0F, 0x0D
STATUSES: Final = {
    FULL: "has no room for another session",
    UNKNOWN_SESSION: "knows nothing of this session",
    0x06: "knows no such integrity algorithm",
    WRONG_LEVEL: "does not give that privilege level to this user",
    0x0A: "has no room for a session at that privilege level",
    WRONG_USER: "knows no such user, or does not let it in over the network",
    WRONG_PROOF: "finds that what was signed does not fit",
    0x12: "finds a parameter wrong",
}
"""What a status means, in words that follow the name of the controller (table 13-15)."""


class Opened(Struct, frozen=True):
    """Open Session Response: `status` 0 is success; `theirs` is the controller's id of the session."""

    status: int
    theirs: bytes = b""


class Challenge(Struct, frozen=True):
    """RAKP 2."""

    status: int
    random: bytes = b""
    guid: bytes = b""
    proof: bytes = b""


def open_request(tag: int, level: int, ours: bytes, suite: Suite) -> bytes:
    """Ask for a session with one suite and at most `level`."""
    proposals = b"".join(bytes((kind, 0, 0, 8, one, 0, 0, 0)) for kind, one in enumerate(suite.algorithms))
    return bytes((tag, level, 0, 0)) + ours + proposals


def read_open_request(payload: bytes) -> tuple[int, bytes, Suite | None]:
    """Return tag, the console's session id and the suite that its algorithms make. Raises Malformed."""
    if len(payload) < 32:
        raise Malformed("an Open Session Request is cut off")
    algorithms = tuple(payload[at] for at in (12, 20, 28))
    found = [suite for suite in SUITES.values() if suite.algorithms == algorithms]
    return payload[0], payload[4:8], found[0] if found else None


def opened(tag: int, status: int, ours: bytes, *, level: int, theirs: bytes, suite: Suite) -> bytes:
    """Answer to Open Session."""
    if status:
        return bytes((tag, status, 0, 0)) + ours
    return bytes((tag, 0, level, 0)) + ours + theirs + open_request(0, 0, b"", suite)[4:]


def read_opened(payload: bytes) -> Opened:
    """Read the answer to Open Session. Raises Malformed when it is cut off."""
    if len(payload) < 2:
        raise Malformed("an Open Session Response is cut off")
    if payload[1]:
        return Opened(payload[1])
    if len(payload) < 12:
        raise Malformed("an Open Session Response is cut off")
    return Opened(0, payload[8:12])


def rakp_1(tag: int, theirs: bytes, random: bytes, role: bytes) -> bytes:
    """Say who asks: `role` is level and name, as `Who.role`."""
    return bytes((tag, 0, 0, 0)) + theirs + random + role[:1] + b"\0\0" + role[1:]


def read_rakp_1(payload: bytes) -> tuple[int, bytes, bytes, bytes]:
    """Return tag, the controller's session id, the console's random number and `Who.role`. Raises Malformed."""
    if len(payload) < 28 or len(payload) < 28 + payload[27]:
        raise Malformed("a RAKP 1 is cut off")
    return payload[0], payload[4:8], payload[8:24], payload[24:25] + payload[27 : 28 + payload[27]]


def rakp_2(tag: int, ours: bytes, challenge: Challenge) -> bytes:
    """Challenge the console, or refuse it."""
    return bytes((tag, challenge.status, 0, 0)) + ours + challenge.random + challenge.guid + challenge.proof


def read_rakp_2(payload: bytes, suite: Suite) -> Challenge:
    """Read the challenge. Raises Malformed when it is cut off."""
    if len(payload) < 2:
        raise Malformed("a RAKP 2 is cut off")
    if payload[1]:
        return Challenge(payload[1])
    if len(payload) < 40 + suite.size:
        raise Malformed("a RAKP 2 is cut off")
    return Challenge(0, payload[8:24], payload[24:40], payload[40 : 40 + suite.size])


def rakp_3(tag: int, theirs: bytes, proof: bytes) -> bytes:
    """Prove that the password is known."""
    return bytes((tag, 0, 0, 0)) + theirs + proof


def read_rakp_3(payload: bytes) -> tuple[int, int, bytes, bytes]:
    """Return tag, status, the controller's session id and the proof. Raises Malformed."""
    if len(payload) < 8:
        raise Malformed("a RAKP 3 is cut off")
    return payload[0], payload[1], payload[4:8], payload[8:]


def rakp_4(tag: int, status: int, ours: bytes, proof: bytes) -> bytes:
    """Prove that the same key was derived, or refuse."""
    return bytes((tag, status, 0, 0)) + ours + proof


def read_rakp_4(payload: bytes, suite: Suite) -> tuple[int, bytes]:
    """Return status and proof. Raises Malformed when it is cut off."""
    if len(payload) < 2 or (not payload[1] and len(payload) < 8 + suite.code):
        raise Malformed("a RAKP 4 is cut off")
    return payload[1], payload[8 : 8 + suite.code]

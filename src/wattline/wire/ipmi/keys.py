"""Who asks, and the secrets that a login derives: IPMI 2.0 sections 13.28 (HMACs), 13.31 (two keys), 13.32 (K1, K2)."""

import hmac
from typing import Final

from msgspec import Struct

from wattline.wire.ipmi.suites import Suite

USER, OPERATOR, ADMINISTRATOR = 2, 3, 4
"""Privilege levels, IPMI 2.0 section 6.8."""
LONGEST_USER: Final = 16
LONGEST_PASSWORD: Final = 20
_NAME_ONLY: Final = 0x10  # find the user by name, whatever level it has
_CONSTANT: Final = (
    20  # bytes of the constants behind K1 and K2; so for suite 17 as well, as all implementations have it
)


class Who(Struct, frozen=True):
    """A user. `kg` is the key of the whole controller, empty where it has none; `level` the privilege that is asked
    for; `suites` the cipher suites to try, best first. Its repr shows no secret.
    """

    user: bytes
    password: bytes
    kg: bytes = b""
    level: int = USER
    suites: tuple[int, ...] = (17, 3)

    def __repr__(self) -> str:
        return f"Who({self.user!r})"

    @property
    def role(self) -> bytes:
        """Level and name as they are proposed and signed."""
        return bytes((self.level | _NAME_ONLY, len(self.user))) + self.user


class Exchange(Struct, frozen=True):
    """What both ends of a login have said: their session ids (`ours` is the console's) and random numbers, the
    controller's GUID, and role and name of the user.
    """

    suite: Suite
    ours: bytes
    theirs: bytes
    our_random: bytes
    their_random: bytes
    guid: bytes
    role: bytes

    def controllers_proof(self, password: bytes) -> bytes:
        """Return what a controller that knows the password says in RAKP 2 (section 13.21)."""
        said = self.ours + self.theirs + self.our_random + self.their_random + self.guid + self.role
        return self.suite.digest(password, said)

    def our_proof(self, password: bytes) -> bytes:
        """Return what a console that knows the password says in RAKP 3 (section 13.22)."""
        return self.suite.digest(password, self.their_random + self.ours + self.role)

    def session_key(self, password: bytes, kg: bytes) -> bytes:
        """Return the session integrity key, SIK (section 13.31)."""
        return self.suite.digest(kg or password, self.our_random + self.their_random + self.role)

    def final_proof(self, session_key: bytes) -> bytes:
        """Return what a controller that has derived the same key says in RAKP 4 (section 13.23)."""
        return self.suite.digest(session_key, self.our_random + self.theirs + self.guid)[: self.suite.code]


class Keys(Struct, frozen=True):
    """The secrets of one session: for signatures (K1) and for AES-128 (the beginning of K2)."""

    suite: Suite
    signing: bytes
    sealing: bytes

    @classmethod
    def of(cls, suite: Suite, session_key: bytes) -> "Keys":
        """Derive them from the session integrity key."""
        signing, sealing = (suite.digest(session_key, bytes((n,)) * _CONSTANT) for n in (1, 2))
        return cls(suite, signing, sealing[:16])

    def __repr__(self) -> str:
        return f"Keys(suite {self.suite.id})"


def same(one: bytes, other: bytes) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(one, other)

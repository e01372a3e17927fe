"""Cipher suites 3 and 17: those that authenticate, protect and encrypt with algorithms that still hold.

IPMI 2.0 section 22.15.2, table 22-20. The others of that table leave something out, or rest on MD5 or RC4.
"""

import hmac
from typing import Final

from msgspec import Struct


class Suite(Struct, frozen=True):
    """`authentication`, `integrity` and `confidentiality` are the numbers of tables 13-17 to 13-19. `hash` is the
    function of all HMACs, `size` the bytes of its digest, `code` how many of them stand behind a packet.
    """

    id: int
    authentication: int
    integrity: int
    confidentiality: int
    hash: str
    size: int
    code: int

    def digest(self, key: bytes, text: bytes) -> bytes:
        """Return the whole HMAC."""
        return hmac.digest(key, text, self.hash)

    @property
    def algorithms(self) -> tuple[int, int, int]:
        """The three numbers, in the order in which they are proposed."""
        return self.authentication, self.integrity, self.confidentiality


SUITES: Final = {
    3: Suite(3, 1, 1, 1, "sha1", 20, 12),
    17: Suite(17, 3, 4, 1, "sha256", 32, 16),
}

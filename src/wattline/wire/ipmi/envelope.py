"""Packets: without a session as IPMI 1.5 has them, and RMCP+ plain or sealed. IPMI 2.0 sections 13.6, 13.27 to 13.29.

06 00 FF 07 | 06 | type | session id | sequence | length | payload | FF.. pad | pad length | 07 | code
              └───────────────────── what the code signs ──────────────────────────────────┘
"""

import os
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from wattline.errors import Malformed
from wattline.wire.ipmi.keys import Keys, same
from wattline.wire.rmcp import IPMI

MESSAGE: Final = 0
"""Payload type of an IPMI message."""
_PLUS: Final = 6  # authentication type of RMCP+
_ENCRYPTED, _SIGNED, _TYPE = 0x80, 0x40, 0x3F
_HEADER: Final = 16
_BLOCK: Final = 16
_BEHIND: Final = 32
"""How many numbers behind the highest one a packet may be late."""


class Plain(NamedTuple):
    """A packet that is not protected; `kind` is its payload type."""

    kind: int
    payload: bytes


def without_session(message: bytes) -> bytes:
    """Wrap a message as IPMI 1.5 does outside of sessions."""
    return IPMI + bytes(9) + bytes((len(message),)) + message


def plain(kind: int, payload: bytes) -> bytes:
    """Wrap a payload of a login."""
    return IPMI + bytes((_PLUS, kind)) + bytes(8) + len(payload).to_bytes(2, "little") + payload


def read_plain(packet: bytes) -> Plain | None:
    """Return what an unprotected packet holds; None: it is none."""
    if packet[:4] != IPMI or len(packet) < 14:
        return None
    if packet[4] == 0:
        message = packet[14 : 14 + packet[13]]
        return Plain(MESSAGE, message) if len(message) == packet[13] else None
    if packet[4] != _PLUS or len(packet) < _HEADER or packet[5] & (_ENCRYPTED | _SIGNED):
        return None
    size = int.from_bytes(packet[14:16], "little")
    payload = packet[_HEADER : _HEADER + size]
    return Plain(packet[5] & _TYPE, payload) if len(payload) == size else None


class Seal:
    """Protects what goes to one end of a session and opens what comes from there.

    A number is taken once: what is not newer than the newest is late, and good once if it is at most 32 late (section
    6.12.13). However far ahead a number is, only the other end can have signed it.
    """

    __slots__ = ("_aes", "_keys", "_newest", "_seen", "_sent", "_session")

    def __init__(self, keys: Keys, session: bytes) -> None:
        """`session` is the id that the other end gave to it."""
        self._keys, self._session = keys, session
        self._aes = algorithms.AES(keys.sealing)
        self._sent = self._newest = self._seen = 0

    def close(self, message: bytes) -> bytes:
        """Encrypt, number and sign a message."""
        keys = self._keys
        pad = -(len(message) + 1) % _BLOCK
        padded = message + bytes(range(1, pad + 1)) + bytes((pad,))
        start = os.urandom(_BLOCK)
        body = start + Cipher(self._aes, modes.CBC(start)).encryptor().update(padded)
        self._sent = self._sent % 0xFFFFFFFF + 1
        signed = b"".join((
            bytes((_PLUS, _ENCRYPTED | _SIGNED | MESSAGE)), self._session, self._sent.to_bytes(4, "little"),
            len(body).to_bytes(2, "little"), body,
        ))  # fmt: skip
        pad = -(len(signed) + 2) % 4
        signed += b"\xff" * pad + bytes((pad, 7))
        return IPMI + signed + keys.suite.digest(keys.signing, signed)[: keys.suite.code]

    def open(self, packet: bytes) -> bytes | None:
        """Return the message in a packet of the session; None: forged, cut off, or seen before.

        Raises Malformed when the other end signed what does not decrypt.
        """
        keys, code = self._keys, self._keys.suite.code
        if len(packet) < _HEADER + 2 * _BLOCK + 2 + code or packet[4:6] != bytes((_PLUS, _ENCRYPTED | _SIGNED)):
            return None
        if not same(keys.suite.digest(keys.signing, packet[4:-code])[:code], packet[-code:]):
            return None
        if not self._is_new(int.from_bytes(packet[10:14], "little")):
            return None
        size = int.from_bytes(packet[14:16], "little")
        start, body = packet[_HEADER : _HEADER + _BLOCK], packet[_HEADER + _BLOCK : _HEADER + size]
        if not body or len(body) % _BLOCK or _HEADER + size + code > len(packet):
            raise Malformed("a signed packet is cut off")
        padded = Cipher(self._aes, modes.CBC(start)).decryptor().update(body)
        pad = padded[-1]
        if pad >= len(padded):
            raise Malformed("a signed packet is padded with more than it holds")
        return padded[: -pad - 1]

    def _is_new(self, number: int) -> bool:
        ahead = number - self._newest
        if ahead > 0:
            self._seen = (self._seen << min(ahead, _BEHIND) | 1) & ((1 << _BEHIND) - 1)
            self._newest = number
            return True
        bit = 1 << -ahead
        if number == 0 or -ahead >= _BEHIND or self._seen & bit:
            return False
        self._seen |= bit
        return True

"""HTTP digest authentication (RFC 7616): what to answer to a challenge. SHA-256 and MD5, `qop=auth`."""

import hashlib
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from wattline.errors import Malformed

_PAIR: Final = re.compile(r'([A-Za-z0-9-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_PLAIN: Final = re.compile(r"[\x20-\x7e]*")
_HASHES: Final[dict[str, Callable[[bytes], "hashlib._Hash"]]] = {
    "sha-256": hashlib.sha256,
    "md5": lambda text: hashlib.md5(text, usedforsecurity=False),  # what a device asks for is all that it knows
}


class Challenge(NamedTuple):
    """What a server asks for: texts as they go back, quoted parts still escaped."""

    realm: str
    nonce: str
    opaque: str
    algorithm: str


def challenge(header: str) -> Challenge:
    """Read a `WWW-Authenticate` header. Raises Malformed: it is no digest that can be answered."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        raise Malformed("the server asks for no digest")
    said = {match[1].lower(): match[2] if match[2] is not None else match[3] for match in _PAIR.finditer(rest)}
    algorithm = said.get("algorithm", "MD5")
    if algorithm.lower() not in _HASHES:
        raise Malformed(f"the server asks for a digest by {algorithm!r}, which is not known here")
    if "auth" not in said.get("qop", "auth").replace(" ", "").split(",") or not said.get("nonce"):
        raise Malformed("the server asks for a digest without a nonce, or of another quality than auth")
    if not all(_PLAIN.fullmatch(text) for text in said.values()):
        raise Malformed("the server's digest holds what cannot be sent back")
    return Challenge(said.get("realm", ""), said["nonce"], said.get("opaque", ""), algorithm)


def answer(asked: Challenge, user: str, password: str, *, method: str, path: str, count: int, own: str) -> str:
    """Return the `Authorization` header; `count` numbers the uses of this nonce from 1, `own` is our own nonce."""
    digest = _HASHES[asked.algorithm.lower()]

    def hashed(*parts: str) -> str:
        return digest(":".join(parts).encode()).hexdigest()

    times = f"{count:08x}"
    who = hashed(user, asked.realm, password)
    response = hashed(who, asked.nonce, times, own, "auth", hashed(method, path))
    name = user.replace("\\", r"\\").replace('"', r"\"")
    fields = {"username": name, "realm": asked.realm, "nonce": asked.nonce, "uri": path, "response": response}
    quoted = [f'{key}="{value}"' for key, value in fields.items()]
    opaque = [f'opaque="{asked.opaque}"'] if asked.opaque else []
    return "Digest " + ", ".join(
        [*quoted, *opaque, f'cnonce="{own}"', f"algorithm={asked.algorithm}", "qop=auth", f"nc={times}"]
    )

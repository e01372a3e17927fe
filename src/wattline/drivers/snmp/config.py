"""The options of an SNMP meter, in an address and in a block."""

import re
from typing import Any, Final, Literal, Self

from wattline.drivers.snmp.quantity import Single, Table
from wattline.plugin import DriverConfig, Misconfigured, Point, Secret, Url
from wattline.wire.snmp import Community, User

_BETWEEN_OIDS: Final = re.compile(r",(?![^{]*\}\})")
_PER_VALUE: Final = ("metric", "unit", "kind", "scale")
_BOUNDS: Final = (
    ("port", 1, 65_535), ("tries", 1, 100), ("per_request", 1, 1000), ("wait", 0.001, 3600), ("refresh", 1, 31_557_600),
)  # fmt: skip
"""Least and most of what is a number."""
_AUTHENTICATION: Final = {
    "none": "", "md5": "md5", "sha": "sha", "sha1": "sha", "sha-1": "sha", "hmac-md5-96": "md5", "hmac-sha-96": "sha",
    **{f"sha{n}": f"sha{n}" for n in (224, 256, 384, 512)}, **{f"sha-{n}": f"sha{n}" for n in (224, 256, 384, 512)},
    "sha-224/128": "sha224", "sha-256/192": "sha256", "sha-384/256": "sha384", "sha-512/384": "sha512",
    "hmac-sha-2-128": "sha224", "hmac-sha-2-256": "sha256", "hmac-sha-2-384": "sha384", "hmac-sha-2-512": "sha512",
}  # fmt: skip
"""Names of authentication as the tools of the field spell them, in small letters; RFC 3414 and RFC 7860 define them."""
_PRIVACY: Final = {
    "none": "", "no-privacy": "", "des": "des", "cbc-des": "des", "aes": "aes", "aes128": "aes", "aes-128": "aes",
    "cfb128-aes-128": "aes", "aes192": "aes192", "aes-192": "aes192", "cfb192-aes-blu": "aes192", "aes256": "aes256",
    "aes-256": "aes256", "cfb256-aes-blu": "aes256", "aes192c": "aes192c", "cfb128-aes-192": "aes192c",
    "aes256c": "aes256c", "cfb128-aes-256": "aes256c",
}  # fmt: skip
"""Longer keys than the hash gives are made in two ways: Blumenthal's (net-snmp) or Reeder's (`c`: Cisco, pysnmp)."""
_NOT_HERE: Final = {"3des": "3DES", "3des-ede": "3DES"}


class SnmpConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of an SNMP meter; README.md explains each."""

    host: str
    port: int = 161
    version: Literal["", "1", "v1", "2", "2c", "v2", "v2c", "3", "v3", 1, 2, 3] = ""
    community: Secret = Secret("public")
    user: str = ""
    password: Secret = Secret("")
    auth: str = "sha"
    priv_password: Secret = Secret("")
    priv: str = "aes"
    profile: str = ""
    oids: tuple[Single, ...] = ()
    tables: tuple[Table, ...] = ()
    point: Point | None = None
    wait: float = 0.45
    tries: int = 2
    per_request: int = 40
    refresh: float = 300.0

    def __post_init__(self) -> None:
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise ValueError("`host` is a name or an IP address")
        for name, least, most in _BOUNDS:
            if not least <= getattr(self, name) <= most:  # not so either of what is no number
                raise ValueError(f"`{name}` lies between {least} and {most}")
        if fault := self.who().fault():
            raise ValueError(fault)

    @property
    def number(self) -> int:
        """The version of the protocol: 1, 2 (where nobody says) or 3."""
        return int(str(self.version or 2).strip("vc"))

    @property
    def finds(self) -> bool:
        """Whether a profile says what is read, because nothing else does or because it is named."""
        return bool(self.profile) or not (self.oids or self.tables)

    def who(self) -> Community | User:
        """Return who asks, with the secrets in the open: for the wire alone. Raises ValueError: no such algorithm."""
        if self.number != 3:
            return Community(self.community.reveal(), self.number)
        auth = _algorithm("auth", self.auth, _AUTHENTICATION)
        priv = _algorithm("priv", self.priv, _PRIVACY)
        password = self.password.reveal() if auth else ""
        return User(self.user, auth or "sha", password, priv or "aes", self.priv_password.reveal() if priv else "")

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `snmp://community@host:port/OID,OID?unit=W`; in version 3 `user:password@`; without an OID, by profile.

        `metric`, `unit`, `kind`, `scale` and `subtree` speak of every OID; all but the last may be as many as the OIDs,
        with commas between.
        """
        options = dict(url.options)
        oids = [oid.strip() for oid in _BETWEEN_OIDS.split(url.path) if oid.strip()]
        given: dict[str, Any] = {"host": url.host, "oids": _singles(oids, options, url)}
        if url.scheme == "snmpv1":
            options.setdefault("version", "1")
        if options.get("version") in ("3", "v3"):
            given |= {"user": url.user.reveal()} if url.user else {}
            given |= {"password": url.password} if url.password else {}
        elif url.password:
            raise Misconfigured(
                f"{url.scheme}://{url.host}: a password needs ?version=3; before the @ stands a community alone"
            )
        elif url.user:
            given["community"] = url.user
        given |= {"port": url.port} if url.port else {}
        return cls.of(f"{url.scheme}://{url.host}", given | options)


def _algorithm(option: str, name: str, known: dict[str, str]) -> str:
    bare = name.strip().lower()
    if bare in known:
        return known[bare]
    if bare in _NOT_HERE:
        raise ValueError(f"`{option}`: {_NOT_HERE[bare]} is not to be had here; take one of {', '.join(_plain(known))}")
    raise ValueError(f"`{option}`: {name!r} is none of {', '.join(_plain(known))}")


def _plain(known: dict[str, str]) -> list[str]:
    return list(dict.fromkeys(value for value in known.values() if value))


def _singles(oids: list[str], options: dict[str, str], url: Url) -> list[dict[str, Any]]:
    singles: list[dict[str, Any]] = [{"oid": oid} for oid in oids]
    for name in _PER_VALUE:
        if not oids or not (given := options.pop(name, "")):
            continue
        each = given.split(",")
        if len(each) not in (1, len(oids)):
            raise Misconfigured(
                f"{url.scheme}://{url.host}: {name} names {len(each)} for {len(oids)} OIDs; give one, or one each"
            )
        for i, single in enumerate(singles):
            single[name] = each[i % len(each)]
    if oids and (subtree := options.pop("subtree", "")):
        for single in singles:
            single["subtree"] = subtree
    if len({(one.get("metric"), one.get("unit")) for one in singles}) < len(singles):
        for one in singles:
            one["labels"] = {"oid": one["oid"].lstrip(".")}
    return singles

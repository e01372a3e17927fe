"""Addresses of meters: `scheme://user:password@host:port/path?option=value#fragment`, each part percent-decoded.

RFC 3986 with two liberties that operators need: the user part may be a community or a key, and the path keeps its
text as written after decoding. An address never prints its password.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

from msgspec import Struct

from wattline.errors import Misconfigured

_PORT_MAX = 65_535
_AUTHORITY_END = re.compile("[/?#]")
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|community|key$|^kg$|auth_?key", re.IGNORECASE)
_OPTION = re.compile(r"([?&])([^=&#?]*)=([^&#]*)")
_SCHEME = re.compile(r"[A-Za-z_][A-Za-z0-9_+.-]*")  # RFC 3986 section 3.1, and the underscores of driver names


class Secret:
    """A text that no log, error or answer may show; `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the wire alone."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)" if self._text else "Secret()"

    __str__ = __repr__


class Url(Struct, frozen=True):
    """One address in parts. `host` is without brackets; `port` None where none was written."""

    scheme: str
    user: Secret
    password: Secret
    host: str
    port: int | None
    path: str
    options: tuple[tuple[str, str], ...]
    fragment: str

    @classmethod
    def parse(cls, text: str) -> "Url":
        """Split an address. Raises Misconfigured, without showing a password, when it is none."""
        scheme, colon, _ = text.partition("://")
        if not colon or not _SCHEME.fullmatch(scheme):
            raise Misconfigured(f"{hide_password(text)!r} is no address: it must begin with a scheme such as snmp://")
        if _hides_early(text):
            raise Misconfigured(
                f"{hide_password(text)!r} is no address: before its @ write / as %2F, ? as %3F and # as %23, "
                "and where no user is meant, @ as %40"
            )
        try:
            parts = urlsplit(text[len(scheme) + 1 :])  # which knows no scheme with an underscore
            port = parts.port
        except ValueError as error:
            raise Misconfigured(f"{hide_password(text)!r} is no address: {error}") from error
        if "\0" in unquote(text):  # which no path, name or password may hold
            raise Misconfigured(f"{hide_password(text)!r} is no address: it holds the character U+0000")
        if port is not None and not 0 < port <= _PORT_MAX:
            raise Misconfigured(f"{hide_password(text)!r}: a port lies between 1 and {_PORT_MAX}")
        return cls(
            scheme=scheme.lower(),
            user=Secret(unquote(parts.username or "")),
            password=Secret(unquote(parts.password or "")),
            host=unquote(parts.hostname or ""),
            port=port,
            path=unquote(parts.path.removeprefix("/")),
            options=tuple(parse_qsl(parts.query, keep_blank_values=True)),
            fragment=unquote(parts.fragment),
        )


def sounds_secret(name: str) -> bool:
    """Say whether the value of an option or a parameter is a secret by its name: `password`, `token`, `apikey` ..."""
    return bool(_SECRET_NAME.search(name))


def secret_options(text: str) -> Iterator[str]:
    """Yield the values of options of an address or a path whose names sound secret, decoded."""
    yield from (unquote_plus(value) for _, name, value in _OPTION.findall(text) if value and sounds_secret(name))


def spellings(secret: str, user: str = "") -> frozenset[str]:
    """Return a secret in the ways in which it travels, and so comes back in answers: as it is, and in the base64 of
    basic authentication (without the padding).
    """
    return frozenset(
        {secret, *(b64encode(text.encode()).decode().rstrip("=") for text in (secret, f"{user}:{secret}"))}
    )


def hide_password(text: str) -> str:
    """Return an address without its secrets: what stands before its `@` (communities are secrets as well), and the
    values of options whose names sound secret.
    """
    early = _hides_early(text)
    scheme, colon, rest = _OPTION.sub(_hidden_option, text).partition("://")
    authority, slash, path = (rest, "", "") if early else rest.partition("/")
    _, at, host = authority.rpartition("@")
    return f"{scheme}{colon}{'***@' if at else ''}{host}{slash}{path}"


def _hidden_option(option: re.Match[str]) -> str:
    mark, name, _ = option.groups()
    return f"{mark}{name}=***" if sounds_secret(name) else option[0]


def _hides_early(text: str) -> bool:
    """Say whether what looks like a host may be the beginning of a password with a `/`, `?` or `#` in it."""
    _, colon, rest = _OPTION.sub(_hidden_option, text).partition("://")
    authority = _AUTHORITY_END.split(rest, maxsplit=1)[0]
    return bool(colon) and "@" in rest and "@" not in authority

"""One metric as Kwollect describes it: the keys of a description and the forms of its address.

Everything behind the host is the path, `?` and `#` of an interface's name included; only of http and https does a `#`
begin a place in JSON.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from wattline.errors import Misconfigured
from wattline.imports.conversion import Where

KEYS: Final = ("name", "device_id", "url", "update_every", "scale_factor", "labels", "optional")
LEAKED: Final = ("path", "path_template")
"""Keys that kwollector takes by accident, and that say nothing beside the address."""
SHOWN_ONLY: Final = ("wattmetre", "pdu", "network_equipment")
"""Schemes of entries that tell people where a metric comes from."""
EVERY: Final = 10_000
"""Milliseconds between two readings where a description does not say."""
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+._-]*)://(?:(?P<who>[^/]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^/@:\s]*)(?::(?P<port>\d*))?(?:/(?P<path>.*))?",
    re.DOTALL,
)
_PORT_MAX: Final = 65_535
_FASTEST: Final = 10
_SLOWEST: Final = 31_557_600_000
_LARGEST: Final = 10**18
"""Beyond it a factor is none that can be kept."""
_SHOWN: Final = 80
"""Characters of a key that is not known."""


class Description(Struct, frozen=True):
    """One description with its address in parts, decoded. `port` 0: none was written; `every` in ms."""

    name: str
    device: str
    scheme: str
    user: str
    password: str
    host: str
    port: int
    path: str
    fragment: str
    every: int
    scale: float
    labels: dict[str, Any]
    optional: bool
    where: Where


def describe(entry: Any, where: Where) -> Description:
    """Read a description. Raises Misconfigured, which says what is wrong and shows no password."""
    if not isinstance(entry, Mapping):
        raise Misconfigured("expected a mapping with name, device_id and url")
    if unknown := [name for name in entry if name not in (*KEYS, *LEAKED)]:
        raise Misconfigured(f"unknown key {', '.join(unknown)[:_SHOWN]}")
    if missing := [name for name in KEYS[:3] if entry.get(name) in (None, "")]:
        raise Misconfigured(f"the key {', '.join(missing)} is missing")
    address = _address(entry["url"])
    return Description(
        name=_text(entry, "name"),
        device=_text(entry, "device_id"),
        **address,
        every=_every(entry.get("update_every")),
        scale=_scale(entry.get("scale_factor")),
        labels=_labels(entry.get("labels")),
        optional=_flag(entry.get("optional")),
        where=where,
    )


def _address(url: Any) -> dict[str, Any]:
    match = _URL.fullmatch(url) if isinstance(url, str) else None
    if match is None:
        raise Misconfigured("url is no address such as snmp://public@pdu-1/1.3.6.1.4.1")
    scheme, path, port = match["scheme"].lower(), match["path"] or "", int(match["port"] or 0)
    if match["port"] and not 0 < port <= _PORT_MAX:
        raise Misconfigured(f"url: a port lies between 1 and {_PORT_MAX}")
    if not match["host"] and scheme not in SHOWN_ONLY:
        raise Misconfigured("url names no host")
    if match["who"] is None and "@" in path:
        # `u:12/3@host/x`: host and port may be the beginning of a password, which must not be looked up or shown.
        raise Misconfigured("url: before its @ write / as %2F, and where no user is meant, @ as %40")
    user, _, password = (match["who"] or "").partition(":")
    fragment = ""
    if scheme in ("http", "https"):
        path, _, fragment = path.partition("#")
    return {
        "scheme": scheme, "user": unquote(user), "password": unquote(password),
        "host": match["host"].strip("[]").lower(), "port": port, "path": unquote(path), "fragment": unquote(fragment),
    }  # fmt: skip


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Misconfigured(f"{key} is a text")
    return str(value)


def _every(given: Any) -> int:
    if given is None:
        return EVERY
    if isinstance(given, bool) or not isinstance(given, int | float) or not _FASTEST <= given <= _SLOWEST:
        raise Misconfigured(f"update_every is a number of milliseconds, at least {_FASTEST}")
    return round(given)


def _scale(given: Any) -> float:
    """Return a factor; none, and 0, multiply nothing."""
    if given is None:
        return 1
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < _LARGEST:
        raise Misconfigured(f"scale_factor is a number below {_LARGEST:.0e}")
    return given or 1


def _labels(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise Misconfigured("labels are a mapping")
    return dict(msgspec.to_builtins(given, str_keys=True))  # a date of YAML is a text of JSON


def _flag(given: Any) -> bool:
    if given is None or isinstance(given, bool):
        return bool(given)
    raise Misconfigured("optional is true or false")

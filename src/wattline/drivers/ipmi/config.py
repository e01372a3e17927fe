"""The options of an IPMI meter: where it is, who asks, and what is read of it."""

import re
from typing import Any, Final, Literal, Self

from msgspec import Struct

from wattline.drivers.ipmi.meaning import QUANTITIES
from wattline.plugin import DriverConfig, Misconfigured, Scale, Secret, Url
from wattline.wire.ipmi.keys import ADMINISTRATOR, LONGEST_PASSWORD, LONGEST_USER, OPERATOR, USER, Who
from wattline.wire.ipmi.message import Hop

_LEVELS: Final = {"user": USER, "operator": OPERATOR, "administrator": ADMINISTRATOR}
_HOP: Final = re.compile(r"(0x[0-9a-f]{1,2}|\d{1,3})(?::(0x[0-9a-f]|\d{1,2}))?", re.IGNORECASE)
_HEX: Final = re.compile(r"0x((?:[0-9a-f]{2})+)", re.IGNORECASE)
_BOUNDS: Final = (("port", 1, 65_535), ("tries", 1, 100), ("wait", 0.001, 3600), ("refresh", 1, 31_557_600))
"""Least and most of what is a number."""


class Named(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sensor whose metric has a name of its own: its numbers then stay in the sensor's unit, times `scale`."""

    sensor: str | int
    metric: str
    device: str = ""
    labels: dict[str, str] = {}
    scale: float | str = 1

    def __post_init__(self) -> None:
        if not self.metric or str(self.sensor) == "":
            raise ValueError("`sensor` and `metric` are names, and not empty")
        try:
            Scale.of(self.scale)
        except (Misconfigured, ValueError, ZeroDivisionError, OverflowError) as error:
            raise ValueError(f"`scale`: {self.scale!r} is no number to multiply with") from error


class IpmiConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of an IPMI meter; sample.yaml and README.md explain each."""

    host: str
    port: int = 623
    user: str = ""
    password: Secret = Secret("")
    kg: Secret = Secret("")
    cipher_suite: Literal["auto", "17", "3", 17, 3] = "auto"
    privilege: Literal["user", "operator", "administrator"] = "user"
    bridge: str = ""
    sensors: tuple[str | int | Named, ...] = ()
    sum: bool = False
    all: str = ""
    wait: float = 1.0
    tries: int = 2
    refresh: float = 3600.0

    def __post_init__(self) -> None:
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise ValueError("`host` is a name or an IP address")
        for name, least, most in _BOUNDS:
            if not least <= getattr(self, name) <= most:  # not so either of what is no number
                raise ValueError(f"`{name}` lies between {least} and {most}")
        if len(self.user.encode()) > LONGEST_USER:
            raise ValueError(f"`user` has at most {LONGEST_USER} bytes in IPMI")
        for name in ("password", "kg"):
            if len(_bytes(getattr(self, name), hexadecimal=name == "kg")) > LONGEST_PASSWORD:
                raise ValueError(f"`{name}` has at most {LONGEST_PASSWORD} bytes in IPMI 2.0")
        if self.sum and len(self.sensors) < 2:
            raise ValueError("`sum` adds up what `sensors` names: name two at least")
        if self.sum and any(isinstance(one, Named) for one in self.sensors):
            raise ValueError("`sum` makes one number of sensors: none of them has a `metric` of its own")
        if self.sensors and self.all:
            raise ValueError("`sensors` names some and `all` takes every one: give one of them")
        if unknown := self.quantities - set(QUANTITIES):
            raise ValueError(f"`all` names none of {', '.join(QUANTITIES)}: {min(unknown)!r}")
        self.route()

    def who(self) -> Who:
        """Return who asks, with the secrets in the open: for the wire alone."""
        suites = (17, 3) if self.cipher_suite == "auto" else (int(self.cipher_suite),)
        kg = _bytes(self.kg, hexadecimal=True)
        return Who(self.user.encode(), _bytes(self.password), kg, _LEVELS[self.privilege], suites)

    def route(self) -> tuple[Hop, ...]:
        """Return the way to the controller that is meant. Raises ValueError when `bridge` is none."""
        if not self.bridge:
            return ()
        hops = [_HOP.fullmatch(hop.strip()) for hop in self.bridge.split("/")]
        route = tuple(Hop(int(hop[1], 0), int(hop[2] or "0", 0)) for hop in hops if hop)
        if len(route) != len(hops) or len(route) > 2 or any(hop.address > 0xFF or hop.channel > 0xF for hop in route):
            raise ValueError("`bridge` is ADDRESS:CHANNEL such as 0x2c:6, with TRANSIT:CHANNEL/ before it where needed")
        return route

    @property
    def quantities(self) -> frozenset[str]:
        """What `all` names."""
        return frozenset(word.strip() for word in self.all.split(",") if word.strip())

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `ipmi://user:password@host:port/SENSOR,SENSOR`; any other option stands after `?`."""
        sensors = [name.strip() for name in url.path.split(",") if name.strip()]
        given: dict[str, Any] = {"host": url.host, "sensors": sensors}
        given |= {"port": url.port} if url.port else {}
        given |= {"user": url.user.reveal()} if url.user else {}
        given |= {"password": url.password} if url.password else {}
        return cls.of(f"{url.scheme}://{url.host}", given | dict(url.options))


def _bytes(secret: Secret, *, hexadecimal: bool = False) -> bytes:
    text = secret.reveal()
    match = _HEX.fullmatch(text) if hexadecimal else None
    return bytes.fromhex(match[1]) if match else text.encode()

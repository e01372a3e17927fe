"""The options of a Redfish meter, and how an address says them."""

import ssl
from typing import Any, Final, Self

from wattline.plugin import DriverConfig, Point, Secret, Url
from wattline.wire.redfish import Login
from wattline.wire.web import root, trust

_BOUNDS: Final = (
    ("port", 0, 65_535), ("wait", 0.001, 3600), ("limit_mib", 0.001, 1024), ("temperature_every", 0.0, 86_400.0),
)  # fmt: skip
"""Least and most of what is a number."""


class RedfishConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a Redfish meter; README.md explains each."""

    host: str
    port: int = 0
    tls: bool = True
    ca: str = ""
    verify: bool = True
    user: str = ""
    password: Secret = Secret("")
    login: Login = "auto"
    chassis: tuple[str, ...] = ()
    power: bool = True
    temperature: bool = True
    temperatures: bool = True
    temperature_every: float = 30.0
    supplies: bool = False
    parts: bool = False
    point: Point = Point.BMC
    wait: float = 10.0
    limit_mib: float = 8.0

    def __post_init__(self) -> None:
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise ValueError("`host` is a name or an IP address")
        for name, least, most in _BOUNDS:
            if not least <= getattr(self, name) <= most:  # not so either of what is no number
                raise ValueError(f"`{name}` lies between {least:g} and {most:g}")
        if self.password and not self.user:
            raise ValueError("a `password` needs a `user`")
        if not self.power and not self.wants_temperature:
            raise ValueError("`power` and `temperature` are both off: there is nothing to read")

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `redfish://user:password@host:port/CHASSIS,CHASSIS`, or with `/` between the chassis."""
        given: dict[str, Any] = {"host": url.host}
        listed = [name for name in url.path.replace(",", "/").split("/") if name]
        given |= {"chassis": listed} if listed else {}
        given |= {"port": url.port} if url.port else {}
        given |= {"user": url.user.reveal()} if url.user else {}
        given |= {"password": url.password} if url.password else {}
        return cls.of(f"{url.scheme}://{url.host}", given | dict(url.options))

    @property
    def wants_temperature(self) -> bool:
        """Whether temperatures are read: both spellings say yes."""
        return self.temperature and self.temperatures

    @property
    def root(self) -> str:
        """The service's address."""
        return root(self.host, self.port or (443 if self.tls else 80), tls=self.tls)

    def trust(self) -> ssl.SSLContext | None:
        """Return whose certificates are trusted. Raises Misconfigured when the file of `ca` cannot be read."""
        return trust(self.ca, verify=self.verify) if self.tls else None

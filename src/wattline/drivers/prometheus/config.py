"""The options of a Prometheus meter, and how an address says them."""

import fnmatch
import re
import ssl
from collections.abc import Callable
from typing import Any, Final, Self
from urllib.parse import urlencode

from msgspec import field

from wattline.plugin import DriverConfig, Kind, Misconfigured, Point, Secret, Url, parse_unit
from wattline.wire.web import basic, root, trust

ACCEPT: Final = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
"""OpenMetrics first, as Prometheus itself asks: it tells units, and names are then the same as there."""

_SEPARATOR: Final = re.compile("[,-]")
_GLOB: Final = re.compile(r"[*?\[]")
_PARAMETER: Final = "param."


_BOUNDS: Final = (
    ("port", 1, 65_535), ("wait", 0.001, 3600), ("limit_mib", 0.001, 4096), ("most_series", 1, 1_000_000),
)  # fmt: skip
"""Least and most of what is a number."""


class PrometheusConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a Prometheus meter; README.md explains each."""

    host: str
    port: int = 9100
    page: str = "/metrics"
    names: tuple[str, ...] = ()
    params: dict[str, str] = field(default_factory=dict)
    tls: bool = False
    ca: str = ""
    verify: bool = True
    user: str = ""
    password: Secret = Secret("")
    token: Secret = Secret("")
    device_label: str = ""
    device_name: str = "{device}/{label}-{value}"
    units: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    absent: tuple[float, ...] = ()
    own_time: bool = True
    prefix: str = ""
    custom: str = ""
    point: Point = Point.COMPONENT
    wait: float = 10.0
    limit_mib: float = 32.0
    most_series: int = 20_000

    def __post_init__(self) -> None:
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise ValueError("`host` is a name or an IP address")
        for name, least, most in _BOUNDS:
            if not least <= getattr(self, name) <= most:  # not so either of what is no number
                raise ValueError(f"`{name}` lies between {least} and {most}")
        if not self.page.startswith("/") or not self.page.isprintable():
            raise ValueError("`page` begins with / and holds no control characters")
        if self.token and self.password:
            raise ValueError("give a `password` or a `token`, not both")
        if "{value}" not in self.device_name:
            raise ValueError("`device_name` needs {value}, or all devices would have one name")
        try:
            self.device_name.format(device="", label="", value="")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError("`device_name` knows {device}, {label} and {value} alone") from error
        for name, unit in self.units.items():
            try:
                parse_unit(unit)
            except Misconfigured as error:
                raise ValueError(f"unit of {name}: {error}") from error

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `prometheus://host:port/page/NAMES`, NAMES with commas between, `*` and `?` for any text.

        Without a page it is /metrics: `prometheus://host:port/` is all of it, and a path of one part other than
        `metrics` is NAMES, which may then stand with `-` between as well. `?param.x=y` is sent to the server as `?x=y`.
        """
        page, slash, names = url.path.rpartition("/")
        if not slash and names == "metrics":
            page, names = "metrics", ""
        given: dict[str, Any] = {"host": url.host, "page": f"/{page or 'metrics'}"}
        listed = [name.strip() for name in _SEPARATOR.split(names)]
        given |= {"names": [name for name in listed if name]} if names else {}
        given |= {"port": url.port} if url.port else {}
        given |= {"user": url.user.reveal()} if url.user else {}
        given |= {"password": url.password} if url.password else {}
        asked = {name.removeprefix(_PARAMETER): value for name, value in url.options if name.startswith(_PARAMETER)}
        given |= {"params": asked} if asked else {}
        given |= {name: value for name, value in url.options if not name.startswith(_PARAMETER)}
        return cls.of(f"{url.scheme}://{url.host}", given)

    @property
    def root(self) -> str:
        """The server's address."""
        return root(self.host, self.port, tls=self.tls)

    @property
    def target(self) -> str:
        """What is asked of the server: the page and its parameters."""
        return self.page + (f"?{urlencode(self.params)}" if self.params else "")

    @property
    def address(self) -> str:
        """The page's address, without secrets."""
        return self.root + self.target

    def headers(self) -> dict[str, str]:
        """Return what is sent along, secrets in the open: for the wire alone."""
        sent = {"Accept": ACCEPT}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token.reveal()}"
        elif self.user or self.password:
            sent["Authorization"] = basic(self.user, self.password.reveal())
        return sent

    def trust(self) -> ssl.SSLContext | None:
        """Return whose certificates are trusted. Raises Misconfigured when the file of `ca` cannot be read."""
        return trust(self.ca, verify=self.verify) if self.tls else None

    def wanted(self) -> Callable[[str, str], bool] | None:
        """Return what says of a sample's name and family whether it is kept; None: all are."""
        if not self.names:
            return None
        matches = re.compile("|".join(fnmatch.translate(name) for name in self.names)).fullmatch
        return lambda name, family: bool(matches(name) or matches(family))

    def starts(self) -> list[str]:
        """Return how wanted names begin, up to the first `*` or `?`."""
        return [_GLOB.split(name, maxsplit=1)[0] for name in self.names]

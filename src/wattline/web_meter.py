"""What meters that are asked over HTTP have in common: the options of a server, a session, and values that are told.

A driver of such a meter says which pages it asks for and what they mean; see `drivers/rpimonitor` for the shortest.
"""

import math
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self, TypeVar

from wattline.errors import Malformed
from wattline.plugin import (
    Column,
    Device,
    DriverConfig,
    Frame,
    Kind,
    Layout,
    Metric,
    Polled,
    Roster,
    Scale,
    Secret,
    Series,
    Unit,
    Url,
)
from wattline.units import IDENTITY
from wattline.wire.web import Web, basic, root, trust

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power")
_PLACE: Final = re.compile(r"(?:(https?)://)?(\[[0-9A-Fa-f:.%]+\]|[^\s/:@\[\]]+)(?::(\d{1,5}))?/?")
_IPV6: Final = re.compile(r"[0-9A-Fa-f:.%]*:[0-9A-Fa-f:.%]*:[0-9A-Fa-f:.%]*")
_PORT_MAX: Final = 65_535
_LIMIT: Final = 4 << 20
"""Most bytes of a page, unpacked."""


class Place(NamedTuple):
    """Where a server is: its name or address, its port, and whether it speaks TLS."""

    name: str
    port: int
    tls: bool


class WebConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a meter that is asked over HTTP. `host` may hold scheme and port (`https://plug-1:8443`)."""

    host: str
    port: int = 0
    """0: that of the scheme."""
    tls: bool = False
    ca: str = ""
    verify: bool = True
    user: str = ""
    password: Secret = Secret("")
    wait: float = 5.0
    """Seconds for a whole page."""

    def __post_init__(self) -> None:
        if not 0.001 <= self.wait <= 3600:  # not so either of what is no number
            raise ValueError("`wait` lies between 0.001 and 3600")
        if not 0 <= self.port <= _PORT_MAX:
            raise ValueError(f"`port` lies between 0 and {_PORT_MAX}")
        if ":" in self.user or not self.user.isprintable():
            raise ValueError("`user` holds no colon and no control characters (RFC 7617)")
        _ = self.place

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `NAME://user:password@host:port?option=value`, and a path where the driver has an option `path`."""
        given: dict[str, Any] = {"host": url.host}
        given |= {"port": url.port} if url.port else {}
        given |= {"user": url.user.reveal()} if url.user else {}
        given |= {"password": url.password} if url.password else {}
        given |= {"path": f"/{url.path}"} if url.path else {}
        return cls.of(f"{url.scheme}://{url.host}", given | dict(url.options))

    @property
    def place(self) -> Place:
        """Where the server is. Raises ValueError: `host` is none."""
        if _IPV6.fullmatch(self.host):
            return Place(self.host, self.port or (443 if self.tls else 80), self.tls)
        match = _PLACE.fullmatch(self.host)
        if match is None or not self.host.isprintable():
            raise ValueError("`host` is a name or an IP address, perhaps with http:// or https:// before it")
        tls = match[1] == "https" if match[1] else self.tls
        port = int(match[3] or 0) or self.port or (443 if tls else 80)
        if port > _PORT_MAX:
            raise ValueError(f"the port in `host` lies between 1 and {_PORT_MAX}")
        return Place(match[2].strip("[]"), port, tls)

    @property
    def root(self) -> str:
        """The server's address, without secrets."""
        place = self.place
        return root(place.name, place.port, tls=place.tls)

    def web(self) -> Web:
        """Return the server. Raises Misconfigured: `ca` cannot be read."""
        tls = trust(self.ca, verify=self.verify) if self.place.tls else None
        return Web(self.root, wait=self.wait, limit=_LIMIT, tls=tls)

    def basic(self) -> dict[str, str]:
        """Return the header of basic authentication, the secret in the open; nothing without a password."""
        return {"Authorization": basic(self.user, self.password.reveal())} if self.password else {}


class Told(NamedTuple):
    """One value that a page tells, in the base unit."""

    series: Series
    column: Column
    value: float


C = TypeVar("C", bound=WebConfig)


class WebMeter(Polled[C]):
    """A meter that is asked over HTTP; it has one web server, and series that come and go with its pages."""

    def __init__(self, config: C) -> None:
        super().__init__(config)
        self.name = config.device or config.place.name
        self._web = Web(config.root)
        self._roster: Roster[tuple[Series, Column]] = Roster(lambda key: key, self._devices)

    async def open(self) -> Sequence[Layout]:
        """Make a session; what the pages hold is seen at the first read."""
        self._web = self.config.web()
        await self._web.open()
        return []

    async def close(self) -> None:
        """Close the connection."""
        await self._web.close()

    def _frames(self, now: int, told: Sequence[Told]) -> list[Frame]:
        """Return what a page tells as a frame; nothing told: none. Raises Malformed: a series is told twice."""
        if not told:
            return []
        keys = [(one.series, one.column) for one in told]
        if len({series.key for series, _ in keys}) < len(keys):
            raise Malformed(f"{self.config.root} tells a value of {self.name} twice")
        layout, row, present = self._roster.frame(now, keys, [one.value for one in told])
        return [Frame(layout, row, present=None if present.all() else present)]

    def _devices(self, series: Sequence[Series]) -> list[Device]:
        """Return the meter and its parts, each of which is within the meter."""
        parts = dict.fromkeys(one.device for one in series if one.device != self.name)
        return [Device(self.name), *(Device(part, parents=(("", self.name),)) for part in parts)]


def quantity(value: object, scale: Scale = IDENTITY) -> float | None:
    """Return a number of a JSON page, or a text that is one, in base units; None: it is absent.

    Absent are null, booleans, texts that are no number, lists, and what is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = scale.base(value)
    except (Malformed, OverflowError):
        return None
    return found if math.isfinite(found) else None


def counted(step: Scale) -> Column:
    """Return the column of a register that counts in steps of `step`."""
    return Column(scale=step, resolution=step.base(1))

"""What a configuration says, as types: a `Site` and what it is made of. Nothing here shows a secret."""

import os
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Struct, field

from wattline.core.address import secret_options, sounds_secret
from wattline.plugin import Config, Point, Scale, Secret
from wattline.runtime.shape import FOREVER, Duration
from wattline.units import IDENTITY

_PORT_MAX: Final = 65_535
_MOST_CLIENTS: Final = 100_000
SPOOL: Final = 2**30
"""Most bytes that wait on disk for a sink, where nobody says."""


def state_directory() -> Path:
    """Where programs keep their state for a user (XDG base directories 0.8), in a folder of ours."""
    given = os.environ.get("XDG_STATE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".local" / "state") / "wattline"


def zone(name: str) -> ZoneInfo:
    """Return a time zone. Raises ValueError when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}; write it as Europe/Paris") from error


def local_timezone() -> str:
    """Return the name of this host's time zone (TZ, /etc/localtime: tzset(3), localtime(5)); UTC where it has none."""
    named = os.environ.get("TZ", "").removeprefix(":") or os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    try:
        return zone(named).key
    except ValueError:
        return "UTC"


class MeterConfig(Struct, frozen=True, kw_only=True):
    """One meter: who reads it, with which options, how often. Equal configurations read the same thing."""

    name: str
    driver: str
    options: Any
    """An instance of the driver's `Config`."""
    address: str = ""
    """For people; holds no secret."""
    every: float = 1.0
    """Seconds between two polls; of a meter that speaks on its own, between what it says, if that is `declared`."""
    declared: bool = True
    """Whether the operator said `every`."""
    timeout: float = 1.0
    """Seconds that one poll may last, the driver's own retries included."""
    scale: Scale = IDENTITY
    """What every number is multiplied by."""
    labels: dict[str, Any] = {}
    metric: str = ""
    """The name of the metric, where the answer has one series; empty: the driver's."""
    optional: bool = False
    """Read only when somebody asks for it."""


class PluginConfig(Struct, frozen=True, kw_only=True):
    """A sink or the store: its name, whose plugin it is, and an instance of that plugin's `Config`."""

    name: str
    driver: str
    options: Any
    spool: int = SPOOL
    """Most bytes on disk that wait for this sink while it fails."""


class DeviceConfig(Config, frozen=True, kw_only=True):
    """What the operator knows of a device; what is not said here stays as the driver says it."""

    name: str
    type: str = ""
    parent: str | dict[str, str] | None = None
    """The device that this one is part of or draws from; with several feeds a mapping of feed to device."""
    power: str = ""
    """The metric to be taken as this device's power; empty: the best there is."""
    rated: float | None = None
    """Most watts that it can draw."""
    floor: float | None = None
    """Least watts that it draws while it is on the meter."""
    accuracy: float | None = None
    """Accuracy class of its meter as a ratio: 0.01 is class 1."""
    point: Point | None = None
    """Where its meter stands."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a device needs a name")
        if self.rated is not None and self.rated <= (self.floor or 0):
            raise ValueError("`rated` is more than `floor`")

    @property
    def parents(self) -> tuple[tuple[str, str], ...]:
        """(feed, device) pairs; the one feed of a plain `parent` has no name."""
        if isinstance(self.parent, dict):
            return tuple(sorted(self.parent.items()))
        return (("", self.parent),) if self.parent else ()


class Retention(Config, frozen=True, kw_only=True, rename={"ten_seconds": "10s", "minute": "1min",
                                                           "quarter": "15min", "day": "1d"}):  # fmt: skip
    """How long samples and each kind of roll-up are kept, in seconds."""

    raw: Duration = Duration(FOREVER)
    ten_seconds: Duration = Duration(FOREVER)
    minute: Duration = Duration(FOREVER)
    quarter: Duration = Duration(FOREVER)
    day: Duration = Duration(FOREVER)

    def seconds(self) -> dict[str, float | None]:
        """Return what is kept how long by its key: seconds, or None for ever."""
        return {
            field.encode_name: None if (kept := getattr(self, field.name)) == FOREVER else float(kept)
            for field in msgspec.structs.fields(self)
        }


class Clients(Config, frozen=True, kw_only=True):
    """How much of the program its clients may take."""

    live: int = 256
    """Most subscribers of the live stream at once."""
    queue: int = 16
    """Publications that wait for a slow subscriber before it loses the oldest."""

    def __post_init__(self) -> None:
        if not (0 <= self.live <= _MOST_CLIENTS and 1 <= self.queue <= _MOST_CLIENTS):
            raise ValueError(f"`live` and `queue` lie between 1 (`live`: 0) and {_MOST_CLIENTS}")


class Site(Struct, frozen=True, kw_only=True):
    """Everything that one configuration describes."""

    host: str = field(default_factory=socket.gethostname)
    """This host's name: the first part of the name of every source, so keep it."""
    listen: str = "127.0.0.1:8780"
    data: Path = field(default_factory=state_directory)
    """The directory of the store and of the spools."""
    timezone: str = field(default_factory=local_timezone)
    """IANA name of the zone whose days are the site's; that of this host where nobody says."""
    price_per_kwh: Decimal | None = None
    currency: str = "EUR"
    commit_every: float = 1.0
    """Seconds between two commits at least, but when nothing was waiting."""
    queue: int = 4_000_000
    """Most samples that wait in memory for a sink or the store (8 bytes each, and their times)."""
    meters: tuple[MeterConfig, ...] = ()
    devices: tuple[DeviceConfig, ...] = ()
    store: PluginConfig | None = None
    """None: the default store with its defaults, in `data`."""
    sinks: tuple[PluginConfig, ...] = ()
    retention: Retention = Retention()
    log: Literal["debug", "info", "warning", "error"] = "info"
    clients: Clients = Clients()

    @property
    def address(self) -> tuple[str, int]:
        """Where to listen: host and port."""
        return split_listen(self.listen)


def split_listen(text: str) -> tuple[str, int]:
    """Read `host:port`. Raises ValueError when it is none."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _PORT_MAX:
        raise ValueError(f"{text!r} is no address to listen on, such as 127.0.0.1:8780 (port 0: any)")
    return host.strip("[]") or "127.0.0.1", int(port)


def secrets(options: Any) -> frozenset[str]:
    """Return the texts of all secrets in a plugin's options, however deep: to be hidden from messages.

    Secret are also parameters whose names sound so, in a mapping or in the text of an address.
    """
    if isinstance(options, Secret):
        return frozenset({options.reveal()} if options else ())
    if isinstance(options, str):
        return frozenset(secret_options(options))
    if isinstance(options, Struct):
        return frozenset().union(*(secrets(value) for value in msgspec.structs.astuple(options)))
    if isinstance(options, dict):
        named = {value for name, value in options.items() if isinstance(value, str) and sounds_secret(str(name))}
        return frozenset(named).union(*(secrets(value) for value in options.values()))
    if isinstance(options, list | tuple | set | frozenset):
        return frozenset().union(*(secrets(value) for value in options))
    return frozenset()

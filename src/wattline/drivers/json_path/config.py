"""The options of a JSON meter, and what they say of each value: where it stands, which series, in which unit."""

import ssl
from typing import Any, Final, Self
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, field

from wattline.core.naming import plain_metric
from wattline.core.tree import Path, parse_path, split_paths
from wattline.plugin import (
    Column,
    DriverConfig,
    Kind,
    Metric,
    Misconfigured,
    Point,
    Scale,
    Secret,
    Url,
    parse_unit,
)
from wattline.wire.web import basic, root, trust

_PER_VALUE: Final = ("metric", "unit", "kind", "scale")
_PARAMETER: Final = "param."
_BOUNDS: Final = (("port", 0, 65_535), ("wait", 0.001, 3600), ("limit_mib", 0.001, 1024))
"""Least and most of what is a number."""


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value of the page: its path, and what it means."""

    path: str
    metric: str = ""
    unit: str = ""
    scale: float | str = 1
    kind: Kind | None = None
    labels: dict[str, str] = {}
    device: str = ""
    absent: tuple[float, ...] = ()
    range: float | None = None
    resolution: float = 0
    rated: float | None = None
    floor: float = 0
    accuracy: float | None = None
    window: float | None = None

    def __post_init__(self) -> None:
        try:
            self.place()
            self.factor()
        except (Misconfigured, ValueError, ZeroDivisionError) as error:
            raise ValueError(str(error)) from error

    def place(self) -> Path:
        """Return the path in steps."""
        return parse_path(self.path)

    def factor(self) -> Scale:
        """Return the scale from the page's number to the base unit."""
        return parse_unit(self.unit)[1] * Scale.of(self.scale)

    def of_metric(self) -> Metric:
        """Return the metric; where the operator named none, the plain one of its unit."""
        unit, _ = parse_unit(self.unit)
        return plain_metric(unit, name=self.metric, kind=self.kind, otherwise="json_value")

    def column(self, point: Point) -> Column:
        """Return what is to be said of the series; `range` and `resolution` are in the value's own unit."""
        scale, (_, unit) = self.factor(), parse_unit(self.unit)
        return Column(
            scale=scale,
            range=None if self.range is None else abs(unit.base(self.range)),
            resolution=abs(unit.base(self.resolution)),
            window=self.window,
            accuracy=self.accuracy,
            rated=self.rated,
            floor=self.floor,
            point=point,
        )


class JsonPathConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a JSON meter; README.md explains each."""

    host: str
    port: int = 0
    page: str = "/"
    values: tuple[Value, ...]
    params: dict[str, str] = field(default_factory=dict)
    tls: bool = True
    ca: str = ""
    verify: bool = True
    user: str = ""
    password: Secret = Secret("")
    token: Secret = Secret("")
    point: Point = Point.WALL
    wait: float = 10.0
    limit_mib: float = 8.0

    def __post_init__(self) -> None:
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise ValueError("`host` is a name or an IP address")
        for name, least, most in _BOUNDS:
            if not least <= getattr(self, name) <= most:  # not so either of what is no number
                raise ValueError(f"`{name}` lies between {least:g} and {most:g}")
        if not self.values:
            raise ValueError("`values` names nothing to read; in an address they stand behind a #")
        if not self.page.startswith("/") or not self.page.isprintable():
            raise ValueError("`page` begins with / and holds no control characters")
        if self.token and self.password:
            raise ValueError("give a `password` or a `token`, not both")

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `https://user:password@host:port/page?query#PATH,PATH`.

        `metric`, `unit`, `kind` and `scale` speak of every path, or are as many as the paths, with commas between.
        What no option is, and what begins with `param.`, is the server's.
        """
        where = f"{url.scheme}://{url.host}"
        fields = {one.encode_name for one in msgspec.structs.fields(cls)} - {"values", "params"}
        given = {name: value for name, value in url.options if name in fields}
        asked = {
            name.removeprefix(_PARAMETER): value
            for name, value in url.options
            if name not in fields and name not in _PER_VALUE
        }
        whole: dict[str, Any] = {"host": url.host, "page": f"/{url.path}", "params": asked}
        whole["values"] = _values(split_paths(url.fragment), dict(url.options), where)
        whole |= {"tls": url.scheme == "https"} if url.scheme in ("http", "https") else {}
        whole |= {"port": url.port} if url.port else {}
        whole |= {"user": url.user.reveal()} if url.user else {}
        whole |= {"password": url.password} if url.password else {}
        return cls.of(where, whole | given)

    @property
    def root(self) -> str:
        """The server's address."""
        return root(self.host, self.port or (443 if self.tls else 80), tls=self.tls)

    @property
    def target(self) -> str:
        """What is asked of the server: the page and its parameters."""
        return self.page + (f"?{urlencode(self.params)}" if self.params else "")

    def headers(self) -> dict[str, str]:
        """Return what is sent along, secrets in the open: for the wire alone."""
        sent = {"Accept": "application/json"}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token.reveal()}"
        elif self.user or self.password:
            sent["Authorization"] = basic(self.user, self.password.reveal())
        return sent

    def trust(self) -> ssl.SSLContext | None:
        """Return whose certificates are trusted. Raises Misconfigured when the file of `ca` cannot be read."""
        return trust(self.ca, verify=self.verify) if self.tls else None


def _values(paths: list[str], options: dict[str, str], where: str) -> list[dict[str, Any]]:
    values: list[dict[str, Any]] = [{"path": path} for path in paths]
    for name in _PER_VALUE:
        if not (given := options.get(name, "")):
            continue
        each = given.split(",")
        if len(each) not in (1, len(paths)):
            raise Misconfigured(f"{where}: {name} names {len(each)} for {len(paths)} paths; give one, or one each")
        for i, value in enumerate(values):
            value[name] = each[i % len(each)]
    if len({(one.get("metric"), one.get("unit")) for one in values}) < len(values):
        for one in values:
            one["labels"] = {"path": one["path"]}
    return values

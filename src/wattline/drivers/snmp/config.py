"""The options of an SNMP meter, and what they say of each value: which series, in which unit, how wide a register."""

import re
from typing import Any, Final, Literal, Self

from msgspec import Struct

from wattline.plugin import (
    Column,
    DriverConfig,
    Kind,
    Metric,
    Misconfigured,
    Point,
    Scale,
    Secret,
    Unit,
    Url,
    parse_unit,
)
from wattline.wire.snmp import Community, User

OID: Final = re.compile(r"\.?[0-2](\.\d{1,10})+")
TEMPLATE: Final = re.compile(r"\.?([0-2][\d.]*?)\.?\{\{\s*\.?([0-2][\d.]*)\s*==\s*(.*?)\s*\}\}((?:\.\d+)*)", re.DOTALL)
"""`prefix.{{ table == text }}suffix`: the braces stand for the index of the row of `table` that says `text`."""

_BETWEEN_OIDS: Final = re.compile(r",(?![^{]*\}\})")
_ARC_MAX: Final = 2**32 - 1
_WIDTHS: Final = {"counter32": 2**32, "counter64": 2**64}
_NAMES: Final = {
    Unit.WATT: "power_watts", Unit.JOULE: "energy_joules", Unit.VOLT: "voltage_volts", Unit.AMPERE: "current_amperes",
    Unit.HERTZ: "frequency_hertz", Unit.CELSIUS: "temperature_celsius", Unit.VOLT_AMPERE: "apparent_power_va",
    Unit.VAR: "reactive_power_var", Unit.SECOND: "time_seconds", Unit.BYTE: "size_bytes", Unit.RATIO: "share_ratio",
    Unit.NONE: "snmp_value",
}  # fmt: skip
_PER_VALUE: Final = ("metric", "unit", "kind", "scale")
_OPEN: Final = (Unit.NONE, Unit.BYTE, Unit.SECOND)  # units that a running total and a level have in common


class Quantity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a value means: the options that a single OID and a column of a table have in common."""

    oid: str
    metric: str = ""
    unit: str = ""
    scale: float | str = 1
    kind: Kind | None = None
    labels: dict[str, str] = {}
    range: float | Literal["", "none", "counter32", "counter64"] = ""
    resolution: float = 0
    absent: tuple[float, ...] = ()
    rated: float | None = None
    floor: float = 0
    accuracy: float | None = None
    window: float | None = None

    def __post_init__(self) -> None:
        if fault := oid_fault(self.oid, template=type(self) is Single):
            raise ValueError(fault)
        try:
            self.factor()
        except (Misconfigured, ValueError, ZeroDivisionError) as error:
            raise ValueError(str(error)) from error

    def factor(self) -> Scale:
        """Return the scale from the device's count to the base unit."""
        return parse_unit(self.unit)[1] * Scale.of(self.scale)

    def of_metric(self) -> Metric:
        """Return the metric; where the operator named none, the plain one of its unit."""
        unit, _ = parse_unit(self.unit)
        kind = self.kind
        if kind is None:
            kind = Kind.COUNTER if unit is Unit.JOULE else Kind.UNKNOWN if unit in _OPEN else Kind.GAUGE
        return Metric(self.metric or _NAMES[unit], unit, kind)

    def column(self, point: Point, modulus: int | None) -> Column:
        """Return what is to be said of the series; `modulus` is that of the agent's own type, if it told one."""
        scale = self.factor()
        counts = _WIDTHS.get(str(self.range), modulus if self.range == "" else self.range)
        counter = self.of_metric().kind is Kind.COUNTER
        step = parse_unit(self.unit)[1].base(self.resolution) if self.resolution else scale.base(1)
        return Column(
            scale=scale,
            range=abs(scale.base(counts)) if counter and isinstance(counts, int | float) else None,
            resolution=abs(step) if counter or self.resolution else 0.0,
            window=self.window,
            accuracy=self.accuracy,
            rated=self.rated,
            floor=self.floor,
            point=point,
        )

    @property
    def wants_type(self) -> bool:
        """Whether the agent is to be asked how wide the register is."""
        return self.range == "" and self.of_metric().kind is Kind.COUNTER


class Single(Quantity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One OID, or a template that finds one by what a table says."""

    device: str = ""


class TableColumn(Quantity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column of a table: its OID without the index."""


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns with common rows; each row is about a device of its own, a part of the meter's."""

    columns: tuple[TableColumn, ...]
    names: str | dict[str, str] = ""
    part: str = "row"

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("a table needs columns")
        if isinstance(self.names, str) and self.names and (fault := oid_fault(self.names)):
            raise ValueError(fault)


_BOUNDS: Final = (
    ("port", 1, 65_535), ("tries", 1, 100), ("per_request", 1, 1000), ("wait", 0.001, 3600), ("refresh", 1, 31_557_600),
)  # fmt: skip
"""Least and most of what is a number."""


class SnmpConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of an SNMP meter; README.md explains each."""

    host: str
    port: int = 161
    version: Literal["1", "2c", "3", 1, 3] = "2c"
    community: Secret = Secret("public")
    user: str = ""
    password: Secret = Secret("")
    auth: Literal["md5", "sha", "sha224", "sha256", "sha384", "sha512"] = "sha"
    priv_password: Secret = Secret("")
    priv: Literal["des", "aes", "aes192", "aes256"] = "aes"
    oids: tuple[Single, ...] = ()
    tables: tuple[Table, ...] = ()
    point: Point = Point.WALL
    wait: float = 0.45
    tries: int = 2
    per_request: int = 40
    refresh: float = 300.0

    def __post_init__(self) -> None:
        if not self.oids and not self.tables:
            raise ValueError("says what to read in neither `oids` nor `tables`")
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise ValueError("`host` is a name or an IP address")
        for name, least, most in _BOUNDS:
            if not least <= getattr(self, name) <= most:  # not so either of what is no number
                raise ValueError(f"`{name}` lies between {least} and {most}")
        who = self.who()
        if isinstance(who, User) and (fault := who.fault()):
            raise ValueError(fault)

    def who(self) -> Community | User:
        """Return who asks, with the secrets in the open: for the wire alone."""
        if str(self.version) == "3":
            password, privacy = self.password.reveal(), self.priv_password.reveal()
            return User(self.user, self.auth, password, self.priv, privacy)
        return Community(self.community.reveal(), 1 if str(self.version) == "1" else 2)

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `snmp://community@host:port/OID,OID?unit=W`; in version 3 `user:password@`.

        `metric`, `unit`, `kind` and `scale` speak of every OID, or are as many as the OIDs, with commas between.
        """
        options = dict(url.options)
        oids = [oid.strip() for oid in _BETWEEN_OIDS.split(url.path) if oid.strip()]
        given: dict[str, Any] = {"host": url.host, "oids": _singles(oids, options, url.host)}
        if options.get("version") == "3":
            given |= {"user": url.user.reveal()} if url.user else {}
            given |= {"password": url.password} if url.password else {}
        elif url.password:
            raise Misconfigured(
                f"snmp://{url.host}: a password needs ?version=3; before the @ stands a community alone"
            )
        elif url.user:
            given["community"] = url.user
        given |= {"port": url.port} if url.port else {}
        return cls.of(f"snmp://{url.host}", given | options)


def oid_fault(oid: str, *, template: bool = False) -> str:
    """Say what is wrong with an OID in words, or nothing."""
    match = TEMPLATE.fullmatch(oid) if template else None
    for part in (match[1], match[2]) if match else (oid,):
        if not OID.fullmatch(part) or any(int(arc) > _ARC_MAX for arc in part.lstrip(".").split(".")):
            return f"{oid!r} is no numeric OID such as 1.3.6.1.2.1.1.3.0"
    return ""


def _singles(oids: list[str], options: dict[str, str], host: str) -> list[dict[str, Any]]:
    singles: list[dict[str, Any]] = [{"oid": oid} for oid in oids]
    for name in _PER_VALUE:
        if not (given := options.pop(name, "")):
            continue
        each = given.split(",")
        if len(each) not in (1, len(oids)):
            raise Misconfigured(f"snmp://{host}: {name} names {len(each)} for {len(oids)} OIDs; give one, or one each")
        for i, single in enumerate(singles):
            single[name] = each[i % len(each)]
    if len({(one.get("metric"), one.get("unit")) for one in singles}) < len(singles):
        for one in singles:
            one["labels"] = {"oid": one["oid"].lstrip(".")}
    return singles

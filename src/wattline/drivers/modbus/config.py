"""The options of a Modbus meter, and what they say of each register: which series, in which unit, how wide."""

import re
from fractions import Fraction
from typing import Any, Final, Literal, Self

from msgspec import Struct

from wattline.core.naming import plain_metric
from wattline.drivers.modbus.registers import Order, Shape, Type, shape
from wattline.plugin import (
    Column,
    DriverConfig,
    Kind,
    Metric,
    Misconfigured,
    Point,
    Scale,
    Series,
    Url,
    parse_unit,
)
from wattline.wire.modbus import MOST, Dial, Framing, Space, over_serial, over_tcp
from wattline.wire.serial_line import SPEEDS

Category = Literal["holding", "input"]
_ADDRESS: Final = re.compile(r"(?:(?P<unit>\d+)/)?(?P<address>\d+)/(?P<octets>[bl]e)_(?P<words>[bl]e)_(?P<type>\w+)")
_SIZE_LIMIT: Final = 1e300
_PER_VALUE: Final = ("metric", "unit", "kind", "scale")


class Register(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number of the meter. `address` is that of the wire: what manuals call 40001 or 30001 is 0."""

    address: int
    type: Type = "u16"
    words: Order | None = None
    octets: Order | None = None
    category: Category | None = None
    device_unit: int | None = None
    device: str = ""
    metric: str = ""
    unit: str = ""
    scale: float | str = 1
    kind: Kind | None = None
    labels: dict[str, str] = {}
    range: float | None = None
    resolution: float = 0
    absent: tuple[float, ...] = ()
    rated: float | None = None
    floor: float = 0
    accuracy: float | None = None
    window: float | None = None

    def __post_init__(self) -> None:
        size = shape(self.type, "be", "be").size
        if not 0 <= self.address <= 0x10000 - size:
            raise ValueError(f"`address` lies between 0 and {0x10000 - size}")
        if self.device_unit is not None and not 0 <= self.device_unit <= 255:
            raise ValueError("`device_unit` lies between 0 and 255")
        if self.kind is Kind.STATE:
            raise ValueError("`kind` of a register is no state: it holds a number")
        try:
            factor = self.factor()
            if abs(Fraction(factor.num, factor.den)) * 2**64 > _SIZE_LIMIT:
                raise ValueError(f"a `scale` of {self.scale} is too large")
        except (Misconfigured, ZeroDivisionError) as error:
            raise ValueError(str(error)) from error

    def factor(self) -> Scale:
        """Return the scale from the meter's count to the base unit."""
        return parse_unit(self.unit)[1] * Scale.of(self.scale)

    def of_metric(self) -> Metric:
        """Return the metric; where the operator named none, the plain one of its unit."""
        unit, _ = parse_unit(self.unit)
        return plain_metric(unit, name=self.metric, kind=self.kind, otherwise="modbus_value")

    def column(self, form: Shape, point: Point) -> Column:
        """Return what is to be said of the series."""
        scale, counter = self.factor(), self.of_metric().kind is Kind.COUNTER
        counts = self.range if self.range is not None else form.modulus
        whole = not form.kind.startswith("f")
        step = parse_unit(self.unit)[1].base(self.resolution) if self.resolution else scale.base(1) if whole else 0.0
        return Column(
            scale=scale,
            range=abs(counts * scale.num / scale.den) if counter and counts else None,
            resolution=abs(step) if counter or self.resolution else 0.0,
            window=self.window,
            accuracy=self.accuracy,
            rated=self.rated,
            floor=self.floor,
            point=point,
        )


class Place(Struct, frozen=True, eq=False):
    """Where a number lies and what it means, with all that the meter says for its registers filled in."""

    unit: int
    space: Space
    address: int
    shape: Shape
    series: Series
    column: Column
    absent: frozenset[float]

    @property
    def end(self) -> int:
        """The address behind its last word."""
        return self.address + self.shape.size

    def __str__(self) -> str:
        return f"{self.space.name.lower()} {self.address} of unit {self.unit}"


_BOUNDS: Final = (
    ("port", 1, 65_535), ("device_unit", 0, 255), ("max_registers", 4, MOST), ("max_gap", 0, MOST),
    ("wait", 0.001, 3600),
)  # fmt: skip
"""Least and most of what is a number."""


class ModbusConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a Modbus meter; sample.yaml explains each."""

    host: str = ""
    port: int = 502
    framing: Framing | None = None
    serial: str = ""
    baud: int = 19_200
    parity: Literal["none", "even", "odd"] = "even"
    stop: Literal[1, 2] = 1
    device_unit: int = 1
    category: Category = "holding"
    words: Order = "be"
    octets: Order = "be"
    markers: bool = False
    registers: tuple[Register, ...] = ()
    max_registers: int = MOST
    max_gap: int = 8
    point: Point = Point.WALL
    wait: float = 0.8

    def __post_init__(self) -> None:
        if not self.registers:
            raise ValueError("says in no `registers` what to read")
        if bool(self.host) == bool(self.serial):
            raise ValueError("needs `host` or `serial`, and not both")
        if not self.host.isprintable() or " " in self.host:
            raise ValueError("`host` is a name or an IP address")
        if self.serial and self.framing == "tcp":
            raise ValueError("`framing` of a serial line is rtu")
        if self.baud not in SPEEDS:
            raise ValueError(f"`baud` is one of {', '.join(str(speed) for speed in SPEEDS)}")
        for name, least, most in _BOUNDS:
            if not least <= getattr(self, name) <= most:  # not so either of what is no number
                raise ValueError(f"`{name}` lies between {least} and {most}")
        seen: dict[bytes, Place] = {}
        for place in self.places():
            if (before := seen.setdefault(place.series.key, place)) is not place:
                raise ValueError(
                    f"{before} and {place} would both be {place.series.metric.name} of {place.series.device}: "
                    "give one of them another metric, device or label"
                )

    @property
    def name(self) -> str:
        """The address, for messages."""
        if self.serial:
            return f"modbus on {self.serial}"
        return f"modbus://[{self.host}]:{self.port}" if ":" in self.host else f"modbus://{self.host}:{self.port}"

    @property
    def own(self) -> str:
        """The device that registers are about which name none."""
        return self.device or self.host or self.serial.rpartition("/")[2]

    def way(self) -> tuple[Dial, Framing]:
        """Return how to get there and how frames look on it."""
        if self.serial:
            return over_serial(self.serial, self.baud, f"8{self.parity[0].upper()}{self.stop}"), "rtu"
        return over_tcp(self.host, self.port), self.framing or "tcp"

    def places(self) -> tuple[Place, ...]:
        """Return the registers with what the meter says for all of them."""
        return tuple(self._place(register) for register in self.registers)

    def _place(self, register: Register) -> Place:
        form = shape(register.type, register.words or self.words, register.octets or self.octets)
        return Place(
            unit=self.device_unit if register.device_unit is None else register.device_unit,
            space=Space[(register.category or self.category).upper()],
            address=register.address,
            shape=form,
            series=Series.of(register.device or self.own, register.of_metric(), register.labels),
            column=register.column(form, self.point),
            absent=frozenset(register.absent),
        )

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `modbus://host:port/UNIT/REGISTER/ORDERS_TYPE` as Kwollect writes it, several with commas between.

        ORDERS are that of the octets in a word and that of the words, be or le. `metric`, `unit`, `kind` and `scale`
        speak of every register, or are as many as the registers.
        """
        options: dict[str, Any] = dict(url.options)
        where = f"modbus://{url.host}"
        if url.user or url.password:
            raise Misconfigured(f"{where}: Modbus knows no user")
        given: dict[str, Any] = {"host": url.host, "registers": _registers(url.path, options, where)}
        given |= {"port": url.port} if url.port else {}
        return cls.of(where, given | options)


def _registers(path: str, options: dict[str, Any], where: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    unit = options.get("device_unit", "1")
    for part in filter(None, (text.strip() for text in path.split(","))):
        if not (match := _ADDRESS.fullmatch(part)):
            raise Misconfigured(f"{where}: {part!r} is no register such as 1/1032/be_be_f32")
        one = match.groupdict()
        unit = one.pop("unit") or unit
        found.append({**one, "device_unit": unit})
    for name in _PER_VALUE:
        if given := options.pop(name, ""):
            each = given.split(",")
            if len(each) not in (1, len(found)):
                raise Misconfigured(
                    f"{where}: {name} names {len(each)} for {len(found)} registers; give one, or one each"
                )
            for i, one in enumerate(found):
                one[name] = each[i % len(each)]
    if len({(one.get("metric"), one.get("unit")) for one in found}) < len(found):
        for one in found:
            one["labels"] = {"register": f"{one['device_unit']}/{one['address']}"}
    return found

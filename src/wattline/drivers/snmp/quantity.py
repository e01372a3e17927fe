"""What a value means: which series, in which unit, how wide a register, and what of it the device tells itself.

An operator's block and a profile of a device family are made of the same words.
"""

import re
from fractions import Fraction
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from wattline.core.naming import plain_metric
from wattline.plugin import Column, Kind, Malformed, Metric, Misconfigured, Point, Scale, Unit, parse_unit
from wattline.units import exact

OID: Final = re.compile(r"\.?[0-2](\.\d{1,10})+")
TEMPLATE: Final = re.compile(r"\.?([0-2][\d.]*?)\.?\{\{\s*\.?([0-2][\d.]*)\s*==\s*(.*?)\s*\}\}((?:\.\d+)*)", re.DOTALL)
"""`prefix.{{ table == text }}suffix`: the braces stand for the index of the row of `table` that says `text`."""
BOOLEAN: Final = "boolean"
"""The unit of what is on or off: `on` and `true` are 1, `off` and `false` are 0."""

TEXT_MAX: Final = 255
"""As many characters of a text are looked at: what a DisplayString holds (RFC 2579)."""

_EXPRESSION: Final = "~"
_ARC_MAX: Final = 2**32 - 1
_WIDTHS: Final = {"counter32": 2**32, "counter64": 2**64}
_DEGREES: Final = (-100.0, 1000.0)
"""What a temperature lies between unless it is said otherwise: without a probe it is -127, -3276.8, 2^31 / 10."""
_SHIFTED: Final = {"degF": (Fraction(5, 9), Fraction(32)), "K": (Fraction(1), Fraction(27315, 100))}
"""Temperatures whose zero lies elsewhere: kelvins in one, and what it counts at 0 °C."""


class Quantity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options that a single OID and a column of a table have in common.

    `number` is a regular expression that finds the number in a text: its first group.
    """

    oid: str
    metric: str = ""
    unit: str = ""
    scale: float | str = 1
    kind: Kind | None = None
    labels: dict[str, str] = {}
    range: float | Literal["", "none", "counter32", "counter64"] = ""
    resolution: float = 0
    absent: tuple[float, ...] = ()
    between: tuple[float, float] | None = None
    number: str = ""
    unsigned: bool = False
    rated: float | str | None = None
    floor: float = 0
    accuracy: float | None = None
    window: float | None = None
    point: Point | None = None

    def __post_init__(self) -> None:
        if fault := oid_fault(self.oid, template=type(self) is Single):
            raise ValueError(fault)
        if isinstance(self.rated, str) and (fault := oid_fault(self.rated)):
            raise ValueError(f"`rated` is a number of watts or an OID that tells them: {fault}")
        if self.number and (fault := expression_fault(self.number, groups=1)):
            raise ValueError(f"`number`: {fault}")
        try:
            self.factor()
        except (Misconfigured, ValueError, ZeroDivisionError) as error:
            raise ValueError(str(error)) from error

    def unit_and_scale(self) -> tuple[Unit, Scale]:
        """Return the base unit, and the scale into it of one of `unit`."""
        if self.unit in _SHIFTED:
            return Unit.CELSIUS, Scale.of(_SHIFTED[self.unit][0])
        return (Unit.NONE, Scale()) if self.unit == BOOLEAN else parse_unit(self.unit)

    def factor(self) -> Scale:
        """Return the scale from the device's count to the base unit."""
        return self.unit_and_scale()[1] * Scale.of(self.scale)

    def zero(self) -> Fraction:
        """Return the count that means 0 of the base unit: 320 for tenths of a degree Fahrenheit."""
        if self.unit not in _SHIFTED:
            return Fraction(0)
        scale = Scale.of(self.scale)
        return _SHIFTED[self.unit][1] * scale.den / scale.num

    def bounds(self) -> tuple[float, float] | None:
        """Return what its values lie between in the base unit; what does not is no measure. None: anything is one."""
        return self.between or (_DEGREES if self.unit_and_scale()[0] is Unit.CELSIUS else None)

    def of_metric(self) -> Metric:
        """Return the metric; where nobody has named one, the plain one of its unit."""
        unit, _ = self.unit_and_scale()
        kind = self.kind or (Kind.GAUGE if self.unit == BOOLEAN else None)
        return plain_metric(unit, name=self.metric, kind=kind, otherwise="snmp_value")

    def column(self, point: Point, modulus: int | None) -> Column:
        """Return what is to be said of the series; `modulus` is that of the agent's own type, if it told one."""
        scale = self.factor()
        counts = _WIDTHS.get(str(self.range), modulus if self.range == "" else self.range)
        counter = self.of_metric().kind is Kind.COUNTER
        step = self.unit_and_scale()[1].base(self.resolution) if self.resolution else scale.base(1)
        return Column(
            scale=scale,
            range=abs(scale.base(counts)) if counter and isinstance(counts, int | float) else None,
            resolution=abs(step) if counter or self.resolution else 0.0,
            window=self.window,
            accuracy=self.accuracy,
            rated=None if isinstance(self.rated, str) else self.rated,
            floor=self.floor,
            point=self.point or point,
        )

    @property
    def wants_type(self) -> bool:
        """Whether the agent is to be asked how wide the register is."""
        return self.range == "" and self.of_metric().kind is Kind.COUNTER


class Single(Quantity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One OID, or a template that finds one by what a table says, or everything numeric below an OID.

    `device` is a device of its own name, `part` a part of the meter's: `bank-2`.
    """

    device: str = ""
    part: str = ""
    subtree: bool = False


class When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value counts only while another one, of the same row or a scalar, says one of these.

    An agent that has no such column at all says nothing against its values.
    """

    oid: str
    says: tuple[int | str, ...]


class Within(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of its device a row is about, by what a column says: `like` is a regular expression for all of it.

    Each group that has a name and is found is a part, outer ones first: `Phase (?P<phase>L[1-3]).*` makes `phase-L1`.
    A row that is not like it is not read.
    """

    oid: str
    like: str

    def __post_init__(self) -> None:
        if fault := oid_fault(self.oid) or expression_fault(self.like):
            raise ValueError(f"`within`: {fault}")

    def parts(self, told: str) -> tuple[tuple[str, str], ...] | None:
        """Return part and name of each, or None where the row is not read."""
        match = re.fullmatch(self.like, told[:TEXT_MAX])
        return tuple((part, name) for part, name in match.groupdict().items() if name) if match else None


class Scaled(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scale that the device tells, in the same row or a scalar.

    `digits`: how many decimals the count has. `exponent`: the power of ten that it is multiplied by. `factor`: n
    multiplies, -n divides. `thousands`: the device counts in steps of a thousand, 9 being 1 (RFC 3433,
    EntitySensorDataScale). `decimal`: the factor itself as a decimal.
    """

    oid: str
    how: Literal["digits", "exponent", "factor", "thousands", "decimal"]

    def scale(self, told: float | str) -> Fraction | None:
        """Return the factor that is told, or None where it is none."""
        try:
            number = exact(told)
        except Malformed:
            return None
        if self.how == "decimal":
            return number or None
        if number.denominator != 1 or not -1_000_000 <= number <= 1_000_000:
            return None
        if self.how == "factor":
            return number if number > 0 else 1 / -number if number else None
        power = {"digits": -number, "exponent": number}.get(self.how, 3 * (number - 9))
        return Fraction(10) ** power.numerator if -30 <= power <= 30 else None


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a value is if a neighbour says so; only what differs from the column."""

    metric: str | UnsetType = UNSET
    unit: str | UnsetType = UNSET
    scale: float | str | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    absent: tuple[float, ...] | UnsetType = UNSET
    between: tuple[float, float] | UnsetType = UNSET


class TableColumn(Quantity, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One column of a table: its OID without the index.

    `by` is a column, a scalar, or `index` (the last arc of the index), which says which of `cases` a row is; a row that
    is none of them is not read. A case that begins with `~` is a regular expression for all that is said.
    """

    by: str = ""
    cases: dict[str, Case] = {}
    scaled: tuple[Scaled, ...] = ()
    when: When | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.by) != bool(self.cases):
            raise ValueError("`by` and `cases` belong together")
        try:
            for name in self.cases:
                re.compile(name)
                self.case(name)
        except re.error as error:
            raise ValueError(f"`cases`: no regular expression: {error}") from error

    def case(self, name: str) -> "TableColumn | None":
        """Return what a value is for what its neighbour says; None: it is not read."""
        if not self.by:
            return self
        found = self.cases.get(name) or next((one for told, one in self.cases.items() if _like(told, name)), None)
        if found is None:
            return None
        given: dict[str, Any] = {
            key: value for key in found.__struct_fields__ if (value := getattr(found, key)) is not UNSET
        }
        return msgspec.structs.replace(self, by="", cases={}, **given)


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Columns with common rows; each row is about a device of its own, a part of the meter's.

    `part` names what an arc of the index counts, or several: `[unit?, outlet]` reads 2.7 as outlet 7 of unit 2; a part
    with a `?` is left out where there is only one. `arcs` says which arcs they are, from 0 on; else the first ones.
    `names` is a column that names the rows, a map of index to device, or a list of devices by position.
    An empty list of parts: the rows are about the meter's own device.
    `texts` are labels that columns tell. `where` names the rows that are read: what it asks is asked once for a plan.
    """

    columns: tuple[TableColumn, ...]
    names: str | dict[str, str] | tuple[str | None, ...] = ""
    part: str | tuple[str, ...] = "row"
    arcs: tuple[int, ...] = ()
    texts: dict[str, str] = {}
    where: When | None = None
    within: Within | None = None

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("a table needs columns")
        if not self.parts and not isinstance(self.names, str):
            raise ValueError("devices of your own need a `part`")
        if isinstance(self.names, str) and self.names and (fault := oid_fault(self.names)):
            raise ValueError(fault)
        if self.arcs and len(self.arcs) != len(self.parts):
            raise ValueError("`arcs` are as many as the parts")

    @property
    def parts(self) -> tuple[str, ...]:
        """What the arcs of an index count, outermost first."""
        return (self.part,) if isinstance(self.part, str) else self.part


def _like(told: str, name: str) -> bool:
    return told.startswith(_EXPRESSION) and re.fullmatch(told[len(_EXPRESSION) :], name) is not None


def expression_fault(expression: str, *, groups: int = 0) -> str:
    """Say what is wrong with a regular expression that has so many groups or more, or nothing."""
    try:
        found = re.compile(expression).groups
    except re.error as error:
        return f"no regular expression: {error}"
    return "" if found >= groups else f"{expression!r} has no group for what it finds"


def oid_fault(oid: str, *, template: bool = False) -> str:
    """Say what is wrong with an OID in words, or nothing."""
    match = TEMPLATE.fullmatch(oid) if template else None
    for part in (match[1], match[2]) if match else (oid,):
        if not OID.fullmatch(part) or any(int(arc) > _ARC_MAX for arc in part.lstrip(".").split(".")):
            return f"{oid!r} is no numeric OID such as 1.3.6.1.2.1.1.3.0"
    return ""

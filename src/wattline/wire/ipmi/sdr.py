"""Sensor data records: IPMI 2.0 section 43. Full (01h), compact (02h) and event-only (03h) ones; others are no sensors.

Only a full record with an analog format gives a number; a compact one says states, an event-only one nothing.
"""

from typing import Final

from msgspec import Struct

from wattline.errors import Malformed
from wattline.wire.ipmi.formula import Formula, read_factors
from wattline.wire.ipmi.message import BMC, Hop

HEADER: Final = 5
FULL, COMPACT, EVENT_ONLY = 1, 2, 3
_NAME_AT: Final = {FULL: 47, COMPACT: 31, EVENT_ONLY: 16}
_NO_NUMBER: Final = 3  # of the analog formats
_BCD_PLUS: Final = "0123456789 -.:,_"
_RATES: Final = {
    1: "us", 2: "ms", 3: "s", 4: "min", 5: "h", 6: "day",
}  # fmt: skip
UNITS: Final = {
    1: "degrees C", 2: "degrees F", 3: "degrees K", 4: "Volts", 5: "Amps", 6: "Watts", 7: "Joules", 8: "Coulombs",
    9: "VA", 14: "kPa", 15: "PSI", 17: "CFM", 18: "RPM", 19: "Hz", 20: "us", 21: "ms", 22: "s", 23: "min", 24: "h",
    25: "day", 29: "feet", 37: "liters", 70: "bytes", 71: "kilobytes", 72: "megabytes", 73: "gigabytes",
}  # fmt: skip
"""Names of the units of table 43-15 that meters use."""


class Sensor(Struct, frozen=True):
    """One sensor. `record` is its number in the repository (FreeIPMI's id), `number` and `unit` are how it is asked.

    `formula` is None where it gives no number; `measure` is its unit in words, with `/` and `*` for modifiers and
    rates. `owner` and `channel` say whose it is.
    """

    record: int
    number: int
    unit: int
    owner: int
    channel: int
    type: int
    name: str
    measure: str
    formula: Formula | None

    @property
    def route(self) -> tuple[Hop, ...]:
        """The way to its owner, where that is a controller behind the one that keeps the records."""
        behind = self.owner != BMC and not self.owner & 1
        return (Hop(self.owner, self.channel),) if behind else ()


def read_record(record: bytes) -> Sensor | None:
    """Read a whole record; None: it is about no sensor. Raises Malformed when it is cut off."""
    if len(record) < HEADER or len(record) < HEADER + record[4]:
        raise Malformed("a sensor data record is cut off")
    name_at = _NAME_AT.get(record[3])
    if name_at is None:
        return None
    if len(record) <= name_at:
        raise Malformed("a sensor data record is cut off")
    return Sensor(
        record=int.from_bytes(record[:2], "little"),
        number=record[7],
        unit=record[6] & 3,
        owner=record[5],
        channel=record[6] >> 4,
        type=record[10] if record[3] == EVENT_ONLY else record[12],
        name=read_name(record[name_at:]),
        measure="" if record[3] == EVENT_ONLY else _measure(record[20], record[21], record[22]),
        formula=_formula(record) if record[3] == FULL and record[20] >> 6 != _NO_NUMBER else None,
    )


def read_name(field: bytes) -> str:
    """Read a type/length byte and the text behind it (section 43.15), as far as it is there."""
    kind, text = field[0] >> 6, field[1 : 1 + (field[0] & 0x1F)]
    if kind == 1:
        name = "".join(_BCD_PLUS[half] for byte in text for half in (byte >> 4, byte & 0x0F))
    elif kind == 2:
        bits = int.from_bytes(text, "little")
        name = "".join(chr(0x20 + (bits >> at & 0x3F)) for at in range(0, len(text) * 8 - 5, 6))
    else:
        name = text.decode("latin-1" if kind == 3 else "utf-8", "replace")
    return "".join(letter for letter in name if letter.isprintable()).strip()


def _formula(record: bytes) -> Formula:
    return Formula(read_factors(record[24:30]), record[20] >> 6, record[23] & 0x7F)


def _measure(flags: int, kind: int, modifier: int) -> str:
    if flags & 1:
        return "percent"
    name = UNITS.get(kind, "unspecified" if kind == 0 else f"unit {kind}")
    between = {1: "/", 2: "*"}.get(flags >> 1 & 3)
    if between:
        name += between + UNITS.get(modifier, f"unit {modifier}")
    rate = _RATES.get(flags >> 3 & 7)
    return f"{name}/{rate}" if rate else name

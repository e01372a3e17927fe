"""What the values of an SML list say of an electricity meter."""

from collections.abc import Iterable, Iterator
from typing import Final

from wattline.core.obis import Reading
from wattline.plugin import Scale, Unit
from wattline.wire.sml import Entry, Node, Type

_UNITS: Final = {
    27: (Unit.WATT, 1), 28: (Unit.VOLT_AMPERE, 1), 29: (Unit.VAR, 1), 30: (Unit.JOULE, 3600), 33: (Unit.AMPERE, 1),
    35: (Unit.VOLT, 1), 44: (Unit.HERTZ, 1),
}  # fmt: skip
"""DLMS units (IEC 62056-6-2, table 4): the base unit, and how many of it one is."""
_ELECTRICITY: Final = 1
_FINEST, _COARSEST = -12, 6
_SERIAL: Final = bytes((1, 0, 96, 1, 0, 255))
_POWER: Final = bytes((1, 0, 16, 7, 0, 255))
_DZG: Final = b"\x0a\x01DZG"
_UNSIGNED: Final = (range(42_000_000, 49_000_000), range(55_000_000, 59_000_000))
"""Serial numbers of DZG's DVS74 that send power of less than four bytes as if it had a sign, which it has not: what is
fed in always has four (libsml, sml_list.c, after DZG)."""


def readings(entries: Iterable[Entry]) -> Iterator[Reading]:
    """Yield the numbers of a list whose unit is known; what is absent, or a text, is left out."""
    has_no_sign = False
    for entry in entries:
        if entry.name == _SERIAL:
            has_no_sign = _sends_no_sign(entry.value)
        value = entry.value
        if has_no_sign and entry.name == _POWER and value.type is Type.SIGNED and len(value.octets) < 4:
            value = Node(Type.UNSIGNED, value.octets)
        number = value.number
        if number is None or len(entry.name) != 6 or entry.name[0] != _ELECTRICITY or entry.unit not in _UNITS:
            continue
        if not _FINEST <= entry.scaler <= _COARSEST:
            continue
        unit, factor = _UNITS[entry.unit]
        power = 10 ** abs(entry.scaler)
        scale = Scale(factor, power) if entry.scaler < 0 else Scale(factor * power)
        _, _, c, d, e, _ = entry.name
        yield Reading((c, d, e), number, scale, unit)


def _sends_no_sign(value: Node) -> bool:
    serial = value.octets
    if len(serial) != 10 or not serial.startswith(_DZG):
        return False
    number = int.from_bytes(serial[len(_DZG) :], "big")
    return any(number in some for some in _UNSIGNED)

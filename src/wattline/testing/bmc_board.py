"""What a made-up management controller answers to commands: identity, DCMI power, records and readings of sensors.

It knows nothing of networks: `wattline.testing.bmc` gives it some. Records are as in IPMI 2.0 section 43.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field

from wattline.wire.ipmi.commands import GROUP, SENSOR, STORAGE
from wattline.wire.ipmi.message import APP

UNITS: Final = {"Cel": 1, "F": 2, "K": 3, "V": 4, "A": 5, "W": 6, "J": 7, "VA": 9, "RPM": 18, "Hz": 19}
_DCMI: Final = 0xDC
_OK: Final = b"\0"
_SCANNED, _UNAVAILABLE, _EVENTS = 0x40, 0x20, 0x80


def full_record(
    record: int,
    name: str | bytes,
    unit: str | int = "W",
    *,
    number: int | None = None,
    m: int = 1,
    b: int = 0,
    k1: int = 0,
    k2: int = 0,
    form: int = 0,
    function: int = 0,
    flags: int = 0,
    modifier: int = 0,
    owner: int = 0x20,
    channel: int = 0,
    kind: int = 0x0B,
) -> bytes:
    """Return a full sensor record (type 01h); `name` as bytes has its own type/length byte."""
    number = record if number is None else number
    text = name if isinstance(name, bytes) else bytes((0xC0 | len(name),)) + name.encode("latin-1")
    unit = UNITS.get(unit, 0) if isinstance(unit, str) else unit
    factors = bytes((m & 0xFF, m >> 2 & 0xC0, b & 0xFF, b >> 2 & 0xC0, 0, (k2 & 15) << 4 | k1 & 15))
    body = bytes((owner, channel << 4, number, 0x15, 1, 0x7F, 0x68, kind, 1, *bytes(6)))
    body += (
        bytes((form << 6 | flags, unit, modifier, function)) + factors + bytes((0, 0, 0, 0, 0xFF, 0)) + bytes(11) + text
    )
    return _record(record, 1, body)


def compact_record(record: int, name: str, *, number: int | None = None, unit: int = 0) -> bytes:
    """Return a compact record (type 02h) of a sensor that says states."""
    number = record if number is None else number
    body = bytes((0x20, 0, number, 0x0A, 1, 0x67, 0x40, 8, 0x6F, *bytes(6), 0xC0, unit, 0, *bytes(8)))
    return _record(record, 2, body + bytes((0xC0 | len(name),)) + name.encode("latin-1"))


def event_record(record: int, name: str, *, number: int | None = None) -> bytes:
    """Return an event-only record (type 03h)."""
    number = record if number is None else number
    body = bytes((0x20, 0, number, 0x22, 1, 0x12, 0x6F, 1, 0, 0, 0))
    return _record(record, 3, body + bytes((0xC0 | len(name),)) + name.encode("latin-1"))


def _record(record: int, kind: int, body: bytes) -> bytes:
    return record.to_bytes(2, "little") + bytes((0x51, kind, len(body))) + body


class Board(Struct):
    """A controller that a test sets as it likes, also while it is asked.

    `watts` None: no DCMI. A reading is a byte, None (unavailable), or False (the sensor is not scanned); a sensor that
    is not in `readings` is not there. `refuse` maps (function, command) to the code that is answered instead.
    """

    manufacturer: int = 674
    watts: int | None = None
    average: int = 0
    window_ms: int = 1000
    active: bool = True
    records: Sequence[bytes] = ()
    readings: dict[int, int | bool | None] = field(default_factory=dict)
    factors: dict[tuple[int, int], bytes] = field(default_factory=dict)
    piece: int = 255
    """Most bytes of a record that one answer may hold."""
    changed: int = 1
    """When a record was added last (s since 1970)."""
    has_repository: bool = True
    refuse: dict[tuple[int, int], int] = field(default_factory=dict)
    asked: list[tuple[int, int]] = field(default_factory=list)
    lose_reservations: int = 0
    """How many times more a reservation is found lost."""
    keep_log: bool = True

    def answer(self, function: int, command: int, content: bytes) -> bytes:
        """Return completion code and data."""
        if self.keep_log:
            self.asked.append((function, command))
        if code := self.refuse.get((function, command)):
            return bytes((code,))
        keeps = STORAGE if self.has_repository else SENSOR
        match function, command:
            case (0x06, 0x01):
                return _OK + self._device_id()
            case (0x2C, 0x02) if self.watts is not None:
                return _OK + self._power(self.watts)
            case (0x04, 0x2D):
                return self._reading(content)
            case (0x04, 0x23):
                return _OK + b"\0" + self.factors[content[0], content[1]]
            case (where, 0x20) if where == keeps:
                return _OK + self._inform()
            case (where, 0x22) if where == keeps:
                return _OK + b"\1\0"
            case (where, what) if where == keeps and what == (0x23 if self.has_repository else 0x21):
                return self._get(content)
        return b"\xc1"

    def _device_id(self) -> bytes:
        support = 0x03 if self.has_repository else 0x01
        makers = self.manufacturer.to_bytes(3, "little")
        return bytes((0x20, 1, 2, 0x42, 2, support)) + makers + b"\x34\x12" + bytes(4)

    def _power(self, watts: int) -> bytes:
        levels = b"".join(one.to_bytes(2, "little") for one in (watts, watts, watts, self.average or watts))
        times = self.changed.to_bytes(4, "little") + self.window_ms.to_bytes(4, "little")
        return bytes((_DCMI,)) + levels + times + bytes((_SCANNED if self.active else 0,))

    def _inform(self) -> bytes:
        if not self.has_repository:
            return bytes((len(self.records), 1)) + self.changed.to_bytes(4, "little")
        counted = len(self.records).to_bytes(2, "little")
        return b"\x51" + counted + b"\0\x10" + self.changed.to_bytes(4, "little") + bytes(4) + b"\2"

    def _get(self, content: bytes) -> bytes:
        wanted, offset, size = int.from_bytes(content[2:4], "little"), content[4], content[5]
        numbers = [int.from_bytes(record[:2], "little") for record in self.records]
        if not numbers or wanted not in (0, *numbers):
            return b"\xcb"
        place = numbers.index(wanted) if wanted in numbers else 0
        record = self.records[place]
        if offset and self.lose_reservations:
            self.lose_reservations -= 1
            return b"\xc5"
        size = len(record) - offset if size == 0xFF else size
        if size > self.piece:
            return b"\xca"
        after = numbers[place + 1] if place + 1 < len(numbers) else 0xFFFF
        return _OK + after.to_bytes(2, "little") + record[offset : offset + size]

    def _reading(self, content: bytes) -> bytes:
        if not content or content[0] not in self.readings:
            return b"\xcb"
        raw = self.readings[content[0]]
        if raw is None:
            return _OK + bytes((0, _EVENTS | _SCANNED | _UNAVAILABLE, 0xC0))
        if raw is False:
            return _OK + bytes((0, _EVENTS, 0xC0))
        return _OK + bytes((int(raw), _EVENTS | _SCANNED, 0xC0))


POWER: Final = (GROUP, 0x02)
READING: Final = (SENSOR, 0x2D)
RECORD: Final = (STORAGE, 0x23)
IDENTITY: Final = (APP, 0x01)

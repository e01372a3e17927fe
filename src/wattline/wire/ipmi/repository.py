"""All sensors of a controller, read record by record: IPMI 2.0 sections 33.9 to 33.12, and 35.2 to 35.4 where the
controller has sensors of its own and no repository.
"""

from typing import Final

from msgspec import Struct

from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.wire.ipmi.commands import LEVEL_TOO_LOW, NOT_NOW, NOT_THERE, SENSOR, STORAGE, Controller, said
from wattline.wire.ipmi.message import Hop, Reply, Request
from wattline.wire.ipmi.sdr import HEADER, Sensor, read_record
from wattline.wire.ipmi.session import Session

LONGEST: Final = 4096
"""Records after which a repository is taken for one that never ends."""
_LAST: Final = 0xFFFF
_PIECE: Final = 32
_SMALLEST: Final = 8
_LOST: Final = 0xC5
_TOO_MUCH: Final = (0xC7, 0xC8, 0xCA, 0xFF)
_RESERVATIONS: Final = 8


class _Ways(Struct, frozen=True):
    """The three commands of a place where records are kept."""

    function: int
    inform: int
    get: int
    reserve: int


_REPOSITORY: Final = _Ways(STORAGE, 0x20, 0x23, 0x22)
_DEVICE: Final = _Ways(SENSOR, 0x20, 0x21, 0x22)


class Repository:
    """The records of the controller at the end of `route`."""

    def __init__(self, session: Session, controller: Controller, route: tuple[Hop, ...] = ()) -> None:
        self._session, self._route = session, route
        self._ways = _REPOSITORY if controller.has_repository or not controller.has_sensors else _DEVICE
        self._piece = _PIECE

    async def stamp(self) -> bytes:
        """Return what changes when a record does: how many there are, and when one was added or erased last."""
        content = await self._ask(Request(self._ways.function, self._ways.inform))
        if self._ways is _DEVICE:
            return content
        if len(content) < 13:
            raise Malformed(f"{self._session.name}: Get SDR Repository Info is cut off")
        return content[1:3] + content[5:13]

    async def sensors(self) -> tuple[Sensor, ...]:
        """Read every record. Raises Malformed when they never end, or one of them has no meaning."""
        found: list[Sensor] = []
        seen: set[int] = set()
        at, reservation = 0, await self._reserve()
        while at != _LAST:
            if at in seen or len(seen) >= LONGEST:
                raise Malformed(f"{self._session.name}: its sensor records go round in a circle at {at}")
            seen.add(at)
            for _ in range(_RESERVATIONS):
                if (got := await self._record(at, reservation)) is not None:
                    break
                reservation = await self._reserve()
            else:
                raise Unreachable(f"{self._session.name}: its sensor records change while they are read")
            at, record = got
            if sensor := read_record(record):
                found.append(sensor)
        return tuple(found)

    async def _record(self, at: int, reservation: bytes) -> tuple[int, bytes] | None:
        """Return the number of the next record and this one; None: the reservation is lost."""
        whole, record, after = HEADER, b"", _LAST
        while len(record) < whole:
            size = min(self._piece, whole - len(record))
            place = at.to_bytes(2, "little") + bytes((len(record), size))
            reply = await self._session.ask(
                Request(self._ways.function, self._ways.get, reservation + place), self._route
            )
            if reply.code == _LOST:
                return None
            if reply.code == NOT_THERE and not at:
                return _LAST, bytes(HEADER)  # there is none at all
            if reply.code in _TOO_MUCH and size > _SMALLEST:
                self._piece = max(_SMALLEST, size // 2)
                continue
            content = self._good(reply)
            if not 2 < len(content) <= 2 + size:
                raise Malformed(f"{self._session.name}: Get SDR gives {len(content)} bytes of {size + 2}")
            after = int.from_bytes(content[:2], "little")
            record += content[2:]
            if len(record) >= HEADER:
                whole = min(HEADER + record[4], 0xFF)
        return after, record

    async def _reserve(self) -> bytes:
        content = await self._ask(Request(self._ways.function, self._ways.reserve))
        if len(content) < 2:
            raise Malformed(f"{self._session.name}: a reservation is cut off")
        return content[:2]

    async def _ask(self, request: Request) -> bytes:
        return self._good(await self._session.ask(request, self._route))

    def _good(self, reply: Reply) -> bytes:
        if not reply.code:
            return reply.content
        about = f"{self._session.name} does not give its sensor records: {said(reply.code)}"
        if reply.code == LEVEL_TOO_LOW:
            raise Misconfigured(about)
        raise Unreachable(about) if reply.code in NOT_NOW else Malformed(about)

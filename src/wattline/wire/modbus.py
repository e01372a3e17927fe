"""Modbus: reading registers over TCP, over RTU frames in TCP, and over RTU on a serial line.

MODBUS Application Protocol V1.1b3 sections 6.3 and 6.4 (functions 3 and 4) and 7 (exceptions); Messaging on TCP/IP
Implementation Guide V1.0b section 3.1.3 (the header); MODBUS over Serial Line V1.02 section 2.5.1 (RTU and its CRC).

An RTU frame has no number, so an answer that comes too late looks like the next one: after a silence the way is opened
anew.
"""

import asyncio
import enum
import struct
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol

from wattline.errors import Malformed, Unreachable, reason
from wattline.wire.serial_stream import Port

Framing = Literal["tcp", "rtu"]
MOST: Final = 125
"""Registers in one answer (V1.1b3 section 6.3)."""
_LIMIT: Final = 4096
_OTHERS: Final = 16
"""Answers to other requests that are passed over."""
_NOISE: Final = 256
"""Stray octets before an answer that are passed over."""
_ERROR: Final = 0x80


class Space(enum.IntEnum):
    """Where a register lies; the number is the function that reads it."""

    HOLDING = 3
    INPUT = 4


class Refusal(enum.IntEnum):
    """Exception codes of V1.1b3 section 7; what a meter says instead of its registers."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3
    FAILURE = 4
    ACKNOWLEDGE = 5
    BUSY = 6
    MEMORY = 8
    NO_PATH = 10
    NO_TARGET = 11

    @property
    def said(self) -> str:
        """Say it in words."""
        return _SAID[self]


_SAID: Final = {
    Refusal.FUNCTION: "illegal function", Refusal.ADDRESS: "illegal data address", Refusal.VALUE: "illegal data value",
    Refusal.FAILURE: "device failure", Refusal.ACKNOWLEDGE: "still working on it", Refusal.BUSY: "busy",
    Refusal.MEMORY: "memory parity error", Refusal.NO_PATH: "gateway path unavailable",
    Refusal.NO_TARGET: "gateway target does not respond",
}  # fmt: skip


class Silent(Unreachable):
    """The connection stands and the unit did not answer in time."""


class Writer(Protocol):
    """Where requests go."""

    def write(self, content: bytes, /) -> None:
        """Send some octets."""

    def close(self) -> None:
        """Let go of the way."""


Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, Writer]]]
"""Opens a way to a meter."""


class Connection:
    """One way to a meter, a gateway or a line. It has one owner, who asks one thing at a time.

    `name` is the address for messages, `dial` opens the way, `wait` (s) is how long that and every answer may take.
    Whatever goes wrong closes the connection, so that no late answer is ever taken for another; the next question opens
    it again. A refusal keeps it.
    """

    def __init__(self, name: str, dial: Dial, framing: Framing, wait: float) -> None:
        self.name = name
        self._dial, self._framing, self._wait = dial, framing, wait
        self._ends: tuple[asyncio.StreamReader, Writer] | None = None
        self._number = 0

    async def open(self) -> None:
        """Connect. Raises Unreachable, and Misconfigured where a serial port is none of ours."""
        self.close()
        try:
            async with asyncio.timeout(self._wait):
                self._ends = await self._dial()
        except TimeoutError as error:
            raise Unreachable(f"{self.name} takes no connection within {self._wait:g} s") from error
        except (OSError, UnicodeError) as error:  # a name that no resolver takes is the latter
            raise Unreachable(f"{self.name} cannot be reached: {reason(error)}") from error

    async def read(self, unit: int, space: Space, start: int, count: int) -> tuple[int, ...] | Refusal:
        """Ask for `count` (1 to 125) registers from `start`; a refusal is an answer as well.

        Raises Silent (no answer in time), Unreachable (the connection has ended) and Malformed (no Modbus).
        """
        if self._ends is None or self._ends[0].at_eof():  # a meter may close what was idle between two polls
            await self.open()
        assert self._ends is not None
        whole = False
        try:
            async with asyncio.timeout(self._wait):
                said = await self._exchange(*self._ends, unit, request(space, start, count))
            answer = words(said, space, count)
            whole = True
        except TimeoutError as error:
            raise Silent(f"{self.name} unit {unit} gives no answer within {self._wait:g} s") from error
        except (asyncio.IncompleteReadError, OSError) as error:
            raise Unreachable(f"{self.name} closed the connection") from error
        except Malformed as error:
            raise Malformed(f"{self.name} unit {unit}: {error}") from error
        finally:
            if not whole:
                self.close()
        return answer

    def close(self) -> None:
        """Let go of the connection."""
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None

    async def _exchange(self, reader: asyncio.StreamReader, writer: Writer, unit: int, pdu: bytes) -> bytes:
        if self._framing == "tcp":
            self._number = self._number % 0xFFFF + 1
            writer.write(tcp_frame(self._number, unit, pdu))
            return await _tcp_answer(reader, self._number, unit)
        writer.write(rtu_frame(unit, pdu))
        return await _rtu_answer(reader, unit, pdu[0])


def over_tcp(host: str, port: int) -> Dial:
    """Return how to connect to a host."""
    return lambda: asyncio.open_connection(host, port, limit=_LIMIT)


def over_serial(path: str, baud: int, framing: str) -> Dial:
    """Return how to open a serial port."""

    async def dial() -> tuple[asyncio.StreamReader, Writer]:
        port = await Port.open(path, baud, framing)
        return port.reader, port

    return dial


def request(space: Space, start: int, count: int) -> bytes:
    """Return the PDU that asks for registers."""
    return struct.pack(">BHH", space, start, count)


def tcp_frame(number: int, unit: int, pdu: bytes) -> bytes:
    """Put a PDU behind the header of Modbus/TCP."""
    return struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """Put a PDU between its unit and its CRC."""
    content = bytes([unit]) + pdu
    return content + checksum(content).to_bytes(2, "little")


def words(pdu: bytes, space: Space, count: int) -> tuple[int, ...] | Refusal:
    """Return the registers of an answer, or what it says instead. Raises Malformed."""
    if len(pdu) == 2 and pdu[0] == space | _ERROR:
        try:
            return Refusal(pdu[1])
        except ValueError as error:
            raise Malformed(f"answers with exception {pdu[1]}, which there is not") from error
    if len(pdu) != 2 + 2 * count or pdu[0] != space or pdu[1] != 2 * count:
        raise Malformed(f"answers {len(pdu)} octets of function {pdu[0] if pdu else 0} for {count} registers")
    return struct.unpack(f">{count}H", pdu[2:])


def checksum(content: bytes) -> int:
    """Return the CRC-16 of V1.02 section 2.5.1.2."""
    crc = 0xFFFF
    for octet in content:
        crc ^= octet
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


async def _tcp_answer(reader: asyncio.StreamReader, number: int, unit: int) -> bytes:
    for _ in range(_OTHERS):
        theirs, protocol, length, who = struct.unpack(">HHHB", await reader.readexactly(7))
        if protocol or not 2 <= length <= 2 * MOST + 4:
            raise Malformed("what comes is no Modbus/TCP")
        pdu = await reader.readexactly(length - 1)
        if theirs == number:
            if who != unit:
                raise Malformed(f"unit {who} answers for unit {unit}")
            return pdu
    raise Malformed(f"{_OTHERS} answers to other requests, and none to this one")


async def _rtu_answer(reader: asyncio.StreamReader, unit: int, function: int) -> bytes:
    """Find an answer behind what noise there is: turning a line round makes stray octets."""
    head = await reader.readexactly(3)
    for _ in range(_NOISE):
        if head[0] == unit and head[1] & ~_ERROR == function:
            break
        head = head[1:] + await reader.readexactly(1)
    else:
        raise Malformed(f"{_NOISE} octets that are no answer of unit {unit}")
    rest = 2 if head[1] & _ERROR else head[2] + 2
    frame = head + await reader.readexactly(rest)
    if checksum(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
        raise Malformed(f"an answer of unit {unit} has a wrong checksum")
    return frame[1:-2]

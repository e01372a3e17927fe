"""Just enough BER for SNMP v1 and v2c: requests, and what is in an answer (RFC 3416 section 3, X.690 section 8).

A value's tag is kept beside it, since only the type tells how wide a register is: a Counter32 is 0 again after
2^32 - 1, a Gauge32 is not.

Everything here is a pure function of bytes. `read_response` raises Malformed on any bytes that are no answer.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from wattline.errors import Malformed

_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_NULL: Final = 0x05
_OID: Final = 0x06
_RESPONSE: Final = 0xA2
_LONGEST: Final = 9
"""Octets of a Counter64 whose first bit is set."""

Value = int | float | str | bytes | None
"""What an agent says: numbers, OIDs and addresses as text, octets as bytes."""


class Pdu(IntEnum):
    """What is asked (RFC 3416 section 3)."""

    GET = 0xA0
    GET_NEXT = 0xA1
    GET_BULK = 0xA5


class Tag(IntEnum):
    """Types of values that a driver tells apart (RFC 2578 section 7.1; the last three are SNMPv2 exceptions)."""

    INTEGER = 0x02
    OCTETS = 0x04
    NULL = 0x05
    OID = 0x06
    ADDRESS = 0x40
    COUNTER32 = 0x41
    GAUGE32 = 0x42
    TICKS = 0x43
    COUNTER64 = 0x46
    UNSIGNED32 = 0x47
    NO_OBJECT = 0x80
    NO_INSTANCE = 0x81
    END_OF_VIEW = 0x82


MODULUS: Final[dict[int, int]] = {Tag.COUNTER32: 2**32, Tag.COUNTER64: 2**64}
"""After how many counts a register of a type is 0 again."""
UNSIGNED: Final = frozenset({Tag.COUNTER32, Tag.GAUGE32, Tag.TICKS, Tag.COUNTER64, Tag.UNSIGNED32})
ABSENT: Final = frozenset({Tag.NULL, Tag.NO_OBJECT, Tag.NO_INSTANCE, Tag.END_OF_VIEW})
"""Tags of what stands where there is no value."""


class Response(NamedTuple):
    """One answer: the request that it answers, error status and place of the culprit, tag and value of each OID."""

    request: int
    status: int
    culprit: int
    tags: dict[str, int]
    values: dict[str, Value]


def get_request(version: int, community: bytes, request: int, oids: Sequence[str]) -> bytes:
    """Return a GET for `oids`; `version` is 0 for v1 and 1 for v2c, `request` below 2^31."""
    return message(version, community, pdu(Pdu.GET, request, bindings(oids)))


def bindings(oids: Iterable[str]) -> bytes:
    """Return OIDs as a request names them."""
    return block(_SEQUENCE, b"".join(block(_SEQUENCE, object_id(oid) + block(_NULL, b"")) for oid in oids))


def pdu(kind: Pdu, request: int, names: bytes, rows: int = 0) -> bytes:
    """Return what is asked: `names` as `bindings` gives them, and for a GETBULK how many rows."""
    return block(kind, integer(request) + integer(0) + integer(rows) + names)


def message(version: int, community: bytes, pdu: bytes) -> bytes:
    """Return a request of version 0 (v1) or 1 (v2c)."""
    return block(_SEQUENCE, integer(version) + block(_OCTETS, community) + pdu)


def read_response(message: bytes) -> Response:
    """Read an answer. Raises Malformed."""
    try:
        version, community, pdu = blocks(_body(message, _SEQUENCE))
        if version[0] != _INTEGER or community[0] != _OCTETS or pdu[0] != _RESPONSE:
            raise Malformed("an SNMP message that is no response")
        request, status, culprit, bindings = blocks(pdu[1])
        found = [_binding(*one) for one in blocks(bindings[1])]
        tags = {oid: tag for oid, tag, _ in found}
        values = {oid: value(tag, content) for oid, tag, content in found}
    except (ValueError, IndexError) as error:
        raise Malformed(f"a datagram of {len(message)} octets that is no SNMP response") from error
    return Response(_int(request), _int(status), _int(culprit), tags, values)


def _binding(tag: int, body: bytes) -> tuple[str, int, bytes]:
    (name_tag, name), (value_tag, content) = blocks(body)
    if tag != _SEQUENCE or name_tag != _OID:
        raise ValueError("a binding without a name")
    return dotted(name), value_tag, content


def value(tag: int, content: bytes) -> Value:
    """Return what a value says; None: there is none, or it is no such thing. Opaque values are octets here."""
    if tag in UNSIGNED or tag == _INTEGER:
        return int.from_bytes(content, "big", signed=tag == _INTEGER) if len(content) <= _LONGEST else None
    match tag:
        case Tag.OID:
            return dotted(content) if content and content[-1] < 0x80 else None  # else it ends within an arc
        case Tag.ADDRESS:
            return ".".join(map(str, content))
    return None if tag in ABSENT else content


def block(tag: int, body: bytes) -> bytes:
    """Return a value with its tag and length; `body` below 64 KiB."""
    n = len(body)
    size = bytes([n]) if n < 0x80 else bytes([0x82, n >> 8, n & 0xFF])  # a datagram is below 64 KiB
    return bytes([tag]) + size + body


def integer(value: int) -> bytes:
    """Return an INTEGER."""
    return block(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def object_id(oid: str) -> bytes:
    """Return an OBJECT IDENTIFIER of at least two arcs."""
    first, second, *rest = (int(arc) for arc in oid.split("."))
    return block(_OID, b"".join(_arc(arc) for arc in (first * 40 + second, *rest)))


def _arc(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | 0x80)
    return bytes(reversed(octets))


def dotted(body: bytes) -> str:
    """Return the OID that the body of an OBJECT IDENTIFIER says. Raises IndexError when it is empty."""
    arcs, arc = [], 0
    for octet in body:
        arc = arc << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _int(block: tuple[int, bytes]) -> int:
    return int.from_bytes(block[1], "big", signed=True)


def _body(octets: bytes, tag: int) -> bytes:
    [(found, body)] = blocks(octets)
    if found != tag:
        raise ValueError(f"tag {found:#x} where {tag:#x} belongs")
    return body


def blocks(octets: bytes) -> list[tuple[int, bytes]]:
    """Split a constructed body. Raises ValueError or IndexError where lengths do not add up."""
    found, at = [], 0
    while at < len(octets):
        tag, size, start = octets[at], octets[at + 1], at + 2
        if size & 0x80:
            width = size & 0x7F
            size = int.from_bytes(octets[start : start + width], "big")
            start += width
        at = start + size
        if at > len(octets):
            raise ValueError("a length beyond the end")
        found.append((tag, octets[start:at]))
    return found

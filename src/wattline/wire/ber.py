"""Just enough BER to ask an SNMP v1 or v2c agent which *type* each value has (RFC 3416 section 3, X.690 section 8).

The client library gives a value as a number and keeps its type to itself, but only the type tells how wide a register
is: a Counter32 is 0 again after 2^32 - 1, a Gauge32 is not. So a driver asks once, at its start, with this module.

Everything here is a pure function of bytes. `read_response` raises Malformed on any bytes that are no answer.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from wattline.errors import Malformed

_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_NULL: Final = 0x05
_OID: Final = 0x06
_GET: Final = 0xA0
_RESPONSE: Final = 0xA2


class Tag(IntEnum):
    """Types of values that a driver tells apart (RFC 2578 section 7.1; the last three are SNMPv2 exceptions)."""

    INTEGER = 0x02
    OCTETS = 0x04
    NULL = 0x05
    COUNTER32 = 0x41
    GAUGE32 = 0x42
    TICKS = 0x43
    COUNTER64 = 0x46
    NO_OBJECT = 0x80
    NO_INSTANCE = 0x81
    END_OF_VIEW = 0x82


MODULUS: Final[dict[int, int]] = {Tag.COUNTER32: 2**32, Tag.COUNTER64: 2**64}
"""After how many counts a register of a type is 0 again."""


class Response(NamedTuple):
    """One answer: the request that it answers, error status and place of the culprit, the tag of each value by OID."""

    request: int
    status: int
    culprit: int
    tags: dict[str, int]


def get_request(version: int, community: bytes, request: int, oids: list[str]) -> bytes:
    """Return a GET for `oids`; `version` is 0 for v1 and 1 for v2c, `request` below 2^31."""
    bindings = b"".join(block(_SEQUENCE, object_id(oid) + block(_NULL, b"")) for oid in oids)
    pdu = integer(request) + integer(0) + integer(0) + block(_SEQUENCE, bindings)
    return block(_SEQUENCE, integer(version) + block(_OCTETS, community) + block(_GET, pdu))


def read_response(message: bytes) -> Response:
    """Read an answer. Raises Malformed."""
    try:
        version, community, pdu = blocks(_body(message, _SEQUENCE))
        if version[0] != _INTEGER or community[0] != _OCTETS or pdu[0] != _RESPONSE:
            raise Malformed("an SNMP message that is no response")
        request, status, culprit, bindings = blocks(pdu[1])
        return Response(_int(request), _int(status), _int(culprit), _tags(bindings[1]))
    except (ValueError, IndexError) as error:
        raise Malformed(f"{len(message)} bytes that are no SNMP response") from error


def _tags(body: bytes) -> dict[str, int]:
    tags = {}
    for tag, binding in blocks(body):
        (name_tag, name), (value_tag, _) = blocks(binding)
        if tag != _SEQUENCE or name_tag != _OID:
            raise ValueError("a binding without a name")
        tags[dotted(name)] = value_tag
    return tags


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

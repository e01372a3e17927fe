"""What is asked of a controller, and what its answers say. Requests are constants, decoding is pure.

IPMI 2.0 sections 20.1 (Get Device ID), 33.9 to 33.12 (SDR repository), 35.2 to 35.14 (sensors); DCMI 1.5 section 6.6.1.
"""

from typing import Final

from msgspec import Struct

from wattline.errors import Malformed
from wattline.wire.ipmi.message import APP, Reply, Request

SENSOR, STORAGE, GROUP = 0x04, 0x0A, 0x2C
_DCMI: Final = 0xDC

LEVEL_TOO_LOW: Final = 0xD4
NOT_THERE: Final = 0xCB
"""Completion code: the sensor, or what it measures, is not there."""
NOT_NOW: Final = (0xC0, 0xC3, 0xCE, 0xD0, 0xD1, 0xD2, 0xD5, 0xFF)
"""Codes that say nothing of the next time: busy, timed out, updating, starting, out of reach, in another state."""
CODES: Final = {
    0x82: "the bus behind it is lost", 0x83: "nobody acknowledges at that address of the bus behind it",
    0xC0: "busy", 0xC1: "no such command", 0xC3: "timed out", 0xC5: "the reservation is gone",
    0xC9: "a parameter is out of range", 0xCB: "no such sensor or record", 0xCC: "a field is invalid",
    0xCE: "no answer can be given", 0xD0: "the repository is being updated", 0xD1: "firmware is being updated",
    0xD2: "it is starting", 0xD3: "nothing is reached there", 0xD4: "the privilege level is too low",
    0xD5: "not in its present state", 0xFF: "no reason is given",
}  # fmt: skip

DEVICE_ID: Final = Request(APP, 0x01)
POWER_READING: Final = Request(GROUP, 0x02, bytes((_DCMI, 0x01, 0, 0)))


class Controller(Struct, frozen=True):
    """Who a controller is: `manufacturer` by its IANA enterprise number, and where it keeps its sensors' records."""

    manufacturer: int
    product: int
    firmware: str
    has_repository: bool
    has_sensors: bool


class Power(Struct, frozen=True):
    """DCMI power: watts now, and the average over the last `window` seconds. Not `active`: nothing is measured."""

    watts: int
    average: int
    window: float
    active: bool


def said(code: int) -> str:
    """Return a completion code in words."""
    return f"{CODES.get(code, 'refused')} ({code:#04x})"


def read_device_id(content: bytes) -> Controller:
    """Read the answer to `DEVICE_ID`. Raises Malformed when it is cut off."""
    if len(content) < 11:
        raise Malformed("Get Device ID is cut off")
    return Controller(
        manufacturer=int.from_bytes(content[6:9], "little") & 0xFFFFF,
        product=int.from_bytes(content[9:11], "little"),
        firmware=f"{content[2] & 0x7F}.{content[3]:02x}",
        has_repository=bool(content[5] & 2),
        has_sensors=bool(content[5] & 1),
    )


def read_power(content: bytes) -> Power:
    """Read the answer to `POWER_READING`. Raises Malformed when it is cut off or belongs to another group."""
    if len(content) < 18 or content[0] != _DCMI:
        raise Malformed("DCMI Get Power Reading is cut off")
    return Power(
        watts=int.from_bytes(content[1:3], "little"),
        average=int.from_bytes(content[7:9], "little"),
        window=int.from_bytes(content[13:17], "little") / 1000,
        active=bool(content[17] & 0x40),
    )


def sensor_reading(number: int, unit: int) -> Request:
    """Ask for the reading of a sensor on a logical unit."""
    return Request(SENSOR, 0x2D, bytes((number,)), unit)


def reading_factors(number: int, unit: int, raw: int) -> Request:
    """Ask for the factors of a sensor that is not linear, at one reading."""
    return Request(SENSOR, 0x23, bytes((number, raw)), unit)


class Level(Struct, frozen=True):
    """A reading: `raw` is its byte; None: there is none. `enabled`: the sensor is scanned at all."""

    raw: int | None
    enabled: bool = True


def read_level(reply: Reply) -> Level:
    """Read the answer to `sensor_reading`. Raises Malformed when it is cut off."""
    if reply.code:
        return Level(None, enabled=reply.code != NOT_THERE)
    if len(reply.content) < 2:
        raise Malformed("Get Sensor Reading is cut off")
    raw, flags = reply.content[:2]
    enabled, unavailable = bool(flags & 0x40), bool(flags & 0x20)
    return Level(raw if enabled and not unavailable else None, enabled)

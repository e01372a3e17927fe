"""What speaks on plain TCP: Network UPS Tools, and Modbus devices that say who they are.

Modbus is asked for its identification alone (MODBUS Application Protocol V1.1b3 section 6.21, function 43/14): nothing
is written, and no register is read.
"""

import asyncio
from typing import Final

from wattline.discovery.found import Found
from wattline.discovery.pace import Pace
from wattline.discovery.words import in_url, phrase
from wattline.errors import WattlineError
from wattline.wire.nut import Upsd

NUT, MODBUS = 3493, 502
_MOST_UPSES: Final = 32
_HEADER: Final = 7
_IDENTIFY: Final = bytes((0x2B, 0x0E, 0x01, 0x00))
_LONGEST: Final = 260


class Upses:
    """Looks for servers of Network UPS Tools and the UPSes that they know."""

    questions: Final = 1

    def __init__(self, port: int, pace: Pace, wait: float) -> None:
        self._port, self._pace, self._wait = port, pace, wait

    async def look(self, host: str) -> list[Found]:
        """Return the UPSes of a host."""
        await self._pace.turn()
        upsd = Upsd(host, self._port, wait=self._wait)
        try:
            await upsd.open(None, "", "")
            names = await upsd.upses()
        except WattlineError:
            return []
        finally:
            await upsd.close()
        where = in_url(host, self._port, NUT)
        return [
            Found(
                host=host,
                what=f"UPS {phrase(name, 30)!r}",
                why="upsd lists it",
                driver="nut",
                url=f"nut://{where}/{name}",
            )
            for name in names[:_MOST_UPSES]
            if name.isprintable() and not set(name) & set("/?#@ ")
        ]


class ModbusUnits:
    """Looks for Modbus/TCP; unit 255 is the device itself where it is no gateway."""

    questions: Final = 1

    def __init__(self, port: int, pace: Pace, wait: float) -> None:
        self._port, self._pace, self._wait = port, pace, wait

    async def look(self, host: str) -> list[Found]:
        """Return the Modbus device of a host."""
        await self._pace.turn()
        try:
            async with asyncio.timeout(self._wait):
                said = await identify(host, self._port, 0xFF)
        except (OSError, EOFError):
            return []
        if said is None:
            return []
        return [
            Found(
                host=host,
                what=f"Modbus: {' '.join(said) or 'a device that does not say which'}",
                why="answers in Modbus/TCP",
                driver="modbus",
                url=f"modbus://{in_url(host, self._port, MODBUS)}/1/0/be_be_f32?unit=W",
                needs="unit, register and type, from its manual",
            )
        ]


async def identify(host: str, port: int, unit: int) -> list[str] | None:
    """Return what a device says of itself (maker, product, revision); None: what answers is no Modbus.

    Raises OSError and EOFError as connections do.
    """
    reader, writer = await asyncio.open_connection(host, port, limit=_LONGEST)
    try:
        writer.write(b"\x00\x01\x00\x00" + (len(_IDENTIFY) + 1).to_bytes(2, "big") + bytes((unit,)) + _IDENTIFY)
        head = await reader.readexactly(_HEADER)
        length = int.from_bytes(head[4:6], "big")
        if head[:4] != b"\x00\x01\x00\x00" or not 2 < length <= _LONGEST - _HEADER:
            return None
        return identification(await reader.readexactly(length - 1))
    finally:
        writer.close()


def identification(pdu: bytes) -> list[str] | None:
    """Read the answer to the question for identification; a refusal is a device that does not say who it is."""
    if pdu[:1] == bytes((0x2B | 0x80,)):
        return []
    if pdu[:2] != _IDENTIFY[:2] or len(pdu) < 7:
        return None
    said, at = [], 7
    for _ in range(pdu[6]):
        length = pdu[at + 1] if at + 1 < len(pdu) else 0
        said.append(phrase(pdu[at + 2 : at + 2 + length].decode("utf-8", "replace"), 30))
        at += 2 + length
    return [one for one in said if one]

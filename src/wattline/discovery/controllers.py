"""Management controllers on UDP: the presence ping of ASF, and what authentication they offer.

DMTF DSP0136 (ASF 2.0) section 3.2.4.2 and 3.2.4.3: ping and pong. IPMI 2.0 section 22.13: Get Channel Authentication
Capabilities, which needs no user and changes nothing; it is asked also where the ping, which can be switched off, is
lost.
"""

import asyncio
from typing import Any, Final

from wattline.discovery.found import Found
from wattline.discovery.pace import Pace
from wattline.discovery.words import in_url
from wattline.errors import Malformed
from wattline.wire import rmcp
from wattline.wire.ipmi import envelope, message
from wattline.wire.ipmi.message import APP, Request

DEFAULT_PORT: Final = 623
_CAPABILITIES: Final = Request(APP, 0x38, bytes((0x8E, 0x02)))  # this channel, with the data of IPMI 2.0; level user
_TAG: Final = 1
_EXTENDED, _TWO, _ANONYMOUS = 0x80, 0x02, 0x01


class Controllers:
    """Looks for controllers that speak IPMI."""

    questions: Final = 2

    def __init__(self, port: int, pace: Pace, wait: float) -> None:
        self._port, self._pace, self._wait = port, pace, wait

    async def look(self, host: str) -> list[Found]:
        """Return the controller of a host, if it answers."""
        await self._pace.turn()
        pong = rmcp.is_pong(await exchange(host, self._port, rmcp.ping(_TAG), self._wait))
        await self._pace.turn()
        asked = envelope.without_session(message.ask(_CAPABILITIES, _TAG))
        offered = capabilities(await exchange(host, self._port, asked, self._wait))
        if not pong and not offered:
            return []
        is_old = offered.startswith("IPMI 1.5")
        return [
            Found(
                host=host,
                what=f"BMC: {offered or 'IPMI'}",
                why="answers the presence ping (RMCP)" if pong else "says how it lets in who asks",
                driver="" if is_old else "ipmi",
                url="" if is_old else f"ipmi://{in_url(host, self._port, DEFAULT_PORT)}/",
                needs="" if is_old else "a user and a password",
                is_bmc=True,
                group="ipmi",
            )
        ]


def capabilities(packet: bytes) -> str:
    """Say in words what a controller offers; empty for a packet that does not say."""
    try:
        plain = envelope.read_plain(packet)
        reply = message.answers(plain.payload, _CAPABILITIES, _TAG, ()) if plain and plain.kind == 0 else None
    except Malformed:
        return ""
    if reply is None or reply.code or len(reply.content) < 4:
        return ""
    has_two = reply.content[1] & _EXTENDED and reply.content[3] & _TWO
    offered = "IPMI 2.0" if has_two else "IPMI 1.5 alone"
    return f"{offered}, lets anybody in (anonymous login)" if reply.content[2] & _ANONYMOUS else offered


async def exchange(host: str, port: int, packet: bytes, wait: float) -> bytes:
    """Send one datagram and return the first that comes back within `wait` (s); empty: none did."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[bytes] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(lambda: _First(arrived), remote_addr=(host, port))
    try:
        transport.sendto(packet)
        async with asyncio.timeout(wait):
            return await arrived
    except TimeoutError:
        return b""
    finally:
        transport.close()


class _First(asyncio.DatagramProtocol):
    """Takes the first datagram; an empty one stands for an ICMP error."""

    def __init__(self, arrived: "asyncio.Future[bytes]") -> None:
        self._arrived = arrived

    def datagram_received(self, packet: bytes, _: tuple[str | Any, int]) -> None:
        if not self._arrived.done():
            self._arrived.set_result(packet)

    def error_received(self, _: Exception) -> None:
        if not self._arrived.done():
            self._arrived.set_result(b"")

"""A meter on an M-Bus behind a gateway, on a free port of loopback: it answers what it is given to say."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from wattline.wire.mbus import ACKNOWLEDGED, ANY, RESET

_REQUEST: Final = 5
_HEAD: Final = bytes.fromhex("78563412 24400102 01000000")
"""Number 12345678, maker PAD, version 1, medium electricity, first access, no fault, no signature."""


def answer_of(address: int, records: bytes) -> bytes:
    """Return the long frame of a meter's records."""
    body = bytes((0x08, address, 0x72)) + _HEAD + records
    return bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))


class _Bus(asyncio.Protocol):
    """`frames` has what each address says, one frame for each request since it was reset."""

    def __init__(self, frames: Mapping[int, Sequence[bytes]], open_ones: set[asyncio.Transport]) -> None:
        self._frames, self._open = frames, open_ones
        self._next: dict[int, int] = {}
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._open.discard(self._transport)

    def data_received(self, came: bytes) -> None:
        self._came += came
        while len(self._came) >= _REQUEST:
            one, self._came = self._came[:_REQUEST], self._came[_REQUEST:]
            self._answer(one[1], one[2])

    def _answer(self, control: int, asked: int) -> None:
        address = next(iter(self._frames)) if asked == ANY else asked
        if address not in self._frames:
            return
        if control == RESET:
            self._next[address] = 0
            self._transport.write(ACKNOWLEDGED)
            return
        place = self._next.get(address, 0)
        self._next[address] = min(place + 1, len(self._frames[address]) - 1)
        self._transport.write(self._frames[address][place])


@asynccontextmanager
async def mbus_gateway(frames: Mapping[int, Sequence[bytes]]) -> AsyncIterator[int]:
    """Serve a bus with a meter at each address; yields the port."""
    open_ones: set[asyncio.Transport] = set()
    server = await asyncio.get_running_loop().create_server(lambda: _Bus(frames, open_ones), "127.0.0.1", 0)
    try:
        port: int = server.sockets[0].getsockname()[1]
        yield port
    finally:
        server.close()
        for transport in tuple(open_ones):
            transport.abort()
        await server.wait_closed()

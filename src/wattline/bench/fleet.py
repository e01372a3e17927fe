"""SNMP agents and pages of exporters by the thousand, each at a loopback address of its own, in a process of their own.

They are so cheap that they leave the CPU to who asks them: an agent remembers what it was asked, and answers the same
question again by putting the new request's number before one of a few prepared answers. Any OID has a value.
"""

import asyncio
import contextlib
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache, partial
from itertools import count
from typing import Any, Final

from wattline.bench.pages import page
from wattline.errors import Unreachable
from wattline.wire import ber

SNMP: Final = 161
"""The only port that kwollector asks."""
PAGES: Final = 9100
SAMPLES: Final = 508
"""On each page, as on that of a node exporter; labels without quotes in them, of which kwollector makes a mess."""
_CPUS: Final = (SAMPLES - 220) // 8
_STEPS: Final = 16
_KEPT: Final = 10_000
_GAUGE: Final = 0x42
_RESPONSE: Final = 0xA2
_SEQUENCE: Final = 0x30
_END: Final = b"\r\n\r\n"
_READY: Final = b"ready\n"


def address(number: int) -> str:
    """Return the loopback address of one of up to 62,500."""
    return f"127.9.{number // 250}.{number % 250 + 1}"


@contextlib.contextmanager
def fleet(agents: int = 0, pages: int = 0, *, port: int = SNMP) -> Iterator[int]:
    """Let so many agents and servers of pages answer meanwhile; yields the id of their process.

    Raises Unreachable where the port is not to be had.
    """
    command = [sys.executable, "-c", f"from wattline.bench.fleet import serve; serve({agents}, {pages}, {port})"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:  # noqa: S603
        try:
            assert server.stdout is not None
            if server.stdout.readline() != _READY:
                raise Unreachable(f"agents cannot be at UDP port {port}: it is taken, or it needs root")
            yield server.pid
        finally:
            server.send_signal(signal.SIGKILL)


def serve(agents: int, pages: int, port: int) -> None:
    """Answer until the program is ended."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_serve(agents, pages, port))


async def _serve(agents: int, pages: int, port: int) -> None:
    loop = asyncio.get_running_loop()
    answers = Answers()
    for number in range(agents):
        await loop.create_datagram_endpoint(lambda: _Agent(answers), local_addr=(address(number), port))
    for number in range(pages):
        await loop.create_server(partial(_Page, count()), address(number), PAGES)
    sys.stdout.buffer.write(_READY)
    sys.stdout.flush()
    await asyncio.Event().wait()


class Answers:
    """What agents answer to a GET: gauges that move a little from one answer to the next."""

    def __init__(self) -> None:
        self._known: dict[bytes, list[bytes]] = {}
        self._turn = count()

    def to(self, request: bytes) -> bytes:
        """Return the response to a GET of any version and community."""
        message = _start(request, 0)
        pdu = _end(request, _end(request, message))
        number = _start(request, pdu)
        rest = _end(request, number)
        asked = request[rest:]
        ends = self._known.get(asked)
        if ends is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            ends = self._known[asked] = _prepared(asked)
        body = request[number:rest] + ends[next(self._turn) % _STEPS]
        return ber.block(_SEQUENCE, request[message:pdu] + ber.block(_RESPONSE, body))


def _prepared(asked: bytes) -> list[bytes]:
    """Return answers to what stands in a GET behind its number: no error, then the OIDs with their values."""
    *_, (_, bindings) = ber.blocks(asked)
    names = [ber.block(*ber.blocks(binding)[0]) for _, binding in ber.blocks(bindings)]
    ends = []
    for step in range(_STEPS):
        values = (ber.integer(300 + 7 * i % 100 + 3 * step % _STEPS)[1:] for i in range(len(names)))
        rows = (ber.block(_SEQUENCE, name + bytes([_GAUGE]) + value) for name, value in zip(names, values, strict=True))
        ends.append(ber.integer(0) + ber.integer(0) + ber.block(_SEQUENCE, b"".join(rows)))
    return ends


def _start(octets: bytes, at: int) -> int:
    """Return where the content of the value at `at` begins."""
    size = octets[at + 1]
    return at + 2 + (size & 0x7F if size & 0x80 else 0)


def _end(octets: bytes, at: int) -> int:
    """Return where the value at `at` ends."""
    start = _start(octets, at)
    return start + (octets[at + 1] if start == at + 2 else int.from_bytes(octets[at + 2 : start], "big"))


class _Agent(asyncio.DatagramProtocol):
    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, request: bytes, sender: tuple[str | Any, int]) -> None:
        self._transport.sendto(self._answers.to(request), sender)


class _Page(asyncio.Protocol):
    """A connection to a server of one page, whose counters count on."""

    def __init__(self, steps: Iterator[int]) -> None:
        self._steps = steps
        self._transport: Any = None
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, received: bytes) -> None:
        self._asked += received
        while (end := self._asked.find(_END)) >= 0:
            self._asked = self._asked[end + len(_END) :]
            self._transport.write(_answer(next(self._steps)))


@lru_cache(maxsize=64)
def _answer(step: int) -> bytes:
    body = page(_CPUS, step).replace('\\"', "").encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body

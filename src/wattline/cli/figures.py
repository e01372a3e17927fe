"""One page, /metrics, for a program that has no API: its own figures and the last values."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from wattline.api.exposition import MEDIA_TYPE, page
from wattline.api.routes.metrics import last_values
from wattline.cli.server import Server
from wattline.runtime.engine import Engine
from wattline.runtime.health import Health
from wattline.runtime.live import Live
from wattline.runtime.ticks import SystemClock

_GRACE: Final = 1
"""Seconds that a reader has when the program stops."""

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


def figures_page(health: Health, live: Live, clock: Callable[[], int]) -> Application:
    """Return an ASGI application (HTTP alone) that answers `GET /metrics`; `clock` gives now (ns)."""

    async def answer(scope: Message, receive: object, send: Callable[[Message], Awaitable[None]]) -> None:
        del receive
        found = scope["path"] == "/metrics" and scope["method"] in ("GET", "HEAD")
        body = page(health.figures(), last_values(live, clock())) if found else b"see /metrics\n"
        headers = [(b"content-type", (MEDIA_TYPE if found else "text/plain").encode())]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": 200 if found else 404, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    return answer


async def serve_figures(engine: Engine, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve the page until `stop`."""
    app = figures_page(engine.health, engine.live, SystemClock().now)
    server = Server(app, grace=_GRACE)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    await stop.wait()
    server.should_exit = True
    await serving

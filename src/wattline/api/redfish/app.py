"""The application that answers for the tree of chassis: GET and HEAD of any resource, and nothing that writes."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from wattline.api.guard import Guard
from wattline.api.redfish.picture import Picture, draw
from wattline.api.redfish.tree import Body, resource
from wattline.errors import WattlineError
from wattline.plugin import Store
from wattline.units import NANOSECONDS

KEPT: Final = NANOSECONDS * 9 // 10
"""A little under a second: for so long one look at the store answers all who ask."""
_HEADERS: Final = (
    (b"content-type", b"application/json"),
    (b"odata-version", b"4.0"),
    (b"cache-control", b"no-cache"),
)


class Gallery:
    """Looks at a store at most once a second, off the event loop, for all who ask."""

    def __init__(self, store: Store[Any], clock: Callable[[], int], wanted: Sequence[str]) -> None:
        self._store, self._clock, self._wanted = store, clock, wanted
        self._drawing: asyncio.Task[Picture] | None = None
        self._begun = 0

    async def picture(self) -> Picture:
        """Return a picture that is not older than a second."""
        now = self._clock()
        if self._drawing is None or (self._drawing.done() and not 0 <= now - self._begun < KEPT):
            self._begun = now
            self._drawing = asyncio.create_task(asyncio.to_thread(draw, self._store, now, self._wanted))
        return await asyncio.shield(self._drawing)


def create_redfish(store: Store[Any], clock: Callable[[], int], listen: str, wanted: Sequence[str] = ()) -> ASGIApp:
    """Return the ASGI application for a store; `clock` gives now (ns), `wanted` are patterns of device names."""
    gallery = Gallery(store, clock, wanted)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await _send(send, *await _answer(scope["method"], scope["path"], gallery))

    return Guard(answer, listen)


async def _answer(method: str, path: str, gallery: Gallery) -> tuple[int, Body]:
    if method != "GET":  # HEAD has become one
        return _error(405, "ActionNotSupported", "This service shows what is metered; it changes nothing.")
    try:
        body = resource(path, await gallery.picture())
    except WattlineError as error:
        return _error(503, "ServiceTemporarilyUnavailable", str(error))
    return (200, body) if body else _error(404, "ResourceMissingAtURI", f"There is nothing at {path}.")


def _error(status: int, code: str, message: str) -> tuple[int, Body]:
    return status, {"error": {"code": f"Base.1.18.{code}", "message": message}}


async def _send(send: Send, status: int, body: Body) -> None:
    content = msgspec.json.encode(body)
    headers = [*_HEADERS, (b"content-length", str(len(content)).encode())]
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})

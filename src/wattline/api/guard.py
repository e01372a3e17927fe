"""What surrounds every answer: who may ask by which name, HEAD for every GET, and the headers that keep pages safe.

A page of a stranger can make a browser send requests to a name that resolves to 127.0.0.1 (DNS rebinding), and would
then read our answers as its own. So while the program listens on loopback alone, requests must name a loopback host.
"""

import ipaddress
from collections.abc import Iterable
from typing import Any, Final

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from wattline.api.problems import Problem, details

_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
)
_MISDIRECTED: Final = 421
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip")


def is_loopback(host: str) -> bool:
    """Say whether a host, without its port, names this machine's loopback interface."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_of(address: str) -> str:
    """Return the host of `host:port`, `[v6]:port`, a bare host or a bare IPv6 address."""
    if address.startswith("["):
        return address.partition("]")[0] + "]"
    host, colon, port = address.rpartition(":")
    return host if colon and port.isdigit() and ":" not in host else address


def check_writer(request: Request[Any, Any, Any]) -> None:
    """Let nobody write who is not on this machine, and no page of a stranger in a browser that is.

    Raises Problem (403, 415). What came through a proxy is from somebody else; JSON is what no page may send to another
    origin unasked (Fetch standard, CORS-safelisted request headers).
    """
    client = request.client
    if client is None or not is_loopback(client.host) or any(name in request.headers for name in _FORWARDED):
        raise Problem("only this machine itself may write: ask on 127.0.0.1, and through no proxy", status=403)
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Problem("a page of another origin may not write", status=403, parameter="Origin")
    if request.method == "POST" and request.content_type[0] != "application/json":
        raise Problem("what is posted is application/json", status=415, parameter="Content-Type")


class Guard:
    """ASGI middleware around the whole program; `listen` is the address it is reached at."""

    def __init__(self, app: ASGIApp, listen: str) -> None:
        self._app = app
        self._is_local = is_loopback(host_of(listen))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with what surrounds it."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        if self._is_local and not self._is_named(scope["headers"]):
            await _refuse(_adorned(send))
            return
        if scope["method"] == "HEAD":
            await _head(self._app, scope, _adorned(send))
            return
        await self._app(scope, receive, _adorned(send))

    def _is_named(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        host = next((value.decode("latin-1") for name, value in headers if name == b"host"), "localhost")
        return is_loopback(host_of(host))


def _adorned(send: Send) -> Send:
    async def adorned(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            extra = [(name, value) for name, value in _HEADERS if name not in given]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return adorned


async def _head(app: ASGIApp, scope: Scope, send: Send) -> None:
    """Answer HEAD as GET without its body: once the head is sent the reader is gone, so nothing more is made."""
    has_begun = False

    async def receive() -> Any:
        return {"type": "http.disconnect"} if has_begun else {"type": "http.request", "body": b"", "more_body": False}

    async def without_body(message: Message) -> None:
        nonlocal has_begun
        if message["type"] == "http.response.start":
            has_begun = True
            await send(message)

    await app({**scope, "method": "GET"}, receive, without_body)  # type: ignore[arg-type]
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _refuse(send: Send) -> None:
    text = "this program listens on loopback alone; ask it as localhost or 127.0.0.1, or configure another address"
    body, kind = details(text, _MISDIRECTED, "Host")
    head = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": _MISDIRECTED, "headers": head})
    await send({"type": "http.response.body", "body": body, "more_body": False})

"""A web server on a loopback port that answers as a function says, and remembers what it was asked.

async with WebServer(lambda request: json_answer({"watt": 230})) as server:
    driver = JsonUrl(JsonUrlConfig(host=server.address))
    assert server.asked == ["GET /"]
"""

import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec
from aiohttp import web

Answer = Callable[[web.BaseRequest], web.StreamResponse | Awaitable[web.StreamResponse]]


class WebServer:
    """Serves every method and path by one function; `answer` may be changed while it runs."""

    def __init__(
        self, answer: Answer, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.answer, self.host, self._tls = answer, host, tls
        self.asked: list[str] = []
        """Method and path with its query of every request, in order."""
        self.port = port

    @property
    def address(self) -> str:
        """Where it is: `http://HOST:PORT`, or https."""
        return f"http{'s' if self._tls else ''}://{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        runner = web.ServerRunner(web.Server(self._respond), access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, self.host, self.port, ssl_context=self._tls)
        await site.start()
        self._runner, self.port = runner, runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        answer = self.answer(request)
        return await answer if isinstance(answer, Awaitable) else answer


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a value as a JSON answer."""
    body = msgspec.json.encode(value)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)

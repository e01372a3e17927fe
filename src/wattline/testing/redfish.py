"""A BMC as a fixture: a real HTTP or HTTPS server that serves a bundle of Redfish resources, with faults on demand.

async with Bmc({"/redfish/v1": {...}, "/redfish/v1/Chassis": {...}}, user="admin", password="secret") as bmc:
    Url.parse(f"redfish://admin:secret@127.0.0.1:{bmc.port}/?tls=false")
    bmc.resources["/redfish/v1/Chassis/1/Power"]["PowerControl"][0]["PowerConsumedWatts"] = 344
    bmc.fault = Fault.HANG

It costs a listening socket: hundreds of them fit into one process.
"""

import asyncio
import base64
import enum
import hashlib
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec
from aiohttp import web

_SESSIONS: Final = "/redfish/v1/SessionService/Sessions"
_ROOT: Final = "/redfish/v1"
_CHASSIS: Final = "/redfish/v1/Chassis"
_HUGE: Final = 64 << 20
_PIECE: Final = b" " * (1 << 20)


class Fault(enum.Enum):
    """What goes wrong with every answer."""

    NONE = "none"
    DENIED = "denied"
    """401, whoever asks."""
    REFUSED = "refused"
    """400 with a message that says that the user is refused, as iLO answers a login."""
    BROKEN = "broken"
    """500 and a message."""
    HANG = "hang"
    """No answer, and the connection stays."""
    GARBAGE = "garbage"
    """Bytes that are no JSON."""
    TRUNCATED = "truncated"
    """Half of what was announced, then the end of the connection."""
    HUGE = "huge"
    """64 MiB of JSON."""


class Bmc:
    """One BMC. `resources` maps paths to bodies and may be changed at any time; a text or bytes are sent as they are.

    With `user` everything but the root wants a session (`sessions`) or basic authentication. `etags` adds strong ETags
    and answers 304; `expand` lets `$expand` put members in place of their links; `pages` is how many members a page of
    a collection has (0: all). `fault` holds for all that is asked, `faults` by path. `requests` is what was asked.
    """

    def __init__(
        self,
        resources: Mapping[str, Any],
        *,
        user: str = "",
        password: str = "",
        sessions: bool = True,
        most_sessions: int = 16,
        etags: bool = False,
        expand: bool = False,
        pages: int = 0,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.resources: dict[str, Any] = {path.rstrip("/"): body for path, body in resources.items()}
        self.user, self.password, self.has_sessions, self.most_sessions = user, password, sessions, most_sessions
        self.host, self.port, self.fault = host, port, Fault.NONE
        self.faults: dict[str, Fault] = {}
        self.requests: deque[tuple[str, str]] = deque(maxlen=10_000)
        self.sessions: dict[str, str] = {}
        self.refusals = 0
        self._etags, self._expand, self._pages, self._tls = etags, expand, pages, tls
        self._made = 0
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the port that it had before if it had one."""
        runner = web.ServerRunner(web.Server(self._answer, handler_cancellation=True), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, self.host, self.port, ssl_context=self._tls)
        await site.start()
        self.port = runner.addresses[0][1]
        self._runner = runner

    async def stop(self) -> None:
        """Close every connection and listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def asked(self) -> list[str]:
        """The paths that were asked for by GET, oldest first."""
        return [path for method, path in self.requests if method == "GET"]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.rstrip("/")
        self.requests.append((request.method, path))
        match self.faults.get(path, self.fault):
            case Fault.NONE:
                return await self._sound(request, path)
            case Fault.DENIED:
                return _error(401)
            case Fault.REFUSED:
                return _error(400, "iLO.2.14.UnauthorizedLoginAttempt")
            case Fault.BROKEN:
                return _error(500)
            case Fault.GARBAGE:
                return web.Response(body=b"\x00\xff<html>{" * 40, content_type="application/json")
            case Fault.HANG:
                await asyncio.Event().wait()
            case Fault.TRUNCATED:
                return await _truncated(request)
        return await _huge(request)

    async def _sound(self, request: web.BaseRequest, path: str) -> web.Response:
        if request.method == "POST":
            is_login = path == _SESSIONS and self.has_sessions
            return self._log_in(await request.read()) if is_login else _error(405)
        if self.user and path != _ROOT and not self._is_known(request):
            self.refusals += 1
            return _error(401)
        if request.method == "DELETE":
            ended = [token for token, place in self.sessions.items() if place == path]
            for token in ended:
                del self.sessions[token]
            return web.Response(status=204) if ended else _error(404)
        body = self.resources.get(path)
        if body is None:
            return _error(404)
        return self._shown(request, path, body)

    def _shown(self, request: web.BaseRequest, path: str, body: Any) -> web.Response:
        if isinstance(body, str | bytes):
            return web.Response(body=body, content_type="application/json")
        if isinstance(body, dict) and "Members" in body:
            body = self._collection(request, path, body)
        content = msgspec.json.encode(body)
        headers = {"ETag": f'"{hashlib.blake2b(content, digest_size=8).hexdigest()}"'} if self._etags else {}
        if headers and request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=content, content_type="application/json", headers=headers)

    def _collection(self, request: web.BaseRequest, path: str, body: dict[str, Any]) -> dict[str, Any]:
        members = body["Members"]
        if self._expand and "$expand" in request.query:
            members = [self.resources.get(str(one.get("@odata.id", "")).rstrip("/"), one) for one in members]
        start = int(request.query.get("$skip", "0"))
        if self._pages and len(members) > start + self._pages:
            following = f"{path}?$skip={start + self._pages}"
            return {
                **body,
                "Members": members[start : start + self._pages],
                "Members@odata.nextLink": following,
            }
        return {**body, "Members": members[start:]}

    def _is_known(self, request: web.BaseRequest) -> bool:
        if request.headers.get("X-Auth-Token", "") in self.sessions:
            return True
        wanted = "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return request.headers.get("Authorization") == wanted

    def _log_in(self, content: bytes) -> web.Response:
        """Answer a login: 201 with a token, 401, or 503 where too many sessions live."""
        try:
            given = msgspec.json.decode(content, type=dict[str, str])
        except msgspec.DecodeError:
            return _error(400)
        if (given.get("UserName"), given.get("Password")) != (self.user, self.password):
            self.refusals += 1
            return _error(401)
        if len(self.sessions) >= self.most_sessions:
            return _error(503)
        self._made += 1
        token, place = f"token-{self._made}", f"{_SESSIONS}/{self._made}"
        self.sessions[token] = place
        return web.json_response({"@odata.id": place}, status=201, headers={"X-Auth-Token": token, "Location": place})


def tree(*chassis: tuple[str, Mapping[str, Any], Mapping[str, Any]], **root: Any) -> dict[str, Any]:
    """Return resources: a root with the properties `root`, a collection, and chassis.

    Each chassis is its Id, the resources below it by name (`{"Power": {...}}`), and properties of its own.
    """
    placed: dict[str, Any] = {_ROOT: {"@odata.id": _ROOT, "Chassis": {"@odata.id": _CHASSIS}, **root}}
    members = []
    for name, below, own in chassis:
        path = f"{_CHASSIS}/{name}"
        links = {child: {"@odata.id": f"{path}/{child}"} for child in below}
        placed[path] = {"@odata.id": path, "Id": name, "ChassisType": "RackMount", **links, **own}
        placed |= {f"{path}/{child}": body for child, body in below.items()}
        members.append({"@odata.id": path})
    placed[_CHASSIS] = {"@odata.id": _CHASSIS, "Members": members}
    return placed


def _error(status: int, code: str = "Base.1.18.GeneralError") -> web.Response:
    return web.json_response({"error": {"code": code, "message": "See the code."}}, status=status)


async def _truncated(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "4000"})
    await response.prepare(request)
    await response.write(b'{"PowerControl": [' + b" " * 1982)
    if request.transport is not None:
        request.transport.close()
    return response


async def _huge(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(_HUGE // len(_PIECE)):
        await response.write(_PIECE)
    return response

"""A Redfish service (DMTF DSP0266): sessions or basic authentication, links of every age, collections in pages, ETags.

The protocol alone: what a resource means is the driver's. One request is in flight at a time. A password is shown once:
a service that refuses it is not asked in another way, since BMCs lock an account after a few refusals.

`@odata.id` links may be absolute, relative to the resource, or carry a fragment; services before Redfish 1.0 say `href`
below `links`. Whatever host a link names, only the server that the operator named is asked.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, Literal
from urllib.parse import urljoin, urlsplit

import msgspec

from wattline.errors import Denied, Malformed, Unreachable
from wattline.wire.web import Reply, Web, basic

ROOT: Final = "/redfish/v1/"
SESSIONS: Final = "/redfish/v1/SessionService/Sessions"
"""Where sessions are made, if the root does not say (DSP0266, "Redfish session login authentication")."""
MOST_MEMBERS: Final = 4096
"""Members of a collection that are followed, over all its pages."""

_MOST_PAGES: Final = 256
_MOST_TAGS: Final = 64
_GOOD: Final = range(200, 300)
_REDIRECTS: Final = (301, 302, 307, 308)
_REFUSED: Final = (401, 403)
_ABSENT: Final = (403, 404, 405, 410, 501)
_NOT_MODIFIED: Final = 304
_REFUSAL: Final = re.compile(rb"Unauthorized|AccessDenied|InsufficientPrivilege|AuthenticationFail|LoginFail")
"""Message ids of services (iLO) that answer 400 where they mean 401."""

Body = dict[str, Any]
Login = Literal["auto", "session", "basic"]
"""How a user is shown: by a session, with each request, or by a session where the service has them."""


class Service:
    """One Redfish service behind `web`, which it opens and closes. It has one owner, who asks one thing at a time."""

    def __init__(self, web: Web, user: str = "", password: str = "", login: Login = "auto") -> None:
        self._web, self._user, self._password, self._login = web, user, password, login
        self._headers: dict[str, str] = {}
        self._session = ""
        self._tags: dict[str, tuple[str, Body]] = {}
        self.root: Body = {}

    @property
    def name(self) -> str:
        """The service's address, without secrets."""
        return self._web.root

    async def open(self) -> None:
        """Connect, read the root and show the user.

        Raises as `Web.ask` does, and Denied when the user is refused.
        """
        self._headers, self._session, self._tags = {"OData-Version": "4.0", "Accept": "application/json"}, "", {}
        await self._web.open()
        before = await self._ask(ROOT)
        self.root = _body(before) if before.status in _GOOD else {}
        if self._user:
            await self._show_user()
        if not self.root:
            self.root = await self.get(ROOT)

    async def close(self) -> None:
        """End the session, if the service still listens, and close the connection."""
        session, self._session = self._session, ""
        try:
            if session:
                await self._ask(session, method="DELETE")
        except (Unreachable, Malformed):
            pass  # a session that is not ended ends by itself
        finally:
            await self._web.close()

    async def get(self, link: str) -> Body:
        """Return a resource. Raises as `Web.ask` and `Reply.good` do."""
        reply = await self._fetch(target(link))
        if reply.status == _NOT_MODIFIED:
            return self._tags[target(link)][1]
        body = _body(reply.good())
        self._remember(target(link), reply, body)
        return body

    async def find(self, link: str) -> Body | None:
        """Return a resource; None where there is no link, or nothing for us behind it (403, 404, 405, 410, 501)."""
        if not link:
            return None
        reply = await self._fetch(target(link))
        if reply.status in _ABSENT:
            return None
        return self._tags[target(link)][1] if reply.status == _NOT_MODIFIED else _body(reply.good())

    async def members(self, link: str) -> list[Body] | None:
        """Return the members of a collection, over all its pages: links, or resources where the service expands them.

        None as in `find`.
        """
        page = await self.find(link)
        if page is None:
            return None
        found, seen = list(_members(page)), {target(link)}
        while (following := _next(page)) and following not in seen:
            seen.add(following)
            page = await self.get(following)
            found += _members(page)
            if len(found) > MOST_MEMBERS or len(seen) > _MOST_PAGES:
                raise Malformed(f"{self.name}{target(link)} lists more than {MOST_MEMBERS} members")
        return found

    async def _fetch(self, path: str) -> Reply:
        reply = await self._ask(path)
        if reply.status == 401 and "X-Auth-Token" in self._headers:
            # A session ends by itself after some minutes of silence: made anew once, and never twice.
            self._session = ""
            await self._show_user()
            reply = await self._ask(path)
        if reply.status in _REDIRECTS:
            moved = target(urljoin(path, reply.headers.get("Location", "")))
            if moved != path and moved.rstrip("/") == path.rstrip("/"):
                reply = await self._ask(moved)
        return reply

    async def _ask(self, path: str, *, method: str = "GET", body: bytes | None = None) -> Reply:
        headers = dict(self._headers)
        if method == "GET" and path in self._tags:
            headers["If-None-Match"] = self._tags[path][0]
        if body is not None:
            headers["Content-Type"] = "application/json"
        return await self._web.ask(path, method=method, headers=headers, body=body)

    async def _show_user(self) -> None:
        self._headers.pop("X-Auth-Token", None)
        if self._login != "basic" and await self._log_in():
            return
        self._headers["Authorization"] = basic(self._user, self._password)

    async def _log_in(self) -> bool:
        """Make a session; False: the service has none to give, and may be asked with basic authentication."""
        path = link(self.root, "Sessions") or SESSIONS
        credentials = msgspec.json.encode({"UserName": self._user, "Password": self._password})
        reply = await self._ask(path, method="POST", body=credentials)
        token = reply.headers.get("X-Auth-Token", "")
        if reply.status in _GOOD and token:
            self._headers["X-Auth-Token"] = token
            self._session = target(reply.headers.get("Location", "")) or itself(_body(reply))
            return True
        if reply.status in _REFUSED or (reply.status not in _GOOD and _REFUSAL.search(reply.content)):
            raise Denied(f"{reply.url} answers {reply.status}: it refuses the user or the password")
        if self._login == "session":
            raise Unreachable(f"{reply.url} answers {reply.status} {reply.reason} and gives no session")
        return False

    def _remember(self, path: str, reply: Reply, body: Body) -> None:
        """Keep a body with its strong ETag. A weak one may stay while readings change (RFC 9110, section 8.8.1)."""
        tag = reply.headers.get("ETag", "")
        if tag.startswith('"') and (path in self._tags or len(self._tags) < _MOST_TAGS):
            self._tags[path] = (tag, body)
        else:
            self._tags.pop(path, None)


def link(body: Body, name: str) -> str:
    """Return the path of a link of a resource; empty where there is none."""
    for holder in (body, body.get("Links"), body.get("links")):
        if isinstance(holder, dict) and (found := target(_href(holder.get(name)))):
            return found
    return ""


def target(reference: str) -> str:
    """Return the path and query of a reference on this service; empty where it is none."""
    try:
        parts = urlsplit(reference)
    except ValueError:
        return ""
    if not parts.path or not reference.isprintable():
        return ""
    path = urljoin(ROOT, parts.path)
    return f"{path}?{parts.query}" if parts.query else path


def itself(body: Body) -> str:
    """Return the path that a resource, or a link to one, says of itself."""
    return target(_href(body))


def _href(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("@odata.id", value.get("href"))
    return value if isinstance(value, str) else ""


def _members(page: Body) -> Iterator[Body]:
    old = page.get("links")
    listed = page.get("Members") or (old.get("Member") if isinstance(old, dict) else None) or ()
    return (one for one in listed if isinstance(one, dict)) if isinstance(listed, list | tuple) else iter(())


def _next(page: Body) -> str:
    return target(_href(page.get("Members@odata.nextLink") or page.get("@odata.nextLink")))


def _body(reply: Reply) -> Body:
    body = reply.json()
    if not isinstance(body, dict):
        raise Malformed(f"{reply.url} answers JSON that is no resource")
    return body

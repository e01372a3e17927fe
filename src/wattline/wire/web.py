"""One web server, asked again and again: a connection kept alive, gzip, a limit of size, plain errors.

An answer is unpacked here and not by the client library, since a packed page of 30 kB may be one of 100 MB: reading
ends where the limit is passed, whatever is still to come.
"""

import base64
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec

from wattline.errors import Denied, Malformed, Misconfigured, Unreachable, reason

_KEEP_ALIVE: Final = 75.0
_REFUSED: Final = (401, 403)
_GOOD: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)


class Reply(NamedTuple):
    """What came: the status, the headers (by any case of their names) and the bytes, unpacked."""

    url: str
    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes

    def good(self) -> "Reply":
        """Return this reply if its status is one of success.

        Raises Denied (401, 403) and Malformed (any other), which name the address and the status.
        """
        if self.status in _GOOD:
            return self
        said = f"{self.url} answers {self.status} {self.reason}".rstrip()
        if self.status in _REFUSED:
            raise Denied(f"{said}: it wants a user and a password, or a token, and not these")
        if self.status in _REDIRECTS:
            raise Malformed(f"{said}: the page is at {self.headers.get('Location', 'another place')}; name that")
        raise Malformed(f"{said} instead of a page")

    def json(self) -> Any:
        """Return the JSON that came as plain values. Raises Malformed."""
        try:
            return msgspec.json.decode(self.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(f"{self.url} answers what is no JSON: {error}") from error


class Web:
    """One web server. It has one owner, who asks one thing at a time; `open` before, `close` after.

    `root` is `http://host:port` or `https://...` and holds no secret; `headers`, sent with everything, may. `wait` is
    how many seconds a whole answer may take, `limit` how many bytes it may have when unpacked. Redirects are not
    followed: a credential belongs to the server that the operator named.
    """

    def __init__(
        self,
        root: str,
        *,
        headers: Mapping[str, str] | None = None,
        wait: float = 10.0,
        limit: int = 32 << 20,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.root = root
        self._headers, self._wait, self._limit, self._tls = dict(headers or {}), wait, limit, tls
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make a session; nothing is asked yet."""
        connector = aiohttp.TCPConnector(limit=1, keepalive_timeout=_KEEP_ALIVE, ssl=self._tls or True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"Accept-Encoding": "gzip", "User-Agent": "wattline", **self._headers},
            timeout=aiohttp.ClientTimeout(total=self._wait),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """Ask once for `path`, which begins with `/`; the reply may have any status (`Reply.good`).

        Raises Unreachable (nobody, or not in time), Misconfigured (no address) and Malformed (no HTTP, too large, cut
        off while unpacking).
        """
        url = self.root + path
        if self._session is None:
            raise Unreachable(f"{url} is not open")
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                pieces = [piece async for piece in self._pieces(url, response)]
                return Reply(url, response.status, response.reason or "", response.headers, b"".join(pieces))
        except TimeoutError as error:
            raise Unreachable(f"no whole page from {url} within {self._wait:g} s") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unreachable(
                f"{url} shows a certificate that is not trusted: {error.certificate_error};"
                " give the one that signed it as `ca`, or say `verify: false`"
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"{url} cannot be reached: {reason(error.os_error)}") from error
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise Unreachable(f"{url} closed the connection before the page was whole") from error
        except (aiohttp.InvalidURL, UnicodeError) as error:  # the latter: a name that no resolver takes
            raise Misconfigured(f"{url} is no address of a page") from error
        except ValueError as error:
            raise Misconfigured(f"{url} cannot be asked: a user or a token holds a control character") from error
        except aiohttp.ClientResponseError as error:
            said = error.message.partition("\n")[0].rstrip(":")  # behind it stands what came, in several lines
            raise Malformed(f"{url} answers what is no HTTP: {said}") from error
        except aiohttp.ClientError as error:
            raise Malformed(f"{url} answers what is no HTTP: {error}") from error

    async def _pieces(self, url: str, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        packed = response.headers.get("Content-Encoding", "identity").lower()
        if packed not in ("identity", "gzip", ""):
            raise Malformed(f"{url} packs its page as {packed}, which was not asked for")
        if (response.content_length or 0) > self._limit:
            raise self._too_large(url, response)
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS) if packed == "gzip" else None
        left = self._limit
        async for chunk in response.content.iter_any():
            try:
                piece = unpacker.decompress(chunk, left + 1) if unpacker else chunk
            except zlib.error as error:
                raise Malformed(f"{url} says that its page is gzip, and it is not: {error}") from error
            left -= len(piece)
            if left < 0:
                raise self._too_large(url, response)
            yield piece
        if unpacker and not unpacker.eof:
            raise Malformed(f"{url} sent a gzip page that is cut off")

    def _too_large(self, url: str, response: aiohttp.ClientResponse) -> Malformed:
        response.close()  # else the rest would be read to keep the connection
        return Malformed(f"the page of {url} is larger than {self._limit / 2**20:g} MiB")


def root(host: str, port: int, *, tls: bool) -> str:
    """Return `http://host:port` or `https://host:port`, an IPv6 address in brackets."""
    name = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{name}:{port}"


def trust(ca: str, *, verify: bool) -> ssl.SSLContext:
    """Return whose certificates are trusted: those of the file `ca`, empty: the system's; all, where `verify` is off.

    Raises Misconfigured when the file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ValueError) as error:
        raise Misconfigured(f"ca: {ca} is no readable file of certificates: {error}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def basic(user: str, password: str) -> str:
    """Return the Authorization header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

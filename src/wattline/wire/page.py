"""One page of text over HTTP, fetched again and again: a connection kept alive, gzip, a limit of size, plain errors.

The page is unpacked here and not by the client library, since a packed page of 30 kB may be one of 100 MB: reading ends
where the limit is passed, whatever is still to come.
"""

import base64
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import Final, NamedTuple

import aiohttp

from wattline.errors import Malformed, Misconfigured, Unreachable

_KEEP_ALIVE: Final = 75.0
_UNAUTHORIZED: Final = 401
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)


class Body(NamedTuple):
    """What came: the bytes, unpacked, and what the server calls them."""

    content: bytes
    content_type: str


class Source:
    """One page of one server. It has one owner, who fetches one at a time; `open` before, `close` after.

    `url` holds no secret; `headers` may. `wait` is how many seconds a whole page may take, `limit` how many bytes it
    may have when unpacked. Redirects are not followed: a credential belongs to the server that the operator named.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        wait: float,
        limit: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url, self._headers, self._wait, self._limit, self._tls = url, dict(headers), wait, limit, tls
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make a session; nothing is asked yet."""
        connector = aiohttp.TCPConnector(limit=1, keepalive_timeout=_KEEP_ALIVE, ssl=self._tls or True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"Accept-Encoding": "gzip", "User-Agent": "wattline", **self._headers},
            timeout=aiohttp.ClientTimeout(total=self._wait),
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def fetch(self) -> Body:
        """Fetch the page.

        Raises Unreachable (nobody, or not in time), Misconfigured (credentials refused) and Malformed (not 200, no
        HTTP, too large, cut off while unpacking).
        """
        if self._session is None:
            raise Unreachable(f"{self._url} is not open")
        try:
            async with self._session.get(self._url, allow_redirects=False) as response:
                self._refuse(response)
                pieces = [piece async for piece in self._pieces(response)]
                return Body(b"".join(pieces), response.headers.get("Content-Type", ""))
        except TimeoutError as error:
            raise Unreachable(f"no whole page from {self._url} within {self._wait:g} s") from error
        except aiohttp.ClientConnectorCertificateError as error:
            reason = error.certificate_error
            raise Unreachable(f"{self._url} shows a certificate that is not trusted: {reason}") from error
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"{self._url} cannot be reached: {error.strerror or error}") from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientOSError) as error:
            raise Unreachable(f"{self._url} closed the connection before the page was whole") from error
        except aiohttp.InvalidURL as error:
            raise Misconfigured(f"{self._url} is no address of a page") from error
        except aiohttp.ClientResponseError as error:
            said = error.message.partition("\n")[0].rstrip(":")  # behind it stands what came, in several lines
            raise Malformed(f"{self._url} answers what is no HTTP: {said}") from error
        except aiohttp.ClientError as error:
            raise Malformed(f"{self._url} answers what is no HTTP: {error}") from error

    def _refuse(self, response: aiohttp.ClientResponse) -> None:
        if response.status == _OK:
            return
        said = f"{self._url} answers {response.status} {response.reason or ''}".rstrip()
        response.close()
        if response.status == _UNAUTHORIZED:
            raise Misconfigured(f"{said}: it wants a user and a password, or a token, and not these")
        if response.status in _REDIRECTS:
            raise Malformed(f"{said}: the page is at {response.headers.get('Location', 'another place')}; name that")
        raise Malformed(f"{said} instead of a page")

    async def _pieces(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        packed = response.headers.get("Content-Encoding", "identity").lower()
        if packed not in ("identity", "gzip", ""):
            raise Malformed(f"{self._url} packs its page as {packed}, which was not asked for")
        if (response.content_length or 0) > self._limit:
            raise self._too_large(response)
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS) if packed == "gzip" else None
        left = self._limit
        async for chunk in response.content.iter_any():
            try:
                piece = unpacker.decompress(chunk, left + 1) if unpacker else chunk
            except zlib.error as error:
                raise Malformed(f"{self._url} says that its page is gzip, and it is not: {error}") from error
            left -= len(piece)
            if left < 0:
                raise self._too_large(response)
            yield piece
        if unpacker and not unpacker.eof:
            raise Malformed(f"{self._url} sent a gzip page that is cut off")

    def _too_large(self, response: aiohttp.ClientResponse) -> Malformed:
        response.close()  # else the rest would be read to keep the connection
        return Malformed(f"the page of {self._url} is larger than {self._limit / 2**20:g} MiB")


def basic(user: str, password: str) -> str:
    """Return the Authorization header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

"""The protocol of Network UPS Tools: lines over TCP (RFC 9271), as much of it as reading variables needs."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from wattline.errors import Denied, Malformed, Misconfigured, Unreachable, reason

MOST: Final = 10_000
"""Lines of a list."""
_LINE: Final = 4096
_WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPE: Final = re.compile(r"\\(.)")
_REFUSED: Final = ("ACCESS-DENIED", "INVALID-USERNAME", "INVALID-PASSWORD", "USERNAME-REQUIRED", "PASSWORD-REQUIRED")
_NOW_SILENT: Final = ("DATA-STALE", "DRIVER-NOT-CONNECTED")
T = TypeVar("T")


class Upsd:
    """A session with `upsd`. `wait` is how many seconds a whole answer may last. It has one owner."""

    def __init__(self, host: str, port: int, *, wait: float) -> None:
        self._host, self._port, self._wait = host, port, wait
        self.name = f"nut://{host}:{port}"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, tls: ssl.SSLContext | None, user: str, password: str) -> None:
        """Connect; with `tls` change to TLS, with a user say who asks. Raises Unreachable, Malformed, Denied."""
        self._reader, writer = await self._timed(
            asyncio.open_connection(self._host, self._port, limit=_LINE), f"{self.name} cannot be reached"
        )
        self._writer = writer
        if tls is not None:
            await self._say("STARTTLS")
            await self._timed(
                writer.start_tls(tls, server_hostname=self._host), f"{self.name} shows no TLS that is trusted"
            )
        if user:
            await self._say(f"USERNAME {_quoted(user)}")
            await self._say(f"PASSWORD {_quoted(password)}")

    async def close(self) -> None:
        """Close the connection."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):  # the other side was quicker, or ruder
                await writer.wait_closed()

    async def upses(self) -> list[str]:
        """Return the names of the UPSes that this server knows."""
        return [row[0] for row in await self._list("UPS") if row]

    async def variables(self, ups: str) -> dict[str, str]:
        """Return all variables of a UPS by name.

        Raises Misconfigured when there is no such UPS, Unreachable when its driver has lost it.
        """
        return {row[0]: row[1] for row in await self._list(f"VAR {_quoted(ups)}") if len(row) == 2}

    async def _list(self, what: str) -> list[list[str]]:
        """Return what stands behind the repeated part of each line of a list."""
        return await self._timed(self._listed(what), f"{self.name} has closed the connection")

    async def _listed(self, what: str) -> list[list[str]]:
        await self._send(f"LIST {what}")
        asked = _words(what)
        if await self._line() != ["BEGIN", "LIST", *asked]:
            raise Malformed(f"{self.name} answers no list to LIST {asked[0]}")
        rows: list[list[str]] = []
        while (words := await self._line()) != ["END", "LIST", *asked]:
            if words[: len(asked)] != asked or len(rows) >= MOST:
                raise Malformed(f"{self.name} answers what belongs to no LIST {asked[0]}, or too much of it")
            rows.append(words[len(asked) :])
        return rows

    async def _say(self, command: str) -> None:
        """Send a command whose answer is OK."""
        words = await self._timed(self._answered(command), f"{self.name} has closed the connection")
        if words[:1] != ["OK"]:
            raise Malformed(f"{self.name} does not answer {_words(command)[0]} with OK")

    async def _answered(self, command: str) -> list[str]:
        await self._send(command)
        return await self._line()

    async def _send(self, command: str) -> None:
        if self._writer is None:
            raise Unreachable(f"{self.name} is not open")
        self._writer.write(f"{command}\n".encode())
        await self._writer.drain()

    async def _line(self) -> list[str]:
        """Return the words of the next line. Raises what an ERR means."""
        if self._reader is None:
            raise Unreachable(f"{self.name} is not open")
        try:
            line = await self._reader.readline()
        except ValueError as error:
            raise Malformed(f"{self.name} answers a line without an end") from error
        if not line.endswith(b"\n"):
            raise Unreachable(f"{self.name} has closed the connection")
        words = _words(line.decode("utf-8", "replace"))
        if words[:1] == ["ERR"]:
            raise self._error((words[1:] or [""])[0])
        return words

    def _error(self, said: str) -> Exception:
        if said in _REFUSED:
            return Denied(f"{self.name} refuses us: {said}")
        if said == "UNKNOWN-UPS":
            return Misconfigured(f"{self.name} knows no UPS of this name")
        if said == "FEATURE-NOT-CONFIGURED":
            return Misconfigured(f"{self.name} speaks no TLS: it has no certificate")
        if said in _NOW_SILENT:
            return Unreachable(f"{self.name} has lost its UPS: {said}")
        return Malformed(f"{self.name} answers ERR {said[:100]}")

    async def _timed(self, work: Coroutine[Any, Any, T], fault: str) -> T:
        try:
            async with asyncio.timeout(self._wait):
                return await work
        except TimeoutError as error:
            raise Unreachable(f"{self.name} gives no whole answer within {self._wait:g} s") from error
        except (OSError, UnicodeError) as error:  # a name that no resolver takes is the latter
            raise Unreachable(f"{fault}: {reason(error)}") from error


def _words(line: str) -> list[str]:
    """Split a line into words; a quoted one may hold blanks, and quotes behind a backslash."""
    return [
        _ESCAPE.sub(r"\1", match[1]) if match[1] is not None else match[2] for match in _WORD.finditer(line.strip())
    ]


def _quoted(word: str) -> str:
    if not word.isprintable():
        raise Misconfigured("a name or password holds what this protocol cannot send")
    escaped = word.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'

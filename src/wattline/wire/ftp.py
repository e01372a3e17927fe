"""FTP as far as fetching files needs it: RFC 959 in passive mode, EPSV of RFC 2428, MLSD of RFC 3659.

One connection, one command at a time. Every wait is timed and every answer bounded. The address that PASV tells is not
used: the data come from the host that was asked, as behind address translation they must.
"""

import asyncio
import contextlib
import re
from collections.abc import Coroutine
from typing import Any, Final, NamedTuple, TypeVar

from wattline.errors import Denied, Malformed, Misconfigured, Unreachable, reason

MOST_FILES: Final = 100_000
_LINE: Final = 8192
_MOST_LINES: Final = 100
_EPSV: Final = re.compile(r"\(([!-~])\1\1(\d{1,5})\1\)")
_PASV: Final = re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})")
_CODE: Final = re.compile(rb"(\d{3})([ -])(.*)", re.DOTALL)
_REFUSED, _MISSING = 530, 550
_FULL: Final = re.compile("too many|maximum", re.IGNORECASE)
_UNKNOWN: Final = (500, 501, 502, 504)
T = TypeVar("T")


class Entry(NamedTuple):
    """A file: its name, bytes (-1: unknown), and when it was changed, as text that only a change changes."""

    name: str
    size: int
    changed: str


class Said(NamedTuple):
    """What a server answered: the code and the text of the last line."""

    code: int
    text: str


class Unreadable(Malformed):
    """This file cannot be had as it is, because it is too large or may not be read; others can."""


class Ftp:
    """A session. `wait` is how many seconds each step may last. It has one owner."""

    def __init__(self, host: str, port: int, *, wait: float) -> None:
        self._host, self._port, self._wait = host, port, wait
        self.name = f"ftp://{host}:{port}"
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self, user: str, password: str) -> None:
        """Connect and log in. Raises Unreachable, Malformed, and Denied when user or password are refused."""
        self._reader, self._writer = await self._timed(self._connect(self._port))
        await self._timed(self._welcome())
        said = await self._command(f"USER {user}")
        if said.code == 331:
            said = await self._command(f"PASS {password}")
        if said.code == _REFUSED and _FULL.search(said.text):
            raise Unreachable(f"{self.name} has no room for another client: {said.text[:200]}")
        if said.code == _REFUSED:
            raise Denied(f"{self.name} refuses the user {user} and its password")
        self._good(said, 230, "to log in")
        self._good(await self._command("TYPE I"), 200, "to send files as they are")

    async def close(self) -> None:
        """Close the connection."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            await _closed(writer)

    async def enter(self, folder: str) -> None:
        """Change to a folder. Raises Misconfigured when there is none."""
        said = await self._command(f"CWD {folder}")
        if said.code == _MISSING:
            raise Misconfigured(f"{self.name} has no folder {folder!r}: {said.text}")
        self._good(said, 250, f"to change to {folder!r}")

    async def files(self) -> list[Entry]:
        """List the files of this folder, by name; what is no plain file, or has a name that cannot be sent, is left
        out. A server without MLSD is asked for the size and time of each.
        """
        listing = await self._fetch("MLSD", MOST_FILES * 256)
        if listing is not None:
            found = [_entry(line) for line in _lines(listing)]
            return sorted(entry for entry in found if entry is not None)
        listing = await self._fetch("NLST", 1 << 22) or b""
        names = {line.replace("\\", "/").rpartition("/")[2] for line in _lines(listing)}
        return [await self._asked(name) for name in sorted(names) if _can_be_sent(name)]

    async def fetch(self, name: str, limit: int) -> bytes | None:
        """Return the bytes of a file; None: it has left. Raises Malformed when there are more than `limit`."""
        return await self._fetch(f"RETR {name}", limit)

    async def remove(self, name: str) -> bool:
        """Delete a file; False: the server does not want to."""
        return (await self._command(f"DELE {name}")).code == 250

    # --- below: one step each ---

    async def _asked(self, name: str) -> Entry:
        size, changed = await self._command(f"SIZE {name}"), await self._command(f"MDTM {name}")
        return Entry(
            name,
            int(size.text) if size.code == 213 and size.text.isdecimal() and len(size.text) < 18 else -1,
            changed.text if changed.code == 213 else "",
        )

    async def _fetch(self, command: str, limit: int) -> bytes | None:
        """Send a command and take what it sends; None: it is unknown, or there is no such file."""
        reader, writer = await self._timed(self._connect(await self._passive()))
        try:
            said = await self._command(command)
            if said.code == _MISSING or said.code in _UNKNOWN:
                return None
            if said.code not in (125, 150):
                raise self._odd(said, f"to {command}")
            content = bytearray()
            while piece := await self._timed(reader.read(1 << 16)):
                content += piece
                if len(content) > limit:
                    await self.close()  # what is still to come would stand before the next answer
                    raise Unreadable(f"{self.name} sends more than {limit} bytes for {command}")
        finally:
            await _closed(writer)
        said = await self._timed(self._answer())
        if said.code not in (226, 250):
            raise self._odd(said, f"to {command}")
        return bytes(content)

    async def _passive(self) -> int:
        said = await self._command("EPSV")
        if said.code == 229 and (match := _EPSV.search(said.text)):
            return int(match[2])
        said = await self._command("PASV")
        if said.code == 227 and (match := _PASV.search(said.text)):
            return int(match[5]) * 256 + int(match[6])
        raise self._odd(said, "to open a port for data")

    async def _command(self, line: str) -> Said:
        if self._writer is None:
            raise Unreachable(f"{self.name} is not open")
        if not line.isprintable():
            raise Misconfigured(f"{self.name}: a name or password holds what FTP cannot send")
        self._writer.write(line.encode("utf-8", "surrogateescape") + b"\r\n")
        return await self._timed(self._answer())

    async def _welcome(self) -> Said:
        said = await self._answer()
        while said.code == 120:  # ready in some minutes
            said = await self._answer()
        return self._good(said, 220, "to a new connection")

    async def _answer(self) -> Said:
        if self._reader is None:
            raise Unreachable(f"{self.name} is not open")
        first = ""
        for _ in range(_MOST_LINES):
            try:
                line = await self._reader.readline()
            except ValueError as error:
                raise Malformed(f"{self.name} answers a line without an end") from error
            if not line.endswith(b"\n"):
                raise Unreachable(f"{self.name} has closed the connection")
            match = _CODE.match(line)
            code = match[1].decode() if match else ""
            if match and match[2] == b" " and code == (first or code):
                return Said(int(code), match[3].decode("utf-8", "replace").strip())
            if not first and not match:
                raise Malformed(f"{self.name} answers what is no FTP")
            first = first or code
        raise Malformed(f"{self.name} does not come to the end of an answer")

    async def _connect(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not 0 < port < 65_536:
            raise Malformed(f"{self.name} opens port {port} for data, which is none")
        return await asyncio.open_connection(self._host, port, limit=_LINE)

    async def _timed(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            async with asyncio.timeout(self._wait):
                return await work
        except TimeoutError as error:
            raise Unreachable(f"{self.name} says nothing for {self._wait:g} s") from error
        except (OSError, UnicodeError) as error:  # a name that no resolver takes is the latter
            raise Unreachable(f"{self.name} cannot be reached: {reason(error)}") from error

    def _good(self, said: Said, code: int, asked: str) -> Said:
        if said.code != code:
            raise self._odd(said, asked)
        return said

    def _odd(self, said: Said, asked: str) -> Malformed:
        return Malformed(f"{self.name} answers {said.code} {said.text[:200]!r} {asked}")


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):  # the other side was quicker, or ruder
        await writer.wait_closed()


def _lines(content: bytes) -> list[str]:
    return [line for line in content.decode("utf-8", "surrogateescape").splitlines()[:MOST_FILES] if line]


def _entry(line: str) -> Entry | None:
    """Read a line of MLSD: `type=file;size=1234;modify=20170717070400; name`; None: no file that can be fetched."""
    told, _, name = line.partition(" ")
    facts = {key.lower(): value for key, _, value in (fact.partition("=") for fact in told.split(";"))}
    if facts.get("type", "").lower() != "file" or not _can_be_sent(name):
        return None
    size = facts.get("size", "")
    return Entry(name, int(size) if size.isdecimal() and len(size) < 18 else -1, facts.get("modify", ""))


def _can_be_sent(name: str) -> bool:
    return bool(name) and name.isprintable() and "/" not in name

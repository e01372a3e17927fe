"""Files of rows that a logger leaves on an FTP server or in a folder, as energyrecorder's `csvftp` reads them.

    listed ──the same for `settle` seconds──▶ read ──stored──▶ remembered, and deleted where `purge` says so

A file is told once. One that grew is told from where it ended. It is deleted only when the store has its rows, and only
if it is still the file that was read.
"""

import asyncio
import fnmatch
import logging
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from msgspec import field

from wattline.drivers.csvftp.memory import Mark, load, save
from wattline.drivers.csvftp.rows import METRICS, Rows, parse, timezone_of
from wattline.drivers.csvftp.shelf import Folder, Shelf, open_ftp
from wattline.plugin import Device, DriverConfig, Frame, Layout, Malformed, Polled, Secret, Unreachable, Url
from wattline.units import NANOSECONDS
from wattline.wire.ftp import Entry, Ftp, Unreadable

_LARGE: Final = 256 * 1024
"""Bytes from which a file is parsed off the event loop."""
_BOUNDS: Final = (
    ("port", 1, 65_535), ("settle", 0, 86_400), ("max_files", 1, 100_000), ("wait", 0.001, 3600),
    ("limit_mib", 0.001, 1024),
)  # fmt: skip
_UNSAFE: Final = 256
"""Answers whose fate is not known yet."""

log = logging.getLogger(__name__)


class CsvFtpConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a folder of files; without `host` it is one of this machine."""

    host: str = ""
    port: int = 21
    user: str = "anonymous"
    password: Secret = field(default_factory=lambda: Secret("anonymous@"))
    root_dir: str = ""
    file_filter: str = "*"
    encoding: str = "utf8"
    tz: str = ""
    settle: float = 30.0
    max_files: int = 16
    purge: bool = False
    remember: str = ""
    wait: float = 20.0
    limit_mib: float = 32.0

    def __post_init__(self) -> None:
        if not self.host and not self.root_dir:
            raise ValueError("give a `host`, or a folder of this machine as `root_dir`")
        for name, least, most in _BOUNDS:
            if not least <= getattr(self, name) <= most:  # not so either of what is no number
                raise ValueError(f"`{name}` lies between {least} and {most}")
        try:
            is_known = "\n".encode(self.encoding) == b"\n"
        except LookupError:
            is_known = False
        if not is_known:
            raise ValueError(f"`encoding`: {self.encoding!r} is none, or ends lines with more than one byte")
        if self.tz and timezone_of(self.tz) is None:
            raise ValueError(f"`tz`: {self.tz!r} is none of +HHMM, +HH:MM, Z, UTC, Area/City")

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `csvftp://user:password@host:21/folder?purge=true`, or `csvftp:///folder/of/this/machine`."""
        given: dict[str, Any] = {"host": url.host, "root_dir": url.path if url.host else f"/{url.path}"}
        given |= {"port": url.port} if url.port else {}
        given |= {"user": url.user.reveal()} if url.user else {}
        given |= {"password": url.password} if url.password else {}
        return cls.of(f"{url.scheme}://{url.host}", given | dict(url.options))


class CsvFtp(Polled[CsvFtpConfig]):
    """Looks for new files at every poll and reads at most `max_files`, the oldest first."""

    Config = CsvFtpConfig
    summary = "CSV files of data loggers, on an FTP server or in a folder"
    metrics = tuple(METRICS.values())
    example = "csvftp://logger:secret@logger-1/data"

    def __init__(self, config: CsvFtpConfig) -> None:
        super().__init__(config)
        self.name = config.device or config.host or Path(config.root_dir).name or "csv"
        self._shelf: Shelf | None = None
        self._first_seen: dict[str, tuple[Entry, int]] = {}
        self._read: dict[str, Mark] = {}
        self._safe: dict[str, Mark] = {}
        self._unsafe: deque[tuple[Sequence[Frame], dict[str, Mark]]] = deque(maxlen=_UNSAFE)

    async def open(self) -> Sequence[Layout]:
        """Log in, or look at the folder; what was remembered is read once."""
        config = self.config
        if config.remember and not self._read:
            self._safe = await asyncio.to_thread(load, Path(config.remember))
            self._read = dict(self._safe)
        if config.host:
            ftp = Ftp(config.host, config.port, wait=config.wait)
            self._shelf = await open_ftp(ftp, config.root_dir, config.user, config.password.reveal())
        else:
            self._shelf = Folder(Path(config.root_dir))
            await self._shelf.files()
        return []

    async def read(self, now: int) -> Sequence[Frame]:
        """Read files that are new and have settled; delete those that are safe."""
        shelf = self._open_shelf()
        listed = {
            entry.name: entry for entry in await shelf.files() if fnmatch.fnmatch(entry.name, self.config.file_filter)
        }
        for marks in (self._read, self._safe):
            for name in [name for name in marks if name not in listed]:
                del marks[name]
        await self._purge(listed)
        frames: list[Frame] = []
        fresh: dict[str, Mark] = {}
        held: dict[str, Mark] = {}
        empty: dict[str, Mark] = {}
        for entry in self._due(listed, now):
            content = await self._fetch(shelf, entry)
            if content is None:
                continue
            mark = Mark.of(entry, content)
            rows = await self._rows(entry.name, content)
            if rows is not None and not rows.bad and not len(rows.time):
                empty[entry.name] = mark  # it holds nothing that could be lost
            elif rows is not None and rows.present.any():
                held[entry.name] = mark
                layout = Layout.of(rows.series, rows.columns, devices=[Device(self.name)])
                frames.append(Frame(layout, rows.values, rows.time, None if rows.present.all() else rows.present))
            fresh[entry.name] = mark
        self._read |= fresh  # here alone: of a poll that fails nothing was told
        self._safe |= empty
        if frames:
            self._unsafe.append((frames, held))
        return frames

    async def stored(self, frames: Sequence[Frame]) -> None:
        """Remember the files of an answer that is safe; they are deleted at the next poll where that is wanted."""
        for marks in [marks for answer, marks in self._unsafe if answer is frames]:
            self._safe |= marks
        self._unsafe = deque((one for one in self._unsafe if one[0] is not frames), _UNSAFE)
        if self.config.remember:
            await asyncio.to_thread(save, Path(self.config.remember), self._safe)

    async def close(self) -> None:
        """Close the connection."""
        if self._shelf is not None:
            shelf, self._shelf = self._shelf, None
            await shelf.close()

    def _open_shelf(self) -> Shelf:
        if self._shelf is None:
            raise Unreachable(f"{self.name} is not open")
        return self._shelf

    def _due(self, listed: dict[str, Entry], now: int) -> list[Entry]:
        """Return the files to be read now: not as they were read, and the same for `settle` seconds."""
        new = [entry for name, entry in listed.items() if name not in self._read or not self._read[name].matches(entry)]
        seen = {}
        for entry in new:
            before, since = self._first_seen.get(entry.name, (entry, now))
            seen[entry.name] = (entry, since if before == entry else now)
        self._first_seen = seen
        settled = [entry for entry in new if now - seen[entry.name][1] >= self.config.settle * NANOSECONDS]
        return sorted(settled, key=lambda entry: (entry.changed, entry.name))[: self.config.max_files]

    async def _purge(self, listed: dict[str, Entry]) -> None:
        for name, mark in list(self._safe.items()) if self.config.purge else ():
            if mark.matches(listed[name]) and await self._open_shelf().remove(name):
                del self._safe[name], listed[name]
                self._read.pop(name, None)

    async def _fetch(self, shelf: Shelf, entry: Entry) -> bytes | None:
        """Return a file, nothing of one that is too large or may not be read; None: it has left."""
        limit = int(self.config.limit_mib * 2**20)
        if entry.size > limit:
            log.warning("%s: %s is left out: it holds more than %d bytes", self.name, entry.name, limit)
            return b""
        try:
            return await shelf.fetch(entry.name, limit)
        except Unreadable as error:
            log.warning("%s: %s is left out: %s", self.name, entry.name, error)
            return b""

    async def _rows(self, name: str, content: bytes) -> Rows | None:
        """Return what is new in a file; None: it means nothing."""
        if not content:  # nothing yet, or it was left out
            return None
        before = self._read.get(name)
        start = before.end(content) if before is not None else 0
        try:
            if len(content) < _LARGE:
                rows = self._parse(content, start)
            else:
                rows = await asyncio.to_thread(self._parse, content, start)
        except Malformed as error:
            log.warning("%s: %s is left out: %s", self.name, name, error)
            return None
        if rows.bad:
            log.warning("%s: %d rows of %s mean nothing, the first is %r", self.name, rows.bad, name, rows.complaint)
        return rows

    def _parse(self, content: bytes, start: int) -> Rows:
        return parse(content, encoding=self.config.encoding, device=self.name, zone=self.config.tz, start=start)

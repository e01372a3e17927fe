"""Where the files lie: an FTP server's folder, or one of this machine."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Protocol

from wattline.plugin import Misconfigured, Unreachable
from wattline.wire.ftp import MOST_FILES, Entry, Ftp, Unreadable


class Shelf(Protocol):
    """A folder of files that are only read, and deleted when they are safe."""

    async def files(self) -> list[Entry]:
        """List the files."""

    async def fetch(self, name: str, limit: int) -> bytes | None:
        """Return the bytes of a file, at most `limit`; None: it has left. Raises Unreadable: there are more."""

    async def remove(self, name: str) -> bool:
        """Delete a file; False: it may not be deleted."""

    async def close(self) -> None:
        """Let go."""


async def open_ftp(ftp: Ftp, folder: str, user: str, password: str) -> Ftp:
    """Log in and change to the folder. Closes the connection when that fails."""
    try:
        await ftp.open(user, password)
        if folder:
            await ftp.enter(folder)
    except BaseException:
        await ftp.close()
        raise
    return ftp


class Folder:
    """A folder of this machine; what blocks is done in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def files(self) -> list[Entry]:
        """See `Shelf`. Raises Misconfigured when there is no such folder, or it may not be read."""
        return await asyncio.to_thread(self._files)

    async def fetch(self, name: str, limit: int) -> bytes | None:
        """See `Shelf`."""
        return await asyncio.to_thread(self._fetch, name, limit)

    async def remove(self, name: str) -> bool:
        """See `Shelf`."""
        try:
            await asyncio.to_thread(os.unlink, self._path / name)
        except OSError:
            return False
        return True

    async def close(self) -> None:
        """Nothing is kept open."""

    def _files(self) -> list[Entry]:
        found: list[Entry] = []
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):  # a link in a circle, a file that has just left
                        if len(found) < MOST_FILES and entry.is_file():
                            stat = entry.stat()
                            found.append(Entry(entry.name, stat.st_size, str(stat.st_mtime_ns)))
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise Misconfigured(f"{self._path}: {error.strerror}") from error
        except OSError as error:
            raise Unreachable(f"{self._path}: {error.strerror}") from error
        return sorted(found)

    def _fetch(self, name: str, limit: int) -> bytes | None:
        path = self._path / name
        try:
            with path.open("rb") as file:
                content = file.read(limit + 1)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            raise Unreadable(f"{path}: {error.strerror}") from error
        except OSError as error:
            raise Unreachable(f"{path}: {error.strerror}") from error
        if len(content) > limit:
            raise Unreadable(f"{path} holds more than {limit} bytes")
        return content

"""What was read of which file: so that nothing is told twice, and a file that grows is read from where it ended."""

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from wattline.plugin import Misconfigured, Unreachable
from wattline.wire.ftp import Entry

_MARKS: Final = 100_000


class Mark(Struct, frozen=True):
    """A file as it was read: its size and time of change, how many bytes, and what they were."""

    size: int
    changed: str
    length: int
    digest: str

    @classmethod
    def of(cls, entry: Entry, content: bytes) -> "Mark":
        """Return the mark of a file that was read whole."""
        return cls(entry.size, entry.changed, len(content), _digest(content))

    def matches(self, entry: Entry) -> bool:
        """Say whether a file is as it was."""
        return (self.size, self.changed) == (entry.size, entry.changed)

    def end(self, content: bytes) -> int:
        """Return where unread bytes begin: 0, unless the content begins as it was. A last line that had no end is read
        again.
        """
        if len(content) < self.length or _digest(content[: self.length]) != self.digest:
            return 0
        return content.rfind(b"\n", 0, self.length) + 1


def load(path: Path) -> dict[str, Mark]:
    """Return the marks of a file that `save` wrote, none where there is no file. Raises Misconfigured."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Mark])
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Misconfigured(f"remember: {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Misconfigured(f"remember: {path} was not written by this driver: {error}") from error


def save(path: Path, marks: dict[str, Mark]) -> None:
    """Write marks, whole or not at all. Raises Unreachable: they cannot be written now."""
    try:
        beside = path.with_name(f"{path.name}.new")
        with beside.open("wb") as file:
            file.write(msgspec.json.encode(dict(list(marks.items())[-_MARKS:])))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise Unreachable(f"remember: {path}: {error.strerror}") from error


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()

"""The static pages as they lie in the package: read once, sent with an ETag, looked for nowhere else."""

import hashlib
import mimetypes
from importlib import resources
from pathlib import Path
from typing import Final

from msgspec import Struct

ROOT: Final = Path(str(resources.files("wattline.web"))) / "static"

_TYPES: Final = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".html": "text/html"}


class Page(Struct, frozen=True):
    """One file: its bytes, its media type, and a tag that changes with every byte."""

    body: bytes
    media_type: str
    tag: str
    modified: int


class Pages:
    """Files under a folder, kept in memory until they change on disk."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root.resolve()
        self._kept: dict[str, Page] = {}

    def find(self, name: str) -> Page | None:
        """Return the file with a relative name; None where there is none, also for names that lead elsewhere."""
        path = self._path(name)
        if path is None:
            return None
        modified = path.stat().st_mtime_ns
        kept = self._kept.get(name)
        if kept is None or kept.modified != modified:
            kept = self._kept[name] = _read(path, modified)
        return kept

    def _path(self, name: str) -> Path | None:
        if "\x00" in name or any(part.startswith(".") for part in name.split("/")):
            return None
        try:
            path = (self._root / name).resolve()
            return path if path.is_relative_to(self._root) and path.is_file() else None
        except OSError:  # a name longer than the file system takes
            return None


def _read(path: Path, modified: int) -> Page:
    body = path.read_bytes()
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Page(body, kind, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"', modified)

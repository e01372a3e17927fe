"""The formats of files, told by their names: `.parquet`, `.arrow`, `.csv[.gz|.zst]`, `.ndjson[.gz|.zst]`."""

import enum
from pathlib import PurePath
from typing import Final

from wattline.errors import Misconfigured


class Format(enum.StrEnum):
    """How a file is written."""

    PARQUET = "parquet"
    ARROW = "arrow"
    CSV = "csv"
    NDJSON = "ndjson"


_ENDINGS: Final = {
    ".parquet": Format.PARQUET, ".pq": Format.PARQUET,
    ".arrow": Format.ARROW, ".arrows": Format.ARROW, ".ipc": Format.ARROW, ".feather": Format.ARROW,
    ".csv": Format.CSV,
    ".ndjson": Format.NDJSON, ".jsonl": Format.NDJSON,
}  # fmt: skip
_COMPRESSION: Final = {".gz": "gzip", ".zst": "zstd"}


def compression_of(name: str) -> str | None:
    """Return `gzip`, `zstd` or None, by the end of a name."""
    return _COMPRESSION.get(PurePath(name).suffix.lower())


def format_of(name: str) -> Format:
    """Return the format of a file by its name. Raises Misconfigured, naming the endings that are known."""
    path = PurePath(name)
    if compression_of(name):
        path = PurePath(path.stem)
    found = _ENDINGS.get(path.suffix.lower())
    if found is None:
        known = ", ".join([*_ENDINGS, *(f".csv{end}" for end in _COMPRESSION)])
        raise Misconfigured(f"{name}: no format is known by that ending ({known}); say which with --format")
    if compression_of(name) and found in (Format.PARQUET, Format.ARROW):
        raise Misconfigured(f"{name}: {found} is compressed within, and not again around")
    return found

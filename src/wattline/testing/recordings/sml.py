"""Recorded SML of household meters: files of hexadecimal digits in a folder `sml`."""

from pathlib import Path

from wattline.drivers.sml.driver import Sml, SmlConfig
from wattline.testing.recordings.pushed import first_words
from wattline.testing.recordings.reading import Reading


def matches(path: Path) -> bool:
    """Say whether a file is such a recording."""
    return path.suffix == ".hex" and path.parent.name == "sml"


def readings(path: Path) -> list[Reading]:
    """Return what our driver reads first; nothing, where no file in the recording is whole."""
    digits = "".join(path.read_text().split())
    said = bytes.fromhex(digits[: len(digits) // 2 * 2])
    return first_words(said, lambda line: Sml(SmlConfig(line=line, device=path.stem, wait=2)))

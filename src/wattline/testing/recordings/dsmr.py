"""Recorded P1 telegrams: text files in a folder `dsmr`. Their ends of lines and their CRC are made true again."""

from pathlib import Path

from wattline.drivers.dsmr.driver import Dsmr, DsmrConfig
from wattline.testing.recordings.pushed import first_words
from wattline.testing.recordings.reading import Reading
from wattline.wire.p1 import crc16


def matches(path: Path) -> bool:
    """Say whether a file is such a recording."""
    return path.suffix == ".txt" and path.parent.name == "dsmr" and path.read_bytes().startswith(b"/")


def readings(path: Path) -> list[Reading]:
    """Return what our driver reads."""
    return first_words(telegram(path.read_bytes()), lambda line: Dsmr(DsmrConfig(line=line, device=path.stem, wait=2)))


def telegram(recorded: bytes) -> bytes:
    """Return a telegram as a meter sends it: lines end with CR LF, and a CRC is that of its bytes."""
    text, mark, rest = recorded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").partition(b"\r\n!")
    check, _, behind = rest.partition(b"\r\n")
    said = text + mark
    return said + (b"%04X" % crc16(said) if check.strip() else b"") + b"\r\n" + behind

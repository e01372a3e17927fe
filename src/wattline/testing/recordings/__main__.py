"""`python -m wattline.testing.recordings FOLDER`: read every recording below a folder and compare.

Ends with 1 when a known value is neither matched nor explained, with 2 when a file cannot be understood.
"""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

from wattline.errors import WattlineError
from wattline.testing.recordings.reading import Reading
from wattline.testing.recordings.table import Line, compared, failed, known_of, reasons_of, table

KINDS: Final = ("snmprec", "redfish", "dsmr", "sml", "mbus", "nut", "nvidia", "pages")
"""Modules of this package, in the order in which they are asked whether a file is theirs."""


_BROKEN: Final = (ValueError, LookupError, TypeError, SyntaxError, OSError, WattlineError)
"""What a damaged recording raises somewhere: it costs itself, and the others are read."""


class Kind(Protocol):
    """What a module of this package has."""

    matches: Callable[[Path], bool]
    readings: Callable[[Path], list[Reading]]


def main() -> int:
    """Print the table of a folder."""
    parser = argparse.ArgumentParser(prog="python -m wattline.testing.recordings")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--explained", type=Path, help="YAML: known values that are wrong, with the reason")
    given = parser.parse_args()
    if not given.folder.is_dir():
        parser.error(f"{given.folder} is no folder")
    try:
        lines, broken = _lines(given.folder, given.explained)
    except WattlineError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.writelines(f"{text}\n" for text in table(lines, markdown=given.markdown))
    return 2 if broken else int(failed(lines))


def _lines(folder: Path, explained: Path | None) -> tuple[list[Line], int]:
    """Return the lines of all recordings, and how many of these are broken, each of which is told of."""
    kinds = [cast("Kind", import_module(f"{__package__}.{name}")) for name in KINDS]
    reasons = reasons_of(explained)
    lines: list[Line] = []
    broken = 0
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder).with_suffix(""))
        try:
            kind = next((kind for kind in kinds if kind.matches(path)), None)
            if kind is None:
                continue
            ours = kind.readings(path)
        except _BROKEN as error:
            sys.stderr.write(f"{name} is left out, it is broken: {error}\n")
            broken += 1
            continue
        lines += compared(known_of(path, name), ours, reasons)
    return lines, broken


if __name__ == "__main__":
    sys.exit(main())

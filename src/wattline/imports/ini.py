"""Files in the form of oslo.config: sections, `name = value`, values that go on in indented lines, names that repeat.

Each section and each value knows its line. A line that is none of these is told of, and costs nothing else.
"""

import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from wattline.errors import Misconfigured

_HEADER: Final = re.compile(r"\[([^\]]*)\]\s*(?:[#;].*)?")
_ENTRY: Final = re.compile(r"([^\s=:#;\[][^=:]*?)\s*[=:]\s*(.*)", re.DOTALL)
_COMMENT: Final = ("#", ";")
_QUOTED: Final = re.compile(r"""(['"])(.*)\1""", re.DOTALL)
DEFAULT: Final = "DEFAULT"


class Value(Struct):
    """One value: its text, and the line on which it begins."""

    text: str
    line: int


class Section(Struct):
    """One section: a repeated name has several values, in order."""

    name: str
    line: int
    values: dict[str, list[Value]]

    def last(self, name: str) -> Value | None:
        """Return the value that counts: the last one."""
        return self.values[name][-1] if name in self.values else None


def text_of(path: Path, longest: int) -> str:
    """Return a file as text. Raises Misconfigured: it cannot be read, is no UTF-8, or is longer than that (bytes)."""
    try:
        with path.open("rb") as file:
            raw = file.read(longest + 1)
        if len(raw) > longest:
            raise Misconfigured(f"{path} is larger than {longest >> 20} MiB")
        return raw.decode()
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is no UTF-8 text: byte {error.start} is wrong") from error


def read_ini(text: str) -> tuple[list[Section], list[tuple[int, str]]]:
    """Return the sections in order (what stands before the first is of DEFAULT), and lines that mean nothing."""
    sections = {DEFAULT: Section(DEFAULT, 1, {})}
    odd: list[tuple[int, str]] = []
    here, open_value = sections[DEFAULT], None
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.strip()
        if not bare or bare.startswith(_COMMENT):
            open_value = None if not bare else open_value
        elif line[0].isspace() and open_value is not None:
            open_value.text += f"\n{bare}"
        elif header := _HEADER.fullmatch(bare):
            name, open_value = header[1].strip(), None
            here = sections.setdefault(name, Section(name, number, {}))
        elif entry := _ENTRY.fullmatch(bare):
            open_value = Value(entry[2], number)
            here.values.setdefault(entry[1], []).append(open_value)
        else:
            odd.append((number, "is neither a [section] nor a `name = value`"))
            open_value = None
    for section in sections.values():
        for value in (value for values in section.values.values() for value in values):
            if quoted := _QUOTED.fullmatch(value.text):
                value.text = quoted[2]
    return list(sections.values()), odd

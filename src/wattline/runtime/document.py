"""A YAML document that can tell the line of every value, so that a fault can name it."""

from collections.abc import Hashable
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

from wattline.runtime.plain import Loader, Place, Reader, Unreadable, line_of

__all__ = ["Document", "Fault", "Place", "written"]

_LARGEST: Final = 4 * 1024 * 1024


class Fault(Struct, frozen=True):
    """What is wrong, where: `place` as people write it (`meters[2].every`), `line` from 1 or 0 where none is known."""

    place: str
    text: str
    line: int = 0
    file: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        at = f" ({f'{self.file}, ' if self.file else ''}line {self.line})" if self.line else ""
        return f"{where}{self.text}{at or (f' ({self.file})' if self.file else '')}"


class Document:
    """What a text says as plain dicts, lists and scalars in `root`; `faults` grows as it is read and understood."""

    def __init__(self, root: Any, file: str = "", text: str = "") -> None:
        self.root = root
        self.file = file
        self.faults: list[Fault] = []
        self.made: dict[Hashable, Any] = {}
        """What was made of it without a fault, by type and text: what is written alike is made once."""
        self._text = text

    @classmethod
    def parse(cls, text: str, file: str = "") -> "Document":
        """Read a text; what is wrong with it stands in `faults`, and what could be read in `root`."""
        document = cls(None, file, text)
        try:
            document.root = Reader(text, document._note).root()
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            document._note((), f"this is no YAML: the character U+{error.character:04X}", line)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "cannot be read"
            document._note((), f"this is no YAML: {problem}", mark.line + 1 if mark else 0)
        except RecursionError:
            document._note((), "lists and mappings are nested too deeply", 0)
        except Unreadable as error:
            document._note((), str(error), error.line)
        return document

    @classmethod
    def read(cls, path: Path) -> "Document":
        """Read a file; one that cannot be read is a fault."""
        document = cls(None, str(path))
        try:
            with path.open("rb") as file:
                raw = file.read(_LARGEST + 1)
            text = raw.decode()
        except OSError as error:
            document.faults.append(Fault("", f"{path} cannot be read: {error.strerror or error}"))
        except UnicodeDecodeError as error:
            document.faults.append(Fault("", f"{path} is no UTF-8 text: byte {error.start} is wrong"))
        else:
            if len(raw) <= _LARGEST:
                return cls.parse(text, str(path))
            document.faults.append(Fault("", f"{path} is larger than {_LARGEST >> 20} MiB"))
        return document

    def fault(self, place: Place, text: str) -> None:
        """Note what is wrong at a place; a place that is not in the text has the line of what would contain it."""
        self._note(place, text, self.line(place))

    def line(self, place: Place) -> int:
        """Return the line of a place, from 1; 0 where none is known."""
        return line_of(self._nodes, place)

    @cached_property
    def _nodes(self) -> yaml.Node | None:
        """The text as a tree that knows its lines: made when first asked, since most documents have no fault."""
        try:
            node: yaml.Node | None = Loader(self._text).get_single_node()
        except (yaml.YAMLError, RecursionError):  # which was told when it was read
            return None
        return node

    def _note(self, place: Place, text: str, line: int) -> None:
        self.faults.append(Fault(written(place), text, line, self.file))


def written(place: Place) -> str:
    """Return a place as people write it: `meters[2].oids[0].unit`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{step}"
    return text

"""A YAML document that knows the line of every value, so that a fault can name it.

YAML 1.1 as PyYAML's safe loader reads it, and stricter: a key that stands twice is a fault, as is an anchor that
contains itself, and more values than any site has: a few aliases of aliases can say a thousand million.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

Place = tuple[str | int, ...]
"""Where a value stands: keys and indices from the root."""

_LARGEST: Final = 4 * 1024 * 1024
_MOST: Final = 500_000
"""Values and merged keys of a document, each alias counted as what it stands for."""


class _TooMuch(Exception):
    """A document says more than it has text for."""


_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where it is, which is ten times as quick."""


class _Loader(_Safe):  # type: ignore[misc]  # which of the two it is, is known at run time
    """The safe loader, counting what merge keys bring before they are merged."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge, as YAML 1.1 says. Raises _TooMuch."""
        super().flatten_mapping(node)
        self.merged += len(node.value)
        if self.merged > _MOST:
            raise _TooMuch


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

    def __init__(self, root: Any, file: str = "") -> None:
        self.root = root
        self.file = file
        self.faults: list[Fault] = []
        self.lines: dict[Place, int] = {}
        self.made: dict[Hashable, Any] = {}
        """What was made of it without a fault, by type and text: what is written alike is made once."""
        self._values = 0

    @classmethod
    def parse(cls, text: str, file: str = "") -> "Document":
        """Read a text; what is wrong with it stands in `faults`, and what could be read in `root`."""
        document = cls(None, file)
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
            if node is not None:
                document.root = document._plain(loader, node, (), set())
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            document.faults.append(Fault("", f"this is no YAML: the character U+{error.character:04X}", line, file))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "cannot be read"
            document.faults.append(Fault("", f"this is no YAML: {problem}", mark.line + 1 if mark else 0, file))
        except RecursionError:
            document.faults.append(Fault("", "lists and mappings are nested too deeply", 0, file))
        except _TooMuch:
            document.faults.append(
                Fault("", f"says more than {_MOST} values, with what its aliases stand for", 0, file)
            )
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
        known = place
        while known and known not in self.lines:
            known = known[:-1]
        self.faults.append(Fault(written(place), text, self.lines.get(known, 0), self.file))

    def _plain(self, loader: yaml.SafeLoader, node: yaml.Node, place: Place, within: set[int]) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        self._values += 1
        if self._values > _MOST:
            raise _TooMuch
        if id(node) in within:
            self.fault(place, "an anchor contains itself")
            return None
        within.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(loader, node, place, within)
            if isinstance(node, yaml.SequenceNode):
                return [self._plain(loader, each, (*place, i), within) for i, each in enumerate(node.value)]
            return loader.construct_object(node)
        except yaml.constructor.ConstructorError as error:
            self.fault(place, error.problem or str(error))
            return None
        except (ValueError, ArithmeticError, LookupError, AttributeError):  # as the tag finds it; it may be a secret
            self.fault(place, f"is no {node.tag.rpartition(':')[2]} of YAML")
            return None
        finally:
            within.discard(id(node))

    def _mapping(
        self, loader: yaml.SafeLoader, node: yaml.MappingNode, place: Place, within: set[int]
    ) -> dict[str, Any]:
        first: dict[Hashable, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in first and key.tag != "tag:yaml.org,2002:merge":
                self.lines[*place, str(key.value)] = line
                self.fault((*place, str(key.value)), f"stands twice, first on line {first[key.value]}")
            else:
                first[key.value] = line
        loader.flatten_mapping(node)
        plain: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fault(place, "a key is a list or a mapping")
                continue
            name = str(key.value)
            self.lines[*place, name] = key.start_mark.line + 1
            plain[name] = self._plain(loader, value, (*place, name), within)
        return plain


def written(place: Place) -> str:
    """Return a place as people write it: `meters[2].oids[0].unit`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{step}"
    return text

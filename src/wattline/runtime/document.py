"""A YAML document that knows the line of every value, so that a fault can name it.

YAML 1.1 as PyYAML's safe loader reads it, and stricter: a key that stands twice is a fault, as is an anchor that
contains itself.
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec import Struct

Place = tuple[str | int, ...]
"""Where a value stands: keys and indices from the root."""

_LARGEST: Final = 16 * 1024 * 1024


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

    @classmethod
    def parse(cls, text: str, file: str = "") -> "Document":
        """Read a text; what is wrong with it stands in `faults`, and what could be read in `root`."""
        document = cls(None, file)
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                document.root = document._plain(loader, node, (), set())
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or "cannot be read"
            document.faults.append(Fault("", f"this is no YAML: {problem}", mark.line + 1 if mark else 0, file))
        finally:
            loader.dispose()
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
        except (ValueError, yaml.constructor.ConstructorError) as error:
            self.fault(place, getattr(error, "problem", None) or str(error))
            return None
        finally:
            within.discard(id(node))

    def _mapping(
        self, loader: yaml.SafeLoader, node: yaml.MappingNode, place: Place, within: set[int]
    ) -> dict[str, Any]:
        first: dict[Hashable, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in first and isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                self.lines[*place, str(key.value)] = line
                self.fault((*place, str(key.value)), f"stands twice, first on line {first[key.value]}")
            elif isinstance(key, yaml.ScalarNode):
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

"""A YAML text as plain values, read event by event: no tree of it stands in memory beside the meters of a large site.

YAML 1.1 as PyYAML's safe loader reads it, and stricter: a key that stands twice is a fault, as is an anchor that
contains itself, and more values than any site has: a few aliases of aliases can say a thousand million.
What an alias stands for is the value itself, not a copy.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import yaml
from msgspec import Struct

Place = tuple[str | int, ...]
"""Where a value stands: keys and indices from the root."""

_MOST: Final = 500_000
"""Values and merged keys of a document, each alias counted as what it stands for."""
_MERGE: Final = "tag:yaml.org,2002:merge"
_TEXT: Final = "tag:yaml.org,2002:str"

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where it is, which is ten times as quick."""


class Unreadable(Exception):
    """What makes a whole text worth nothing, and the line of it; 0: none in particular."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(problem)
        self.line = line


class _Anchored(Struct):
    """What an anchor names: its value, how many values that is, and its text where it may be a key."""

    value: Any
    size: int
    text: str | None


_OPEN: Final = _Anchored(None, 0, None)
"""Stands for an anchor until its value ends: who names it within, names itself."""


class Reader:
    """Reads one text; what is wrong with a value, but leaves the rest readable, is told to `fault`, with its line."""

    def __init__(self, text: str, fault: Callable[[Place, str, int], None]) -> None:
        self._loader = Loader(text)
        self._fault = fault
        self._place: list[str | int] = []
        self._anchors: dict[str, _Anchored] = {}
        self._texts: dict[str, str] = {}
        self._values = 0

    def root(self) -> Any:
        """Return what the text says, None where it says nothing. Raises Unreadable, yaml.YAMLError, RecursionError."""
        self._loader.get_event()
        if isinstance(self._loader.get_event(), yaml.StreamEndEvent):
            return None
        root = self._value(self._loader.get_event())
        self._loader.get_event()
        if not isinstance(event := self._loader.get_event(), yaml.StreamEndEvent):
            raise Unreadable("this is no YAML: a second document begins here", _line(event))
        return root

    def _value(self, event: yaml.NodeEvent) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event).value
        before = self._values
        self._count(1)
        self._open(event)
        if isinstance(event, yaml.ScalarEvent):
            value, text = self._scalar(event), event.value
        else:
            value, text = self._list() if isinstance(event, yaml.SequenceStartEvent) else self._mapping(event), None
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, self._values - before, text)
        return value

    def _open(self, event: yaml.NodeEvent) -> None:
        if event.anchor in self._anchors:
            raise Unreadable(f"this is no YAML: the anchor {event.anchor!r} stands twice", _line(event))
        if event.anchor:
            self._anchors[event.anchor] = _OPEN

    def _count(self, more: int) -> None:
        self._values += more
        if self._values > _MOST:
            raise Unreadable(f"says more than {_MOST} values, with what its aliases stand for")

    def _alias(self, event: yaml.AliasEvent) -> _Anchored:
        anchored = self._anchors.get(event.anchor or "")
        if anchored is None:
            raise Unreadable(f"this is no YAML: there is no anchor {event.anchor!r}", _line(event))
        if anchored is _OPEN:
            self._tell("an anchor contains itself", event)
        self._count(anchored.size)
        return anchored

    def _tell(self, text: str, event: yaml.Event) -> None:
        self._fault(tuple(self._place), text, _line(event))

    def _tag(self, event: yaml.ScalarEvent) -> str:
        if event.tag is None or event.tag == "!":
            return str(self._loader.resolve(yaml.ScalarNode, event.value, event.implicit))
        return str(event.tag)

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        tag = self._tag(event)
        if tag == _TEXT:
            return self._text(event.value)
        try:
            return self._loader.construct_object(yaml.ScalarNode(tag, event.value))
        except yaml.constructor.ConstructorError as error:
            self._tell(error.problem or str(error), event)
        except (ValueError, ArithmeticError, LookupError, AttributeError):  # as the tag finds it; it may be a secret
            self._tell(f"is no {tag.rpartition(':')[2]} of YAML", event)
        finally:
            self._loader.constructed_objects.clear()
        return None

    def _text(self, text: str) -> str:
        """Return the text as it was met first: keys and units stand in every meter."""
        return self._texts.setdefault(text, text)

    def _list(self) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := self._loader.get_event(), yaml.SequenceEndEvent):
            self._place.append(len(values))
            values.append(self._value(event))
            self._place.pop()
        return values

    def _mapping(self, start: yaml.Event) -> dict[str, Any]:
        own: dict[str, Any] = {}
        first: dict[str, int] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := self._loader.get_event(), yaml.MappingEndEvent):
            key = self._key(event)
            if key is None:
                self._tell("a key is a list or a mapping", start)
                self._value(self._loader.get_event())
                continue
            self._place.append(key)
            if isinstance(event, yaml.ScalarEvent) and self._tag(event) == _MERGE:
                for each in self._merged(event):
                    merged |= each
            else:
                if key in first:
                    self._tell(f"stands twice, first on line {first[key]}", event)
                first.setdefault(key, _line(event))
                own[key] = self._value(self._loader.get_event())
            self._place.pop()
        return merged | own if merged else own

    def _key(self, event: yaml.NodeEvent) -> str | None:
        """Return a key as it is written, whatever its tag; None, and it is read over, where it is no scalar."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event).text
        if isinstance(event, yaml.ScalarEvent):
            key = self._text(event.value)
            if event.anchor:
                self._open(event)
                self._anchors[event.anchor] = _Anchored(self._scalar(event), 1, key)
            return key
        self._value(event)
        return None

    def _merged(self, event: yaml.Event) -> Iterator[dict[str, Any]]:
        """Read what stands behind `<<`: a mapping, or a list of which the first has the last word."""
        given = self._value(self._loader.get_event())
        for each in reversed(given) if isinstance(given, list) else [given]:
            if isinstance(each, dict):
                self._count(len(each))
                yield each
            else:
                self._tell("is merged, and no mapping", event)


def _line(event: yaml.Event | yaml.Node) -> int:
    """Return the line of an event or a node, from 1."""
    return event.start_mark.line + 1 if event.start_mark else 0


def line_of(root: yaml.Node | None, place: Place) -> int:
    """Return the line, from 1, of the value or its key at a place, or of what would contain it; 0: of nothing."""
    if root is None:
        return 0
    node, line = root, _line(root)
    for step in place:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = _line(node)
        elif isinstance(node, yaml.MappingNode) and (pair := _pair(node, str(step), set())) is not None:
            line, node = _line(pair[0]), pair[1]
        else:
            break
    return line


def _pair(node: yaml.MappingNode, key: str, seen: set[int]) -> tuple[yaml.Node, yaml.Node] | None:
    """Find the last that is written for a key, or else what is merged."""
    own: list[tuple[yaml.Node, yaml.Node]] = [
        pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode) and pair[0].value == key
    ]
    if own:
        return own[-1]
    seen.add(id(node))
    for merge, value in reversed(node.value):
        if merge.tag != _MERGE:
            continue
        for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if isinstance(each, yaml.MappingNode) and id(each) not in seen and (found := _pair(each, key, seen)):
                return found
    return None

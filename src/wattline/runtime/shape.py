"""From plain values to types, with every fault at once.

msgspec stops at the first fault; a configuration has many readers' mistakes in it. So structs, lists and mappings are
walked here, key by key, and msgspec converts the leaves. Secrets are resolved on the way: `env:NAME` and `file:PATH`
are read, anything else is the secret itself.
"""

import contextlib
import math
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping
from enum import EnumType
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, cast

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from wattline.errors import Misconfigured
from wattline.plugin import Secret
from wattline.runtime.document import Document, Place
from wattline.runtime.registry import nearest

T = TypeVar("T")

FOREVER: Final = math.inf
_UNITS: Final = {
    "ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_557_600,
}  # fmt: skip
_DURATION: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*")
_BYTES: Final = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_DIGITS: Final = 32
_LONGEST_SECRET: Final = 64 * 1024
_DEFAULT_SECRETS: Final = frozenset({"changeme", "change me", "change-me", "change this or be hacked", "changethis"})
_MSGSPEC_PLACE: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_QUOTED: Final = re.compile(r"`(\w+)`")
_UNQUOTED: Final = re.compile(r"`str`, got `(?:int|float|bool|null|date|datetime)`")
_WORDS: Final = re.compile(r"`([a-z]+)`")
_KINDS: Final = {
    "str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "null": "nothing",
    "array": "a list", "object": "a mapping", "bytes": "binary data", "date": "a date", "datetime": "a time",
}  # fmt: skip
"""What msgspec calls the types of YAML, in words."""


class Duration(float):
    """Seconds, written as a number of seconds or as a text: `500ms`, `1s`, `5 min`, `2h`, `90d`, `forever`."""

    @classmethod
    def parse(cls, value: Any) -> "Duration":
        """Read a duration. Raises ValueError when it is none."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("expected a duration such as 500ms, 1s, 5min")  # noqa: TRY004 - a fault of the reader's
        if isinstance(value, str) and value.strip() == "forever":
            return cls(FOREVER)
        try:
            match = _DURATION.fullmatch(value if isinstance(value, str) else f"{value:f}")
        except OverflowError:  # an int that no float can hold
            match = None
        if match is None or (match[2] or "s") not in _UNITS:
            raise ValueError(f"{value!r} is no duration such as 500ms, 1s, 5min, 2h, 90d")
        return cls(float(match[1]) * _UNITS[match[2] or "s"])


class Size(int):
    """Bytes, written as a number or as a text: `64MiB`, `1 GB`."""

    @classmethod
    def parse(cls, value: Any) -> "Size":
        """Read a size. Raises ValueError when it is none."""
        match = _SIZE.fullmatch(str(value))
        if isinstance(value, bool) or match is None or match[2] not in _BYTES or len(match[1]) > _DIGITS:
            raise ValueError(f"{value!r} is no size such as 64MiB")
        return cls(float(match[1]) * _BYTES[match[2]])


def resolve(text: str) -> Secret:
    """Return the secret that a text names or is. Raises ValueError, without the secret, when it cannot be had."""
    kind, _, name = text.partition(":")
    secret = text
    if kind == "env":
        if name not in os.environ:
            raise ValueError(f"there is no environment variable {name}")
        secret = os.environ[name]
    elif kind == "file":
        try:
            with Path(name).open("rb") as file:
                raw = file.read(_LONGEST_SECRET + 1)
            secret = raw.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the secret's file {name} cannot be read: {type(error).__name__}") from error
        if len(raw) > _LONGEST_SECRET:
            raise ValueError(f"the secret's file {name} is larger than {_LONGEST_SECRET >> 10} KiB")
    if secret.strip().lower() in _DEFAULT_SECRETS:
        raise ValueError("this is a documented default that everybody knows; choose a secret of your own")
    return Secret(secret)


def decode(kind: type, value: Any) -> Any:
    """Convert to the types that are ours; the hook that msgspec calls."""
    if kind is Secret:
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str):
            raise ValueError("a secret is a text: put it in quotes, or write env:NAME or file:PATH")
        return resolve(value)
    if kind in (Duration, Size):
        return value if isinstance(value, kind) else kind.parse(value)
    if issubclass(kind, Path):
        return Path(str(value)).expanduser()
    raise NotImplementedError(kind)


def shape(document: Document, place: Place, value: Any, kind: Any) -> Any:
    """Convert a value to a type; what is wrong goes to the document's faults, and then None is returned."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        rest = [each for each in inner if each is not type(None)]
        if len(rest) == 1:
            return shape(document, place, value, rest[0])
    if isinstance(kind, type) and issubclass(kind, Struct) and isinstance(value, Mapping):
        return struct(document, place, value, kind)
    if origin is list or (origin is tuple and inner[1:] == (...,)):
        if isinstance(value, list):
            return _once(document, place, value, kind)
    elif origin in (dict, Mapping) and isinstance(value, Mapping):
        return {name: shape(document, (*place, name), each, inner[1]) for name, each in value.items()}
    return _leaf(document, place, value, kind)


def _once(document: Document, place: Place, values: list[Any], kind: Any) -> Any:
    """Convert a list; tuples of structs that are written alike are one: the options of a thousand meters."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    key = None
    if origin is tuple and isinstance(inner[0], type) and issubclass(inner[0], Struct):
        with contextlib.suppress(
            TypeError, ValueError, OverflowError, RecursionError
        ):  # MessagePack has less than YAML
            key = kind, msgspec.msgpack.encode(values)
    if key in document.made:
        return document.made[key]
    before = len(document.faults)
    made = origin(shape(document, (*place, i), each, inner[0]) for i, each in enumerate(values))
    if key is not None and len(document.faults) == before:
        document.made[key] = made
    return made


def struct(document: Document, place: Place, given: Mapping[str, Any], kind: type[T]) -> T | None:
    """Make a struct of a mapping: all faults of all keys, those of `__post_init__` if the keys have none."""
    fields = fields_of(cast("type[Struct]", kind))
    before = len(document.faults)
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in fields:
            document.fault((*place, name), f"unknown key{nearest(name, fields)}")
        else:
            values[fields[name].name] = shape(document, (*place, name), value, fields[name].type)
    for name, field in fields.items():
        if field.required and name not in given:
            document.fault(place, f"the key {name} is missing")
    if len(document.faults) > before:
        return None
    try:
        return kind(**values)
    except (ValueError, TypeError, Misconfigured) as error:
        text = str(error)
        named = next((name for name in _QUOTED.findall(text) if name in given), None)
        document.fault(place if named is None else (*place, named), text)
        return None


@cache
def fields_of(kind: type[Struct]) -> Mapping[str, FieldInfo]:
    """Return the fields of a struct by the names that they have in a configuration."""
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


def _choices(kind: Any) -> Iterable[Any]:
    if typing.get_origin(kind) is Literal:
        return typing.get_args(kind)
    return kind if isinstance(kind, EnumType) else ()


def _leaf(document: Document, place: Place, value: Any, kind: Any) -> Any:
    if isinstance(value, str) and "\0" in value:  # which no path, name or password may hold
        document.fault(place, "holds the character U+0000")
        return None
    try:
        return msgspec.convert(value, kind, dec_hook=decode)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$")
        steps = [int(index) if index else key for key, index in _MSGSPEC_PLACE.findall(where.rstrip("`"))]
        if _UNQUOTED.search(text):
            text += " (put it in quotes)"
        if text.startswith("Invalid enum value"):
            text += nearest(str(value), map(str, _choices(kind)))
        text = _WORDS.sub(lambda match: _KINDS.get(match[1], match[0]), text)
        document.fault((*place, *steps), text[:1].lower() + text[1:])
        return None

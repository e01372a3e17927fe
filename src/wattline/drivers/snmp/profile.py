"""Profiles: what a family of devices gives, and how one of them is found; a YAML file each, in `profiles/`.

A profile is written in the words of an operator's block (`quantity`), and says beside them how a device of the family
is known. An OID that does not begin with 1.3.6.1. stands below `root`; an arc `*` of the root is that of the device's
sysObjectID, for makers whose models have a tree each.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from msgspec import Struct

from wattline.drivers.snmp.quantity import Single, Table
from wattline.plugin import Misconfigured, Point

_OIDS: Final = frozenset({"oid", "by", "names", "rated", "probe"})
"""Keys whose texts are OIDs, so that they may be written below the root."""
_WHOLE: Final = "1.3.6.1."
_ANY: Final = "*"
_FOLDER: Final = Path(__file__).parent / "profiles"


class Mark(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a device is known; whatever is said here has to hold.

    `identity` begins its sysObjectID, `describes` is found in its sysDescr, and below `probe` stands something in which
    `says` is found (regular expressions, small letters or large).
    """

    identity: str = ""
    describes: str = ""
    probe: str = ""
    says: str = ""

    def __post_init__(self) -> None:
        if not (self.identity or self.describes or self.probe):
            raise ValueError("a mark says `identity`, `describes` or `probe`")
        try:
            re.compile(self.describes), re.compile(self.says)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error

    @property
    def weight(self) -> tuple[int, int, int]:
        """How much it says of a device that bears it: the longer its identity, the more."""
        return len(self.identity.split(".")) if self.identity else 0, len(self.describes), bool(self.probe)

    def fits(self, identity: str, description: str) -> bool:
        """Say whether a device with this sysObjectID and sysDescr may bear it; the probe is asked for apart."""
        return f"{identity}.".startswith(f"{self.identity}." if self.identity else "") and bool(
            re.search(self.describes, description, re.IGNORECASE)
        )


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A family of devices.

    `also` names profiles whose values are read beside its own; what is `last` is tried after all others. `point` is
    where in the chain from the wall to the work it measures, `type` what the meter's device is.
    """

    title: str
    root: str = ""
    find: tuple[Mark, ...] = ()
    last: bool = False
    type: str = ""
    point: Point = Point.WALL
    values: tuple[Single, ...] = ()
    tables: tuple[Table, ...] = ()
    also: tuple[str, ...] = ()


@cache
def names() -> tuple[str, ...]:
    """Return the names of all profiles."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@lru_cache(maxsize=1024)
def profile(name: str, identity: str = "") -> Profile:
    """Return a profile for a device with this sysObjectID, with the values of those under `also`.

    Raises Misconfigured when there is none.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), 3, 0.4) or names()[:3]
        raise Misconfigured(f"there is no profile {name!r}; near to it are {', '.join(near)}")
    found = parse(name, (_FOLDER / f"{name}.yaml").read_text("utf-8"), identity)
    values, tables = found.values, found.tables
    for other in (profile(other, identity) for other in found.also):
        values, tables = values + other.values, tables + other.tables
    return msgspec.structs.replace(found, values=values, tables=tables, also=())


def parse(name: str, text: str, identity: str = "") -> Profile:
    """Read the text of a profile. Raises Misconfigured, which names the place, when it is none."""
    try:
        given = yaml.load(text, yaml.CSafeLoader)
        root = given.get("root", "") if isinstance(given, dict) else ""
        return msgspec.convert(_whole(given, _placed(str(root), identity)), Profile)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise Misconfigured(f"profile {name}: {error}") from error


@cache
def marks() -> tuple[tuple[Mark, str], ...]:
    """Return every mark with the name of its profile, what says most first; each root is a mark of its own, too."""
    found = [(mark, name) for name in names() for mark in _marks(profile(name))]
    return tuple(sorted(found, key=lambda one: (not profile(one[1]).last, one[0].weight), reverse=True))


def fitting(identity: str, description: str) -> Iterator[tuple[Mark, str]]:
    """Yield the marks that a device with this sysObjectID and sysDescr may bear, what says most first."""
    bare = identity.lstrip(".")
    return ((mark, name) for mark, name in marks() if mark.fits(bare, description))


def _marks(one: Profile) -> Iterator[Mark]:
    yield from one.find
    asked = {mark.probe for mark in one.find if mark.weight[:2] == (0, 0)}
    if one.root and _ANY not in one.root and one.root not in asked:
        yield Mark(probe=one.root)


def _placed(root: str, identity: str) -> str:
    """Put the arcs of a sysObjectID, or 0, in place of those that the root leaves open."""
    arcs = root.split(".")
    own = [*identity.lstrip(".").split("."), *["0"] * len(arcs)]
    return ".".join((own[at] or "0") if arc == _ANY else arc for at, arc in enumerate(arcs))


def _whole(given: Any, root: str) -> Any:
    if isinstance(given, Mapping):
        return {
            key: _below(value, root) if key in _OIDS else _texts(value, root) if key == "texts" else _whole(value, root)
            for key, value in given.items()
        }
    return [_whole(one, root) for one in given] if isinstance(given, list) else given


def _texts(given: Any, root: str) -> Any:
    return {key: _below(value, root) for key, value in given.items()} if isinstance(given, Mapping) else given


def _below(oid: Any, root: str) -> Any:
    if not isinstance(oid, str) or not oid or oid.startswith(_WHOLE) or not oid[0].isdigit():
        return oid
    return f"{root}.{oid}"

"""What an older configuration becomes: meters of ours as plain data, each with remarks, and what could not be read.

A converter fills an `Old`. `settle` then checks each meter by itself as a configuration would: one that has a fault is
left out and told of with its file and line in one sentence, and all others are as good as written by hand.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from wattline.errors import Misconfigured
from wattline.runtime.config import Fault, MeterConfig, Site, parse
from wattline.runtime.document import Document
from wattline.runtime.meters import meter
from wattline.runtime.registry import Registry

_EVERY: Final = 1.0
"""Seconds between two polls where neither the old file nor its program says; every converter says."""
PATIENCE: Final = 10
"""Seconds that one poll may last, and that a page is waited for. The older programs gave a meter that is slower than
its period the time it takes, and so its values came; the default here is the period."""
ANSWER: Final = 2
"""Seconds that a datagram of SNMP is waited for before it is asked again: the older programs waited for 5 to 30."""
PATIENT: Final = f"timeout: {PATIENCE}s lets a meter be slower than its period, as before; ticks missed are counted."
_ROW: Final = re.compile(r"(\w+)\[(\d+)\]\.?(.*)", re.DOTALL)


class Where(Struct, frozen=True):
    """Where something stands in the old files: `place` names it (`[section]`, `PODS[0].servers[2]`), line 0: none."""

    place: str
    line: int
    file: str


class Part(Struct, frozen=True):
    """One meter of ours as plain data, with remarks on what changed, and where it stands in the old file.

    `rows` is the option, if there is one, that lists what is read (`oids`); `origins` says where each row comes from.
    """

    given: dict[str, Any]
    where: Where
    remarks: tuple[str, ...] = ()
    rows: str = ""
    origins: tuple[Where, ...] = ()


class Old:
    """What a converter has found so far. `root` are keys of the site, such as `log`."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.parts: list[Part] = []
        self.remarks: list[str] = []
        self.faults: list[Fault] = []
        self.root: dict[str, Any] = {}

    def fault(self, place: str, text: str, line: int, file: str = "") -> None:
        """Note a section, a server or a description that is left out."""
        self.faults.append(_fault(Where(place, line, file or self.file), text))


class Conversion(Struct, frozen=True):
    """A whole old configuration: `parts[i]` is `site.meters[i]`; `remarks` speak of the file as a whole."""

    system: str
    file: str
    parts: tuple[Part, ...]
    remarks: tuple[str, ...]
    root: dict[str, Any]
    faults: tuple[Fault, ...]
    site: Site


def settle(system: str, old: Old, registry: Registry) -> Conversion:
    """Check every meter by itself, name all apart, and return what is good with the faults of what is not."""
    faults = list(old.faults)
    names: set[str] = set()
    parts: list[Part] = []
    meters: list[MeterConfig] = []
    for part in old.parts:
        named = replace(part, given={**part.given, "name": _apart(str(part.given["name"]), names)})
        good, checked = _checked(named, faults, registry)
        if checked is not None:
            names.add(checked.name)
            parts.append(good)
            meters.append(checked)
    site = replace(parse("", registry, overrides=old.root), meters=tuple(meters))
    return Conversion(system, old.file, tuple(parts), tuple(old.remarks), dict(old.root), tuple(faults), site)


def _checked(part: Part, faults: list[Fault], registry: Registry) -> tuple[Part, MeterConfig | None]:
    """Read a meter as a configuration would; a bad row costs that row, anything else (None) the meter."""
    document = Document({})
    made = meter(document, (), part.given, registry, _EVERY)
    if not document.faults:
        return part, made
    bad: dict[int, str] = {}
    for fault in document.faults:
        match = _ROW.fullmatch(fault.place)
        if match is None or match[1] != part.rows:
            faults.append(_fault(part.where, f"{fault.place}: {fault.text}" if fault.place else fault.text))
            return part, None
        bad.setdefault(int(match[2]), f"{match[3]}: {fault.text}" if match[3] else fault.text)
    faults += [_fault(part.origins[i] if part.origins else part.where, text) for i, text in bad.items()]
    rows = [row for i, row in enumerate(part.given[part.rows]) if i not in bad]
    if not rows:
        return part, None
    origins = tuple(where for i, where in enumerate(part.origins) if i not in bad)
    return _checked(replace(part, given={**part.given, part.rows: rows}, origins=origins), faults, registry)


def _fault(where: Where, text: str) -> Fault:
    return Fault(where.place, f"left out: {text}", where.line, where.file)


def mapping(document: Document) -> dict[str, Any]:
    """Return the mapping that a whole document must be. Raises Misconfigured, with every fault, where it is none."""
    if document.root is not None and not isinstance(document.root, Mapping):
        document.fault((), "expected a mapping of options")
    if document.faults:
        raise Misconfigured("\n".join(str(fault) for fault in document.faults))
    return dict(document.root or {})


def _apart(name: str, taken: set[str]) -> str:
    """Return a name that no meter has yet."""
    apart, count = name, 1
    while apart in taken:
        count += 1
        apart = f"{name}-{count}"
    return apart

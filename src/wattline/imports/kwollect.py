"""Kwollect's collector: `kwollector.conf` and the descriptions in its `metrics_dir` (kwollector 1.3.1, and what the
site of Grid'5000 writes beyond it).

Options hold in the order built-in, file, command line; one of the command line that is empty or 0 does not count. Of
the descriptions `groups` makes few meters; a bad one costs itself alone.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from wattline.errors import Misconfigured
from wattline.imports.conversion import PATIENT, Conversion, Old, Where, mapping, settle
from wattline.imports.description import SHOWN_ONLY, Description, describe
from wattline.imports.groups import grouped
from wattline.runtime.document import Document
from wattline.runtime.registry import Registry

SYSTEM: Final = "kwollect"
METRICS_DIR: Final = "/etc/kwollect/metrics.d"
OPTIONS: Final = {
    "db_host": "localhost", "db_name": "kwdb", "db_password": "changeme", "db_user": "kwuser", "log_level": "warning",
    "metrics_dir": METRICS_DIR, "worker": 8,
}  # fmt: skip
"""The options of kwollector by name, in the order in which short flags are given, and what holds where nobody says."""
LEVELS: Final = {"debug": "debug", "info": "info", "warning": "warning", "warn": "warning", "error": "error",
                 "critical": "error", "fatal": "error"}  # fmt: skip
_DATABASE: Final = ("db_host", "db_name", "db_user", "db_password")


def convert(path: Path | None, registry: Registry, given: Mapping[str, Any] | None = None) -> Conversion:
    """Read a configuration file (None: there is none), with options of the command line in `given`.

    Raises Misconfigured: the file is no mapping, or there is no such folder of descriptions.
    """
    old = Old(str(path or "kwollector's command line"))
    options = chosen(old, path, OPTIONS, given or {})
    folder = Path(str(options["metrics_dir"]))
    old.remarks += [
        f"Its descriptions are those of {folder}; what is asked of one host at one period is one meter here.",
        "Each metric has its own period (Kwollect read all of a host at the shortest).",
        PATIENT,
    ]
    old.parts += grouped(old, _read(old, folder))
    return settle(SYSTEM, old, registry)


def chosen(old: Old, path: Path | None, options: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that hold, with a remark at each that does nothing here. Raises Misconfigured."""
    said = mapping(Document.read(path)) if path is not None else {}
    held = {**options, **{name: value for name, value in said.items() if name in options}}
    held |= {name: value for name, value in given.items() if value}
    old.remarks += [f"{name} is no option of the old program, which takes it in silence; it is left out."
                    for name in said if name not in options]  # fmt: skip
    old.remarks.append(
        f"{', '.join(name for name in options if name in _DATABASE)}: there is no database of Kwollect here; "
        "samples go to the store of `--data`."
    )
    if held.get("db_password") == "changeme":
        old.remarks.append("db_password was the default that everybody knows: choose another before you use it again.")
    if "worker" in said or "worker" in given:
        old.remarks.append("worker: one program does it all, and writes once a second.")
    level = LEVELS.get(str(held["log_level"]).lower())
    if level is None:
        old.remarks.append(f"log_level {held['log_level']!r} is none here; it is warning.")
    old.root["log"] = level or "warning"
    return held


def _read(old: Old, folder: Path) -> list[Description]:
    if not os.path.isdir(folder):  # also where the name is none that there can be
        raise Misconfigured(f"{folder.absolute()} is no folder of descriptions; say another with metrics_dir")
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise Misconfigured(f"{folder} cannot be read: {error.strerror or error}") from error
    found: list[Description] = []
    for path in paths:
        if os.path.isdir(path):
            old.remarks.append(f"{path} is a folder, at which kwollector would not start; it is passed over.")
        elif os.path.isfile(path):
            found += _of_file(old, path)
        else:
            old.fault("", "this is no file: a pipe, or a link that leads nowhere", 0, str(path))
    return found


def _of_file(old: Old, path: Path) -> Iterator[Description]:
    """Yield what a list of descriptions, one, or nothing describes."""
    document = Document.read(path)
    old.faults += document.faults
    if document.root is None:
        return
    is_list = isinstance(document.root, list)
    for i, entry in enumerate(document.root if is_list else [document.root]):
        where = Where(f"[{i}]" if is_list else "", document.line((i,) if is_list else ()), str(path))
        try:
            one = describe(entry, where)
        except Misconfigured as error:
            old.fault(where.place, str(error), where.line, where.file)
            continue
        if one.scheme in SHOWN_ONLY:
            remark = f"{one.scheme}:// is for people, the values come with another device; left out"
            old.remarks.append(f"{one.name} of {one.device} ({path}, line {where.line}): {remark}.")
        else:
            yield one

"""energyrecorder's `collector-settings.yaml`: PODs of servers, each with a type, and where the samples went.

A POD or a server that is switched off is left out, with a remark. What each type becomes stands in
`energyrecorder_types`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wattline.core.address import hide_password
from wattline.errors import Misconfigured
from wattline.imports.conversion import PATIENCE, PATIENT, Conversion, Old, Part, Where, mapping, settle
from wattline.imports.energyrecorder_types import TYPES, Server
from wattline.runtime.document import Document
from wattline.runtime.registry import Registry, nearest

SYSTEM: Final = "energyrecorder"
SETTINGS: Final = "conf/collector-settings.yaml"
_EVERY: Final = 10.0
"""Seconds between two polls where a POD does not say."""
_FASTEST: Final = 0.1
_SLOWEST: Final = 31_557_600
_SHOWN: Final = 40
_POD_KEYS: Final = ("environment", "polling_interval", "active", "servers")


def convert(path: Path, registry: Registry) -> Conversion:
    """Read a file. Raises Misconfigured: it cannot be read, or is no mapping."""
    old = Old(str(path))
    document = Document.read(path)
    root = mapping(document)
    old.remarks += ["Times are those of each reading; whole seconds are not rounded to, and 0 W is kept.", PATIENT]
    _destination(old, root)
    pods = root.get("PODS")
    if not isinstance(pods, list):
        old.fault("PODS", "the list of PODs is missing", document.line(("PODS",)))
        pods = []
    for i, pod in enumerate(pods):
        try:
            _pod(old, document, i, pod)
        except Misconfigured as error:
            old.fault(f"PODS[{i}]", str(error), document.line(("PODS", i)))
    old.remarks += [f"{key} is no key of the old program; left out."
                    for key in root if key not in ("PODS", "RECORDER_API_SERVER")]  # fmt: skip
    return settle(SYSTEM, old, registry)


def _destination(old: Old, root: Mapping[str, Any]) -> None:
    server = root.get("RECORDER_API_SERVER")
    address = server.get("base_url") if isinstance(server, Mapping) else None
    where = f" at {hide_password(str(address))}" if address else ""
    old.remarks.append(
        f"RECORDER_API_SERVER: samples go to the store of this program; the recording API{where} is not sent to, and "
        "its user and password are left out."
    )


def _pod(old: Old, document: Document, i: int, pod: Any) -> None:
    """Read one POD. Raises Misconfigured when it is none; a bad server of it costs that server alone."""
    if not isinstance(pod, Mapping):
        raise Misconfigured("expected a mapping with environment and servers")
    environment, servers = pod.get("environment"), pod.get("servers")
    if environment in (None, "") or isinstance(environment, Mapping | list):
        raise Misconfigured("the key environment is missing")
    if not isinstance(servers, list):
        raise Misconfigured("the list servers is missing")
    if not _active(pod):
        old.remarks.append(f"PODS[{i}] ({environment}) is not active; its {len(servers)} servers are left out.")
        return
    every, remarks = _interval(pod)
    remarks += [f"{key} is no key of a POD; left out." for key in pod if key not in _POD_KEYS]
    old.remarks += [f"PODS[{i}] ({environment}): {remark}" for remark in remarks]
    for n, server in enumerate(servers):
        place, line = f"PODS[{i}].servers[{n}]", document.line(("PODS", i, "servers", n))
        try:
            if isinstance(server, Mapping) and not _active(server):
                old.remarks.append(f"{place} ({server.get('id')}) is not active; left out.")
                continue
            given, more = _server(server)
            given |= {"every": every, "timeout": f"{PATIENCE}s", "labels": {"environment": str(environment)}}
            rows = next((key for key in ("oids", "registers") if key in given), "")
            lines = [document.line(("PODS", i, "servers", n, "sensors", k))
                     for k in range(len(given.get(rows, ())))]  # fmt: skip
            origins = tuple(Where(f"{place}.sensors[{k}]", at, old.file) for k, at in enumerate(lines))
            old.parts.append(Part(given, Where(place, line, old.file), tuple(more), rows, origins))
        except Misconfigured as error:
            old.fault(place, str(error), line)


def _server(server: Any) -> tuple[dict[str, Any], list[str]]:
    if not isinstance(server, Mapping):
        raise Misconfigured("expected a mapping with id and type")
    identity, kind = server.get("id"), server.get("type")
    if identity in (None, "") or isinstance(identity, Mapping | list):
        raise Misconfigured("the key id is missing")
    make = TYPES.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise Misconfigured(f"there is no type {str(kind)[:_SHOWN]!r}{nearest(str(kind), TYPES)}")
    one = Server(str(identity), {str(key): value for key, value in server.items()})
    given, remarks = make(one)
    return {"name": one.id, "device": one.id, **given}, [*remarks, *one.left()]


def _active(given: Mapping[str, Any]) -> bool:
    active = given.get("active", True)
    if not isinstance(active, bool):
        raise Misconfigured("active is true or false")
    return active


def _interval(pod: Mapping[str, Any]) -> tuple[float, list[str]]:
    given = pod.get("polling_interval")
    if given is None:
        return _EVERY, [f"polling_interval is not said: {_EVERY:g} s, as before."]
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) <= _SLOWEST:
        raise Misconfigured("polling_interval is a number of seconds, at most a year")
    if given <= 0:
        return _FASTEST, [f"polling_interval {given:g} meant {_FASTEST:g} s."]
    if given < 0.01:
        return 0.01, ["polling_interval: ten milliseconds are the shortest period here."]
    return float(given), []

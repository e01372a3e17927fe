"""Few meters of many descriptions: what is asked of one host, by one scheme, port and user, at one period, is one.

Optional metrics stand apart, each a meter of its own: it is read while it is promoted, and nothing else is read for it.
Apart stand also those whose labels are no texts, which a meter has as a whole.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from wattline.imports.conversion import ANSWER, PATIENCE, Old, Part
from wattline.imports.description import Description
from wattline.imports.meaning import of_name
from wattline.model import ALIAS
from wattline.runtime.registry import nearest

Group = Sequence[Description]
Made = tuple[dict[str, Any], str, list[str]]
"""Options of a meter of ours, which of them lists what is read (empty: none), and remarks."""

_TEXTS: Final = tuple(f"1.3.6.1.2.1.1.{n}.0" for n in (1, 4, 5, 6))
"""sysDescr, sysContact, sysName and sysLocation (RFC 3418) are texts."""
_CUSTOM: Final = "kwollect_custom"


def grouped(old: Old, descriptions: Group) -> Iterator[Part]:
    """Yield the meters; a description that cannot be is a fault of `old`."""
    groups: dict[Hashable, list[Description]] = {}
    for one in descriptions:
        if one.scheme in _SCHEMES:
            groups.setdefault(_group_of(one), []).append(one)
        else:
            text = f"{one.scheme}:// is no scheme of Kwollect's{nearest(one.scheme, _SCHEMES)}"
            old.fault(one.where.place, text, one.where.line, one.where.file)
    periods: dict[tuple[str, str], set[int]] = {}
    for first, *_ in groups.values():
        periods.setdefault((first.scheme, first.host), set()).add(first.every)
    for described in groups.values():
        group: Group = _once(old, described)
        first = group[0]
        given, rows, remarks = _SCHEMES[first.scheme](group)
        name = f"{first.scheme}-{first.host}"
        if first.optional:
            name = f"{first.device}/{first.name}"
        elif len(periods[first.scheme, first.host]) > 1:
            name += f"-{_seconds(first.every)}"
        whole: dict[str, Any] = {"name": name, "every": _seconds(first.every), "timeout": f"{PATIENCE}s", **given}
        if odd := _odd_labels(first):
            whole["labels"] = odd
        if first.optional:
            whole |= {"optional": True, "device": first.device}
        origins = tuple(one.where for one in group)
        yield Part(whole, first.where, (*_other_files(group), *remarks), rows, origins)


def _group_of(one: Description) -> Hashable:
    key: tuple[Hashable, ...] = (
        one.scheme,
        one.host,
        one.port,
        one.user,
        one.password,
        one.every,
        _key(_odd_labels(one)),
    )
    if one.scheme in ("http", "https"):
        key += (one.path,)
    if one.scheme == "prometheus":
        key += (one.device,)
    return (*key, one.device, one.name, one.path, one.fragment, one.where) if one.optional else key


def _once(old: Old, group: Group) -> Group:
    """Leave out a metric of a device that stands there already with the same labels: one history cannot be both."""
    if group[0].scheme == "prometheus":
        return group
    seen: dict[bytes, Description] = {}
    for one in group:
        first = seen.setdefault(_key([one.device, one.name, one.labels]), one)
        if first is not one:
            before = f"line {first.where.line} of {first.where.file}"
            text = f"{one.name} of {one.device} stands in {before} as well, with the same labels"
            old.fault(one.where.place, text, one.where.line, one.where.file)
    return list(seen.values())


def _snmp(group: Group) -> Made:
    first, remarks = group[0], []
    given: dict[str, Any] = {"driver": first.scheme, **_host(first), **_own(group), "wait": ANSWER}
    if first.user:
        given["community"] = first.user
    if first.password:
        remarks.append("A password beside a community said nothing, and is left out.")
    given["oids"] = [
        {"oid": one.path.strip().strip("/"), **_device(one, given), **_value(one, is_text=one.path in _TEXTS)}
        for one in group
    ]
    return given, "oids", remarks


def _ipmi(group: Group) -> Made:
    first = group[0]
    given: dict[str, Any] = {"driver": first.scheme, **_host(first), **_own(group), **_who(first)}
    given["sensors"] = [
        {"sensor": one.path, "metric": one.name, **_device(one, given), **_plain_labels(one), **_factor(one)}
        for one in group
    ]
    return given, "sensors", ["Read by IPMI itself; no ipmi-sensors is started, and no process shows the password."]


def _modbus(group: Group) -> Made:
    given: dict[str, Any] = {"driver": "modbus", **_host(group[0]), **_own(group)}
    registers = []
    for one in group:
        parts = one.path.strip("/").split("/")
        orders = [*parts[-1].split("_"), "", ""]
        register: dict[str, Any] = {"address": _number(parts[-2] if len(parts) > 1 else ""), "type": orders[2]}
        register |= {"octets": orders[0], "words": orders[1], "device_unit": _number(parts[0])}
        registers.append({**register, **_device(one, given), **_value(one)})
    given["registers"] = registers
    return given, "registers", []


def _http(group: Group) -> Made:
    first = group[0]
    given: dict[str, Any] = {"driver": first.scheme, **_host(first), "page": f"/{first.path}", **_own(group)}
    given |= _who(first)
    remarks = []
    if first.scheme == "https":
        given["verify"] = False
        remarks.append("verify: false as before: whoever stands between sees the password. Leave it out where you can.")
    else:
        given["tls"] = False
    given["values"] = [{"path": one.fragment, **_device(one, given), **_value(one)} for one in group]
    return given, "values", remarks


def _prometheus(group: Group) -> Made:
    first, remarks = group[0], []
    given: dict[str, Any] = {"driver": "prometheus", **_host(first), "device": first.device, **_who(first)}
    lists = [[name for name in one.path.strip("/").split("-") if name] for one in group]
    if all(lists):
        given["names"] = sorted({name for names in lists for name in names})
    given |= {"prefix": "prom_", "custom": _CUSTOM}
    if len(group) > 1:
        remarks.append(f"United: {', '.join(one.name for one in group)}.")
    if any(one.labels or one.scale != 1 for one in group):
        remarks.append("labels and scale_factor had no effect on prometheus://, and are left out.")
    return given, "", remarks


_SCHEMES: Final[Mapping[str, Callable[[Group], Made]]] = {
    "snmp": _snmp, "snmpv1": _snmp, "ipmisensor": _ipmi, "modbus": _modbus, "http": _http, "https": _http,
    "prometheus": _prometheus,
}  # fmt: skip


def _host(one: Description) -> dict[str, Any]:
    return {"host": one.host, **({"port": one.port} if one.port else {})}


def _who(one: Description) -> dict[str, Any]:
    return {key: value for key, value in {"user": one.user, "password": one.password}.items() if value}


def _own(group: Group) -> dict[str, Any]:
    """Return the device of the meter, where all are about one."""
    return {"device": group[0].device} if len({one.device for one in group}) == 1 else {}


def _device(one: Description, given: Mapping[str, Any]) -> dict[str, Any]:
    return {} if given.get("device") == one.device else {"device": one.device}


def _value(one: Description, *, is_text: bool = False) -> dict[str, Any]:
    """Return what is said of one value: its name, what that name means, its factor and its labels."""
    means = {"kind": "state"} if is_text else of_name(one.name) or {"kind": "unknown"}
    return {"metric": one.name, **means, **_factor(one), **_plain_labels(one)}


def _factor(one: Description) -> dict[str, Any]:
    return {"scale": one.scale} if one.scale != 1 else {}


def _plain_labels(one: Description) -> dict[str, Any]:
    """Return the labels that are texts; those of an optional metric are its meter's, which is promoted by them."""
    if _odd_labels(one):
        return {}
    return {"labels": dict(one.labels)} if one.labels else {}


def _odd_labels(one: Description) -> dict[str, Any]:
    """Return all labels where one is no text, or where the metric is optional and has a name besides its device's."""
    odd = any(not isinstance(value, str) for value in one.labels.values())
    is_promoted = one.optional and ALIAS in one.labels
    return one.labels if one.scheme != "prometheus" and (odd or is_promoted) else {}


def _other_files(group: Group) -> list[str]:
    files = dict.fromkeys(one.where.file for one in group[1:] if one.where.file != group[0].where.file)
    return [f"And of {', '.join(files)}."] if files else []


def _key(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"

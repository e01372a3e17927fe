"""A site's configuration: read whole, understood whole, and refused with all its faults at once.

docs/reference/configuration.md has every key. `load` and `parse` return a `Site` or raise `Faulty`; `examine` returns
both what was understood and what is wrong, for `wattline check`.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from wattline.errors import Misconfigured
from wattline.plugin import Config
from wattline.runtime.document import Document, Fault, Place
from wattline.runtime.meters import meter, meter_from_url, meters, named_apart
from wattline.runtime.registry import Registry, nearest
from wattline.runtime.shape import Duration, Size, struct
from wattline.runtime.site import (
    SPOOL,
    Clients,
    DeviceConfig,
    MeterConfig,
    PluginConfig,
    Retention,
    Site,
    secrets,
    split_listen,
    state_directory,
    zone,
)

__all__ = [
    "Clients", "DeviceConfig", "Examination", "Fault", "Faulty", "MeterConfig", "PluginConfig", "Retention", "Site",
    "examine", "load", "meter_from_url", "named_apart", "parse", "secrets", "store_config",
]  # fmt: skip

DEFAULT_STORE: Final = "sqlite"
_PLUGIN_KEYS: Final = ("driver", "name", "spool")


class Faulty(Misconfigured):
    """A configuration with faults: `faults` has every one, the message one a line."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class Examination(Struct, frozen=True):
    """What a configuration says as far as it could be understood, and what is wrong with it."""

    site: Site
    faults: tuple[Fault, ...]


class Keys(Config, frozen=True, kw_only=True):
    """The keys of the root. What stands as `Any` is read by itself, so that its faults do not hide others."""

    host: str = ""
    listen: str = "127.0.0.1:8780"
    data: str = ""
    timezone: str = ""
    price_per_kwh: Decimal | None = None
    currency: str = "EUR"
    commit_every: Duration = Duration(1)
    queue: int = 4_000_000
    every: Duration = Duration(1)
    meters: Any = None
    metrics_dir: str = ""
    devices: tuple[DeviceConfig, ...] = ()
    store: Any = None
    sinks: Any = None
    retention: Retention = Retention()
    log: Literal["debug", "info", "warning", "error"] = "info"
    clients: Clients = Clients()


_KEYS: Final = {field.name: field for field in msgspec.structs.fields(Keys)}


def load(path: Path | str, registry: Registry, *, overrides: Mapping[str, Any] | None = None) -> Site:
    """Read a file. `overrides` replaces keys of its root. Raises Faulty."""
    return _or_raise(examine(Path(path), registry, overrides=overrides))


def parse(text: str, registry: Registry, *, overrides: Mapping[str, Any] | None = None) -> Site:
    """Read a text; the empty one is a site with every default and no meter. Raises Faulty."""
    return _or_raise(examine(text, registry, overrides=overrides))


def examine(source: Path | str, registry: Registry, *, overrides: Mapping[str, Any] | None = None) -> Examination:
    """Read a file (a Path) or a text (a str), and say what is understood and what is wrong."""
    document = Document.read(source) if isinstance(source, Path) else Document.parse(source)
    root = {} if document.root is None else document.root
    if not isinstance(root, dict):
        document.fault((), "expected a mapping such as `meters: [...]`")
        root = {}
    root = {**root, **(overrides or {})}
    keys = _root(document, root)
    read = list(meters(document, keys.meters, registry, keys.every))
    extra = _folder(document, source, keys, registry)
    site = Site(
        host=keys.host or socket.gethostname(),
        data=Path(keys.data).expanduser() if keys.data else state_directory(),
        listen=keys.listen,
        price_per_kwh=keys.price_per_kwh,
        currency=keys.currency,
        commit_every=float(keys.commit_every),
        queue=keys.queue,
        meters=tuple(_once(document, root, read) + extra),
        devices=_tree(document, keys.devices),
        retention=keys.retention,
        log=keys.log,
        clients=keys.clients,
    )
    site = msgspec.structs.replace(
        site,
        store=_plugin(document, ("store",), keys.store, registry, group="stores", site=site),
        sinks=_sinks(document, keys.sinks, registry, site),
    )
    return Examination(site, tuple(sorted(document.faults, key=lambda fault: (fault.file, fault.line))))


def store_config(site: Site, registry: Registry) -> PluginConfig:
    """Return the store of a site: the configured one, or the default one in the site's `data`. Raises Faulty."""
    if site.store is not None:
        return site.store
    document = Document({})
    made = _plugin(document, ("store",), {"driver": DEFAULT_STORE}, registry, group="stores", site=site)
    if made is None:
        raise Faulty(document.faults)
    return made


def _or_raise(examined: Examination) -> Site:
    if examined.faults:
        raise Faulty(examined.faults)
    return examined.site


def _root(document: Document, root: Mapping[str, Any]) -> Keys:
    """Read the keys of the root one by one: a fault in one leaves the default there, and the others as they are."""
    values: dict[str, Any] = {}
    for name, value in root.items():
        if name not in _KEYS:
            document.fault((name,), f"unknown key{nearest(name, _KEYS)}")
        elif (one := struct(document, (), {name: value}, Keys)) is not None:
            values[name] = getattr(one, name)
    keys = Keys(**values)
    for name, check in (("listen", split_listen), ("timezone", zone)):
        try:
            if values.get(name):
                check(values[name])
        except ValueError as error:
            document.fault((name,), str(error))
    for name, least in (("commit_every", 0.01), ("queue", 1000), ("price_per_kwh", 0)):
        if (value := values.get(name)) is None:
            continue
        if not Decimal(value).is_finite():
            document.fault((name,), "is a finite number")
        elif value < least:
            document.fault((name,), f"is at least {least}")
    return keys


def _once(document: Document, root: Mapping[str, Any], read: list[MeterConfig]) -> list[MeterConfig]:
    """Say which names stand twice, and name apart those that were made of addresses."""
    given = root.get("meters")
    places = {
        each["name"]: i
        for i, each in enumerate(given if isinstance(given, list) else ())
        if isinstance(each, dict) and isinstance(each.get("name"), str)
    }
    seen: set[str] = set()
    for one in read:
        # A Kwollect description is named `device_id/name`.
        named = one.name if one.name in places else one.name.rpartition("/")[2]
        if one.name in seen and named in places:
            document.fault(("meters", places[named], "name"), f"{one.name!r} names two meters")
        seen.add(one.name)
    return list(named_apart(read))


def _folder(document: Document, source: Path | str, keys: Keys, registry: Registry) -> list[MeterConfig]:
    """Read a folder of Kwollect's descriptions: each file holds a list of meters, one meter, or nothing."""
    if not keys.metrics_dir:
        return []
    folder = (source.parent if isinstance(source, Path) else Path()) / Path(keys.metrics_dir).expanduser()
    if not os.path.isdir(folder):  # also where the name is none that there can be
        document.fault(("metrics_dir",), f"{folder} is no folder")
        return []
    found: list[MeterConfig] = []
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        document.fault(("metrics_dir",), f"{folder} cannot be read: {error.strerror or error}")
        return []
    for path in paths:
        if path.name.startswith(".") or os.path.isdir(path):
            continue
        if not os.path.isfile(path):
            document.fault(("metrics_dir",), f"{path} is no file: a pipe, or a link that leads nowhere")
            continue
        part = Document.read(path)
        entries = part.root if isinstance(part.root, list) else [part.root] if part.root is not None else []
        places = [(i,) if isinstance(part.root, list) else () for i in range(len(entries))]
        read = [meter(part, place, each, registry, keys.every) for place, each in zip(places, entries, strict=True)]
        found += [one for one in read if one is not None]
        document.faults += part.faults
    return list(named_apart(found))


def _plugin(
    document: Document, place: Place, given: Any, registry: Registry, *, group: Literal["sinks", "stores"], site: Site
) -> PluginConfig | None:
    """Read a store or a sink: `driver`, for a sink `name` and `spool`, and the plugin's own options."""
    if given is None:
        return None
    if not isinstance(given, dict) or not isinstance(driver := given.get("driver"), str):
        document.fault(place, f"expected a mapping with `driver`, one of {', '.join(registry.names(group))}")
        return None
    try:
        plugin = registry.store(driver) if group == "stores" else registry.sink(driver)
    except Misconfigured as error:
        document.fault((*place, "driver"), str(error))
        return None
    own = _PLUGIN_KEYS if group == "sinks" else ("driver",)
    fields = {field.encode_name for field in msgspec.structs.fields(plugin.Config)}
    options = {name: value for name, value in given.items() if name not in own}
    for name in [name for name in options if name not in fields]:
        document.fault((*place, name), f"unknown key{nearest(name, fields.union(own))}")
        del options[name]
    if group == "stores":
        # What the site says once, a store is told where it has an option for it.
        kept = site.retention.seconds()
        said = {"path": str(site.data / "wattline.sqlite"), "retention": kept}
        if "retention" not in fields and any(seconds is not None for seconds in kept.values()):
            document.fault(("retention",), f"the store {driver} keeps everything for ever")
        options = {name: value for name, value in said.items() if name in fields} | options
    config = struct(document, place, options, plugin.Config)
    try:
        spool = Size.parse(given.get("spool", SPOOL))
    except ValueError as error:
        document.fault((*place, "spool"), str(error))
        return None
    name = str(given.get("name") or driver)
    return PluginConfig(name=name, driver=driver, options=config, spool=spool) if config is not None else None


def _sinks(document: Document, given: Any, registry: Registry, site: Site) -> tuple[PluginConfig, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        document.fault(("sinks",), "expected a list of sinks")
        return ()
    read = [_plugin(document, ("sinks", i), each, registry, group="sinks", site=site) for i, each in enumerate(given)]
    seen: set[str] = set()
    for i, one in enumerate(read):
        if given[i] is None:
            document.fault(("sinks", i), "expected a mapping with `driver`")
        if one is not None and one.name in seen:
            document.fault(("sinks", i, "name"), f"{one.name!r} names two sinks")
        if one is not None and ("/" in one.name or one.name in (".", "..") or not one.name.isprintable()):
            document.fault(("sinks", i, "name"), f"{one.name!r} names no folder for the spool")
        seen.add(one.name if one is not None else "")
    return tuple(one for one in read if one is not None)


def _tree(document: Document, devices: tuple[DeviceConfig, ...]) -> tuple[DeviceConfig, ...]:
    """Check that names stand once and that nothing is its own ancestor."""
    devices = tuple(one for one in devices if one is not None)
    parents: dict[str, list[str]] = {}
    for one in devices:
        parents.setdefault(one.name, [parent for _, parent in one.parents])
    seen: set[str] = set()
    for i, one in enumerate(devices):
        if one.name in seen:
            document.fault(("devices", i, "name"), f"{one.name!r} names two devices")
        seen.add(one.name)
        above, rising = set[str](), list(parents[one.name])
        while rising:
            name = rising.pop()
            if name not in above:
                above.add(name)
                rising += parents.get(name, [])
        if one.name in above:
            document.fault(("devices", i, "parent"), f"{one.name!r} is part of itself")
    return devices

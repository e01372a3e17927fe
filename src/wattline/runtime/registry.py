"""Which plugins are installed: drivers, sinks and stores by the names of their entry points.

A plugin is imported when it is asked for. One that cannot be imported is reported by name, and the rest works.
"""

import difflib
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

from wattline.errors import Misconfigured
from wattline.plugin import Driver, Polled, Sink, Store, Streamed, Url

Group = Literal["drivers", "sinks", "stores"]
_KINDS: Final[Mapping[Group, tuple[type, ...]]] = {
    "drivers": (Polled, Streamed), "sinks": (Sink,), "stores": (Store,),
}  # fmt: skip
Loader = Callable[[], Any]


class Registry:
    """Plugins by group and name; `Registry.installed()` has those of the installed distributions."""

    def __init__(self, found: Mapping[Group, Mapping[str, Loader]]) -> None:
        self._found = found
        self._loaded: dict[tuple[Group, str], type[Any]] = {}

    @classmethod
    def installed(cls) -> "Registry":
        """Find the entry points `wattline.drivers`, `wattline.sinks` and `wattline.stores`; imports none of them."""
        return cls({
            group: {point.name: point.load for point in importlib.metadata.entry_points(group=f"wattline.{group}")}
            for group in _KINDS
        })  # fmt: skip

    @classmethod
    def of(
        cls,
        drivers: Mapping[str, type[Driver[Any]]],
        sinks: Mapping[str, type[Sink[Any]]] | None = None,
        stores: Mapping[str, type[Store[Any]]] | None = None,
    ) -> "Registry":
        """Return a registry of given classes: for tests and embedding programs."""
        groups: dict[Group, Mapping[str, type]] = {"drivers": drivers, "sinks": sinks or {}, "stores": stores or {}}
        return cls({group: {name: _giver(plugin) for name, plugin in named.items()} for group, named in groups.items()})

    def names(self, group: Group) -> list[str]:
        """Return the names of a group, those that cannot be imported among them."""
        return sorted(self._found.get(group, {}))

    def driver(self, name: str) -> type[Driver[Any]]:
        """Return a driver. Raises Misconfigured, naming the nearest one, when there is none of that name."""
        return self._load("drivers", name)

    def sink(self, name: str) -> type[Sink[Any]]:
        """Return a sink. Raises Misconfigured, naming the nearest one."""
        return self._load("sinks", name)

    def store(self, name: str) -> type[Store[Any]]:
        """Return a store. Raises Misconfigured, naming the nearest one."""
        return self._load("stores", name)

    def driver_of(self, url: Url) -> tuple[str, type[Driver[Any]]]:
        """Return the driver that speaks an address' scheme, with its name: `prometheus+https` is `prometheus`."""
        name = url.scheme.partition("+")[0]
        return name, self.driver(name)

    def loadable(self, group: Group) -> tuple[dict[str, type[Any]], dict[str, str]]:
        """Import a whole group. Returns the plugins by name, and by name why a plugin cannot be imported."""
        good: dict[str, type[Any]] = {}
        bad: dict[str, str] = {}
        for name in self.names(group):
            try:
                good[name] = self._load(group, name)
            except Misconfigured as error:
                bad[name] = str(error)
        return good, bad

    def _load(self, group: Group, name: str) -> type[Any]:
        if plugin := self._loaded.get((group, name)):
            return plugin
        kind = group.removesuffix("s")
        found = self._found.get(group, {})
        if name not in found:
            raise Misconfigured(f"there is no {kind} {name!r}{nearest(name, found)}")
        try:
            plugin = found[name]()
        except ModuleNotFoundError as error:
            raise Misconfigured(
                f"the {kind} {name!r} needs the Python module {error.name!r}, which is not installed:"
                f" pip install {str(error.name).partition('.')[0]}"
            ) from error
        except Exception as error:  # a stranger's module may raise anything when it is imported
            raise Misconfigured(f"the {kind} {name!r} cannot be imported: {type(error).__name__}: {error}") from error
        if not (isinstance(plugin, type) and issubclass(plugin, _KINDS[group])):
            raise Misconfigured(f"the {kind} {name!r} is no {' or '.join(k.__name__ for k in _KINDS[group])}")
        self._loaded[group, name] = plugin
        return plugin


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known name, or all where none is near and they are few."""
    names = sorted(known)
    if near := difflib.get_close_matches(name, names, n=1, cutoff=0.6):
        return f", did you mean {near[0]}?"
    return f" (there are: {', '.join(names)})" if 0 < len(names) <= 12 else ""


def _giver(plugin: type) -> Loader:
    return lambda: plugin

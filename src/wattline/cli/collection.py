"""What `wattline collect` reads, and where it goes: our configuration, those of older systems, and the sinks named."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from wattline.errors import Misconfigured
from wattline.imports.conversion import Conversion
from wattline.runtime.config import PluginConfig, Site, load, named_apart, parse
from wattline.runtime.registry import Registry

Source = Callable[[Registry], Conversion]
"""Reads an older system's files; called again at every reload."""

STDOUT: Final = "stdout"

log = logging.getLogger("wattline.collect")


class Collection(msgspec.Struct, frozen=True):
    """What is collected and where it goes: to be read again at every reload.

    `data` None: where the configuration says, or `home` where nobody says. Without `sinks` it is the store, and every
    sink of the configuration besides.
    """

    config: Path | None = None
    sources: tuple[Source, ...] = ()
    data: Path | None = None
    sinks: tuple[str, ...] = ()
    metrics: str = ""
    home: Path | None = None

    @property
    def keeps(self) -> bool:
        """Whether there is a store."""
        return not self.sinks or self.data is not None

    def site(self, registry: Registry) -> Site:
        """Read everything anew, and log what of older files was left out.

        Raises Misconfigured, also where no meter is left: a file that is just being written must stop nobody.
        """
        overrides = {"data": str(self.data)} if self.data is not None else {}
        site = load(self.config, registry, overrides=overrides) if self.config else parse("", registry)
        made = [source(registry) for source in self.sources]
        if made and not self.config:
            site = replace(site, log=made[0].site.log, data=self.data or self.home or site.data)
        elif not self.config:
            site = replace(site, data=self.data or site.data)
        for fault in (fault for one in made for fault in one.faults):
            log.error("%s", fault)
        meters = named_apart((*site.meters, *(meter for one in made for meter in one.site.meters)))
        if not meters:
            raise Misconfigured("there is nothing to read")
        return replace(site, meters=meters, sinks=self._chosen(site, registry))

    def _chosen(self, site: Site, registry: Registry) -> tuple[PluginConfig, ...]:
        there = {sink.name: sink for sink in site.sinks}
        if not self.sinks:
            return site.sinks
        there.setdefault(STDOUT, PluginConfig(name=STDOUT, driver=STDOUT, options=registry.sink(STDOUT).Config()))
        if unknown := [name for name in self.sinks if name not in there]:
            raise Misconfigured(f"there is no sink {unknown[0]!r} (there are: {', '.join(sorted(there))})")
        return tuple(there[name] for name in dict.fromkeys(self.sinks))

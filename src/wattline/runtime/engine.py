"""The engine: all meters, the store and the other sinks of one site, wired and supervised."""

import asyncio
from typing import Any

from wattline.plugin import Store
from wattline.runtime.health import Health
from wattline.runtime.live import Live
from wattline.runtime.registry import Registry
from wattline.runtime.site import Site
from wattline.runtime.ticks import Clock, SystemClock


class Engine:
    """Runs a site; `store`, `health` and `live` may be given to others for reading."""

    def __init__(self, site: Site, registry: Registry, *, clock: Clock | None = None) -> None:
        self.site = site
        self.clock = clock or SystemClock()
        self.store: Store[Any] = registry.store("memory")(None)
        self.live = Live(site.clients.live)
        self.health = Health()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then end within 5 s with nothing acknowledged lost."""
        await stop.wait()

    async def reload(self, site: Site) -> None:
        """Go on with another configuration; what did not change is not interrupted."""
        self.site = site

"""HP Gen9 servers by iLO 4's early REST interface: the fast power meter of every chassis.

    iLO 4 2.1   <chassis>/PowerMetrics/FastPowerMeter   the newest entry of PowerDetail is the first
    iLO 4 2.4   <chassis>/Power/FastPowerMeter          the newest entry of PowerDetail is the last

Each entry is an average over ten seconds (120 entries are twenty minutes).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wattline.bmc_session import BmcConfig
from wattline.plugin import Column, Frame, Layout, Malformed, Point, Series
from wattline.web_meter import POWER, Told, WebMeter, quantity
from wattline.wire.web import Reply

WINDOW: Final = 10.0
_CHASSIS: Final = re.compile(r"/[!-~]{1,500}")
_MOST: Final = 16
"""Chassis of one server."""
_MISSING: Final = 404


class IloConfig(BmcConfig, frozen=True, kw_only=True):
    """Options of an iLO."""


class Ilo(WebMeter[IloConfig]):
    """Finds the chassis once, then asks each for its fast power meter; the server's power is their sum."""

    Config = IloConfig
    summary = "HP Gen9 servers: iLO 4's fast power meter (REST, firmware 2.1 and 2.4)"
    metrics = (POWER,)
    example = "ilo://reader:secret@ilo-1"

    async def open(self) -> Sequence[Layout]:
        """List the chassis."""
        await super().open()
        listed = await self._page("/rest/v1/Chassis")
        links = listed.get("links")
        members = links.get("Member") if isinstance(links, Mapping) else None
        found = [one.get("href") for one in members if isinstance(one, Mapping)] if isinstance(members, list) else []
        self._chassis = [str(one).rstrip("/") for one in found if isinstance(one, str) and _CHASSIS.fullmatch(one)]
        if not 0 < len(self._chassis) <= _MOST:
            raise Malformed(f"{self.config.root}/rest/v1/Chassis lists {len(self._chassis)} chassis")
        return []

    async def read(self, now: int) -> Sequence[Frame]:
        """Ask every chassis once. A sum of which a part is missing is absent."""
        watts = [await self._power(chassis) for chassis in self._chassis]
        known = [one for one in watts if one is not None]
        if len(known) < len(watts):
            return []
        column = Column(point=Point.BMC, window=WINDOW)
        return self._frames(now, [Told(Series.of(self.name, POWER), column, sum(known))])

    async def _power(self, chassis: str) -> float | None:
        for path, newest in ((f"{chassis}/PowerMetrics/FastPowerMeter", 0), (f"{chassis}/Power/FastPowerMeter", -1)):
            reply = await self._ask(path)
            if reply.status == _MISSING:
                continue
            details = self._mapping(reply.good()).get("PowerDetail")
            if isinstance(details, list) and details and isinstance(details[newest], Mapping):
                return quantity(details[newest].get("Average"))
        raise Malformed(f"{self.config.root}{chassis} has no fast power meter")

    async def _page(self, path: str) -> Mapping[str, Any]:
        return self._mapping((await self._ask(path)).good())

    async def _ask(self, path: str) -> Reply:
        return await self._web.ask(path, headers=self.config.basic())

    def _mapping(self, reply: Reply) -> Mapping[str, Any]:
        page = reply.json()
        if not isinstance(page, dict):
            raise Malformed(f"{reply.url} answers JSON, but no object")
        return page

"""BMCs, blade enclosures, PDUs and power shelves over Redfish. The protocol is in `wire/redfish`, what is asked in
`plan`, what an answer means in `resources`.
"""

import logging
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from wattline.drivers.redfish import facts
from wattline.drivers.redfish.config import RedfishConfig
from wattline.drivers.redfish.facts import Fact, Key, apart
from wattline.drivers.redfish.plan import Plan, Source, make_plan
from wattline.plugin import (
    Column,
    Device,
    Frame,
    Layout,
    Malformed,
    Point,
    Polled,
    Roster,
    Series,
    Unreachable,
)
from wattline.wire.redfish import Body, Service
from wattline.wire.web import Web

_SECOND: Final = 1_000_000_000
_TYPES: Final = {"cpu": "socket", "memory": "memory"}
_logger = logging.getLogger(__name__)


class _Place(NamedTuple):
    """A fact of a device: what a column stands for."""

    device: str
    key: Key


class Redfish(Polled[RedfishConfig]):
    """Reads the power of what one service manages, and its temperatures less often."""

    Config = RedfishConfig
    summary = "Redfish services: BMCs of servers, enclosures, PDUs, power shelves"
    metrics = facts.METRICS
    example = "redfish://user:password@bmc-1/"

    def __init__(self, config: RedfishConfig) -> None:
        super().__init__(config)
        self._service: Service | None = None
        self._plan = Plan((), (), {}, {})
        self._warmed = 0
        self._failing: frozenset[str] = frozenset()
        self._columns: dict[_Place, Column] = {}
        self._power = self._roster()
        self._temperature = self._roster()

    async def open(self) -> Sequence[Layout]:
        """Log in and look through the tree; what is there is seen at the first read."""
        self._service = self.connect()
        await self._service.open()
        self._plan = await make_plan(self._service, self.config)
        self._warmed, self._failing = 0, frozenset()
        self._columns, self._power, self._temperature = {}, self._roster(), self._roster()
        return []

    def connect(self) -> Service:
        """Return the service that the options name, not open yet."""
        config = self.config
        web = Web(config.root, wait=config.wait, limit=int(config.limit_mib * 2**20), tls=config.trust())
        return Service(web, config.user, config.password.reveal(), config.login)

    async def read(self, now: int) -> Sequence[Frame]:
        """Ask for the power of every chassis, and for temperatures where they are due."""
        plan = self._plan
        since = now - self._warmed if self._warmed else None
        is_due = since is None or not 0 <= since < self.config.temperature_every * _SECOND
        faults: dict[str, Malformed | None] = {}
        drawn = await self._ask(plan.power, faults)
        warm = await self._ask(plan.temperature, faults) if is_due else {}
        if faults and len(faults) == len(plan.power) + (len(plan.temperature) if is_due else 0):
            raise self._fault(faults)
        self._tell(faults)
        if is_due:
            self._warmed = now
        return [*self._frame(self._power, now, drawn), *self._frame(self._temperature, now, warm)]

    async def close(self) -> None:
        """End the session."""
        if self._service is not None:
            service, self._service = self._service, None
            await service.close()

    async def _ask(self, sources: Sequence[Source], faults: dict[str, Malformed | None]) -> dict[_Place, float]:
        """Return the values of resources. One that fails costs its own values alone, and stands in `faults`: with what
        it said, or None, where it is not there any more.
        """
        found: dict[_Place, float] = {}
        for source in sources:
            try:
                body = await self._fetch(source.path, pages=source.has_pages)
            except Malformed as error:
                faults[source.path] = error
                continue
            if body is None:
                faults[source.path] = None
            else:
                self._take(source, apart(source.read(body)), found)
        self._add_up(found)
        return found

    async def _fetch(self, path: str, *, pages: bool) -> Body | None:
        assert self._service is not None
        if not pages:
            return await self._service.find(path)
        members = await self._service.members(path)
        return None if members is None else {"Members": members}

    def _fault(self, faults: dict[str, Malformed | None]) -> Malformed | Unreachable:
        """Return what is the matter where nothing answers; what has left its place is looked for anew."""
        if said := next((error for error in faults.values() if error), None):
            return said
        where = f"{self.config.root}{next(iter(faults))}"
        return Unreachable(f"{where} is not there any more; the service is looked through anew")

    def _take(self, source: Source, told: Sequence[Fact], found: dict[_Place, float]) -> None:
        for fact in told:
            if fact.key.metric is facts.TEMPERATURE and not self.config.wants_temperature:
                continue
            place = _Place(source.device, fact.key)
            if place not in found:
                found[place] = fact.value
                if place not in self._columns:
                    self._columns[place] = self._column(source, fact)

    def _column(self, source: Source, fact: Fact) -> Column:
        is_own = not fact.key.part or fact.key.part.startswith(("psu-", "outlet-"))
        every = self.config.temperature_every or None
        return Column(
            scale=fact.scale,
            resolution=fact.step,
            window=fact.window,
            period=every if source in self._plan.temperature else None,
            point=source.point if is_own else Point.COMPONENT,
        )

    def _add_up(self, found: dict[_Place, float]) -> None:
        """Add the inputs of the supplies of a chassis that tells no total: all of them, or nothing."""
        for device, supplies in self._plan.summed.items():
            drawn = [found.get(_Place(device, Key(part, facts.POWER))) for part in supplies]
            total = _Place(device, Key("", facts.POWER))
            if None not in drawn and total not in found:
                found[total] = math.fsum(watts for watts in drawn if watts is not None)
                self._columns.setdefault(total, Column(point=self.config.point))

    def _frame(self, roster: Roster[_Place], now: int, found: dict[_Place, float]) -> list[Frame]:
        if not found:
            return []
        layout, row, present = roster.frame(now, list(found), list(found.values()))
        return [Frame(layout, row, present=None if present.all() else present)]

    def _roster(self) -> Roster[_Place]:
        return Roster(self._describe, self._devices)

    def _describe(self, place: _Place) -> tuple[Series, Column]:
        key = place.key
        device = f"{place.device}/{key.part}" if key.part else place.device
        return Series.of(device, key.metric, dict(key.labels)), self._columns[place]

    def _devices(self, series: Sequence[Series]) -> list[Device]:
        """Describe the devices of some series, and what holds them."""
        known, found = self._plan.devices, dict[str, Device]()
        for name in dict.fromkeys(one.device for one in series):
            holder, _, part = name.rpartition("/")
            if name not in known:
                kind = "outlet" if part.startswith("outlet-") else _TYPES.get(part, "")
                found[name] = Device(name, kind, (("", holder),))
            above: str | None = name if name in known else holder
            while above is not None and above in known and above not in found:
                found[above] = known[above]
                above = known[above].parent
        return list(found.values())

    def _tell(self, faults: dict[str, Malformed | None]) -> None:
        """Log when a resource fails and when it answers again, not at every poll."""
        for path in sorted(faults.keys() - self._failing):
            said = faults[path] or f"{self.config.root}{path} is not there any more"
            _logger.warning("%s; the rest is read", said)
        if back := self._failing - faults.keys():
            _logger.info("%s answers again for %s", self.config.root, ", ".join(sorted(back)))
        self._failing = frozenset(faults)

"""From a service to what is asked of it at each poll: as few resources as tell the power, mostly one.

For each chassis the first of these that tells watts or joules: EnvironmentMetrics, Power, the Metrics of its power
supplies, its sensors. A BMC takes up to three seconds for one resource, so nothing is asked for that another has told.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from wattline.core.tree import at, dicts, text
from wattline.drivers.redfish import facts
from wattline.drivers.redfish.config import RedfishConfig
from wattline.drivers.redfish.facts import Fact
from wattline.drivers.redfish.kin import Chassis, kin
from wattline.drivers.redfish.resources import (
    Reader,
    excerpts,
    power,
    sensors,
    supply_name,
    thermal,
    thermal_metrics,
)
from wattline.drivers.redfish.vendors import SENSORS, WORTH_ASKING
from wattline.plugin import Device, Malformed, Misconfigured, Point
from wattline.wire.redfish import Body, Service, itself, link

_MOST_CHASSIS: Final = 256
_MOST_SENSORS: Final = 256
_MOST_SUPPLIES: Final = 64
_EQUIPMENT: Final = {
    "RackPDUs": "pdu", "FloorPDUs": "floor-pdu", "PowerShelves": "shelf", "TransferSwitches": "transfer-switch",
    "Switchgear": "switchgear", "ElectricalBuses": "bus",
}  # fmt: skip
"""Collections of PowerEquipment, and what a member is called."""
_CHASSIS: Final = "/redfish/v1/Chassis"
_EXPAND: Final = "$expand=.($levels=1)"
T = TypeVar("T")


class Source(Struct, frozen=True):
    """One resource of a poll, how it is read, and the device that it speaks of; a collection may have pages."""

    path: str
    read: Reader
    device: str
    point: Point
    has_pages: bool = False


class Plan(Struct, frozen=True):
    """What a poll asks for. `summed` are devices that tell no total, with the supplies whose inputs add up to it."""

    power: tuple[Source, ...]
    temperature: tuple[Source, ...]
    devices: dict[str, Device]
    summed: dict[str, frozenset[str]]


async def make_plan(service: Service, config: RedfishConfig) -> Plan:
    """Look through the service once.

    Raises as `Service` does, Misconfigured where a chassis of the address is not there, and Malformed where nothing
    tells anything.
    """
    return await _Survey(service, config).plan()


class _Survey:
    """One look through a service; what answered an error is left out and remembered."""

    def __init__(self, service: Service, config: RedfishConfig) -> None:
        self._service, self._config = service, config
        self._own = config.device or config.host
        self._devices = {self._own: Device(self._own)}
        self._power: list[Source] = []
        self._temperature: list[Source] = []
        self._summed: dict[str, frozenset[str]] = {}
        self._metered: set[str] = set()
        self._troubles: list[str] = []

    async def plan(self) -> Plan:
        bodies = [body async for body in self._chassis()]
        wanted = set(self._config.chassis)
        covered = set() if wanted else await self._equipment(bodies)
        family = kin([body for body in bodies if itself(body) not in covered])
        if missing := wanted - {one.id for one in family}:
            there = ", ".join(sorted(one.id for one in family)) or "none with anything to read"
            raise Misconfigured(
                f"{self._service.name} has no chassis {', '.join(sorted(missing))} to read; it has {there}"
            )
        names = {one.id: f"{self._own}/{one.device}" if one.device else self._own for one in family}
        for one in family:
            is_left_out = one.is_part and not self._config.parts and self._is_held(one, family)
            if one.id not in wanted if wanted else is_left_out:
                continue
            self._describe(names[one.id], names.get(one.holder, self._own))
            if self._config.power:
                await self._meter(one, names[one.id], family)
            if self._config.wants_temperature and not one.is_part:
                self._temperature += await self._warmth(one, names[one.id])
        if not self._power and not self._temperature:
            said = f": {self._troubles[0]}" if self._troubles else ""
            raise Malformed(f"{self._service.name} has nothing that tells power or temperature{said}")
        return Plan(tuple(self._power), tuple(self._temperature), self._devices, self._summed)

    async def _chassis(self) -> AsyncIterator[Body]:
        members = await self._service.members(link(self._service.root, "Chassis") or _CHASSIS) or []
        for member in members[:_MOST_CHASSIS]:
            body = member if "Id" in member else await self._tried(self._service.find, itself(member))
            if body is not None:
                yield body

    def _is_held(self, one: Chassis, family: Sequence[Chassis]) -> bool:
        """Say whether a chassis around this one is metered."""
        above = {other.id: other.holder for other in family}
        name = one.holder
        while name and name not in self._metered:
            name = above.get(name, "")
        return bool(name)

    async def _meter(self, one: Chassis, device: str, family: Sequence[Chassis]) -> None:
        """Find what tells the power of a chassis."""
        point = Point.COMPONENT if one.is_part else self._config.point
        empty: list[Source] = []
        for look in (self._environment, self._deprecated, self._supplies, self._sensors):
            sources, told = await look(one, device, point)
            if look == self._sensors and not any(map(_is_whole, told)) and not self._is_held(one, family):
                # Nobody knows which of them contain which: each alone would be counted beside the others.
                sources, told = [], []
            if any(_tells(fact) for fact in told):
                self._power += sources
                self._sum(device, told)
                if any(map(_is_whole, told)):
                    self._metered.add(one.id)
                if look == self._environment and self._config.supplies:
                    self._power += await self._only_supplies(one, device, point)
                return
            empty = empty or sources
        self._power += empty  # it tells nothing now, as when the machine is off

    async def _environment(self, one: Chassis, device: str, point: Point) -> tuple[list[Source], list[Fact]]:
        return await self._resource(link(one.body, "EnvironmentMetrics"), excerpts(), device, point, ("PowerWatts",))

    async def _deprecated(self, one: Chassis, device: str, point: Point) -> tuple[list[Source], list[Fact]]:
        wants = ("PowerControl", "PowerSupplies", "Oem", "PowerConsumedWatts")
        return await self._resource(link(one.body, "Power"), power, device, point, wants)

    async def _supplies(self, one: Chassis, device: str, point: Point) -> tuple[list[Source], list[Fact]]:
        subsystem = await self._tried(self._service.find, link(one.body, "PowerSubsystem")) or {}
        members = await self._tried(self._service.members, link(subsystem, "PowerSupplies")) or []
        found: list[Source] = []
        told: list[Fact] = []
        for member in members[:_MOST_SUPPLIES]:
            body = member if "Id" in member else await self._tried(self._service.find, itself(member)) or {}
            read = excerpts(supply_name(text(body.get("Id"))))
            sources, some = await self._resource(link(body, "Metrics"), read, device, point)
            if some:
                found, told = found + sources, told + some
        return found, told

    async def _only_supplies(self, one: Chassis, device: str, point: Point) -> list[Source]:
        sources, told = await self._deprecated(one, device, point)
        if any(fact.key.part.startswith("psu-") for fact in told):
            return [Source(sources[0].path, _parts_of(power), device, point)]
        return (await self._supplies(one, device, point))[0]

    async def _sensors(self, one: Chassis, device: str, point: Point) -> tuple[list[Source], list[Fact]]:
        path, read = link(one.body, "Sensors"), sensors(one.id)
        members = await self._tried(self._service.members, path) or []
        if members and self._expands and not any("Reading" in member for member in members):
            expanded = f"{path}?{_EXPAND}"
            members, path = await self._tried(self._service.members, expanded) or members, expanded
        if any("Reading" in member for member in members):
            return [Source(path, read, device, point, has_pages=True)], read({"Members": members})
        told: list[Fact]
        found: list[Source] = []
        told = []
        for sensor in self._worth_asking([itself(member) for member in members]):
            sources, some = await self._resource(sensor, read, device, point)
            if some:
                found, told = found + sources, told + some
        return found, told

    @property
    def _expands(self) -> bool:
        """Whether the service says that it can put members in place of their links."""
        return at(self._service.root, "ProtocolFeaturesSupported", "ExpandQuery", "NoLinks") is True

    def _worth_asking(self, paths: Sequence[str]) -> list[str]:
        """Return the sensors that are asked for one by one: those with a known name, with `parts` all of power."""
        ids = {path: path.rstrip("/").rpartition("/")[2] for path in paths}
        asked = [path for path, name in ids.items() if any(row.pattern.fullmatch(name) for row in SENSORS)]
        if self._config.parts:
            asked = [path for path, name in ids.items() if path in asked or WORTH_ASKING.search(name)]
        return asked[:_MOST_SENSORS]

    async def _warmth(self, one: Chassis, device: str) -> list[Source]:
        point = self._config.point
        sources, told = await self._resource(link(one.body, "Thermal"), thermal(one.id), device, point)
        if told:
            return sources
        subsystem = await self._tried(self._service.find, link(one.body, "ThermalSubsystem")) or {}
        sources, told = await self._resource(link(subsystem, "ThermalMetrics"), thermal_metrics(one.id), device, point)
        return sources if told else []

    async def _equipment(self, bodies: Sequence[Body]) -> set[str]:
        """Plan for PDUs, shelves and switches; returns the paths of the chassis that are the same things."""
        root = await self._tried(self._service.find, link(self._service.root, "PowerEquipment")) or {}
        found: dict[str, Body] = {}
        for collection, kind in _EQUIPMENT.items():
            for member in await self._tried(self._service.members, link(root, collection)) or []:
                body = member if "Id" in member else await self._tried(self._service.find, itself(member)) or {}
                if link(body, "Metrics"):
                    found[f"{kind}-{text(body.get('Id'))}"] = body
        covered = {path for body in found.values() for path in _chassis_of(body)}
        alone = len(found) == 1 and all(itself(body) in covered for body in bodies)
        for name, body in found.items():
            device = self._own if alone else f"{self._own}/{name}"
            self._describe(device, self._own)
            await self._equip(body, device)
        return covered

    async def _equip(self, body: Body, device: str) -> None:
        point = self._config.point
        sources, _ = await self._resource(link(body, "Metrics"), excerpts(), device, point, ("PowerWatts",))
        self._power += sources
        outlets = await self._tried(self._service.members, link(body, "Outlets")) if self._config.parts else None
        for outlet in outlets or []:
            path = itself(outlet)
            name = f"outlet-{path.rstrip('/').rpartition('/')[2]}"
            sources, told = await self._resource(path, excerpts(name), device, point)
            self._power += sources if told else []

    async def _resource(
        self, path: str, read: Reader, device: str, point: Point, wants: Sequence[str] = ()
    ) -> tuple[list[Source], list[Fact]]:
        """Look at one resource; without a fact it is a source if it has one of the properties that it `wants`."""
        body = await self._tried(self._service.find, path)
        if body is None:
            return [], []
        told = read(body)
        is_source = bool(told) or any(body.get(name) for name in wants)
        return ([Source(path, read, device, point)] if is_source else []), told

    async def _tried(self, ask: Callable[[str], Awaitable[T | None]], path: str) -> T | None:
        """Ask; what is answered by an error or by nonsense is as if it were not there, and is remembered."""
        try:
            return await ask(path)
        except Malformed as error:
            self._troubles.append(str(error))
            return None

    def _sum(self, device: str, told: Sequence[Fact]) -> None:
        drawn = [fact.key for fact in told if fact.key.metric is facts.POWER and not fact.key.labels]
        if drawn and not any(key.part == "" for key in drawn):
            supplies = frozenset(key.part for key in drawn if key.part.startswith("psu-"))
            self._summed |= {device: supplies} if supplies else {}

    def _describe(self, device: str, parent: str) -> None:
        self._devices[device] = Device(device, parents=() if device == parent else (("", parent),))


def _tells(fact: Fact) -> bool:
    return not fact.key.labels and fact.key.metric in (facts.POWER, facts.ENERGY)


def _is_whole(fact: Fact) -> bool:
    """Say whether a fact tells what a chassis draws, or one of its supplies, which add up to that."""
    return _tells(fact) and (not fact.key.part or fact.key.part.startswith("psu-"))


def _parts_of(read: Reader) -> Reader:
    return lambda body: [fact for fact in read(body) if fact.key.part.startswith("psu-")]


def _chassis_of(body: Body) -> list[str]:
    return [itself(one) for one in dicts(at(body, "Links", "Chassis"))]

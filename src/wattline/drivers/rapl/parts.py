"""Which zones are read, what their devices are called and what contains what, so that no joule is counted twice.

    host
    ├── psys                       the platform: contains packages and memory, where the board has it
    │   ├── package-0              a socket, or one die of it (package-0-die-1)
    │   │   ├── package-0/core     all its cores (PP0)
    │   │   └── package-0/uncore   mostly its graphics (PP1); PP0 + PP1 <= package
    │   └── dram-0                 memory of that socket: a plane of its own, beside the package

Sources: Intel SDM volume 3B, "Platform Specific Power Management Support", RAPL domains; Desrochers, Paradis and
Weaver, "A Validation of DRAM RAPL Power Measurements", 2016; Firefox Source Docs, "Power profiling overview". Without
psys the packages and memories belong to the host directly.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple

from wattline.plugin import Device, Misconfigured
from wattline.wire.powercap import Zone

TYPES: Final = {"package": "socket", "core": "cores", "uncore": "uncore", "dram": "memory", "psys": "platform"}
"""The type of a device by the first word of its zone's name."""


class Part(NamedTuple):
    """A zone, the device that it is, and the most that it may draw (microwatts; None: unknown)."""

    device: Device
    zone: Zone
    limit: int | None


def kind(zone: Zone) -> str:
    """Return the first word of a zone's name: `package` for `package-0-die-1`."""
    return zone.name.partition("-")[0]


def choose(zones: Sequence[Zone], kinds: str) -> list[Zone]:
    """Choose zones of the kinds in a comma-separated text, each part of the machine once.

    A package may be shown again by another control type (`intel-rapl` reads model-specific registers, `intel-rapl-mmio`
    the same counts by memory): the one with the shorter name is taken. Raises Misconfigured when a kind is none.
    """
    wanted = {word.strip() for word in kinds.split(",")}
    if unknown := sorted(wanted - set(TYPES)):
        raise Misconfigured(f"zones: {unknown[0]!r} is none of {', '.join(TYPES)}")
    names = {(zone.control, zone.number): zone.name for zone in zones}
    ranked = sorted(zones, key=lambda zone: (len(zone.control), zone.control, zone.number))
    chosen: list[Zone] = []
    seen: set[tuple[str, str]] = set()
    for _, same in groupby(ranked, key=lambda zone: zone.control):
        places = {(names.get((zone.control, zone.whole), ""), zone.name): zone for zone in same}
        chosen += [zone for place, zone in places.items() if place not in seen and kind(zone) in wanted]
        seen |= set(places)
    return sorted(chosen, key=lambda zone: zone.number)


def name_parts(zones: Sequence[Zone], host: str) -> list[Part]:
    """Name the device of each zone and its parent, as in the picture above."""
    packages: dict[tuple[str, ...], Zone] = {
        (zone.control, *map(str, zone.number)): zone for zone in zones if kind(zone) == "package"
    }
    above = f"{host}/psys" if any(kind(zone) == "psys" for zone in zones) else host
    return [_part(zone, packages.get((zone.control, str(zone.number[0]))), above, host) for zone in zones]


def _part(zone: Zone, package: Zone | None, above: str, host: str) -> Part:
    socket = package.name if package else f"package-{zone.number[0]}"
    parent, limit = above, zone.limit
    match kind(zone):
        case "psys":
            name, parent = f"{host}/psys", host
        case "package":
            name = f"{host}/{zone.name}"
        case "dram":
            name = f"{host}/dram{socket.removeprefix('package')}"
        case part:
            name = f"{host}/{socket}/{part}"
            if package:
                parent, limit = f"{host}/{socket}", limit or package.limit
    return Part(Device(name, TYPES[kind(zone)], (("", parent),)), zone, limit)

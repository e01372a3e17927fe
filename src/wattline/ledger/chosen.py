"""Which series speak for a device, and which devices add up to the site.

A device may be measured at several points: at the wall, by its BMC, by a component's own sensor, or by an estimate. One
series is chosen for watts and one for energy, by the best point first; never are two points added. A site is the sum of
the devices that have a choice and of which no ancestor has one, since what a parent measures contains its children.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from wattline.core.integral import Nature, nature
from wattline.plugin import Device, Entry, Point

_POINTS: Final = {Point.WALL: 0, Point.BMC: 1, Point.COMPONENT: 2, Point.ESTIMATE: 3}
_FOR_WATTS: Final = {Nature.POWER: 0, Nature.REGISTER: 1, Nature.DELTA: 2}
_FOR_ENERGY: Final = {Nature.REGISTER: 0, Nature.DELTA: 1, Nature.POWER: 2}
COARSEST: Final = 3600.0
"""Joules. A register that steps by more (1 Wh is still fine) tells less of an hour than a second-by-second power does:
at 100 W a 0.1 kWh register stands still for an hour. It is chosen only where its point gives no power."""


class Choice(Struct, frozen=True):
    """The series that speak for a device: `power` for watts now (a register's rate where no gauge is), `energy`."""

    power: Entry | None = None
    energy: Entry | None = None

    @property
    def estimated(self) -> str:
        """Empty, or how the chosen series are estimated."""
        return next(
            (entry.column.estimate for entry in (self.power, self.energy) if entry and entry.column.estimate), ""
        )


def choose(devices: Sequence[Device], entries: Sequence[Entry]) -> dict[str, Choice]:
    """Return the choice of every device that has a series of power or energy, by device name, in order of name.

    `Device.power` names the metric to be taken, for watts and energy, if the device has it.
    """
    wanted = {device.name: device.power for device in devices if device.power}
    own: dict[str, list[Entry]] = {}
    for entry in entries:
        if nature(entry.series.metric) is not Nature.LEVEL:
            own.setdefault(entry.series.device, []).append(entry)
    return {name: _choice(own[name], wanted.get(name, "")) for name in sorted(own)}


def _choice(entries: Sequence[Entry], wanted: str) -> Choice:
    entries = [entry for entry in entries if entry.series.metric.name == wanted] or entries
    return Choice(power=min(entries, key=_rank_for_watts), energy=min(entries, key=_rank_for_energy))


def _point(entry: Entry) -> int:
    return _POINTS[Point.ESTIMATE if entry.column.estimate else entry.column.point]


def _rank_for_watts(entry: Entry) -> tuple[int, int, int, int]:
    return _point(entry), _FOR_WATTS[nature(entry.series.metric)], len(entry.series.labels), entry.id


def _rank_for_energy(entry: Entry) -> tuple[int, int, int, int]:
    rank = _FOR_ENERGY[nature(entry.series.metric)]
    if entry.column.resolution > COARSEST:
        rank += len(_FOR_ENERGY)
    return _point(entry), rank, len(entry.series.labels), entry.id


def roots(devices: Sequence[Device], chosen: Mapping[str, Choice]) -> tuple[str, ...]:
    """Return the chosen devices without a chosen ancestor on any feed, by name.

    A circle of parents, which no wiring has, would count nothing at all: the first of its devices by name counts.
    """
    parents = {device.name: [parent for _, parent in device.parents] for device in devices}
    ancestors = {name: _ancestors(name, parents) for name in chosen}
    return tuple(name for name in sorted(chosen) if not _is_counted(name, chosen, ancestors))


def _is_counted(name: str, chosen: Mapping[str, Choice], ancestors: Mapping[str, frozenset[str]]) -> bool:
    """Say whether a chosen ancestor holds what this device draws; within a circle the first by name holds it."""
    above = [other for other in ancestors[name] if other in chosen and other != name]
    return any(name not in ancestors[other] or other < name for other in above)


def _ancestors(name: str, parents: Mapping[str, Sequence[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(parents.get(name, ()))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(parents.get(one, ()))
    return frozenset(found)

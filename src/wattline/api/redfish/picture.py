"""What a store holds now, a chassis for each device that has power or energy.

A value counts while it is fresh: younger than three periods of its series, and in any case younger than 10 s. A device
that has said nothing for an hour is no chassis any more.
"""

import fnmatch
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import Struct

from wattline.api.fresh import patience
from wattline.core.integral import Nature, nature
from wattline.ledger.aliases import with_aliases
from wattline.ledger.chosen import Choice, choose, roots
from wattline.plugin import Device, Entry, Store
from wattline.units import NANOSECONDS

TOTAL: Final = "1"
"""Id of the chassis that is all of it."""
FORGOTTEN: Final = 3600 * NANOSECONDS

_NO_CHASSIS: Final = ("process",)
_SIGN: Final = re.compile(r"[^A-Za-z0-9_.-]")


class Told(NamedTuple):
    """The newest value of a series, None where it is not fresh, and its time (ns)."""

    entry: Entry
    value: float | None
    time: int


class Chassis(Struct, frozen=True):
    """A device as a chassis: its Id, what holds it, what it holds, its power (W) and register (J), and all it tells."""

    id: str
    name: str
    holder: str
    held: tuple[str, ...]
    power: Told | None
    energy: Told | None
    told: tuple[Told, ...]


class Picture(Struct, frozen=True):
    """All chassis by Id, and the watts of all together: None where one of them does not tell now."""

    chassis: Mapping[str, Chassis]
    watts: float | None

    @property
    def tops(self) -> tuple[str, ...]:
        """Ids of the chassis that no other holds."""
        return tuple(one.id for one in self.chassis.values() if one.holder == TOTAL)


def draw(store: Store[Any], now: int, wanted: Sequence[str] = ()) -> Picture:
    """Look at a store at `now` (ns); `wanted` are patterns of device names, none: all. Blocks."""
    entries = store.entries()
    devices = with_aliases(store.devices(), entries)
    newest = store.last(now - FORGOTTEN)
    living = [entry for entry in entries if entry.id in newest]
    types = {device.name: device.type for device in devices}
    chosen = {
        name: choice
        for name, choice in choose(devices, living).items()
        if types.get(name) not in _NO_CHASSIS and (not wanted or any(fnmatch.fnmatchcase(name, w) for w in wanted))
    }
    told = {entry.id: _told(entry, newest[entry.id], now) for entry in living}
    own: dict[str, list[Told]] = {}
    for entry in living:
        own.setdefault(entry.series.device, []).append(told[entry.id])
    ids = _ids(sorted(chosen))
    holders = _holders(chosen, devices)
    chassis = {
        ids[name]: Chassis(
            ids[name],
            name,
            ids.get(holders[name], TOTAL),
            tuple(ids[other] for other in chosen if holders[other] == name),
            _of(choice.power, Nature.POWER, told),
            _of(choice.energy, Nature.REGISTER, told),
            tuple(own[name]),
        )
        for name, choice in chosen.items()
    }
    tops = [chassis[ids[name]].power for name in roots(devices, chosen)]
    watts = [one.value for one in tops if one is not None]
    is_whole = bool(watts) and None not in watts
    return Picture(chassis, math.fsum(value for value in watts if value is not None) if is_whole else None)


def _told(entry: Entry, newest: tuple[int, float], now: int) -> Told:
    time, value = newest
    is_fresh = now - time < patience(entry.column)
    return Told(entry, value if is_fresh and math.isfinite(value) else None, time)


def _of(entry: Entry | None, wanted: Nature, told: Mapping[int, Told]) -> Told | None:
    return told[entry.id] if entry is not None and nature(entry.series.metric) is wanted else None


def _holders(chosen: Mapping[str, Choice], devices: Sequence[Device]) -> dict[str, str]:
    """Return the nearest chosen device above each; empty where there is none, or where the way up is a circle."""
    above = {device.name: device.parent for device in devices}
    found = {}
    for name in chosen:
        seen, one = {name}, above.get(name)
        while one is not None and one not in chosen and one not in seen:
            seen.add(one)
            one = above.get(one)
        found[name] = one if one in chosen and one != name else ""
    return {name: one or "" for name, one in found.items()}


def _ids(names: Sequence[str]) -> dict[str, str]:
    """Give each device an Id of its own that may stand in a path, the same as long as the devices are."""
    taken, ids = {TOTAL}, {}
    for name in names:
        plain = _SIGN.sub("-", name.replace("/", ".")).strip(".") or "device"
        one, count = plain, 1
        while one in taken:
            count += 1
            one = f"{plain}-{count}"
        taken.add(one)
        ids[name] = one
    return ids

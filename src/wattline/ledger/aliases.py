"""Devices that only a label names: what is measured under `_device_alias: node-1` is drawn by node-1.

    pdu-a/outlet-3  power_watts{_device_alias="node-1"} ──┐
                                                          ├──▶ node-1 draws their sum
    pdu-b/outlet-5  power_watts{_device_alias="node-1"} ──┘

Kwollect adds such values where their times are equal, so a node with two feeds that are read at two instants shows half
of its power twice (its view `metrics_by_device`). Here the newest value of each origin counts, and joules are added. A
device that is measured itself speaks for itself; its origins are above it, so that a site counts it once.
"""

from collections.abc import Iterable, Mapping, Sequence

from wattline.core.integral import Nature, nature
from wattline.ledger.chosen import Choice, roots
from wattline.model import Device
from wattline.plugin import Entry


def bearers(entries: Iterable[Entry]) -> dict[str, tuple[str, ...]]:
    """Return the devices whose power or energy bears each alias, both by name."""
    found: dict[str, set[str]] = {}
    for entry in entries:
        alias = entry.series.alias
        if alias and alias != entry.series.device and nature(entry.series.metric) is not Nature.LEVEL:
            found.setdefault(alias, set()).add(entry.series.device)
    return {alias: tuple(sorted(found[alias])) for alias in sorted(found)}


def with_aliases(devices: Sequence[Device], entries: Iterable[Entry]) -> list[Device]:
    """Return the devices, with each alias as one that draws from what bears it, unless it is described; by name."""
    known = {device.name: device for device in devices}
    for alias, names in bearers(entries).items():
        feeds = tuple((str(place) if len(names) > 1 else "", name) for place, name in enumerate(names, 1))
        device = known.get(alias, Device(alias))
        known[alias] = device if device.parents else Device(alias, device.type, feeds, device.power)
    return [known[name] for name in sorted(known)]


def sums(
    devices: Sequence[Device], entries: Iterable[Entry], chosen: Mapping[str, Choice]
) -> dict[str, tuple[str, ...]]:
    """Return the devices that add up to each alias that has no choice of its own; none of them is part of another."""
    return {
        alias: roots(devices, {name: chosen[name] for name in names})
        for alias, names in bearers(entries).items()
        if alias not in chosen
    }

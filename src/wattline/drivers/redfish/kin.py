"""Which chassis is inside which, so that no watt is counted twice. Pure.

`Links.ContainedBy` says it where a service fills it in. Where it does not, the type of a chassis says whether it is a
machine or a part of one: a part belongs to the one zone that there is, else to the one machine. What has nothing to
read is no chassis here (a storage backplane, a root of trust).
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from wattline.core.tree import at, text
from wattline.wire.redfish import Body, itself, link, target

_RANKS: Final = {"Zone": 1, "Module": 2, "Card": 2, "Cartridge": 2, "Drawer": 2, "Expander": 2, "Component": 2}
"""Types of chassis that are parts, the widest first; every other type is a machine of its own (0)."""

_WORTH: Final = ("EnvironmentMetrics", "Power", "PowerSubsystem", "Sensors", "Thermal", "ThermalSubsystem")


class Chassis(Struct, frozen=True):
    """One chassis: its Id and body, whether it is a part, the Id of what holds it, and its device below the meter's own
    (empty: it is the meter's own).
    """

    id: str
    body: Body
    is_part: bool
    holder: str
    device: str


def kin(bodies: Sequence[Body]) -> list[Chassis]:
    """Return the chassis that have something to read, holders before what they hold."""
    worth = {text(body.get("Id")) or _last(itself(body)): body for body in bodies if any(link(body, k) for k in _WORTH)}
    by_path = {itself(body).rstrip("/"): name for name, body in worth.items()}
    told = {name: by_path.get(path, "") if (path := _contained_by(body)) else "" for name, body in worth.items()}
    ranks = {name: _RANKS.get(text(body.get("ChassisType")), 0) for name, body in worth.items()}
    holders = {name: told[name] or _wider(name, ranks) for name in worth}
    tops = [name for name in worth if not holders[name]]
    found = []
    for name in sorted(worth, key=lambda name: len(_above(name, holders))):
        above = _above(name, holders)
        device = "" if tops == [name] else name
        found.append(Chassis(name, worth[name], bool(ranks[name]), above[0] if above else "", device))
    return found


def _wider(name: str, ranks: dict[str, int]) -> str:
    for rank in range(ranks[name] - 1, -1, -1):
        wider = [other for other, its in ranks.items() if its == rank]
        if len(wider) == 1:
            return wider[0]
    return ""


def _above(name: str, holders: dict[str, str]) -> list[str]:
    """Return what holds a chassis, nearest first; nothing, where that leads in a circle, which no machine does."""
    found: list[str] = []
    one = name
    while one := holders.get(one, ""):
        if one == name or one in found:
            return []
        found.append(one)
    return found


def _contained_by(body: Body) -> str:
    return target(text(at(body, "Links", "ContainedBy", "@odata.id"))).rstrip("/")


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]

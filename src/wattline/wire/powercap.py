"""The powercap tree of Linux: zones with energy registers, as files (Documentation/power/powercap/powercap.rst).

A zone is a folder `<control type>:<n>[:<m>]` with `name`, `energy_uj`, `max_energy_range_uj` and constraints. The
class folder shows all zones flat, as links; the device folders show parts inside their whole. Both are walked.

What the register's modulus is: the kernel shows `energy_uj` as the hardware's 32-bit count times a whole number of
nanojoules, rounded down to a microjoule, and `max_energy_range_uj` as the same of the largest count, 2^32 - 1
(drivers/powercap/intel_rapl_common.c: `rapl_unit_xlate`, `ENERGY_STATUS_MASK`, `get_max_energy_counter`). So 0 follows
one step *after* the largest value, and the modulus is 2^32 steps. A largest value that is no such product belongs to
another kind of register, which counts microjoules: its modulus is one more.
"""

import os
import re
from pathlib import Path
from typing import Final, NamedTuple

COUNTS: Final = 2**32
"""Values of the hardware's register."""
NANO_PER_MICRO: Final = 1000
_ENTRY: Final = re.compile(r"([a-z][a-z0-9-]*)((?::\d+)+)")
_MOST_WATTS: Final = 10_000
"""A limit above this is firmware's way to say that there is none."""


class Zone(NamedTuple):
    """A part of the machine with a register of its own: `name` such as `package-0` or `dram`, within zone `whole`."""

    control: str
    number: tuple[int, ...]
    name: str
    folder: Path
    most: int
    """The largest value of `energy_uj`."""
    limit: int | None
    """Microwatts: the highest of the zone's power limits; None: none is known."""

    @property
    def whole(self) -> tuple[int, ...]:
        """The number of the zone that this one is a part of; empty: of none."""
        return self.number[:-1]


class Register(NamedTuple):
    """How a zone's `energy_uj` counts, in microjoules: `modulus` (the value after the largest is 0) and `step`."""

    modulus: float
    step: float


def register(most: int) -> Register:
    """Return how a register counts whose largest value (`max_energy_range_uj`) is `most` microjoules."""
    nano = -(-most * NANO_PER_MICRO // (COUNTS - 1))
    if nano and (COUNTS - 1) * nano // NANO_PER_MICRO == most:
        return Register(COUNTS * nano / NANO_PER_MICRO, nano / NANO_PER_MICRO)
    return Register(float(most + 1), 1.0)


def find_zones(root: Path) -> list[Zone]:
    """Return the zones below `root` that have an energy register, in the order of their numbers.

    Raises OSError when `root` cannot be listed, or a zone's description cannot be read.
    """
    found: dict[str, Zone] = {}
    folders = [root]
    while folders:
        for folder in sorted(folders.pop().iterdir()):
            entry = _ENTRY.fullmatch(folder.name)
            if entry and folder.name not in found and (folder / "energy_uj").exists():
                number = tuple(int(part) for part in entry[2].split(":")[1:])
                found[folder.name] = _zone(folder, entry[1], number)
                folders.append(folder)
            elif not entry and "rapl" in folder.name and folder.is_dir():
                folders.append(folder)
    return sorted(found.values(), key=lambda zone: (zone.control, zone.number))


def _zone(folder: Path, control: str, number: tuple[int, ...]) -> Zone:
    name = (folder / "name").read_text().strip()
    most = int((folder / "max_energy_range_uj").read_text())
    return Zone(control, number, name, folder, most, _limit(folder))


def _limit(folder: Path) -> int | None:
    """Return the highest power limit of a zone in microwatts, of any window: what it may draw at most."""
    limits = [0]
    for path in (*folder.glob("constraint_*_power_limit_uw"), *folder.glob("constraint_*_max_power_uw")):
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):
            continue  # a constraint may exist without being supported; it answers ENODATA or nothing
    sensible = [limit for limit in limits if 0 < limit <= _MOST_WATTS * 1_000_000]
    return max(sensible, default=None)


def open_register(zone: Zone) -> int:
    """Open a zone's register to be kept open; the caller closes it. Raises OSError, PermissionError above all."""
    return os.open(zone.folder / "energy_uj", os.O_RDONLY | os.O_CLOEXEC)


def read_register(descriptor: int) -> int | None:
    """Return the microjoules of a register, or None when its zone has left. Raises ValueError: it is no number."""
    try:
        text = os.pread(descriptor, 32, 0)
    except OSError:
        return None  # ENODEV, ENODATA, EIO: the zone was unregistered, its processor is offline
    return int(text) if text else None

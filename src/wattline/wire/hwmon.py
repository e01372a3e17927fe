"""The hardware monitoring tree of Linux: chips with sensors, as files (Documentation/hwmon/sysfs-interface.rst).

A chip is a folder `hwmon<N>` with `name`, perhaps a link `device`, and files such as `power1_input`, `power1_average`,
`power1_label`. N changes from boot to boot; the name of what `device` links to does not.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

_FILE: Final = re.compile(r"(power|energy|in|curr|temp|humidity)(\d{1,4})_(input|average)")
_CHIP: Final = re.compile(r"hwmon\d+")
MILLISECONDS: Final = 1000


class Sensor(NamedTuple):
    """One file of a chip: `kind` (power, in ...), `number`, whether it is an average, its label, and over how many
    seconds it averages (None: it does not say).
    """

    kind: str
    number: int
    is_average: bool
    label: str
    window: float | None
    path: Path


class Chip(NamedTuple):
    """A chip under a name that it keeps over restarts, and its sensors in order."""

    name: str
    sensors: tuple[Sensor, ...]


def find_chips(root: Path) -> list[Chip]:
    """Return the chips below `root` that have sensors. Chips of one name are told apart by their devices.

    Raises OSError when `root` cannot be listed.
    """
    found: list[tuple[str, str, Path]] = []
    for folder in sorted(root.iterdir(), key=lambda path: (len(path.name), path.name)):
        if _CHIP.fullmatch(folder.name):
            link = folder / "device"
            device = os.path.basename(os.path.realpath(link)) if link.exists() else folder.name
            found.append((_text(folder / "name") or folder.name, device, folder))
    chips: list[Chip] = []
    names = [name for name, _, _ in found]
    full = [f"{name}-{device}" for name, device, _ in found]
    for (name, _, folder), longer in zip(found, full, strict=True):
        shown = name if names.count(name) == 1 else longer if full.count(longer) == 1 else f"{name}-{folder.name}"
        if sensors := _sensors(folder):
            chips.append(Chip(shown, sensors))
    return chips


def open_sensor(sensor: Sensor) -> int:
    """Open a sensor to be kept open; the caller closes it. Raises OSError."""
    return os.open(sensor.path, os.O_RDONLY | os.O_CLOEXEC)


def read_sensor(descriptor: int) -> int | None:
    """Return what a sensor says, None when it says nothing now or has left. Raises ValueError: it is no number."""
    try:
        text = os.pread(descriptor, 32, 0)
    except OSError:
        return None  # ENODATA, EAGAIN, EIO: a fault of the sensor; ENODEV: its driver was unloaded
    return int(text) if text else None


def _sensors(folder: Path) -> tuple[Sensor, ...]:
    found = []
    with contextlib.suppress(OSError):  # its driver was unloaded meanwhile
        for path in folder.iterdir():
            match = _FILE.fullmatch(path.name)
            if match is None:
                continue
            kind, number, is_average = match[1], int(match[2]), match[3] == "average"
            interval = _text(folder / f"{kind}{number}_average_interval") if is_average else ""
            window = int(interval) / MILLISECONDS if interval.isdecimal() and int(interval) else None
            found.append(Sensor(kind, number, is_average, _text(folder / f"{kind}{number}_label"), window, path))
    return tuple(sorted(found))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")[:100].strip()
    except OSError:
        return ""

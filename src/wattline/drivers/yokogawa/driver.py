"""Yokogawa power meters (WT210, WT310), read by the program `yokotool`, which knows their ports and dialects.

`yokotool DEVICE --pmtype=TYPE read P,V --count=1` prints two lines of CSV: the items, and their values. The program
ends with each reading, so that nothing holds the port between two polls.
"""

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np

from wattline.core.tree import number
from wattline.plugin import (
    Column,
    Device,
    DriverConfig,
    Frame,
    Kind,
    Layout,
    Malformed,
    Metric,
    Misconfigured,
    Polled,
    Series,
    Unit,
    Unreachable,
    Url,
)

ITEMS: Final = {
    "P": Metric("power_watts", Unit.WATT, Kind.GAUGE, "Active power at the input."),
    "V": Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage at the input."),
    "I": Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current at the input."),
    "S": Metric("apparent_power_va", Unit.VOLT_AMPERE, Kind.GAUGE, "Apparent power at the input."),
    "Q": Metric("reactive_power_var", Unit.VAR, Kind.GAUGE, "Reactive power at the input."),
}
"""What is read, by yokotool's name of it."""

_MOST: Final = 64 * 1024
_MISSING: Final = 127  # what a shell, and sudo, say of a program that is not there


class YokogawaConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a Yokogawa meter; README.md explains each."""

    dev: str
    pmtype: str = ""
    items: tuple[str, ...] = ("P",)
    tool: str = "yokotool"
    sudo: bool = False
    wait: float = 10.0

    def __post_init__(self) -> None:
        if not self.dev or self.dev.startswith("-"):
            raise ValueError("`dev` is the meter's port, such as /dev/usbtmc1")
        if unknown := [item for item in self.items if item not in ITEMS]:
            raise ValueError(f"`items` are of {', '.join(ITEMS)}, not {', '.join(unknown)}")
        if not self.items or len(set(self.items)) < len(self.items):
            raise ValueError("`items` names each item once")
        if not 0.001 <= self.wait <= 3600:
            raise ValueError("`wait` lies between 0.001 and 3600")

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `yokogawa:///dev/usbtmc1?pmtype=wt310&items=P,V`."""
        given: dict[str, Any] = {"dev": f"/{url.path}" if url.path else "", **dict(url.options)}
        if isinstance(items := given.get("items"), str):
            given["items"] = items.split(",")
        return cls.of(f"{url.scheme}://", given)

    @property
    def command(self) -> list[str]:
        """What is run."""
        before = ["sudo", "-n"] if self.sudo else []
        kind = [f"--pmtype={self.pmtype}"] if self.pmtype else []
        return [*before, self.tool, self.dev, *kind, "read", ",".join(self.items), "--count=1"]


class Yokogawa(Polled[YokogawaConfig]):
    """Runs `yokotool` for each reading."""

    Config = YokogawaConfig
    summary = "Yokogawa power meters, by the program yokotool"
    metrics = tuple(ITEMS.values())
    example = "yokogawa:///dev/usbtmc1?pmtype=wt310"

    async def open(self) -> Sequence[Layout]:
        """Say what will be read; the meter is asked at the first reading."""
        device = self.config.device or self.config.dev.rpartition("/")[2]
        series = [Series.of(device, ITEMS[item]) for item in self.config.items]
        self._layout = Layout.of(series, [Column()] * len(series), devices=[Device(device)])
        return [self._layout]

    async def read(self, now: int) -> Sequence[Frame]:
        """Run the program once."""
        told = read_csv(await self._run(), self.config.items, self.config.dev)
        row = np.array([np.nan if value is None else value for value in told])
        present = np.array([value is not None for value in told])
        return [Frame(self._layout, row, present=None if present.all() else present)]

    async def _run(self) -> str:
        """Return what the program prints; it is ended when it takes too long, and when nobody waits for it any more."""
        config = self.config
        try:
            child = await asyncio.create_subprocess_exec(*config.command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
        except (OSError, ValueError) as error:
            raise Misconfigured(f"{config.command[0]} cannot be run for {config.dev}: {error}") from error
        try:
            async with asyncio.timeout(config.wait):
                said, complaint = await asyncio.gather(_drain(child.stdout), _drain(child.stderr))
                status = await child.wait()
        except TimeoutError as error:
            raise Unreachable(f"{config.tool} read nothing from {config.dev} within {config.wait:g} s") from error
        finally:
            await _end(child)
        if status:
            reason = (complaint.strip() or said.strip()).rpartition("\n")[2][:200]
            meant = Misconfigured if status == _MISSING else Unreachable
            raise meant(f"{config.tool} ended with {status} for {config.dev}: {reason or 'without a word'}")
        return said


def read_csv(printed: str, items: Sequence[str], where: str) -> list[float | None]:
    """Return the values of `items`, in their order; None for one that is no number. Raises Malformed."""
    lines = [line for line in printed.splitlines() if line.strip()]
    if len(lines) < 2:
        raise Malformed(f"yokotool printed no values for {where}, only {printed.strip()[:80]!r}")
    head, values = ([part.strip() for part in line.split(",")] for line in lines[:2])
    places = [head.index(item) for item in items] if set(items) <= set(head) else range(len(items))
    told = [number(values[place]) if place < len(values) else None for place in places]
    if all(value is None for value in told):
        raise Malformed(f"yokotool printed no number for {where}, but {lines[1].strip()[:80]!r}")
    return told


async def _drain(stream: asyncio.StreamReader | None) -> str:
    """Return the beginning of what a program prints, and let go of the rest."""
    assert stream is not None
    kept = bytearray()
    while piece := await stream.read(_MOST):
        kept += piece[: _MOST - len(kept)]
    return kept.decode(errors="replace")


async def _end(child: Process) -> None:
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()

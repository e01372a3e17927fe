"""From what was seen of a meter to figures: one picture of each device's power and register, and of the answers."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from wattline.core import quality
from wattline.core.integral import Nature
from wattline.core.quality import Agreement, Refresh
from wattline.doctor.observed import Observed, Track


class Source(Struct, frozen=True, eq=False):
    """What is known of one device's power and register; None: it has none, or they do not show it."""

    device: str
    power: Track | None
    register: Track | None
    watts: float | None
    """Median of its power, else what its register tells."""
    refresh: Refresh | None
    register_refresh: Refresh | None
    resolution: float | None
    """Watts between two values of its power."""
    register_step: float | None
    """Joules between two values of its register."""
    agreement: Agreement | None
    averaged: float | None
    """Seconds over which its power is averaged, as its register shows."""

    @property
    def window(self) -> float | None:
        """Seconds over which its power is averaged: as its driver says, else as its register shows."""
        declared = self.power.column.window if self.power else None
        return declared or self.averaged

    @property
    def estimate(self) -> str:
        """How it is estimated, where all that it gives is."""
        tracks = [track for track in (self.power, self.register) if track is not None]
        return tracks[0].column.estimate if all(track.column.estimate for track in tracks) else ""


class Figures(Struct, frozen=True, eq=False):
    """What was found of a meter. `latency` is (median, 99th percentile) in s, `offset` its clock less ours in s."""

    sources: tuple[Source, ...]
    latency: tuple[float, float] | None
    offset: float | None


def figures(seen: Observed) -> Figures:
    """Return the figures of a meter."""
    devices: dict[str, list[Track]] = {}
    for track in seen.tracks:
        if track.nature in (Nature.POWER, Nature.REGISTER):
            devices.setdefault(track.series.device, []).append(track)
    latency = np.quantile(seen.latency, (0.5, 0.99)).tolist() if len(seen.latency) else None
    return Figures(
        tuple(_source(device, tracks) for device, tracks in devices.items()),
        (latency[0], latency[1]) if latency else None,
        float(np.median(seen.offsets)) if len(seen.offsets) else None,
    )


def _source(device: str, tracks: Sequence[Track]) -> Source:
    power, register = _pair(tracks)
    by_power = quality.refresh(power.time, power.values) if power else None
    by_register = quality.refresh(register.time, register.values) if register else None
    watts = None
    if power is not None and len(power.values):
        watts = float(np.median(np.abs(power.values)))
    elif register is not None:
        watts = quality.watts_of(register.time, register.values, register.column)
    delay = max((one.period for one in (by_power, by_register) if one is not None), default=0.0)
    agrees = averaged = None
    if power is not None and register is not None:
        agrees = quality.agreement(
            (power.time, power.values), (register.time, register.values, register.column),
            delay + (power.column.window or 0.0),
        )  # fmt: skip
        averaged = quality.window((power.time, power.values), (register.time, register.values, register.column))
    return Source(
        device, power, register, watts, by_power, by_register,
        quality.resolution(power.values, power.column.scale) if power else None,
        quality.resolution(register.values, register.column.scale) if register else None,
        agrees,
        averaged,
    )  # fmt: skip


def _pair(tracks: Sequence[Track]) -> tuple[Track | None, Track | None]:
    """Return the power and the register that speak for a device: of those with equal labels, the plainest."""

    def rank(track: Track) -> tuple[bool, int, bool, str]:
        metric = track.series.metric.name
        return bool(track.column.estimate), len(track.series.labels), not metric.startswith("power_"), metric

    powers = sorted((track for track in tracks if track.nature is Nature.POWER), key=rank)
    registers = sorted((track for track in tracks if track.nature is Nature.REGISTER), key=rank)
    for power in powers:
        for register in registers:
            if power.series.labels == register.series.labels:
                return power, register
    return (powers[0] if powers else None), (registers[0] if registers and not powers else None)

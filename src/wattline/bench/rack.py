"""Samples as real meters give them, to be stored: slow watts, registers, temperatures, fans, with jittered times."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from wattline.model import Batch, Column, Kind, Layout, Metric, Series, Times, Values
from wattline.units import NANOSECONDS, Scale, Unit

START: Final = 1_768_435_200 * NANOSECONDS
"""2026-01-15T00:00:00Z."""
SERIES: Final = 20
POWERS: Final = 10
"""How many of the twenty series of a meter are watts."""


def layout(meter: int) -> Layout:
    """Describe a meter: ten outlets' watts, five registers, five temperatures and speeds."""
    watts = [Metric(f"outlet_{i}_power_watts", Unit.WATT, Kind.GAUGE) for i in range(POWERS)]
    registers = [Metric(f"outlet_{i}_energy_joules", Unit.JOULE, Kind.COUNTER) for i in range(5)]
    others = [Metric(f"sensor_{i}_celsius", Unit.CELSIUS, Kind.GAUGE) for i in range(5)]
    columns = [Column(resolution=1.0, period=1.0, rated=3680.0)] * POWERS
    columns += [Column(scale=Scale(3600, 1), resolution=3600.0, range=3600.0 * 2**32, period=1.0, rated=3680.0)] * 5
    columns += [Column(resolution=0.1, period=1.0)] * 5
    return Layout.of([Series.of(f"pdu-{meter:04d}", metric) for metric in (*watts, *registers, *others)], columns)


def walk(meters: int, seconds: int, seed: int = 1) -> tuple[Times, Values]:
    """Return times int64[seconds, meters] (1 Hz, 1 ms of jitter, whole us) and values float64[.., meters, 20]."""
    random = np.random.default_rng(seed)
    phase = np.arange(meters) * 104_729 % 900_000
    jitter = random.normal(0, 1000, (seconds, meters)).astype(np.int64)
    times = START + (np.arange(seconds)[:, None] * 1_000_000 + phase + jitter) * 1000
    steps = random.integers(-3, 4, (seconds, meters, SERIES), dtype=np.int8)
    steps *= random.random(steps.shape, dtype=np.float32) < 0.4
    level = np.cumsum(steps, axis=0, dtype=np.int32)
    base = (100 + np.arange(meters * SERIES).reshape(meters, SERIES) * 7919 % 400).astype(np.int32)
    values = np.abs(base + level).astype(np.float64)
    values[..., 5:POWERS] = np.round(values[..., 5:POWERS] / 10, 1)
    registers = slice(POWERS, POWERS + 5)
    counts = np.cumsum(values[..., registers], axis=0) // 3600 + base[..., registers] * 1000
    values[..., registers] = counts * 3600
    values[..., 15:18] = np.round((base[..., 15:18] + level[..., 15:18] // 16) / 10, 1)
    values[..., 18:] = base[..., 18:] * 10 + level[..., 18:] // 64 * 60
    return times, values


def commits(meters: int, seconds: int, seed: int = 1) -> Iterator[list[Batch]]:
    """Yield what one commit a second holds: a frame of each meter."""
    layouts = [layout(meter) for meter in range(meters)]
    times, values = walk(meters, seconds, seed)
    for second in range(seconds):
        yield [
            Batch(
                layouts[m],
                times[second, m : m + 1],
                values[second, m : m + 1],
                source=f"bench/{m}",
                run=1,
                sequence=second + 1,
            )
            for m in range(meters)
        ]


def frames(meters: int, seconds: int, seed: int = 1, *, length: int = 3600) -> Iterator[list[Batch]]:
    """Yield the same samples in batches of `length` frames, as history is loaded."""
    layouts = [layout(meter) for meter in range(meters)]
    times, values = walk(meters, seconds, seed)
    for number, first in enumerate(range(0, seconds, length), start=1):
        part = slice(first, first + length)
        yield [
            Batch(
                layouts[m],
                times[part, m],
                np.ascontiguousarray(values[part, m]),
                source=f"bench/{m}",
                run=1,
                sequence=number,
            )
            for m in range(meters)
        ]

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


def walk(meters: int, seconds: int, seed: int = 1, *, piece: int = 600) -> Iterator[tuple[Times, Values]]:
    """Yield pieces of times int64[n, meters] (1 Hz, 1 ms of jitter, whole us) and values float64[n, meters, 20]."""
    random = np.random.default_rng(seed)
    phase = np.arange(meters) * 104_729 % 900_000
    base = (100 + np.arange(meters * SERIES).reshape(meters, SERIES) * 7919 % 400).astype(np.int32)
    reached = np.zeros((meters, SERIES), np.int32)
    used = np.zeros((meters, 5))
    registers = slice(POWERS, POWERS + 5)
    for first in range(0, seconds, piece):
        second = np.arange(first, min(first + piece, seconds))
        jitter = random.normal(0, 1000, (len(second), meters)).astype(np.int64)
        times = START + (second[:, None] * 1_000_000 + phase + jitter) * 1000
        steps = random.integers(-3, 4, (len(second), meters, SERIES), dtype=np.int8)
        steps *= random.random(steps.shape, dtype=np.float32) < 0.4
        level = reached + np.cumsum(steps, axis=0, dtype=np.int32)
        values = np.abs(base + level).astype(np.float64)
        values[..., 5:POWERS] = np.round(values[..., 5:POWERS] / 10, 1)
        joules = used + np.cumsum(values[..., registers], axis=0)
        values[..., registers] = (joules // 3600 + base[..., registers] * 1000) * 3600
        values[..., 15:18] = np.round((base[..., 15:18] + level[..., 15:18] // 16) / 10, 1)
        values[..., 18:] = base[..., 18:] * 10 + level[..., 18:] // 64 * 60
        reached, used = level[-1].copy(), joules[-1].copy()
        yield times, values


def commits(meters: int, seconds: int, seed: int = 1) -> Iterator[list[Batch]]:
    """Yield what one commit a second holds: a frame of each meter."""
    layouts = [layout(meter) for meter in range(meters)]
    sequence = 0
    for times, values in walk(meters, seconds, seed):
        for time, frame in zip(times, values, strict=True):
            sequence += 1
            yield [
                Batch(one, time[m : m + 1], frame[m : m + 1], source=f"bench/{m}", run=1, sequence=sequence)
                for m, one in enumerate(layouts)
            ]


def frames(meters: int, seconds: int, seed: int = 1, *, length: int = 3600) -> Iterator[list[Batch]]:
    """Yield the same samples in batches of `length` frames, as history is loaded."""
    layouts = [layout(meter) for meter in range(meters)]
    for number, (times, values) in enumerate(walk(meters, seconds, seed, piece=length), start=1):
        columns = np.ascontiguousarray(values.swapaxes(0, 1))
        yield [
            Batch(one, times[:, m].copy(), columns[m], source=f"bench/{m}", run=1, sequence=number)
            for m, one in enumerate(layouts)
        ]

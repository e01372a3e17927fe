"""A rack's worth of plausible readings, for measurements: slow walks, registers, temperatures, with jittered stamps.

`frames` gives what a fleet of PDUs would: per second one frame of every meter. Power and current wander in steps,
registers count, temperatures and fans hardly move; stamps lie an offset per meter beside the second with one
millisecond of Gaussian jitter, in whole microseconds.
"""

from collections.abc import Iterator

import numpy as np

from wattline.model import Batch, Column, Kind, Layout, Metric, Series
from wattline.units import NANOSECONDS, Unit

BEGIN = 490_000 * 3600 * NANOSECONDS
METRICS = (
    Metric("power_watts", Unit.WATT, Kind.GAUGE),
    Metric("current_amperes", Unit.AMPERE, Kind.GAUGE),
    Metric("energy_joules", Unit.JOULE, Kind.COUNTER),
    Metric("temperature_celsius", Unit.CELSIUS, Kind.GAUGE),
    Metric("fan_hertz", Unit.HERTZ, Kind.GAUGE),
)


def layouts(meters: int, series: int) -> list[Layout]:
    """Return one layout per meter; its series go round the metrics, outlet by outlet."""
    return [
        Layout.of(
            [Series.of(f"pdu-{m}/outlet-{s // len(METRICS)}", METRICS[s % len(METRICS)]) for s in range(series)],
            [Column(period=1.0, rated=1000.0)] * series,
        )
        for m in range(meters)
    ]


def walk(rng: np.random.Generator, numbers: np.ndarray, n: int, level: np.ndarray | None = None) -> np.ndarray:
    """Return float64[n, k] of plausible values for series numbers; `level` int64[k] carries on from call to call."""
    kind = numbers % len(METRICS)
    steps = rng.integers(-3, 4, (n, len(numbers)), dtype=np.int32) * (rng.random((n, len(numbers))) < 0.4)
    walked = np.cumsum(steps, axis=0, dtype=np.int64) + (0 if level is None else level)
    if level is not None:
        level[:] = walked[-1]
    base = (100 + (numbers * 7919) % 400).astype(np.int64)
    out = np.empty((n, len(numbers)))
    for which in range(len(METRICS)):
        c = kind == which
        power = np.abs(base[c] + walked[:, c])
        if which == 0:
            out[:, c] = power
        elif which == 1:
            out[:, c] = power / 10
        elif which == 2:
            out[:, c] = np.cumsum(power, axis=0) // 36 + base[c] * 1000
        elif which == 3:
            out[:, c] = (base[c] + walked[:, c] // 16) / 10
        else:
            out[:, c] = base[c] * 10 + walked[:, c] // 64 * 60
    return out


def stamps(rng: np.random.Generator, meters: int, seconds: np.ndarray) -> np.ndarray:
    """Return int64[len(seconds), meters] ns: whole microseconds, 1 ms of jitter, an offset per meter."""
    offset = np.arange(meters) * 104_729 % 900_000
    jitter = rng.normal(0, 1000, (len(seconds), meters)).astype(np.int64)
    return BEGIN + (seconds[:, None] * 1_000_000 + 50_000 + offset + jitter) * 1000


def frames(meters: int, series: int, seconds: int, seed: int = 1) -> Iterator[list[Batch]]:
    """Yield the batches of each second: one frame of every meter, `series` values each."""
    rng, every = np.random.default_rng(seed), layouts(meters, series)
    numbers = np.arange(meters * series)
    total = np.zeros(meters * series)
    level = np.zeros(meters * series, np.int64)
    registers = numbers % len(METRICS) == 2
    sources = [f"pdu-{m}" for m in range(meters)]
    for first in range(0, seconds, 60):
        n = min(60, seconds - first)
        values = walk(rng, numbers, n, level)
        if first:
            values[:, registers] += total[registers] - values[0, registers]
        total[registers] = values[-1, registers]
        values, times = values.reshape(n, meters, series), stamps(rng, meters, np.arange(first, first + n))
        for s in range(n):
            yield [
                Batch(every[m], times[s, m : m + 1], values[s, m : m + 1], None, {}, sources[m], 1, first + s + 1)
                for m in range(meters)
            ]

"""A week of a simulated rack as tables: which job runs where and what each server draws, minute by minute.

Everything is integers made from the seed alone, so that power has an exact integral. A server's power at a second is

    level[server, minute of the week] + swing[server, minute] * ripple[second of the hour]        (0.1 W)

constant within the second; the week repeats. Energy since the epoch is then whole weeks, plus whole minutes from a
table, plus seconds within the minute: three additions, whatever the time (unit: 0.1 W x 1 s = 0.1 J).
"""

from functools import lru_cache
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Ints = NDArray[np.int64]

MINUTE: Final = 60
HOUR: Final = 3600
MINUTES: Final = 7 * 24 * 60
"""In a week."""
WEEK: Final = MINUTES * MINUTE
IDLE: Final = 900
"""0.1 W that a server draws with nothing to do ..."""
SPAN: Final = 2600
"""... and what full load adds."""
RIPPLE: Final = 40
"""0.1 W: the ripple is at most that much, times a swing of at most `SWING`."""
SWING: Final = 4
FULL: Final = IDLE + SPAN + RIPPLE * SWING
FLOOR: Final = IDLE - RIPPLE * SWING
FREE: Final = "idle"
"""The job of a server that has none."""

_KINDS: Final = ("cfd", "train", "genome", "render", "qcd", "weather", "ci")
_SIZES: Final = (1, 1, 1, 2, 2, 4)
"""Servers per job."""


class Week(Struct, frozen=True, eq=False):
    """Tables int64: `level`, `swing`, `job` [servers, MINUTES], `energy` [servers, MINUTES + 1] (0.1 J since the week's
    begin), `ripple` [HOUR], `rippled` [60, MINUTE + 1] (sums of the ripple from a minute's begin); `jobs` names `job`.
    """

    level: Ints
    swing: Ints
    energy: Ints
    ripple: Ints
    rippled: Ints
    job: Ints
    jobs: tuple[str, ...]

    def power(self, second: Ints) -> Ints:
        """Return 0.1 W of every server, int64[n, servers], at seconds since the epoch, int64[n]."""
        _, minute, _ = split(second)
        ripple = self.ripple[second % HOUR]
        drawn = self.level[:, minute] + self.swing[:, minute] * ripple
        return np.asarray(drawn.T, np.int64)

    def joules(self, second: Ints) -> Ints:
        """Return 0.1 J of every server from the epoch to the begin of each second, int64[n, servers]."""
        week, minute, rest = split(second)
        rippled = self.rippled[minute % 60, rest]
        part = self.energy[:, minute] + self.level[:, minute] * rest + self.swing[:, minute] * rippled
        return np.asarray((week * self.energy[:, -1:] + part).T, np.int64)


def split(second: Ints) -> tuple[Ints, Ints, Ints]:
    """Split seconds since the epoch into week, minute of the week and second of the minute."""
    week, rest = np.divmod(second, WEEK)
    minute, rest = np.divmod(rest, MINUTE)
    return week, minute, rest


@lru_cache(maxsize=16)
def week(servers: int, seed: int) -> Week:
    """Make the week of a rack; costs 30 ms for 16 servers, once."""
    random = np.random.default_rng([seed, servers])
    job, load, jobs = _schedule(random, servers)
    drift = np.cumsum(random.normal(0, 0.01, (servers, MINUTES)), axis=1)
    drift = 0.05 * np.sin(drift * 3)  # within a job, load wanders by a twentieth
    busy = np.clip(load + np.where(load > 0.05, drift, 0), 0, 1)
    level = IDLE + np.rint(SPAN * busy**0.9).astype(np.int64)
    swing = np.where(job == 0, 1, random.integers(2, SWING + 1, (servers, MINUTES)))
    ripple = _ripple(random)
    blocks = ripple.reshape(60, MINUTE)
    rippled = np.concatenate([np.zeros((60, 1), np.int64), np.cumsum(blocks, axis=1)], axis=1)
    minutes = level * MINUTE + swing * np.tile(rippled[:, -1], MINUTES // 60)
    energy = np.concatenate([np.zeros((servers, 1), np.int64), np.cumsum(minutes, axis=1)], axis=1)
    return Week(level, swing.astype(np.int64), energy, ripple, rippled, job, jobs)


def _ripple(random: np.random.Generator) -> Ints:
    """Make an hour of smooth noise whose end meets its begin, int64[HOUR] within +-RIPPLE."""
    noise = random.normal(0, 1, HOUR)
    kernel = np.exp(-np.arange(HOUR) / 3.0)
    smooth = np.fft.irfft(np.fft.rfft(noise) * np.fft.rfft(kernel), HOUR)
    shape: NDArray[np.float64] = np.clip(smooth / np.abs(smooth).max() * 1.4, -1, 1)
    return np.rint(shape * RIPPLE).astype(np.int64)


def _schedule(random: np.random.Generator, servers: int) -> tuple[Ints, NDArray[np.float64], tuple[str, ...]]:
    """Give jobs to free servers for a week: number [servers, MINUTES] (0: none), load 0..1 of that shape, names."""
    number = np.zeros((servers, MINUTES), np.int64)
    load = np.full((servers, MINUTES), 0.01)
    free_from = np.zeros(servers, np.int64)
    names = [FREE]
    arrivals = random.random(MINUTES)
    for minute in np.flatnonzero(arrivals < _arrival_rate(servers)):
        free = np.flatnonzero(free_from <= minute)
        size = int(random.choice(_SIZES))
        if len(free) < size:
            continue
        chosen = random.permutation(free)[:size]
        length = int(np.clip(random.lognormal(4.0, 0.9), 5, 600))
        until = min(int(minute) + length, MINUTES)
        names.append(f"{random.choice(_KINDS)}-{4000 + len(names)}")
        number[chosen, minute:until] = len(names) - 1
        load[chosen, minute:until] = random.uniform(0.3, 0.95) + random.uniform(-0.03, 0.03, (size, 1))
        free_from[chosen] = until + 1
    return number, load, tuple(names)


def _arrival_rate(servers: int) -> NDArray[np.float64]:
    """Chance of a new job in each minute of the week: most at 15:00 UTC, least at 3:00, less at weekends."""
    minute = np.arange(MINUTES)
    hour = minute / 60 % 24
    day = (minute // 1440 + 3) % 7  # the epoch was a Thursday
    weekday = np.where(day >= 5, 0.55, 1.0)
    return np.asarray(servers / 100 * weekday * (0.75 + 0.35 * np.cos((hour - 15) / 24 * 2 * np.pi)), np.float64)

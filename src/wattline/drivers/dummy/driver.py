"""Random watts, as Kwapi's driver `Dummy` makes them: for trials of everything behind a meter.

`w` is an integer between `min` and `max`, both included, at every poll; the voltage is 230.0 V and the current w / v.
With a `metric` of another name it makes up that one alone; a counter grows by the integer.
"""

from collections.abc import Sequence
from typing import Any, Final, Self

import numpy as np

from wattline.plugin import (
    Column,
    Device,
    DriverConfig,
    Frame,
    Kind,
    Layout,
    Metric,
    Misconfigured,
    Polled,
    Series,
    Unit,
    Url,
    parse_unit,
)

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Random power, in whole watts")
VOLTAGE: Final = Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Always 230")
CURRENT: Final = Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Power over voltage")
VOLTS: Final = 230.0
_MADE_UP: Final = "random, for trials"
_MOST: Final = 10**9


class DummyConfig(DriverConfig, frozen=True, kw_only=True):
    """Options: the least and most watts, a seed that makes the numbers come again, what is made up instead of watts."""

    host: str = "dummy"
    min: int = 75
    max: int = 100
    seed: int | None = None
    metric: str = POWER.name
    unit: str = "W"
    kind: Kind = Kind.GAUGE

    def __post_init__(self) -> None:
        if not -_MOST <= self.min <= self.max <= _MOST:
            raise ValueError(f"`min` ({self.min}) must not be above `max` ({self.max}), and both within {_MOST} W")
        if self.seed is not None and self.seed < 0:
            raise ValueError("`seed` is not negative")
        if not self.metric or self.kind is Kind.STATE:
            raise ValueError("`metric` is a name, and its `kind` no state: numbers are made up")
        try:
            parse_unit(self.unit)
        except Misconfigured as error:
            raise ValueError(str(error)) from error

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `dummy://NAME?min=75&max=100`."""
        given: dict[str, Any] = {"host": url.host} if url.host else {}
        return cls.of(f"{url.scheme}://{url.host}", given | dict(url.options))


class Dummy(Polled[DummyConfig]):
    """Makes up one integer a poll."""

    Config = DummyConfig
    summary = "random watts, as Kwapi's Dummy: for trials"
    metrics = (POWER, VOLTAGE, CURRENT)
    example = "dummy://bench-1?min=75&max=100"

    async def open(self) -> Sequence[Layout]:
        """Begin the numbers, at the seed if there is one."""
        config = self.config
        name = config.device or config.host
        self._random = np.random.default_rng(config.seed)
        self._total = 0
        unit, self._scale = parse_unit(config.unit)
        first = Metric(config.metric, unit, config.kind, POWER.help if config.metric == POWER.name else "")
        column = Column(
            scale=self._scale, estimate=_MADE_UP, rated=float(max(config.max, 0)) if first == POWER else None
        )
        plain = Column(estimate=_MADE_UP)
        metrics = self.metrics if first == POWER else (first,)
        series = [Series.of(name, metric) for metric in metrics]
        self._layout = Layout.of(series, [column, plain, plain][: len(series)], devices=[Device(name)])
        return [self._layout]

    async def read(self, now: int) -> Sequence[Frame]:
        """Return the next number; `now` changes nothing about it."""
        made = int(self._random.integers(self.config.min, self.config.max, endpoint=True))
        if len(self._layout) > 1:
            return [Frame(self._layout, np.array([made, VOLTS, made / VOLTS]))]
        self._total = self._total + made if self.config.kind is Kind.COUNTER else made
        return [Frame(self._layout, np.array([self._scale.base(self._total)]))]

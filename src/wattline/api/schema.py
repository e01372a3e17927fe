"""The shapes of small answers, and how the model becomes them. Times are ISO 8601 in UTC, joules exact decimals."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar, cast

import msgspec
from litestar import Response
from msgspec import Struct

from wattline.api.stamps import now_text, stamp, stamp_or_none
from wattline.core.promotion import Promotion
from wattline.model import Device, Outage
from wattline.plugin import Entry
from wattline.runtime.health import MeterHealth, Silent

T = TypeVar("T")

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_MICRO: Final = -6
"""Decimal exponent of a microjoule."""


class SeriesAnswer(Struct, frozen=True):
    """One series: its identity, and what is known of it beside that (`wattline.model.Column`)."""

    id: int
    device: str
    metric: str
    unit: str
    kind: str
    help: str
    labels: dict[str, Any]
    estimated: bool
    estimate: str
    point: str
    period: float | None
    window: float | None
    range: float | None
    resolution: float
    accuracy: float | None
    rated: float | None
    floor: float

    @classmethod
    def of(cls, entry: Entry) -> "SeriesAnswer":
        """Return what is told of a stored series."""
        metric, column = entry.series.metric, entry.column
        return cls(
            id=entry.id,
            device=entry.series.device,
            metric=metric.name,
            unit=metric.unit.value,
            kind=metric.kind.value,
            help=metric.help,
            labels=entry.series.label_values(),
            estimated=bool(column.estimate),
            estimate=column.estimate,
            point=column.point.value,
            period=column.period,
            window=column.window,
            range=column.range,
            resolution=column.resolution,
            accuracy=column.accuracy,
            rated=column.rated,
            floor=column.floor,
        )


class DeviceAnswer(Struct, frozen=True):
    """One device with the series that were chosen as its power and its energy, or the devices that add up to it."""

    device: str
    type: str
    parent: str | None
    parents: dict[str, str]
    power: SeriesAnswer | None
    energy: SeriesAnswer | None
    estimated: bool
    sum_of: list[str]

    @classmethod
    def of(
        cls, device: Device, power: Entry | None, energy: Entry | None, sum_of: Sequence[str] = ()
    ) -> "DeviceAnswer":
        """Return what is told of a device."""
        chosen = power or energy
        return cls(
            device=device.name,
            type=device.type,
            parent=device.parent,
            parents=dict(device.parents),
            power=SeriesAnswer.of(power) if power else None,
            energy=SeriesAnswer.of(energy) if energy else None,
            estimated=bool(chosen and chosen.column.estimate),
            sum_of=list(sum_of),
        )


class OutageAnswer(Struct, frozen=True):
    """A hole that is known; `end` is null while it lasts."""

    meter: str
    start: str
    end: str | None
    cause: str
    detail: str

    @classmethod
    def of(cls, outage: Outage) -> "OutageAnswer":
        """Return what is told of an outage."""
        return cls(outage.meter, stamp(outage.start), stamp_or_none(outage.end), outage.cause.value, outage.detail)


class MeterAnswer(Struct, frozen=True):
    """How one meter is doing; latencies in seconds, `cause` and `error` null unless it is silent.

    `period` null: it speaks when it likes. `stopped`: it is not asked again until the configuration is loaded anew.
    `late`: by how many seconds polls began late, the 99th percentile.
    """

    name: str
    driver: str
    address: str
    period: float | None
    state: str
    since: str
    cause: str | None
    error: str | None
    stopped: bool
    polls: int
    missed: int
    failed: int
    p50: float | None
    p99: float | None
    late: float | None
    devices: list[str]
    last: str | None

    @classmethod
    def of(cls, meter: MeterHealth) -> "MeterAnswer":
        """Return what is told of a meter."""
        silent = meter.state if isinstance(meter.state, Silent) else None
        return cls(
            name=meter.name,
            driver=meter.driver,
            address=meter.address,
            period=meter.period,
            state=state_word(meter),
            since=now_text(meter.state.since),
            cause=silent.cause.value if silent else None,
            error=silent.error if silent else None,
            stopped=bool(silent and silent.stopped),
            polls=meter.polls,
            missed=meter.missed,
            failed=meter.failed,
            p50=meter.p50,
            p99=meter.p99,
            late=meter.late,
            devices=list(meter.devices),
            last=None if meter.last is None else now_text(meter.last),
        )


class MeterCounts(Struct, frozen=True):
    """How many meters are in which state."""

    speaking: int = 0
    silent: int = 0
    waiting: int = 0

    @classmethod
    def of(cls, meters: Sequence[MeterHealth]) -> "MeterCounts":
        """Count the states of meters."""
        return cls(**Counter(map(state_word, meters)))


class Status(Struct, frozen=True):
    """How the program is doing: `uptime` in seconds.

    `counters` says by their names in /metrics what was polled, missed, dropped and refused.

    `timezone` is the name of the zone whose days are the site's.
    """

    version: str
    started: str
    uptime: float
    timezone: str
    store: dict[str, int | float | str]
    meters: MeterCounts
    counters: dict[str, float]


class EnergyFigures(Struct, frozen=True, kw_only=True):
    """Energy of a window: joules with bounds, how much of the window is measured, and how it was found.

    `assumed` and `estimate` are phrases, empty where nothing is assumed or estimated; cost is null without a price.
    """

    joules: Decimal
    kwh: float
    coverage: float
    lower: Decimal
    upper: Decimal
    method: list[str]
    gaps: int
    resets: int
    assumed: str
    estimated: bool
    estimate: str
    cost: float | None = None
    currency: str | None = None


class EnergySeries(EnergyFigures, frozen=True, kw_only=True):
    """Energy of one series; `counted`: it is part of the total, which takes no joule twice."""

    device: str
    metric: str
    labels: dict[str, Any]
    counted: bool


class EnergyAnswer(Struct, frozen=True):
    """Energy of all series that were asked for; `total` is null where there is none."""

    start: str
    end: str
    series: list[EnergySeries]
    total: EnergyFigures | None


class NowDevice(Struct, frozen=True):
    """A device as it is now: watts null where it has not spoken lately; `age` in seconds of its newest value."""

    device: str
    type: str
    watts: float | None
    estimated: bool
    parent: str | None
    metric: str
    age: float | None


class Now(Struct, frozen=True):
    """The site as it is now; null: nothing is known, which is not zero. `estimated_watts` are a part of `watts`."""

    time: str
    watts: float | None
    estimated: bool
    estimated_watts: float
    kwh_today: float | None
    cost_today: float | None
    currency: str | None
    coverage_today: float | None
    devices: list[NowDevice]
    meters: MeterCounts


class PromotionAnswer(Struct, frozen=True):
    """One promotion: the metrics of `device` that match `metric`, `until` a time (null: until it is taken back)."""

    device: str
    metric: str
    until: str | None
    owner: str

    @classmethod
    def of(cls, one: Promotion) -> "PromotionAnswer":
        """Return what is told of a promotion."""
        return cls(one.device, one.metric, None if one.until is None else now_text(one.until), one.owner)


def state_word(meter: MeterHealth) -> str:
    """Return `speaking`, `silent` or `waiting`."""
    return type(meter.state).__name__.lower()


def encoded(value: Any) -> bytes:
    """Return an answer as JSON; decimals are numbers with all their digits."""
    return _ENCODER.encode(value)


def answer(value: T) -> Response[T]:
    """Return the response that holds an answer."""
    body = cast("T", encoded(value))
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def exact_joules(microjoules: int) -> Decimal:
    """Return microjoules as joules with six places, without rounding."""
    return Decimal(microjoules).scaleb(_MICRO)

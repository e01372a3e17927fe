"""From a driver's frames to batches: whose they are, when, with what the operator knows of them.

A `Dresser` belongs to the loop of one meter. It adds the period, labels, scale factor and what the configuration says
of devices to each layout, once for each layout; a frame then costs one array of values and one `Batch`. It numbers the
batches of a run from 1 without a hole.
"""

from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from wattline.model import Batch, Column, Device, Kind, Layout, Series, Times, Values, layout_id, pack_mask
from wattline.plugin import Frame
from wattline.runtime.site import DeviceConfig, MeterConfig
from wattline.units import IDENTITY, Scale, Unit

H = TypeVar("H", bound=Hashable)

KEPT: Final = 64
"""Layouts whose dress is remembered: those that a page grew through are not needed again."""
_ENERGY: Final = (Unit.WATT, Unit.JOULE)


class Rescale:
    """Multiplies values by a factor so that each is the correctly rounded value of the device's own count.

    float64[k] each: a value that is `count * num / den` for an integer count becomes `count * full_num / full_den`,
    with one division; any other value is multiplied by the factor's numerator and divided by its denominator.
    """

    def __init__(self, factor: Scale, columns: Iterable[Column], texts: NDArray[np.bool_]) -> None:
        scales = [column.scale for column in columns]
        full = [scale * factor for scale in scales]
        self._num = np.array([float(s.num) for s in scales])
        self._den = np.array([float(s.den) for s in scales])
        self._full_num = np.array([float(s.num) for s in full])
        self._full_den = np.array([float(s.den) for s in full])
        self._factor = float(factor.num), float(factor.den)
        self._texts = texts

    def __call__(self, values: Values) -> Values:
        """Return new values; those of `state` columns are left alone."""
        with np.errstate(all="ignore"):  # NaN and infinities are values, and absent ones mean nothing
            num, den = self._factor
            count = np.rint(values * self._den / self._num)
            whole = count * self._num / self._den == values
            scaled = np.where(whole, count * self._full_num / self._full_den, values * num / den)
        return np.where(self._texts, values, scaled)


class Dressed:
    """A layout as the driver gave it, and as it leaves."""

    __slots__ = ("layout", "period", "raw", "rescale")

    def __init__(self, raw: Layout, layout: Layout, period: float | None, rescale: Rescale | None) -> None:
        self.raw = raw
        self.layout = layout
        self.period = period
        self.rescale = rescale


class Dresser:
    """Makes the batches of one meter. `source` names it for ever: this host, and the meter's name.

    What we stamp comes as often as we poll. How often a device stamps, and a meter that is not `polled` speaks, only
    its driver knows, or the operator of the latter: else the period stays unknown, and the ledger sees it in the data.
    """

    def __init__(
        self, meter: MeterConfig, devices: Mapping[str, DeviceConfig], source: str, *, polled: bool = True
    ) -> None:
        self._meter = meter
        self._stamped = None if polled or not meter.declared else meter.every
        self._unstamped = meter.every if polled else self._stamped
        self._known = devices
        self._dressed: dict[bytes, Dressed] = {}
        self._families: dict[bytes, bytes] = {}
        self.source = source
        self.run = 0
        self.sequence = 0
        self.devices: dict[str, None] = {}
        """Names of the devices that the meter spoke of, in order."""

    def begin(self, run: int) -> None:
        """Begin a run, whose sequences start at 1."""
        self.run, self.sequence = run, 0

    def redress(self, devices: Mapping[str, DeviceConfig]) -> None:
        """Say other things of devices from now on."""
        self._known = devices
        self._dressed.clear()

    def layout(self, raw: Layout) -> Layout:
        """Return a layout as it leaves."""
        return self._of(raw, self._unstamped).layout

    def batch(self, frame: Frame, now: int) -> Batch | None:
        """Make the next batch of a frame; `now` (ns) is the time of one without its own. None: it is empty.

        Raises ValueError when the frame does not fit its layout, which is a fault of the driver.
        """
        dressed = self._of(frame.layout, self._unstamped if frame.time is None else self._stamped)
        values = np.array(frame.values, np.float64, ndmin=2)
        time = _times(frame.time, now, len(values))
        if values.shape != (len(time), len(dressed.layout)):
            raise ValueError(f"values of shape {np.shape(frame.values)} do not fit {len(time)} times and a layout of "
                             f"{len(dressed.layout)} series")  # fmt: skip
        if not values.size:
            return None
        present = None
        if frame.present is not None:
            mask = np.array(frame.present, bool, ndmin=2)
            if mask.shape != values.shape:
                raise ValueError(f"presence of shape {mask.shape} does not fit values of shape {values.shape}")
            if not mask.any():
                return None
            present = pack_mask(mask)
        if dressed.rescale is not None:
            values = dressed.rescale(values)
        self.sequence += 1
        texts = dict(frame.texts) if frame.texts else {}
        return Batch(dressed.layout, time, values, present, texts, self.source, self.run, self.sequence)

    def _of(self, raw: Layout, period: float | None) -> Dressed:
        dressed = self._dressed.get(raw.id)
        if dressed is not None and dressed.period == period:
            if dressed.raw is raw:
                return dressed
            if (dressed.raw.columns, dressed.raw.devices, dressed.raw.family) == (raw.columns, raw.devices, raw.family):
                dressed.raw = raw
                return dressed
        if len(self._dressed) >= KEPT:
            del self._dressed[next(iter(self._dressed))]
        dressed = self._dressed[raw.id] = self._dress(raw, period)
        return dressed

    def _dress(self, raw: Layout, period: float | None) -> Dressed:
        series = tuple(self._series(one, alone=len(raw) == 1) for one in raw.series)
        series = raw.series if series == raw.series else series
        columns = _one(
            tuple(self._column(one, column, period) for one, column in zip(series, raw.columns, strict=True))
        )
        own = layout_id(series)
        family = own if raw.family == raw.id else self._families.get(raw.family, own)
        if series is raw.series:
            family = raw.family
        self._families[raw.family] = family
        devices = self._devices(raw.devices, dict.fromkeys(one.device for one in series))
        rescale = None
        if self._meter.scale != IDENTITY:
            texts = np.array([one.metric.kind is Kind.STATE for one in series])
            rescale = Rescale(self._meter.scale, raw.columns, texts)
        return Dressed(raw, Layout(series, columns, own, family, devices), period, rescale)

    def _series(self, raw: Series, *, alone: bool) -> Series:
        if not self._meter.labels and not self._meter.metric:
            return raw
        metric = replace(raw.metric, name=self._meter.metric) if alone and self._meter.metric else raw.metric
        return Series.of(raw.device, metric, {**self._meter.labels, **raw.label_values()})

    def _column(self, series: Series, raw: Column, period: float | None) -> Column:
        column = raw if raw.period is not None else _one(replace(raw, period=period))
        if self._meter.scale != IDENTITY and series.metric.kind is not Kind.STATE:
            factor = abs(self._meter.scale.base(1))
            column = replace(
                column,
                scale=raw.scale * self._meter.scale,
                range=None if raw.range is None else self._meter.scale.base(raw.range),
                resolution=raw.resolution * factor,
            )
        known = self._known.get(series.device)
        if known is None or series.metric.unit not in _ENERGY:
            return column
        said = {
            "rated": known.rated,
            "floor": known.floor,
            "accuracy": known.accuracy,
            "point": known.point,
        }
        told: Column = _one(replace(column, **{name: value for name, value in said.items() if value is not None}))
        return told

    def _devices(self, described: Iterable[Device], named: Iterable[str]) -> tuple[Device, ...]:
        """Return what is known of the devices of a layout, and of those above them that the configuration names."""
        found = {device.name: device for device in described}
        self.devices.update(dict.fromkeys(named))
        rising = [*found, *(name for name in named if name not in found)]
        for name in rising:
            if known := self._known.get(name):
                found[name] = _overridden(found.get(name, Device(name)), known)
                rising += [parent for _, parent in known.parents if parent not in rising]
        return tuple(found.values())


def _overridden(device: Device, known: DeviceConfig) -> Device:
    return Device(
        device.name,
        known.type or device.type,
        device.parents if known.parent is None else known.parents,
        known.power or device.power,
    )


@lru_cache(maxsize=4096)
def _one(value: H) -> H:
    """Return the first of equal columns, or rows of them: a thousand meters of one family have them in common."""
    return value


def _times(given: int | Times | None, now: int, n: int) -> Times:
    if given is None:
        return np.array([now] * n, np.int64)  # n is 1 nearly always, and np.full dear
    return np.array(given, np.int64, ndmin=1)

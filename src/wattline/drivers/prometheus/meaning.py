"""What a sample means: kind and unit as the page declares them, or as the format's own rules for names say.

`# TYPE` gives the kind, `# UNIT` the unit. Where they are silent the ending of a name speaks: `_total` is a counter
(OpenMetrics 1.0, "Counter"), and base units end names ("Metric and label naming" in Prometheus' documentation). What
neither says is unknown, and no energy is computed from it.
"""

from collections.abc import Sequence
from typing import Final

from wattline.drivers.prometheus.config import PrometheusConfig
from wattline.drivers.prometheus.custom import is_custom
from wattline.plugin import Column, Device, Kind, Metric, Scale, Series, Unit, parse_unit
from wattline.wire.exposition import Key

UNITS: Final = {
    "volt_amperes": Unit.VOLT_AMPERE, "voltamperes": Unit.VOLT_AMPERE, "joules": Unit.JOULE, "watts": Unit.WATT,
    "celsius": Unit.CELSIUS, "volts": Unit.VOLT, "amperes": Unit.AMPERE, "hertz": Unit.HERTZ,
    "seconds": Unit.SECOND, "bytes": Unit.BYTE, "ratio": Unit.RATIO,
}  # fmt: skip
"""The base units that end a name, longer ones first."""

_LEVELS: Final = (Unit.WATT, Unit.CELSIUS, Unit.VOLT, Unit.AMPERE, Unit.HERTZ, Unit.RATIO, Unit.VOLT_AMPERE)
"""Units of which there is no running total: without a TYPE they make a gauge."""

_KINDS: Final = {"counter": Kind.COUNTER, "gauge": Kind.GAUGE, "info": Kind.GAUGE, "stateset": Kind.GAUGE}
_DISTRIBUTIONS: Final = {"histogram": Kind.COUNTER, "summary": Kind.COUNTER, "gaugehistogram": Kind.GAUGE}
_NUMBERS: Final = ("_bucket", "_count", "_gcount")  # of a distribution: how many, without a unit


class Meaning:
    """Says of each key which series it is, by the options of its meter."""

    def __init__(self, config: PrometheusConfig) -> None:
        self._config = config
        self._own = config.device or config.host
        self._column = Column(point=config.point)
        self._scales = {name: parse_unit(unit) for name, unit in config.units.items()}

    def describe(self, key: Key) -> tuple[Series, Column]:
        """Return series and column of a key."""
        unit, scale = self._scales.get(key.name, (None, None))
        kind = self._config.kinds.get(key.name, kind_of(key))
        name = key.name if is_custom(key) else self._config.prefix + key.name
        metric = Metric(name, unit_of(key) if unit is None else unit, kind)
        labels = dict(key.labels)
        column = self._column if scale is None else Column(point=self._config.point, scale=scale)
        return Series.of(self._device(labels), metric, labels), column

    def scale(self, key: Key) -> Scale:
        """Return the scale of a key's values: what the operator declared, else one."""
        return self._scales[key.name][1] if key.name in self._scales else Scale()

    @property
    def is_plain(self) -> bool:
        """Whether all values are in base units already."""
        return not self._scales

    def devices(self, series: Sequence[Series]) -> list[Device]:
        """Describe the devices of some series: those that a label names are part of the meter's own."""
        names = dict.fromkeys(one.device for one in series)
        parents = (("", self._own),)
        return [Device(name, parents=() if name == self._own else parents) for name in names]

    def _device(self, labels: dict[str, str]) -> str:
        """Name the device; its label stays a label, so that no two series fall together whatever devices are called."""
        label = self._config.device_label
        if not label or label not in labels:
            return self._own
        return self._config.device_name.format(device=self._own, label=label, value=labels[label])


def kind_of(key: Key) -> Kind:
    """Return the kind that TYPE declares, or the name's ending; else unknown."""
    if key.name.endswith("_created") and key.name != key.family:
        return Kind.GAUGE  # the time at which a counter began
    if kind := _DISTRIBUTIONS.get(key.type):
        return kind if key.name != key.family else Kind.GAUGE  # the bare name is a quantile
    if kind := _KINDS.get(key.type):
        return kind
    if key.name.endswith("_total"):
        return Kind.COUNTER
    return Kind.GAUGE if unit_of(key) in _LEVELS else Kind.UNKNOWN


def unit_of(key: Key) -> Unit:
    """Return the unit that UNIT declares, or the name's ending; else none."""
    if key.name.endswith("_created") and key.name != key.family:
        return Unit.SECOND
    if key.type in _DISTRIBUTIONS and key.name.endswith(_NUMBERS):
        return Unit.NONE
    if key.unit:
        return UNITS.get(key.unit, Unit.NONE)
    name = key.family.removesuffix("_total")
    if "_per_" in name:
        return Unit.NONE
    return next((unit for word, unit in UNITS.items() if name.endswith(f"_{word}")), Unit.NONE)

"""Watts Up? meters on a serial line: one record a second, told by the meter itself."""

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar, Final, NamedTuple

import numpy as np

from wattline.line_meter import LineConfig
from wattline.plugin import (
    Column,
    Device,
    DriverConfig,
    Frame,
    Kind,
    Layout,
    Malformed,
    Metric,
    Scale,
    Series,
    Streamed,
    Unit,
)

_CLEAR: Final = b"#R,W,0;"
_LOG: Final = b"#L,W,3,E,1,1;"
"""Log to the line from now on, every second."""
_LONGEST: Final = 1024
"""Bytes of a record at most; a whole one has about a hundred."""
_RECORD: Final = "#d"
_PRECISION: Final = 15
"""Digits that a value may have: more is no measurement."""


class Field(NamedTuple):
    """A value of a record: its place among the comma-separated fields, and what one of its counts is."""

    place: int
    metric: Metric
    scale: Scale


FIELDS: Final = (
    Field(3, Metric("power_watts", Unit.WATT, Kind.GAUGE, "Active power"), Scale(1, 10)),
    Field(4, Metric("voltage_volts", Unit.VOLT, Kind.GAUGE, "Voltage"), Scale(1, 10)),
    Field(5, Metric("current_amperes", Unit.AMPERE, Kind.GAUGE, "Current"), Scale(1, 1000)),
    Field(6, Metric("energy_joules", Unit.JOULE, Kind.COUNTER, "Energy since the memory was cleared"), Scale(360)),
    Field(16, Metric("power_factor_ratio", Unit.RATIO, Kind.GAUGE, "Power factor"), Scale(1, 100)),
    Field(19, Metric("frequency_hertz", Unit.HERTZ, Kind.GAUGE, "Frequency"), Scale(1, 10)),
    Field(20, Metric("apparent_power_va", Unit.VOLT_AMPERE, Kind.GAUGE, "Apparent power"), Scale(1, 10)),
)
"""Serial protocol of Watts up? PRO: a `d` record has 18 values behind its three words; cost and extremes are left."""


class WattsupConfig(LineConfig, frozen=True, kw_only=True):
    """Options of a Watts Up? meter."""


class Wattsup(Streamed[WattsupConfig]):
    """Clears the meter's memory, lets it log to the line, and reads a record a second."""

    Config: ClassVar[type[DriverConfig]] = WattsupConfig
    summary: ClassVar[str] = "Watts Up? plug meters on a serial line"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(field.metric for field in FIELDS)
    example: ClassVar[str] = "wattsup:///dev/ttyUSB0"

    def __init__(self, config: WattsupConfig) -> None:
        super().__init__(config)
        self.patience = config.wait + 1
        self._line = config.opened_by()

    async def open(self) -> Sequence[Layout]:
        """Open the line and tell the meter to log."""
        name = self.config.own_name("wattsup")
        series = [Series.of(name, field.metric) for field in FIELDS]
        columns = [Column(scale=field.scale, resolution=field.scale.base(1), period=1.0) for field in FIELDS]
        self._layout = Layout.of(series, columns, devices=[Device(name, "outlet")])
        await self._line.open()
        for command in (_CLEAR, _LOG):
            await self._line.write(command)
            self._line.drop()
        return [self._layout]

    async def stream(self) -> AsyncIterator[Sequence[Frame]]:
        """Yield a frame for each record; others are passed over. Raises Malformed: a record makes no sense."""
        while True:
            told = await self._line.read_until(b";", _LONGEST)
            if (frame := self._frame(told)) is not None:
                yield [frame]

    async def close(self) -> None:
        """Close the line."""
        self._line.close()

    def _frame(self, told: bytes) -> Frame | None:
        fields = told.decode("ascii", "replace").strip().rstrip(";").split(",")
        if fields[0] != _RECORD:
            return None
        counts = [_count(fields, field.place) for field in FIELDS]
        if counts[0] is None:
            raise Malformed(f"{self.config.line}: a record without watts in its fourth field: {told[:80]!r}")
        present = np.array([count is not None for count in counts])
        values = np.array(
            [np.nan if count is None else field.scale.base(count) for count, field in zip(counts, FIELDS, strict=True)]
        )
        return Frame(self._layout, values, present=None if present.all() else present)


def _count(fields: Sequence[str], place: int) -> int | None:
    """Return a whole number; None: it is not there (the meter writes `_` for what it does not log)."""
    text = fields[place].strip() if place < len(fields) else ""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= _PRECISION else None

"""Modbus meters, inverters, gateways: over TCP, over a serial line, and over RTU frames in TCP.

A span that a meter refuses is halved until the register is found that it lacks; the halves stay as they are, so that
this costs its requests once, and what was refused is tried again after a while.
"""

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np

from wattline.drivers.modbus.config import ModbusConfig, Place
from wattline.drivers.modbus.spans import Span, spans
from wattline.plugin import Device, Frame, Layout, Malformed, Mask, Polled, Unreachable, Values
from wattline.wire.modbus import Connection, Refusal, Silent

_REFUSAL: Final = 60_000_000_000
"""For so long (ns) a register that was refused is left out."""
_NO_REGISTER: Final = frozenset({Refusal.FUNCTION, Refusal.ADDRESS, Refusal.VALUE, Refusal.FAILURE})
"""Refusals that speak of what was asked; the others speak of the moment."""
_AWAY: Final = frozenset({Refusal.NO_PATH, Refusal.NO_TARGET})
_logger = logging.getLogger(__name__)


class Modbus(Polled[ModbusConfig]):
    """Reads registers of one or several units at one address."""

    Config = ModbusConfig
    summary = "Modbus meters, inverters and gateways: TCP, RTU on a serial line, RTU over TCP"
    example = "modbus://meter-1:502/1/1032/be_be_f32?unit=W"

    def __init__(self, config: ModbusConfig) -> None:
        super().__init__(config)
        self._connection = Connection(config.name, *config.way(), config.wait)
        self._places = config.places()
        self._column = {place: i for i, place in enumerate(self._places)}
        own = config.own
        names = dict.fromkeys([own, *(place.series.device for place in self._places)])
        devices = [Device(name, parents=(("", own),) if name.startswith(f"{own}/") else ()) for name in names]
        series, columns = [place.series for place in self._places], [place.column for place in self._places]
        self._layout = Layout.of(series, columns, devices=devices)
        self._spans: list[Span] = []
        self._refused: dict[Place, Refusal] = {}
        self._tried = 0
        self._told: tuple[frozenset[Place], frozenset[int]] = (frozenset(), frozenset())

    async def open(self) -> Sequence[Layout]:
        """Connect; whether the registers are there is seen at the first read."""
        self._plan(0)
        await self._connection.open()
        return [self._layout]

    async def read(self, now: int) -> Sequence[Frame]:
        """Ask for every span once. A unit that is silent costs only itself as long as another one speaks."""
        self._tried = self._tried or now
        if self._refused and now - self._tried >= _REFUSAL:
            self._plan(now)
        row, present = np.full(len(self._layout), np.nan), np.zeros(len(self._layout), bool)
        fault: Unreachable | None = None
        away: set[int] = set()
        kept: list[Span] = []
        for span in self._spans:
            try:
                if span.unit not in away:
                    kept += await self._read(span, row, present)
                    continue
            except Silent as error:
                fault = error
                away.add(span.unit)
            kept.append(span)
        if fault is not None and away >= {span.unit for span in kept}:
            raise fault
        self._spans = kept
        self._tell(frozenset(self._refused), frozenset(away))
        if not kept:
            code = next(iter(self._refused.values()))
            raise Malformed(f"{self.config.name} refuses every register that is asked for: {code.said}")
        return [Frame(self._layout, row, present=None if present.all() else present)]

    async def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _plan(self, now: int) -> None:
        self._spans = spans(self._places, self.config.max_registers, self.config.max_gap)
        self._refused.clear()
        self._tried = now

    async def _read(self, span: Span, row: Values, present: Mask) -> list[Span]:
        """Read a span into the row and return what is to be asked instead of it from now on."""
        said = await self._connection.read(span.unit, span.space, span.start, span.count)
        if isinstance(said, tuple):
            for place in span.places:
                self._take(place, said[place.address - span.start : place.end - span.start], row, present)
            return [span]
        if said in _AWAY:
            raise Silent(f"{self.config.name} unit {span.unit}: {said.said}")
        if said not in _NO_REGISTER:
            raise Malformed(f"{self.config.name} unit {span.unit}: {said.said}")
        if len(span.places) == 1:
            self._refused[span.places[0]] = said
            return []
        first, second = span.halves()
        return [*await self._read(first, row, present), *await self._read(second, row, present)]

    def _take(self, place: Place, words: tuple[int, ...], row: Values, present: Mask) -> None:
        number = place.shape.number(words, markers=self.config.markers)
        if number is not None and number not in place.absent:
            column = self._column[place]
            row[column] = number * place.column.scale.num / place.column.scale.den
            present[column] = True

    def _tell(self, refused: frozenset[Place], away: frozenset[int]) -> None:
        """Log what has changed since the poll before."""
        name, (refused_before, away_before) = self.config.name, self._told
        for place in self._places:
            if place in refused - refused_before:
                _logger.warning("%s refuses %s: %s; the rest is read", name, place, self._refused[place].said)
            elif place in refused_before - refused:
                _logger.info("%s gives %s again", name, place)
        for unit in sorted(away ^ away_before):
            _logger.warning("%s: unit %d %s", name, unit, "is silent" if unit in away else "speaks again")
        self._told = (refused, away)

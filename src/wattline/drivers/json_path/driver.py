"""Values of any JSON that a web server shows, named by where they stand: the FastPowerMeter of iLO, plugs, gateways."""

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np

from wattline.core.tree import at, number, text
from wattline.drivers.json_path.config import JsonPathConfig
from wattline.plugin import Device, Frame, Kind, Layout, Malformed, Misconfigured, Polled, Series
from wattline.wire.web import Web

_logger: Final = logging.getLogger(__name__)


class JsonPath(Polled[JsonPathConfig]):
    """Fetches one page and picks values out of it."""

    Config = JsonPathConfig
    summary = "any JSON over HTTP or HTTPS, values named by their paths"
    example = "json_path://user:password@bmc-1/redfish/v1/Chassis/1/Power/FastPowerMeter?unit=W#PowerDetail[-1].Average"

    def __init__(self, config: JsonPathConfig) -> None:
        super().__init__(config)
        self._web: Web | None = None
        self._values = [(one, one.place(), one.factor(), one.of_metric().kind is Kind.STATE) for one in config.values]
        self._missing: frozenset[str] = frozenset()

    async def open(self) -> Sequence[Layout]:
        """Make a session; the page is asked for at the first read."""
        config = self.config
        self._layout = self._made()
        limit = int(config.limit_mib * 2**20)
        self._web = Web(config.root, headers=config.headers(), wait=config.wait, limit=limit, tls=config.trust())
        await self._web.open()
        return [self._layout]

    async def read(self, now: int) -> Sequence[Frame]:
        """Fetch the page once and pick out every value; null, and a text that is no number, is absent."""
        assert self._web is not None
        page = (await self._web.ask(self.config.target)).good().json()
        row, texts = np.full(len(self._layout), np.nan), dict[int, tuple[str, ...]]()
        present = np.zeros(len(self._layout), bool)
        missing = set()
        for place, (value, path, scale, is_text) in enumerate(self._values):
            given = at(page, *path)
            if is_text and (said := text(given)):
                row[place], present[place], texts[place] = 0, True, (said,)
            elif (found := number(int(given) if isinstance(given, bool) else given, scale)) is None or is_text:
                missing.add(value.path)
            elif not value.absent or number(given) not in value.absent:
                row[place], present[place] = found, True
        self._tell(frozenset(missing))
        if len(missing) == len(self._values):
            raise Malformed(f"{self.config.root}{self.config.target} has no value at {', '.join(sorted(missing))}")
        return [Frame(self._layout, row, present=None if present.all() else present, texts=texts)]

    async def close(self) -> None:
        """Close the connection."""
        if self._web is not None:
            web, self._web = self._web, None
            await web.close()

    def _made(self) -> Layout:
        own = self.config.device or self.config.host
        series = [Series.of(one.device or own, one.of_metric(), one.labels) for one in self.config.values]
        columns = [one.column(self.config.point) for one in self.config.values]
        devices = [Device(name) for name in dict.fromkeys(one.device for one in series)]
        try:
            return Layout.of(series, columns, devices=devices)
        except ValueError as error:
            raise Misconfigured(
                f"{self.config.root}: {error}: give one of them another metric, device or label"
            ) from error

    def _tell(self, missing: frozenset[str]) -> None:
        """Log when a value is not there and when it is again, not at every poll."""
        if gone := missing - self._missing:
            _logger.warning("%s gives no value for %s", self.config.root, ", ".join(sorted(gone)))
        if back := self._missing - missing:
            _logger.info("%s gives a value for %s again", self.config.root, ", ".join(sorted(back)))
        self._missing = missing

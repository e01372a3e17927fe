"""Pages of Prometheus exporters: anything that shows text exposition or OpenMetrics over HTTP."""

import asyncio
import logging
from collections.abc import Sequence
from itertools import compress
from typing import Final

import numpy as np

from wattline.drivers.prometheus.cohorts import Cohorts
from wattline.drivers.prometheus.config import PrometheusConfig
from wattline.drivers.prometheus.custom import Custom
from wattline.drivers.prometheus.meaning import Meaning
from wattline.plugin import Frame, Layout, Malformed, Polled, Roster, Values
from wattline.wire.exposition import Key, Page, Parser, Stamped
from wattline.wire.web import Web

_MINUTE: Final = 60_000_000_000
_LARGE: Final = 256 * 1024
"""Bytes from which a page is parsed off the event loop."""
_logger = logging.getLogger(__name__)


class Prometheus(Polled[PrometheusConfig]):
    """Fetches one page and keeps the wanted names; series come and go with the page."""

    Config = PrometheusConfig
    summary = "Prometheus exporters: any page of text exposition or OpenMetrics"
    example = "prometheus://node-1:9100/metrics/node_hwmon_*,node_rapl_*"

    def __init__(self, config: PrometheusConfig) -> None:
        super().__init__(config)
        self._parser = Parser(config.wanted(), config.starts())
        self._meaning = Meaning(config)
        self._roster: Roster[Key] = Roster(self._meaning.describe, self._meaning.devices)
        self._cohorts = Cohorts(self._meaning)
        self._custom = Custom(config.custom, config.prefix) if config.custom else None
        self._factored: tuple[list[Key], Values, Values] = ([], np.ones(0), np.ones(0))
        self._bad = 0
        self._web: Web | None = None

    async def open(self) -> Sequence[Layout]:
        """Make a session; what the page holds is seen at the first read."""
        config = self.config
        limit = int(config.limit_mib * 2**20)
        self._web = Web(config.root, headers=config.headers(), wait=config.wait, limit=limit, tls=config.trust())
        await self._web.open()
        return []

    async def read(self, now: int) -> Sequence[Frame]:
        """Fetch the page once; a sample with a time of its own keeps it."""
        assert self._web is not None
        body = (await self._web.ask(self.config.target)).good()
        openmetrics = "openmetrics" in body.headers.get("Content-Type", "")
        try:
            if len(body.content) < _LARGE:
                page = self._parser.parse(body.content, openmetrics=openmetrics)
            else:
                page = await asyncio.to_thread(self._parser.parse, body.content, openmetrics=openmetrics)
        except Malformed as error:
            raise Malformed(f"{self.config.address}: {error}") from error
        if (series := len(page.keys) + len(page.stamped)) > self.config.most_series:
            raise Malformed(
                f"{self.config.address} has {series} series, more than `most_series`: say with `names` which are meant"
            )
        self._tell(page)
        page = self._without_blanks(page)
        if self._custom is not None:
            page = self._custom.named(page)
        page, stamped = self._trust(page, now)
        if not page.keys and not stamped and self.config.names:
            raise Malformed(f"{self.config.address} has none of {', '.join(self.config.names)}")
        return [*self._frame(page, now), *self._cohorts.frames(stamped)]

    async def close(self) -> None:
        """Close the connection."""
        if self._web is not None:
            await self._web.close()
            self._web = None

    def _frame(self, page: Page, now: int) -> list[Frame]:
        if not page.keys:
            return []
        values = page.values
        if not self._meaning.is_plain:
            if page.keys != self._factored[0]:
                scales = [self._meaning.scale(key) for key in page.keys]
                num, den = (np.array([getattr(scale, part) for scale in scales], float) for part in ("num", "den"))
                self._factored = (page.keys, num, den)
            values = values * self._factored[1] / self._factored[2]
        layout, row, present = self._roster.frame(now, page.keys, values)
        return [Frame(layout, row, present=None if present.all() else present)]

    def _without_blanks(self, page: Page) -> Page:
        """Leave out the samples whose value means that there is none."""
        blanks = self.config.absent
        if not blanks or not len(page.values):
            return page
        there = ~np.isin(page.values, blanks)
        keys = page.keys if there.all() else list(compress(page.keys, there))
        stamped = [sample for sample in page.stamped if sample.value not in blanks]
        return page._replace(keys=keys, values=page.values[there], stamped=stamped)

    def _trust(self, page: Page, now: int) -> tuple[Page, list[Stamped]]:
        """Split off the samples whose own time holds. One that lies ahead of us is a clock gone wrong: it is dropped as
        a time, not as a value.
        """
        latest = now + _MINUTE if self.config.own_time else -1
        trusted = [sample for sample in page.stamped if sample.time <= latest]
        if len(trusted) == len(page.stamped):
            return page, trusted
        loose = {key: value for key, time, value in sorted(page.stamped, key=lambda s: s.time) if time > latest}
        values = dict(zip(page.keys, page.values, strict=True))
        merged = loose | values
        return page._replace(keys=list(merged), values=np.array(list(merged.values()))), trusted

    def _tell(self, page: Page) -> None:
        """Log when bad lines appear and when they are gone, not at every page."""
        if page.bad and not self._bad:
            first = page.complaint
            _logger.warning("%s: %d lines are no samples, the first is %s", self.config.address, page.bad, first)
        elif self._bad and not page.bad:
            _logger.info("%s: every line is a sample again", self.config.address)
        self._bad = page.bad

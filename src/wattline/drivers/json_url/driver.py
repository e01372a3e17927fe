"""A JSON page that maps hosts to `{"timestamp": seconds, "watt": number}`, as Kwapi-g5k's `Json_url` reads it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from wattline.plugin import Column, Device, Frame, Kind, Layout, Malformed, Metric, Series, Unit
from wattline.units import NANOSECONDS, Scale
from wattline.web_meter import WebConfig, WebMeter, quantity

POWER: Final = Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power of a host")
MOST: Final = 100_000
"""Hosts of a page."""
_AHEAD: Final = 60 * NANOSECONDS
"""A stamp further ahead of us than this is a clock gone wrong."""
_MICRO: Final = Scale(1_000_000)


class JsonUrlConfig(WebConfig, frozen=True, kw_only=True):
    """Options of a page: those of every web server, and which page it is."""

    path: str = "/"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.path.startswith("/") or not self.path.isprintable() or " " in self.path:
            raise ValueError("`path` begins with / and holds no blanks")


class JsonUrl(WebMeter[JsonUrlConfig]):
    """Fetches the page; every host is a device, and what was told before is not told again."""

    Config = JsonUrlConfig
    summary = "a JSON page of hosts with time and watts, as Kwapi-g5k reads it"
    metrics = (POWER,)
    example = "json_url://wattmetre-1/power.json"

    def __init__(self, config: JsonUrlConfig) -> None:
        super().__init__(config)
        self._layouts: dict[str, Layout] = {}
        self._newest: dict[str, int] = {}

    async def read(self, now: int) -> Sequence[Frame]:
        """Fetch the page once: one frame for each host that has something new."""
        reply = (await self._web.ask(self.config.path, headers=self.config.basic())).good()
        page = reply.json()
        if not isinstance(page, dict) or len(page) > MOST:
            raise Malformed(f"{reply.url} holds no map of at most {MOST} hosts")
        frames = list(self._new(page, now))
        if len(self._newest) > MOST:  # hosts that have left make room
            self._newest = {host: time for host, time in self._newest.items() if host in page}
            self._layouts = {host: layout for host, layout in self._layouts.items() if host in page}
        return frames

    def _new(self, page: Mapping[str, Any], now: int) -> Iterator[Frame]:
        for host, said in page.items():
            watts = quantity(said.get("watt")) if isinstance(said, Mapping) else None
            stamp = quantity(said.get("timestamp"), _MICRO) if watts is not None else None
            if watts is None or stamp is None or not host:
                continue
            time = round(stamp) * 1000
            if self._newest.get(host, 0) < time <= now + _AHEAD:
                self._newest[host] = time
                yield Frame(self._layout(host), np.array([watts]), time)

    def _layout(self, host: str) -> Layout:
        if host not in self._layouts:
            self._layouts[host] = Layout.of([Series.of(host, POWER)], [Column()], devices=[Device(host, "server")])
        return self._layouts[host]

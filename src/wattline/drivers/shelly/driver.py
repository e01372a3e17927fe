"""Shelly plugs, relays and meters of generations 1 to 4, over HTTP."""

import secrets
from collections.abc import Sequence
from typing import Any

from wattline.drivers.shelly.components import METRICS, POWER, Item, first_generation, later_generation
from wattline.plugin import Column, Denied, Frame, Kind, Layout, Malformed, Series
from wattline.web_meter import Told, WebConfig, WebMeter, counted, quantity
from wattline.wire.digest import Challenge, answer, challenge
from wattline.wire.web import Reply

_REFUSED = 401
_STATUS = "/rpc/Shelly.GetStatus"


class ShellyConfig(WebConfig, frozen=True, kw_only=True):
    """Options of a Shelly: those of every web server; from generation 2 on its user is always `admin`."""


class Shelly(WebMeter[ShellyConfig]):
    """Asks `/shelly` for the generation once, then for the whole status at every poll."""

    Config = ShellyConfig
    summary = "Shelly plugs, relays and energy meters, generations 1 to 4"
    metrics = METRICS
    example = "shelly://plug-1"

    async def open(self) -> Sequence[Layout]:
        """Ask which generation it is; that page needs no password."""
        await super().open()
        self._challenge: Challenge | None = None
        self._uses = 0
        who = _mapping((await self._web.ask("/shelly")).good())
        if "type" not in who and "gen" not in who:
            raise Malformed(f"{self.config.root}/shelly answers, but as no Shelly does")
        self._is_first = who.get("gen", 1) == 1
        return []

    async def read(self, now: int) -> Sequence[Frame]:
        """Ask for the status once."""
        if not self._is_first:
            status = _mapping((await self._ask_later(_STATUS)).good())
            return self._frames(now, self._told(list(later_generation(status))))
        status = _mapping((await self._web.ask("/status", headers=self.config.basic())).good())
        if "meters" not in status and "emeters" not in status:
            meter = _mapping((await self._web.ask("/meter/0", headers=self.config.basic())).good())
            status = {**status, "meters": [meter]}
        return self._frames(now, self._told(list(first_generation(status))))

    async def _ask_later(self, path: str) -> Reply:
        """Ask with a digest once the device has asked for one; its nonce is good for many requests."""
        reply = await self._web.ask(path, headers=self._signed(path))
        if reply.status != _REFUSED or not self.config.password:
            return reply
        asked = challenge(reply.headers.get("WWW-Authenticate", ""))
        if self._challenge is not None and asked.nonce == self._challenge.nonce:
            return reply  # this nonce was answered: the password is wrong
        stale, self._challenge, self._uses = self._challenge is not None, asked, 0
        reply = await self._web.ask(path, headers=self._signed(path))
        if reply.status == _REFUSED:
            self._challenge = None
            raise Denied(f"{self.config.root} refuses the password" + (", which it took before" if stale else ""))
        return reply

    def _signed(self, path: str) -> dict[str, str]:
        if self._challenge is None:
            return {}
        self._uses += 1
        user, password = self.config.user or "admin", self.config.password.reveal()
        own = secrets.token_hex(8)
        return {
            "Authorization": answer(self._challenge, user, password, method="GET", path=path, count=self._uses, own=own)
        }

    def _told(self, items: Sequence[Item]) -> list[Told]:
        """Give each channel a device of its own where there are several, or a total beside them.

        What is there counts, valid or not: a channel that says nothing for a time changes no names.
        """
        channels = {item.part for item in items if item.part}
        has_total = any(not item.part and item.metric is POWER and item.said is not None for item in items)
        is_alone = len(channels) == 1 and not has_total
        found = []
        for item in items:
            value = quantity(item.said, item.scale)
            if value is None:
                continue
            device = self.name if is_alone or not item.part else f"{self.name}/{item.part}"
            labels = {"sensor": item.sensor} if item.sensor else {}
            found.append(Told(Series.of(device, item.metric, labels), _column(item), value))
        return found


def _column(item: Item) -> Column:
    return counted(item.step) if item.metric.kind is Kind.COUNTER else Column()


def _mapping(reply: Reply) -> dict[str, Any]:
    page = reply.json()
    if not isinstance(page, dict):
        raise Malformed(f"{reply.url} answers JSON, but no object")
    return page

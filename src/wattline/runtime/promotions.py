"""The table of promotions: in memory for whoever asks many times a second, on disk for the next start.

A change is in force when `put` or `remove` returns, and safe on disk: the file is written whole beside the old one and
takes its place. A promotion ends by itself when its time has come.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from wattline.core.promotion import Promotion, Wishes
from wattline.errors import Refused, Unreachable
from wattline.model import ALIAS
from wattline.runtime.site import MeterConfig

FILE: Final = "promotions.json"
MOST: Final = 10_000
"""Promotions at once."""

log = logging.getLogger("wattline.promotions")


class Promotions:
    """The promotions of one program; `path` is their file, `clock` gives now (ns). Changes come one after another."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        self._path, self._clock = path, clock
        self._wishes = Wishes()
        self._changing = asyncio.Lock()

    def load(self) -> None:
        """Read the file, if there is one; blocks. A damaged one is told of, and there are no promotions then."""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=list[Promotion])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("%s cannot be read, so nothing is promoted: %s", self._path, error)
            return
        self._wishes = Wishes(kept[:MOST], self._clock())

    @property
    def wishes(self) -> Wishes:
        """What is wished now: another object after every change, and when a promotion has ended."""
        ends = self._wishes.ends
        if ends is not None and (now := self._clock()) >= ends:
            self._wishes = Wishes(self._wishes.promotions, now)
        return self._wishes

    def wanted(self, metrics: Iterable[str], devices: Iterable[str]) -> bool:
        """Say whether a metric, by any of its names, of a device, by any of its own, is promoted now."""
        return self.wishes.wanted(metrics, devices)

    def all(self) -> Sequence[Promotion]:
        """Return the promotions in force, by device, metric and owner."""
        return self.wishes.promotions

    async def put(self, promotion: Promotion) -> None:
        """Add a promotion, or replace one of the same device, metric and owner.

        Raises Refused (there are too many) and Unreachable (they cannot be written), and nothing is changed then.
        """
        async with self._changing:
            kept = [*(one for one in self.all() if one.key != promotion.key), promotion]
            if len(kept) > MOST:
                raise Refused(f"there are {MOST} promotions already; take some back first")
            await self._keep(kept)

    async def remove(self, device: str, metric: str | None = None, owner: str | None = None) -> Sequence[Promotion]:
        """Take back the promotions of a device, of one metric and owner where they are given; return them."""
        async with self._changing:
            there = self.all()
            gone = [one for one in there if one.device == device and metric in (None, one.metric)
                    and owner in (None, one.owner)]  # fmt: skip
            if gone:
                await self._keep([one for one in there if one not in gone])
            return gone

    async def _keep(self, promotions: Sequence[Promotion]) -> None:
        wishes = Wishes(promotions, self._clock())
        await asyncio.to_thread(self._write, wishes.promotions)
        self._wishes = wishes

    def _write(self, promotions: Sequence[Promotion]) -> None:
        beside = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(promotions)))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise Unreachable(f"{self._path} cannot be written: {error.strerror}") from error


def names_of(meter: MeterConfig, declared: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return by which metrics and by which devices an optional meter is promoted.

    A meter as Kwollect writes it goes by its metric, its device and its `_device_alias`; another one by its name, its
    device or host, and the metrics that its driver declares, or its name where the driver declares none. One that is
    called `DEVICE/NAME` after its device goes by NAME alone, as if that were its metric.
    """
    alias = meter.labels.get(ALIAS)
    own = (getattr(meter.options, "device", ""), getattr(meter.options, "host", ""), meter.name, alias)
    devices = tuple(dict.fromkeys(name for name in own if isinstance(name, str) and name))
    device, slash, name = meter.name.rpartition("/")
    metric = meter.metric or (name if slash and device == own[0] else "")
    return (metric,) if metric else tuple(declared) or (meter.name,), devices

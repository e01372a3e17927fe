"""The site as it is now: watts of each device from its newest committed value, and the energy of today.

The site's watts are the sum of the chosen power of the devices without a metered parent. A value counts while it is
fresh (`fresh`); older ones are missing, not zero.
A device of which only a register is known gives the watts between its last two register values; one that is only an
alias the sum of what bears it.

One second's answer is computed once for all clients; which series are chosen is looked up every 10 s, and the energy of
today at most every 5 s and at most a twentieth of the time. All of it in a worker.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from wattline.api.fresh import patience
from wattline.api.schema import MeterCounts, Now, NowDevice
from wattline.api.stamps import now_text
from wattline.api.view import View
from wattline.core import counter
from wattline.core.integral import Nature, nature
from wattline.ledger.aliases import sums, with_aliases
from wattline.ledger.chosen import Choice, choose, roots
from wattline.ledger.today import cost, day_start
from wattline.ledger.windows import Energy, energy, total
from wattline.model import Device, Mask
from wattline.plugin import Block, Entry
from wattline.runtime.live import Latest
from wattline.units import MICROJOULES, NANOSECONDS

ANSWER_KEPT: Final = NANOSECONDS * 9 // 10
"""A little under a second, so that a client that asks once a second gets something new each time."""
PLAN_KEPT: Final = 10 * NANOSECONDS
TODAY_KEPT: Final = 5 * NANOSECONDS
TODAY_SHARE: Final = 20
LOOK_BACK: Final = 2
"""How far back the last two values of a register are looked for: so many times as long as one is fresh."""
GRAIN: Final = 10 * NANOSECONDS
"""The energy of today ends at a multiple of the finest roll-up: it is read from roll-ups alone."""


class Value(NamedTuple):
    """Watts at `time` (ns)."""

    time: int
    watts: float


class Plan(Struct, frozen=True):
    """Which series stand for which device; good for some seconds."""

    made: int
    series: int
    """How many series had been committed when it was made: a new one asks for a new plan."""
    devices: Mapping[str, Device]
    chosen: Mapping[str, Choice]
    sums: Mapping[str, Sequence[str]]
    """By alias: the devices that add up to it."""
    roots: frozenset[str]
    places: dict[bytes, list[tuple[int, str]]]
    """By layout id: the places in it of chosen power series, with their devices; filled as layouts are met."""


class Today(Struct, frozen=True):
    """The energy since local midnight, None where nothing is metered; good until `until` (ns)."""

    since: int
    until: int
    energy: Energy | None


class Board:
    """Answers what the site is like now; many who ask within a second get one answer."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._made = 0
        self._answer: Now | None = None
        self._task: asyncio.Task[Now] | None = None
        self._plan: Plan | None = None
        self._today: Today | None = None

    async def now(self) -> Now:
        """Return the newest answer, not older than a second."""
        if self._answer is not None and 0 <= self._view.clock() - self._made < ANSWER_KEPT:
            return self._answer
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._renew(), name="now")
        return await asyncio.shield(self._task)

    async def _renew(self) -> Now:
        loop = asyncio.get_running_loop()
        now, latest = self._view.clock(), tuple(self._view.live.latest)
        meters = MeterCounts.of(self._view.health.meters())
        self._answer = await loop.run_in_executor(self._view.workers, self._compute, now, latest, meters)
        self._made = now
        return self._answer

    def _compute(self, now: int, latest: Sequence[Latest], meters: MeterCounts) -> Now:
        plan, site = self._planned(now, sum(len(one.layout) for one in latest)), self._view.site
        today = self._energy(plan, now)
        values = _registers(self._view, plan, now) | _powers(plan, latest)
        told = {name: _device(plan, name, values.get(name), now) for name in plan.chosen}
        added = (_sum(plan, alias, [told[name] for name in names]) for alias, names in plan.sums.items())
        ranked = sorted((*told.values(), *added), key=_rank)
        counted = [one for one in ranked if one.device in plan.roots and one.watts is not None]
        price = site.price_per_kwh
        return Now(
            time=now_text(now),
            watts=math.fsum(one.watts or 0.0 for one in counted) if counted else None,
            estimated=any(one.estimated for one in counted),
            estimated_watts=math.fsum(one.watts or 0.0 for one in counted if one.estimated),
            kwh_today=today.kwh if today else None,
            cost_today=None if today is None or price is None else float(cost(today.joules, price)),
            currency=None if price is None else site.currency,
            coverage_today=today.coverage if today else None,
            devices=ranked,
            meters=meters,
        )

    def _planned(self, now: int, series: int) -> Plan:
        plan = self._plan
        if plan is None or plan.series != series or not 0 <= now - plan.made < PLAN_KEPT:
            entries = self._view.store.entries()
            devices = with_aliases(self._view.store.devices(), entries)
            chosen = choose(devices, entries)
            found, added = frozenset(roots(devices, chosen)), sums(devices, entries, chosen)
            plan = Plan(now, series, {one.name: one for one in devices}, chosen, added, found, {})
            self._plan = plan
        return plan

    def _energy(self, plan: Plan, now: int) -> Energy | None:
        since = day_start(now, self._view.site.timezone)
        today = self._today
        if today is None or today.since != since or not today.until - TODAY_SHARE * TODAY_KEPT < now < today.until:
            began = self._view.clock()
            end = max(now - now % GRAIN, min(now, since + 1))
            found = _energies(self._view, plan, since, end)
            spent = max(self._view.clock() - began, 0)
            today = Today(since, now + max(TODAY_KEPT, TODAY_SHARE * spent), found)
            self._today = today
        return today.energy


def _energies(view: View, plan: Plan, start: int, end: int) -> Energy | None:
    entries = [choice.energy for name, choice in plan.chosen.items() if name in plan.roots and choice.energy]
    return total(energy(view.store, entries, start, end)) if entries and start < end else None


def _source(choice: Choice) -> Entry | None:
    return choice.power or choice.energy


def _powers(plan: Plan, latest: Sequence[Latest]) -> dict[str, Value]:
    """Return the newest watts by device, of devices that a series of watts stands for."""
    found: dict[str, Value] = {}
    for one in latest:
        places = plan.places.get(one.layout.id)
        if places is None:
            places = plan.places[one.layout.id] = _places(plan, one)
        for place, device in places:
            value = Value(int(one.time[place]), float(one.values[place]))
            if value.time > found.get(device, (0, 0.0))[0]:
                found[device] = value
    return found


def _places(plan: Plan, latest: Latest) -> list[tuple[int, str]]:
    keys = {}
    for name, choice in plan.chosen.items():
        entry = _source(choice)
        if entry and nature(entry.series.metric) is Nature.POWER:
            keys[entry.series.key] = name
    return [(place, keys[key]) for place, s in enumerate(latest.layout.series) if (key := s.key) in keys]


def _registers(view: View, plan: Plan, now: int) -> dict[str, Value]:
    """Return watts by device, of devices that only a register or a delta stands for."""
    found = {}
    for name, choice in plan.chosen.items():
        entry = _source(choice)
        if entry and nature(entry.series.metric) in (Nature.REGISTER, Nature.DELTA):
            found[name] = entry
    if not found:
        return {}
    back = max(LOOK_BACK * patience(entry.column) for entry in found.values())
    pairs: dict[int, list[tuple[int, float]]] = {}
    for blocks in view.store.samples([entry.id for entry in found.values()], now - back, now + 1):
        for block in blocks:
            for place, number in enumerate(block.ids):
                rows = np.flatnonzero(_sound(block, place))[-2:]
                new = [(int(block.time[row]), float(block.values[row, place])) for row in rows]
                pairs[number] = [*pairs.get(number, []), *new][-2:]
    between = {name: _between(entry, pairs.get(entry.id, [])) for name, entry in found.items()}
    return {name: value for name, value in between.items() if value is not None}


def _sound(block: Block, place: int) -> Mask:
    """Return which frames have a finite value of one series."""
    is_finite: Mask = np.isfinite(block.values[:, place])
    return is_finite if block.present is None else is_finite & block.present[:, place]


def _between(entry: Entry, pair: Sequence[tuple[int, float]]) -> Value | None:
    """Return the mean watts between two samples; None: there are not two, or a reset lies between them."""
    if len(pair) < 2 or pair[0][0] >= pair[1][0]:
        return None
    (first, before), (last, after) = pair
    if nature(entry.series.metric) is Nature.DELTA:
        return Value(last, after * NANOSECONDS / (last - first))
    step = counter.steps(np.array([first, last]), np.array([before, after]), entry.column)
    if step.broken[0]:
        return None
    return Value(last, int(step.energy[0]) / MICROJOULES * NANOSECONDS / (last - first))


def _device(plan: Plan, name: str, value: Value | None, now: int) -> NowDevice:
    entry = _source(plan.chosen[name])
    device = plan.devices.get(name) or Device(name)
    is_fresh = value is not None and entry is not None and now - value.time < patience(entry.column)
    watts = value.watts if value is not None and is_fresh and math.isfinite(value.watts) else None
    return NowDevice(
        device=name,
        type=device.type,
        watts=watts,
        estimated=bool(entry and entry.column.estimate),
        parent=device.parent,
        metric=entry.series.metric.name if entry else "",
        age=None if value is None else max(now - value.time, 0) / NANOSECONDS,  # newer ones come while this is made
    )


def _sum(plan: Plan, alias: str, parts: Sequence[NowDevice]) -> NowDevice:
    """Return a device that draws what its parts measure; without one of them its power is not known."""
    device = plan.devices[alias]
    watts = [one.watts for one in parts if one.watts is not None]
    ages = [one.age for one in parts if one.age is not None]
    return NowDevice(
        device=alias,
        type=device.type,
        watts=math.fsum(watts) if len(watts) == len(parts) else None,
        estimated=any(one.estimated for one in parts),
        parent=device.parent,
        metric=parts[0].metric,
        age=max(ages) if len(ages) == len(parts) else None,
    )


def _rank(one: NowDevice) -> tuple[bool, float, str]:
    """Order by watts, greatest first, then those without, each by name."""
    return one.watts is None, -(one.watts or 0.0), one.device

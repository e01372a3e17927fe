"""What the store knows beside samples: metrics, series, layouts and their families, devices, texts, lives.

The catalogue in memory equals the tables after every commit. A write first makes a `Plan` of what it would add, which
changes nothing; the plan is written in the transaction of the write and adopted after its commit, so a write that is
refused, or that fails, leaves no trace.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from wattline.model import Column, Device, Kind, Metric, Series
from wattline.plugin import Entry, Refused, Unit
from wattline.stores.sqlite.held import Added, Held, Integers, Known, Met
from wattline.stores.sqlite.numbers import Numbers
from wattline.stores.sqlite.received import Life

STRIPE: Final = 64
"""Most value columns of one chunk row."""


class Catalogue(Held):
    """The state that holds; read it from any thread, change it by `adopt` alone."""

    def __init__(self) -> None:
        super().__init__()
        self.version = -1
        self.series: list[Series] = []
        """Series by their numbers, which count from 1."""
        self.columns: list[Column] = []
        """The column of each that holds."""
        self.numbers = Numbers()
        self.seen: dict[int, Met] = {}
        """Layout objects by `id`: the quick way."""
        self.numbered: list[Known | None] = []
        """Layouts by their number."""
        self.newest: Integers = np.zeros(64, np.int64)
        """Time of the newest frame of each layout, by its number (ns); 0: none yet."""
        self.family_by_layout: Integers = np.zeros(64, np.int64)
        self.source_by_life: Integers = np.zeros(64, np.int64)
        self.life_by_number: list[Life | None] = []
        self._family: Integers = np.zeros(64, np.int64)
        """The first family that a series is in, by its number; of nearly all the only one."""
        self._families: dict[int, tuple[int, ...]] = {}
        """The families of a series that is in several."""
        self._sharing: set[int] = set()
        self._entries: tuple[Entry, ...] | None = None

    def adopt(self, plan: Added) -> None:
        """Take over what a committed plan has written; a catalogue that was read since then knows it already."""
        for name in vars(Held()):
            getattr(self, name).update(getattr(plan, name))
        if len(self.series) < plan.first:
            self.series += plan.series
            self.columns += plan.columns
            self.numbers.join(plan.numbers)
        for number, column in plan.changed.items():
            self.columns[number - 1] = column
        self.version += bool(plan)
        self._index(plan.layouts.values(), plan.lives.values())
        self.seen.update(plan.seen)
        if plan.changed or plan.metrics or plan.series:
            self._entries = None

    def _index(self, layouts: Iterable[Known], lives: Iterable[Life]) -> None:
        for known in layouts:
            self.numbered.extend([None] * (known.number + 1 - len(self.numbered)))
            self.numbered[known.number] = known
            self.newest = _reaching(self.newest, known.number)
            self.family_by_layout = _reaching(self.family_by_layout, known.number)
            self.family_by_layout[known.number] = known.family
            known.say_states(tuple(i for i, number in enumerate(known.ids.tolist()) if self.is_state(number)))
            self._join(known)
        for life in lives:
            self.life_by_number.extend([None] * (life.number + 1 - len(self.life_by_number)))
            self.life_by_number[life.number] = life
            self.source_by_life = _reaching(self.source_by_life, life.number)
            self.source_by_life[life.number] = life.source

    def _join(self, known: Known) -> None:
        """Note that the series of a layout are in its family."""
        self._family = _reaching(self._family, int(known.ids.max(initial=0)))
        first = self._family[known.ids]
        self._family[known.ids[first == 0]] = known.family
        for number in known.ids[(first != 0) & (first != known.family)].tolist():
            families = self.families_of(number)
            if known.family not in families:
                families = self._families[number] = (*families, known.family)
                self._sharing.update(families)

    def families_of(self, series: int) -> tuple[int, ...]:
        """Return the families that a series is in."""
        first = self._family.item(series) if series < len(self._family) else 0
        return self._families.get(series) or ((first,) if first else ())

    def members_of(self, family: int) -> list[int]:
        """Return the series of a family by their places."""
        members: list[int] = self.members[family].tolist()
        return members

    def metric(self, series: int) -> Metric:
        """Return the metric that holds of a series."""
        return self.metrics[self.series[series - 1].metric.name][0]

    def newest_until(self, layouts: NDArray[np.int64], times: NDArray[np.int64]) -> None:
        """Note frames of layouts, by their numbers, at times."""
        np.maximum.at(self.newest, layouts, times)

    def is_state(self, series: int) -> bool:
        """Say whether the values of a series are numbers of texts."""
        return self.metric(series).kind is Kind.STATE

    def shares(self, family: int) -> bool:
        """Say whether a series of the family stands in another one too."""
        return family in self._sharing

    def entries(self) -> tuple[Entry, ...]:
        """Return all series, ascending by id, with the metric that holds."""
        entries = self._entries
        if entries is None:
            entries = self._entries = tuple(
                Entry(number, _declared(series, self.metric(number)), column)
                for number, (series, column) in enumerate(zip(self.series, self.columns, strict=True), 1)
            )
        return entries

    def require(self, ids: Iterable[int]) -> None:
        """Raise Refused when there is no series of a number."""
        for number in ids:
            if not 0 < number <= len(self.series):
                raise Refused(f"the store holds no series with the number {number}")


def load(connection: sqlite3.Connection) -> Catalogue:
    """Read the catalogue inside the caller's transaction."""
    held, unpack, execute = Catalogue(), msgspec.msgpack.decode, connection.execute
    held.version = execute("select value from meta where name='catalogue'").fetchone()[0]
    for name, unit, kind, text, device in execute("select name, unit, kind, help, device from metric"):
        held.metrics[name] = (Metric(name, Unit(unit), Kind(kind), text), device)
    columns: dict[bytes, Column] = {}  # which are alike
    for number, key, device, metric, labels, column in execute(
        "select id, key, device, metric, labels, column from series order by id"
    ):
        pairs = msgspec.json.decode(labels, type=tuple[tuple[str, str], ...])
        held.numbers.add(key, number)
        held.series.append(Series(device, held.metrics[metric][0], pairs))
        held.columns.append(columns.get(column) or columns.setdefault(column, unpack(column, type=Column)))
    for number, root, series in execute("select number, root, series from family"):
        held.roots[root], held.members[number] = number, np.frombuffer(series, "<i8").astype(np.int64)
    for number, name, family, series, places, newest in execute(
        "select number, id, family, series, places, newest from layout"
    ):
        at = np.frombuffer(places, "<i8").astype(np.int64)
        held.layouts[name] = Known(number, family, np.frombuffer(series, "<i8").astype(np.int64), at)
        held.newest = _reaching(held.newest, number)
        held.newest[number] = newest
    for name, body in execute("select name, body from device"):
        held.devices[name] = unpack(body, type=Device)
    for number, place, text in execute("select series, place, text from text order by series, place"):
        held.texts.setdefault(number, {})[text] = place
    for number, source, name, run in execute("select number, source, name, run from life"):
        held.sources[name] = source
        held.lives[name, run] = Life(number, source)
    held._index(held.layouts.values(), held.lives.values())
    return held


def _declared(series: Series, metric: Metric) -> Series:
    """Return a series with the metric that holds."""
    return series if series.metric == metric else replace(series, metric=metric)


def _reaching(array: Integers, number: int) -> Integers:
    """Return an array that has a place for `number`; those that readers hold stay as they are."""
    return array if number < len(array) else np.concatenate([array, np.zeros(number + 1, np.int64)])

"""What the store knows beside samples: metrics, series, layouts and their families, devices, texts, lives.

The catalogue in memory equals the tables after every commit. A write first makes a `Plan` of what it would add, which
changes nothing; the plan is written in the transaction of the write and adopted after its commit, so a write that is
refused, or that fails, leaves no trace.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from wattline.model import Batch, Column, Device, Kind, Layout, Metric, Series
from wattline.plugin import Entry, Refused, Unit
from wattline.stores.sqlite.numbers import Numbers
from wattline.stores.sqlite.received import Life
from wattline.stores.sqlite.staging import HEAD, WIDEST

Integers = NDArray[np.int64]

STRIPE: Final = 64
"""Most value columns of one chunk row."""
_NONE: Final = np.zeros(0, np.int64)


class Known:
    """A layout that the store has a number for: int64[k] series `ids` and int64[k] `places` of them in the family."""

    __slots__ = ("family", "frame", "ids", "in_order", "k", "number", "places", "states")

    def __init__(self, number: int, family: int, ids: Integers, places: Integers) -> None:
        self.number = number
        self.family = family
        self.k = len(ids)
        self.ids = ids
        self.in_order = bool((places == np.arange(self.k)).all())
        """Whether its columns are the first ones of its family."""
        self.places = _straight(self.k) if self.in_order else places
        self.states: tuple[int, ...] = ()
        """Places of its `state` series, whose values are numbers of texts."""
        self.frame: tuple[int, int] | None = (1, self.k)
        """The shape of values that go to the file as they are; None where texts must be numbered anew."""

    def say_states(self, states: tuple[int, ...]) -> None:
        """Say which places are of `state` series."""
        self.states = states
        self.frame = None if states else (1, self.k)


class Met:
    """A layout object met before, whose columns are those that hold, and the life that spoke of it last.

    `head` is the ENTRY of a frame of the two, all but its sequence.
    """

    __slots__ = ("frame", "head", "known", "layout", "life", "run", "source")

    def __init__(self, layout: Layout, known: Known) -> None:
        self.layout = layout
        self.known = known
        self.frame = known.frame
        self.source = ""
        self.run = -1
        self.life = Life(0, 0)
        self.head = b""

    def spoken_by(self, batch: Batch, life: Life) -> None:
        """Remember whose batch it was."""
        self.source, self.run, self.life = batch.source, batch.run, life
        self.frame = self.known.frame
        self.head = HEAD.pack(self.known.number, life.number, 0, 1, self.known.k, 0)


class Held:
    """One state of the catalogue, or what a plan adds to one: the same words for both."""

    def __init__(self) -> None:
        self.metrics: dict[str, tuple[Metric, str]] = {}
        self.roots: dict[bytes, int] = {}
        self.members: dict[int, Integers] = {}
        self.layouts: dict[bytes, Known] = {}
        self.devices: dict[str, Device] = {}
        self.texts: dict[int, dict[str, int]] = {}
        self.sources: dict[str, int] = {}
        self.lives: dict[tuple[str, int], Life] = {}


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

    def adopt(self, plan: "Plan") -> None:
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


class Plan(Held):
    """What one write adds to the catalogue. Raises Refused before anything is changed."""

    def __init__(self, base: Catalogue) -> None:
        super().__init__()
        self._base = base
        self.first = len(base.series) + 1
        """The number of the first new series."""
        self.numbers = Numbers(self.first)
        self.series: list[Series] = []
        """New ones, in the order of their numbers."""
        self.columns: list[Column] = []
        """Theirs."""
        self.changed: dict[int, Column] = {}
        """Columns that are others now, by the number of the series."""
        self.seen: dict[int, Met] = {}
        self.versions: list[tuple[int, Sequence[int], Sequence[Column]]] = []
        """Columns that hold from now on: since when (ns), of which series, and theirs."""

    def __bool__(self) -> bool:
        return bool(self.layouts or self.changed or self.devices or self.texts or self.lives or self.metrics)

    def life(self, source: str, run: int) -> Life:
        """Return one life of a source, new where it is."""
        key = (source, run)
        found = self._base.lives.get(key) or self.lives.get(key)
        if found is None:
            number = self._base.sources.get(source) or self.sources.get(source)
            if number is None:
                number = self.sources[source] = len(self._base.sources) + len(self.sources) + 1
            found = self.lives[key] = Life(len(self._base.lives) + len(self.lives) + 1, number)
        return found

    def meet(self, batch: Batch, earlier: Sequence[Batch]) -> Known:
        """Return the known layout behind a layout object not met before; `earlier` came in the same write."""
        layout = batch.layout
        cached = self.seen.get(id(layout))
        if cached is not None:
            return cached.known
        self._declare(layout)
        known = self._base.layouts.get(layout.id) or self.layouts.get(layout.id) or self._enter(layout, batch)
        self._describe(layout)
        if self._hold_columns(layout, known, batch, earlier):
            self.seen[id(layout)] = Met(layout, known)
        return known

    def table(self, series: int) -> dict[str, int]:
        """Return the text table of a state series, to be added to."""
        if series not in self.texts:
            self.texts[series] = dict(self._base.texts.get(series, {}))
        return self.texts[series]

    def _declare(self, layout: Layout) -> None:
        for series in layout.series:
            name = series.metric.name
            first, device = self._declared(name) or (series.metric, series.device)
            if self._declared(name) is None:
                self.metrics[name] = (series.metric, series.device)
            elif first.kind is Kind.UNKNOWN and series.metric.kind not in (Kind.UNKNOWN, Kind.STATE):
                first, device = self.metrics[name] = (series.metric, series.device)
            if not _agree(first, series.metric):
                raise Refused(
                    f"{name} of {series.device} is {_said(series.metric)}, but {device} declared it as {_said(first)}"
                )

    def _declared(self, name: str) -> tuple[Metric, str] | None:
        return self.metrics.get(name) or self._base.metrics.get(name)

    def _enter(self, layout: Layout, batch: Batch) -> Known:
        if len(layout) > WIDEST:
            raise Refused(f"a layout of {len(layout)} series; a store takes {WIDEST}")
        first = len(self.series)
        ids = np.array(list(map(self._series, layout.series, layout.columns)), np.int64)
        if new := self.columns[first:]:
            numbers = range(self.first + first, self.first + len(self.series))
            self.versions.append((int(batch.time.max(initial=0)), numbers, new))
        family = self._base.roots.get(layout.family) or self.roots.get(layout.family)
        if family is None:
            family = self.roots[layout.family] = len(self._base.roots) + len(self.roots) + 1
        place = {number: i for i, number in enumerate(self._members(family).tolist())}
        places = np.array([place.setdefault(number, len(place)) for number in ids.tolist()], np.int64)
        members = np.array(list(place), np.int64)
        self.members[family] = ids if np.array_equal(ids, members) else members
        count = len(self._base.layouts) + len(self.layouts) + 1
        known = self.layouts[layout.id] = Known(count, family, ids, places)
        known.say_states(tuple(i for i, series in enumerate(layout.series) if self._is_state(series)))
        return known

    def _members(self, family: int) -> Integers:
        found = self.members.get(family)
        return self._base.members.get(family, _NONE) if found is None else found

    def _is_state(self, series: Series) -> bool:
        declared = self._declared(series.metric.name)
        return declared is not None and declared[0].kind is Kind.STATE

    def _series(self, series: Series, column: Column) -> int:
        key = series.key
        number = self._base.numbers.find(key, self._base.series) or self.numbers.find(key, self.series)
        if number is None:
            number = self.first + len(self.series)
            self.numbers.add(key, number)
            self.series.append(series)
            self.columns.append(column)
            if series.device not in self._base.devices:
                self.devices.setdefault(series.device, Device(series.device))
        return number

    def _describe(self, layout: Layout) -> None:
        for device in layout.devices:
            if (self.devices.get(device.name) or self._base.devices.get(device.name)) != device:
                self.devices[device.name] = device

    def _hold_columns(self, layout: Layout, known: Known, batch: Batch, earlier: Sequence[Batch]) -> bool:
        """Keep the columns of a batch that is newer than what was held; say whether they are those that hold now."""
        newest, current, others = int(batch.time.max(initial=0)), True, []
        for number, column in zip(known.ids.tolist(), layout.columns, strict=True):
            if column == self._column(number):
                continue
            if newest < self._newest(number, earlier):
                current = False
                continue
            others.append((number, column))
        for number, column in others:
            if number < self.first:
                self.changed[number] = column
            else:
                self.columns[number - self.first] = column
        if others:
            self.versions.append((newest, [number for number, _ in others], [column for _, column in others]))
            self.seen.clear()
            self._base.seen.clear()
        return current

    def _column(self, series: int) -> Column:
        """Return the column of a series that holds, with this plan."""
        if series >= self.first:
            return self.columns[series - self.first]
        return self.changed.get(series) or self._base.columns[series - 1]

    def _newest(self, series: int, earlier: Sequence[Batch]) -> int:
        """Return the newest time at which the series was written, batches before this one in the same write too."""
        held = self._base.series[series - 1] if series < self.first else self.series[series - self.first]
        layouts = [known.number for known in self._base.layouts.values() if series in known.ids]
        newest = int(self._base.newest[layouts].max(initial=0))
        for batch in earlier:
            if any(one.key == held.key for one in batch.layout.series):
                newest = max(newest, int(batch.time.max(initial=0)))
        return newest

    def store(self, connection: sqlite3.Connection) -> None:
        """Write the plan inside the caller's transaction."""
        many, pack = connection.executemany, msgspec.msgpack.encode
        many("insert or replace into metric values(?,?,?,?,?)",
             ((m.name, m.unit, m.kind, m.help, device) for m, device in self.metrics.values()))  # fmt: skip
        many("insert into series(id, key, device, metric, labels, family, column) values(?,?,?,?,?,0,?)",
             ((number, series.key, series.device, series.metric.name, msgspec.json.encode(series.labels).decode(),
               pack(column))
              for number, (series, column) in enumerate(zip(self.series, self.columns, strict=True), self.first))
             )  # fmt: skip
        many("update series set column=? where id=?",
             ((pack(column), number) for number, column in self.changed.items()))  # fmt: skip
        many("insert or replace into column_version values(?,?,?)",
             ((number, since, pack(column)) for since, numbers, columns in self.versions
              for number, column in zip(numbers, columns, strict=True)))  # fmt: skip
        roots = {number: root for root, number in (*self._base.roots.items(), *self.roots.items())}
        many("insert into family values(?,?,?) on conflict(number) do update set series=excluded.series",
             ((family, roots[family], members.astype("<i8").tobytes())
              for family, members in self.members.items()))  # fmt: skip
        many("insert into layout values(?,?,?,?,?,0)",
             ((k.number, name, k.family, k.ids.astype("<i8").tobytes(), k.places.astype("<i8").tobytes())
              for name, k in self.layouts.items()))  # fmt: skip
        many("insert or replace into device values(?,?)", ((d.name, pack(d)) for d in self.devices.values()))
        many("insert or ignore into text values(?,?,?)",
             ((series, place, text) for series, table in self.texts.items()
              for text, place in table.items()))  # fmt: skip
        many("insert into life values(?,?,?,?)",
             ((life.number, life.source, name, run) for (name, run), life in self.lives.items()))  # fmt: skip
        connection.execute("update meta set value=value+1 where name='catalogue'")


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


@lru_cache(maxsize=1024)
def _straight(k: int) -> Integers:
    """Return the places of a layout that is its family: one array for a thousand of them."""
    return np.arange(k, dtype=np.int64)


def _declared(series: Series, metric: Metric) -> Series:
    """Return a series with the metric that holds."""
    return series if series.metric == metric else replace(series, metric=metric)


def _reaching(array: Integers, number: int) -> Integers:
    """Return an array that has a place for `number`; those that readers hold stay as they are."""
    return array if number < len(array) else np.concatenate([array, np.zeros(number + 1, np.int64)])


def _agree(first: Metric, metric: Metric) -> bool:
    """Say whether values of `metric` may stand under the declaration that holds; numbers never pass for texts."""
    if metric.kind is Kind.UNKNOWN:
        return first.kind is not Kind.STATE
    return (metric.unit, metric.kind) == (first.unit, first.kind)


def _said(metric: Metric) -> str:
    return f"{metric.kind} in {metric.unit}" if metric.unit else f"{metric.kind} without a unit"

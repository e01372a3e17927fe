"""What one write would add to the catalogue: found without a change, then written in the write's transaction."""

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from wattline.model import Batch, Column, Device, Kind, Layout, Metric, Series
from wattline.plugin import Refused
from wattline.stores.sqlite.catalogue import Catalogue
from wattline.stores.sqlite.held import Added, Integers, Known, Met
from wattline.stores.sqlite.received import Life
from wattline.stores.sqlite.staging import WIDEST

_NONE: Final = np.zeros(0, np.int64)


class Plan(Added):
    """What one write adds to the catalogue. Raises Refused before anything is changed."""

    def __init__(self, base: Catalogue) -> None:
        super().__init__(len(base.series) + 1)
        self._base = base
        self.versions: list[tuple[int, Sequence[int], Sequence[Column]]] = []
        """Columns that hold from now on: since when (ns), of which series, and theirs."""

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
        if self.members:
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


def _agree(first: Metric, metric: Metric) -> bool:
    """Say whether values of `metric` may stand under the declaration that holds; numbers never pass for texts."""
    if metric.kind is Kind.UNKNOWN:
        return first.kind is not Kind.STATE
    return (metric.unit, metric.kind) == (first.unit, first.kind)


def _said(metric: Metric) -> str:
    return f"{metric.kind} in {metric.unit}" if metric.unit else f"{metric.kind} without a unit"

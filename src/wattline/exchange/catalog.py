"""Which series the rows of a file are about, found by the texts that they repeat.

A row names its series by some ten texts, of which a file has few that differ. So the texts are numbered column by
column, rows with equal numbers are found by arithmetic, and each combination is read once in the life of a file.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace
from numpy.typing import NDArray

from wattline.errors import Malformed
from wattline.exchange.form import Assumed, declared, read
from wattline.model import Column, Device, Metric, Series
from wattline.units import Scale

Index = NDArray[np.int64]
TABLE = 1 << 22
"""Largest number of combinations for which a table is made; more are sorted."""


class Catalog:
    """Series of one file, numbered as they appear; `series`, `columns` and `scales` go by that number."""

    def __init__(self, assumed: Assumed) -> None:
        self._assumed = assumed
        self._known: dict[tuple[tuple[str, ...], tuple[str | None, ...], bool], int | str] = {}
        self._numbers: dict[bytes, int] = {}
        self._metrics: dict[str, Metric] = {}
        self.series: list[Series] = []
        self.columns: list[Column] = []
        self.scales: list[Scale] = []
        self.devices: dict[str, Device] = {}

    def resolve(
        self, count: int, columns: Mapping[str, Any], has_text: NDArray[np.bool_] | None
    ) -> tuple[Index, dict[int, str]]:
        """Return the series of each of `count` rows as int64[n] (of a bad row: -1), and the reasons of bad rows.

        `columns` are Arrow arrays by the names of `form.NAMING`; `has_text` says which rows have a text for a value.
        """
        names = tuple(columns)
        coded = [_coded(column) for column in columns.values()]
        codes = [(np.zeros(count, np.int64), 1), *((numbers, len(texts) + 1) for numbers, texts in coded)]
        if has_text is not None:
            codes.append((has_text.astype(np.int64), 2))
        inverse, firsts = _distinct(codes)
        found: list[int | str] = []
        for row in firsts.tolist():
            texts = tuple(table[numbers[row] - 1] if numbers[row] else None for numbers, table in coded)
            found.append(self._resolve(names, texts, is_text=bool(has_text is not None and has_text[row])))
        series = np.array([one if isinstance(one, int) else -1 for one in found], np.int64)[inverse]
        bad = np.flatnonzero(series < 0)
        return series, {row: str(found[inverse[row]]) for row in bad.tolist()}

    def _resolve(self, names: tuple[str, ...], texts: tuple[str | None, ...], *, is_text: bool) -> int | str:
        key = (names, texts, is_text)
        if key not in self._known:
            try:
                self._known[key] = self._enter(dict(zip(names, texts, strict=True)), is_text=is_text)
            except Malformed as error:
                self._known[key] = str(error)
        return self._known[key]

    def _enter(self, texts: Mapping[str, str | None], *, is_text: bool) -> int:
        said = read(texts, is_text=is_text, assumed=self._assumed)
        metric = declared(self._metrics.get(said.series.metric.name, said.series.metric), said.series.metric)
        self._metrics[metric.name] = metric
        series = replace(said.series, metric=metric)
        number = self._numbers.setdefault(series.key, len(self.series))
        if number < len(self.series):
            if said.scale != self.scales[number]:
                raise Malformed(f"{series.device} {metric.name} comes in two units")
            self.columns[number] = said.column
        else:
            self.series.append(series)
            self.columns.append(said.column)
            self.scales.append(said.scale)
        if said.device:
            self.devices[said.device.name] = said.device
        return number


def _coded(column: Any) -> tuple[Index, Sequence[str | None]]:
    """Return the texts of a column as numbers from 1 into a table, 0 where there is none."""
    if isinstance(column, pa.StructArray | pa.MapArray):
        column = _as_json(column)
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    table: list[str | None] = column.dictionary.cast(pa.string()).to_pylist()
    return np.asarray(pc.fill_null(column.indices, -1)).astype(np.int64) + 1, table


def _as_json(column: Any) -> Any:
    """Return labels that a file holds as a structure or a map as the texts of JSON objects; an absent one is none."""
    found = []
    for row in column.to_pylist():
        pairs = row.items() if isinstance(row, dict) else row or ()
        said = {str(name): value for name, value in pairs if value is not None}
        found.append(msgspec.json.encode(said, order="sorted").decode())
    return pa.array(found, pa.string())


def _distinct(codes: Sequence[tuple[Index, int]]) -> tuple[Index, Index]:
    """Give equal rows of columns of small numbers one number; return it for each row, and the first row of each."""
    key, size = codes[0]
    for numbers, count in codes[1:]:
        if size * count > TABLE:
            key, size = _compressed(key, size)
        key, size = key * count + numbers, size * count
    inverse, count = _compressed(key, size)
    firsts = np.zeros(count, np.int64)
    firsts[inverse[::-1]] = np.arange(len(inverse) - 1, -1, -1)
    return inverse, firsts


def _compressed(key: Index, size: int) -> tuple[Index, int]:
    """Renumber keys below `size` without holes, in their order."""
    if size > TABLE:
        distinct, inverse = np.unique(key, return_inverse=True)
        return inverse.astype(np.int64), len(distinct)
    seen = np.zeros(size, bool)
    seen[key] = True
    ranks = np.cumsum(seen) - 1
    return ranks[key], int(seen.sum())

"""Rows of the long form to files, a few hundred thousand at a time, without an object per row.

What belongs to a series is made once, as dictionaries (Parquet, Arrow) or as the pieces of a line that stand before and
after its value (CSV, NDJSON); a row is an index into them. The pieces are joined by Arrow, and the joined column's own
bytes are the text that is written.
"""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Final, NamedTuple, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from wattline.exchange.form import NAMING, NEEDED, NUMBERS
from wattline.exchange.formats import Format
from wattline.model import Times, Values

GROUP: Final = 1 << 20
"""Most rows of a Parquet row group."""
LINES: Final = 1 << 17
"""Most rows that are made into text at once."""


class Rows(NamedTuple):
    """Rows in their order: `series` int64[n] into the texts of the writer, `text` Arrow strings or None (no states)."""

    series: NDArray[np.int64]
    time: Times
    value: Values
    run: NDArray[np.int64]
    text: Any


class Writer(Protocol):
    """Takes rows, and at the end writes what must stand there."""

    def write(self, rows: Rows) -> None:
        """Write rows."""

    def close(self) -> None:
        """Write the end; the file stays open."""


def writer(form: Format, out: BinaryIO, columns: Sequence[str], series: Sequence[Mapping[str, str]]) -> Writer:
    """Return what writes `columns` (of form.ALL, in that order) to `out`; `series` holds the texts of each series."""
    kind: Any = {Format.PARQUET: _Parquet, Format.ARROW: _Arrow, Format.CSV: _csv, Format.NDJSON: _ndjson}[form]
    made: Writer = kind(out, columns, series)
    return made


class _Table:
    """Makes record batches, in which the texts of a series are indices into one dictionary of each column."""

    def __init__(self, columns: Sequence[str], series: Sequence[Mapping[str, str]]) -> None:
        self.columns = columns
        self._texts = {name: _dictionary([one[name] for one in series]) for name in columns if name in NAMING}
        kinds = {"time": pa.timestamp("ns", "UTC"), "value": pa.float64(), "run": pa.int64()}
        kinds |= {name: pa.dictionary(pa.int32(), pa.string()) for name in self._texts}
        self.schema = pa.schema([(name, kinds.get(name, pa.string())) for name in columns])

    def batch(self, rows: Rows) -> Any:
        """Return rows as a record batch."""
        worded = None if rows.text is None else np.asarray(pc.is_valid(rows.text))
        given = {
            "time": lambda: pa.array(rows.time).cast(pa.timestamp("ns", "UTC")),
            "value": lambda: pa.array(rows.value, mask=worded, from_pandas=False),
            "run": lambda: pa.array(rows.run),
            "text": lambda: pa.nulls(len(rows.time), pa.string()) if rows.text is None else rows.text,
        }
        arrays = [given[name]() if name in given else self._column(name, rows.series) for name in self.columns]
        return pa.record_batch(arrays, schema=self.schema)

    def _column(self, name: str, series: NDArray[np.int64]) -> Any:
        codes, dictionary = self._texts[name]
        return pa.DictionaryArray.from_arrays(pa.array(codes[series]), dictionary)


class _Parquet:
    def __init__(self, out: BinaryIO, columns: Sequence[str], series: Sequence[Mapping[str, str]]) -> None:
        self._table = _Table(columns, series)
        self._file = pa.parquet.ParquetWriter(
            out, self._table.schema, compression="zstd", use_dictionary=[name for name in columns if name in NAMING],
            column_encoding={"time": "DELTA_BINARY_PACKED"}, write_statistics=["time"],
        )  # fmt: skip

    def write(self, rows: Rows) -> None:
        for start in range(0, len(rows.time), GROUP):
            self._file.write_batch(self._table.batch(_part(rows, start, GROUP)))

    def close(self) -> None:
        self._file.close()


class _Arrow:
    def __init__(self, out: BinaryIO, columns: Sequence[str], series: Sequence[Mapping[str, str]]) -> None:
        self._table = _Table(columns, series)
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        self._stream = pa.ipc.new_stream(out, self._table.schema, options=options)

    def write(self, rows: Rows) -> None:
        for start in range(0, len(rows.time), GROUP):
            self._stream.write_batch(self._table.batch(_part(rows, start, GROUP)))

    def close(self) -> None:
        self._stream.close()


class _Spelling(NamedTuple):
    """How a text format spells a line: what stands before, between and behind time and value, by series and by row."""

    heading: str
    between: Callable[[Mapping[str, str]], str]
    behind: Callable[[Mapping[str, str]], str]
    tail: Callable[[Rows], list[Any]]
    odd: tuple[str, str, str]
    """NaN, +Inf, -Inf."""
    nothing: str
    """The value of a state."""
    before: str


class _Lines:
    def __init__(self, out: BinaryIO, spelling: _Spelling, series: Sequence[Mapping[str, str]]) -> None:
        self._out = out
        self._spelling = spelling
        self._between = pa.array([spelling.between(one) for one in series], pa.large_string())
        self._behind = pa.array([spelling.behind(one) for one in series], pa.large_string())
        out.write(spelling.heading.encode())

    def write(self, rows: Rows) -> None:
        for start in range(0, len(rows.time), LINES):
            self._write(_part(rows, start, LINES))

    def close(self) -> None:
        self._out.flush()

    def _write(self, rows: Rows) -> None:
        series = pa.array(rows.series)
        pieces = [self._spelling.before, moments(rows.time), self._between.take(series), self._numbers(rows)]
        pieces += [self._behind.take(series), *self._spelling.tail(rows)]
        lines = pc.binary_join_element_wise(*(_large(piece) for piece in pieces), _large(""))
        offsets = np.frombuffer(lines.buffers()[1], np.int64)[lines.offset : lines.offset + len(lines) + 1]
        self._out.write(lines.buffers()[2].slice(int(offsets[0]), int(offsets[-1] - offsets[0])))

    def _numbers(self, rows: Rows) -> Any:
        """Return values as the shortest decimals that read back as them, and nothing for a state."""
        value, spelling = rows.value, self._spelling
        worded = np.zeros(len(value), bool) if rows.text is None else np.asarray(pc.is_valid(rows.text))
        texts = pa.array(value, from_pandas=False).cast(pa.string())
        for mask, text in (
            ((value == 0) & np.signbit(value), "-0.0"),  # `-0` is an integer to many, and those have no negative zero
            (np.isnan(value), spelling.odd[0]),
            (value == np.inf, spelling.odd[1]),
            (value == -np.inf, spelling.odd[2]),
            (worded, spelling.nothing),
        ):
            if mask.any():
                texts = pc.if_else(pa.array(mask), text, texts)
        return texts


def _csv(out: BinaryIO, columns: Sequence[str], series: Sequence[Mapping[str, str]]) -> Writer:
    behind = [name for name in columns[len(NEEDED) :] if name in NAMING]

    def tail(rows: Rows) -> list[Any]:
        found: list[Any] = []
        if "text" in columns:
            found += [",", _by_text(rows, lambda text: "" if text is None else _csv_line([text]))]
        if "run" in columns:
            found += [",", pa.array(rows.run).cast(pa.string())]
        return [*found, "\n"]

    return _Lines(
        out,
        _Spelling(
            heading=",".join(columns) + "\n",
            between=lambda one: f",{_csv_line([one['device'], one['metric']])},",
            behind=lambda one: "".join(f",{_csv_line([one[name]])}" for name in behind),
            tail=tail,
            odd=("NaN", "+Inf", "-Inf"),
            nothing="",
            before="",
        ),
        series,
    )


def _csv_line(texts: Sequence[str]) -> str:
    """Return texts as CSV, without the end of the line; an empty one is nothing between commas."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([*texts, "-"])  # so that a lone empty text is not quoted
    return line.getvalue()[:-2]


def _ndjson(out: BinaryIO, columns: Sequence[str], series: Sequence[Mapping[str, str]]) -> Writer:
    behind = [name for name in columns[len(NEEDED) :] if name in NAMING]

    def tail(rows: Rows) -> list[Any]:
        found: list[Any] = []
        if "text" in columns:
            found.append(_by_text(rows, lambda text: "" if text is None else f',"text":{_json(text)}'))
        if "run" in columns:
            found += [',"run":', pa.array(rows.run).cast(pa.string())]
        return [*found, "}\n"]

    return _Lines(
        out,
        _Spelling(
            heading="",
            between=lambda one: f'","device":{_json(one["device"])},"metric":{_json(one["metric"])},"value":',
            behind=lambda one: "".join(f',"{name}":{_member(name, one[name])}' for name in behind if one[name]),
            tail=tail,
            odd=('"NaN"', '"+Inf"', '"-Inf"'),
            nothing="null",
            before='{"time":"',
        ),
        series,
    )


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _member(name: str, text: str) -> str:
    """Return a describing text as the JSON that it is, or as a JSON text."""
    is_json = name in ("labels", "device_parents") or (name in NUMBERS and math.isfinite(float(text)))
    return text if is_json else _json(text)


def moments(time: Times) -> Any:
    """Return times as ISO 8601 in UTC with microseconds, or with nanoseconds where one has any; each distinct one once.

    `time` int64[n] ns, with equal times mostly side by side, as rows in order have them.
    """
    starts = np.flatnonzero(np.diff(time, prepend=~time[:1]))
    distinct = time[starts]
    unit, divisor = ("us", 1000) if not (distinct % 1000).any() else ("ns", 1)
    texts = pa.array(distinct // divisor).cast(pa.timestamp(unit, "UTC")).cast(pa.string())
    texts = pc.binary_replace_slice(texts.cast(pa.binary()), 10, 11, b"T").cast(pa.string())
    lengths = np.diff(starts, append=len(time))
    return texts.take(pa.array(np.repeat(np.arange(len(starts)), lengths)))


def _by_text(rows: Rows, spell: Callable[[str | None], str]) -> Any:
    """Spell the texts of states, each distinct one once."""
    if rows.text is None:
        return spell(None)
    coded = rows.text.dictionary_encode()
    table = pa.array([*(spell(text) for text in coded.dictionary.to_pylist()), spell(None)], pa.string())
    return table.take(pc.fill_null(coded.indices, len(table) - 1))


def _dictionary(texts: Sequence[str]) -> tuple[NDArray[np.int32], Any]:
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.int32)
    return codes, pa.array(list(numbers), pa.string())


def _large(piece: Any) -> Any:
    return pa.scalar(piece, pa.large_string()) if isinstance(piece, str) else piece.cast(pa.large_string())


def _part(rows: Rows, start: int, count: int) -> Rows:
    cut = slice(start, start + count)
    text = None if rows.text is None else rows.text.slice(start, count)
    return Rows(rows.series[cut], rows.time[cut], rows.value[cut], rows.run[cut], text)

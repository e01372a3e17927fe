"""Rows to bytes, column by column: JSON, NDJSON and CSV by joining fragments, Arrow as an IPC stream.

Whatever is the same in all rows of a series (device, metric, labels and the syntax around them) is written once for
each series and taken by number; a row is its time, such fragments, and its figures, joined by pyarrow. No Python object
per row exists. Numbers are written in the fewest digits that read back to the same double.

JSON has no NaN and no infinities: they are the texts "NaN", "+Inf" and "-Inf". A `state` series gives its text.
Importing this module imports pyarrow (some 45 ms and 40 MB), so a worker does it when the first bulk answer is wanted.
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from wattline.api.formats import Format
from wattline.api.rows import Catalogue, CellRows, Rows
from wattline.api.stamps import matrix, stamps
from wattline.model import Mask, Series, Times, Values

Texts = Callable[[int], Sequence[str]]
"""Gives the text table of a `state` series by its id."""

FIGURES: Final = ("min", "mean", "max", "count", "joules", "coverage")


class Syntax(Struct, frozen=True):
    """How a text format writes: the edges of an answer and of a row, a text, a key before a value, and odd numbers."""

    head: bytes
    tail: bytes
    empty: bytes
    cut: int
    """How many bytes of the first row separate it from a row before it, and go."""
    open: str
    close: str
    quote: Callable[[str], str]
    key: Callable[[str], str]
    odd: tuple[str, str, str, str, str]
    """NaN, +infinity, -infinity, -0.0 and nothing."""


def _json_quote(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _csv_quote(text: str) -> str:
    if any(sign in text for sign in '",\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


_JSON_ODD: Final = ('"NaN"', '"+Inf"', '"-Inf"', "-0.0", "null")
_CSV_ODD: Final = ("NaN", "+Inf", "-Inf", "-0.0", "")


def _json_key(name: str) -> str:
    return f',"{name}":'


def _csv_key(name: str) -> str:  # the place in the row says what a value is
    del name
    return ","


_JSON: Final = Syntax(b"[\n", b"\n]\n", b"[]\n", 2, ',\n{"time":"', "}", _json_quote, _json_key, _JSON_ODD)
_NDJSON: Final = Syntax(b"", b"", b"", 0, '{"time":"', "}\n", _json_quote, _json_key, _JSON_ODD)
_CSV: Final = Syntax(b"", b"", b"", 0, "", "\n", _csv_quote, _csv_key, _CSV_ODD)


class Encoder(ABC):
    """Turns the pieces of one answer into bytes, in order; has the state of that answer."""

    @abstractmethod
    def samples(self, rows: Rows) -> bytes:
        """Encode a piece of samples."""

    @abstractmethod
    def cells(self, rows: CellRows) -> bytes:
        """Encode a piece of roll-ups."""

    @abstractmethod
    def tail(self) -> bytes:
        """Return what ends the answer; for an answer without a row all of it."""


def encoder(form: Format, catalogue: Catalogue, texts: Texts, *, rolled: bool) -> Encoder:
    """Return the encoder of an answer in a format; `rolled`: it will hold roll-ups instead of samples."""
    match form:
        case Format.ARROW:
            return ArrowEncoder(catalogue, texts, rolled=rolled)
        case Format.CSV:
            return TextEncoder(csv_syntax(rolled=rolled), catalogue, texts)
        case Format.NDJSON:
            return TextEncoder(_NDJSON, catalogue, texts)
        case Format.JSON:
            return TextEncoder(_JSON, catalogue, texts)


def csv_syntax(*, rolled: bool) -> Syntax:
    """Return the syntax of CSV with the heading of its columns."""
    names = (
        ("time", "device", "metric", "labels", *FIGURES) if rolled else ("time", "device", "metric", "value", "labels")
    )
    head = (",".join(names) + "\n").encode()
    return msgspec.structs.replace(_CSV, head=head, empty=head)


def encode(pieces: Iterator[Rows] | Iterator[CellRows], one: Encoder) -> Iterator[bytes]:
    """Yield the bytes of an answer, one part for each piece."""
    for rows in pieces:
        yield one.cells(rows) if isinstance(rows, CellRows) else one.samples(rows)
    if tail := one.tail():
        yield tail


class TextTables:
    """The texts of an answer's `state` series behind each other, after the words for odd numbers."""

    def __init__(self, catalogue: Catalogue, texts: Texts, odd: Sequence[str], quote: Callable[[str], str]) -> None:
        self._catalogue, self._texts, self._odd, self._quote = catalogue, texts, odd, quote
        self.is_state = np.zeros(len(catalogue), bool)
        self.is_state[list(catalogue.states())] = True
        self._read()

    def _read(self) -> None:
        """Read the tables, which only grow; so does what is read again while an answer is on its way."""
        pool = list(self._odd)
        self._first = np.zeros(len(self._catalogue), np.int64)
        self._size = np.zeros(len(self._catalogue), np.int64)
        for place in self._catalogue.states():
            table = [self._quote(text) for text in self._texts(self._catalogue.ids[place])]
            self._first[place], self._size[place] = len(pool), len(table)
            pool += table
        self.pool = pa.array(pool, pa.string())

    def taken(self, rows: Rows, is_text: Mask) -> Any:
        """Return the texts of the rows that give one. Raises LookupError: the store lacks a text."""
        place, index = rows.place[is_text], rows.value[is_text].astype(np.int64)
        if (index >= self._size[place]).any():
            self._read()
        if (index >= self._size[place]).any() or (index < 0).any():
            raise LookupError("a state has an index that names no text of its series")
        return self.pool.take(pa.array(self._first[place] + index))


class TextEncoder(Encoder):
    """Writes rows as text in one of the syntaxes."""

    def __init__(self, syntax: Syntax, catalogue: Catalogue, texts: Texts) -> None:
        self._syntax = syntax
        self._tables = TextTables(catalogue, texts, syntax.odd, syntax.quote)
        every = [entry.series for entry in catalogue.entries]
        named, labels = [self._named(series) for series in every], [self._labels(series) for series in every]
        key = syntax.key
        self._before_value = _column([text + key("value") for text in named])
        self._after_value = _column([key("labels") + text + syntax.close for text in labels])
        self._before_figures = _column(
            [text + key("labels") + label + key(FIGURES[0]) for text, label in zip(named, labels, strict=True)]
        )
        self._begun = False

    def _named(self, series: Series) -> str:
        key, quote = self._syntax.key, self._syntax.quote
        text = f"{key('device')}{quote(series.device)}{key('metric')}{quote(series.metric.name)}"
        return '"' + text if self._syntax.open else text  # ends the time, which `open` began

    def _labels(self, series: Series) -> str:
        text = labels_text(series)
        return text if self._syntax.open else self._syntax.quote(text)

    def samples(self, rows: Rows) -> bytes:
        """See `Encoder.samples`."""
        place = pa.array(rows.place)
        value = self._value(rows)
        return self._written([_times(rows.time, self._syntax.open), _take(self._before_value, place), value,
                              _take(self._after_value, place)])  # fmt: skip

    def cells(self, rows: CellRows) -> bytes:
        """See `Encoder.cells`."""
        none, is_flat = ~rows.is_level, ~rows.is_energy
        figures = [self._numbers(rows.min, none), self._numbers(rows.mean, none), self._numbers(rows.max, none),
                   pa.array(rows.count).cast(pa.string()), self._numbers(rows.joules, is_flat),
                   self._numbers(rows.coverage, is_flat)]  # fmt: skip
        parts = [_times(rows.start, self._syntax.open), _take(self._before_figures, pa.array(rows.place)), figures[0]]
        for name, column in zip(FIGURES[1:], figures[1:], strict=True):
            parts += [self._syntax.key(name), column]
        return self._written([*parts, self._syntax.close])

    def tail(self) -> bytes:
        """See `Encoder.tail`."""
        return self._syntax.tail if self._begun else self._syntax.empty

    def _written(self, parts: Sequence[Any]) -> bytes:
        body = _joined(parts)
        if self._begun:
            return body
        self._begun = True
        return self._syntax.head + body[self._syntax.cut :]

    def _value(self, rows: Rows) -> Any:
        is_text = self._tables.is_state[rows.place] & ~np.isnan(rows.value)
        text = self._numbers(rows.value, None)
        if not is_text.any():
            return text
        return pc.replace_with_mask(text, pa.array(is_text), self._tables.taken(rows, is_text))

    def _numbers(self, values: Values, none: Mask | None) -> Any:
        text = pa.array(values).cast(pa.string())
        code = np.select(
            [np.isnan(values), values == np.inf, values == -np.inf, (values == 0) & np.signbit(values)],
            [0, 1, 2, 3],
            -1,
        )
        if none is not None:
            code[none] = 4
        is_odd = code >= 0
        if not is_odd.any():
            return text
        return pc.replace_with_mask(text, pa.array(is_odd), self._tables.pool.take(pa.array(code[is_odd])))


class ArrowEncoder(Encoder):
    """Writes an Arrow IPC stream: device, metric and labels as dictionaries, time in ns UTC, value as a double.

    Where the answer has `state` series there is one more column, `text`; a row has a value or a text, never both.
    """

    def __init__(self, catalogue: Catalogue, texts: Texts, *, rolled: bool) -> None:
        every = [entry.series for entry in catalogue.entries]
        self._named = {
            "device": _dictionary([series.device for series in every]),
            "metric": _dictionary([series.metric.name for series in every]),
            "labels": _dictionary([labels_text(series) for series in every]),
        }
        self._texts = None if rolled or not catalogue.states() else TextTables(catalogue, texts, (), str)
        self._sink = io.BytesIO()
        self._schema = self._columns_of(rolled=rolled)
        self._writer = pa.ipc.new_stream(self._sink, self._schema)

    def _columns_of(self, *, rolled: bool) -> Any:
        text = pa.dictionary(pa.int32(), pa.string())
        named = [("time", pa.timestamp("ns", "UTC")), ("device", text), ("metric", text)]
        if rolled:
            kinds = [pa.int64() if name == "count" else pa.float64() for name in FIGURES]
            return pa.schema([*named, ("labels", text), *zip(FIGURES, kinds, strict=True)])
        column = [("text", pa.string())] if self._texts else []
        return pa.schema([*named, ("value", pa.float64()), ("labels", text), *column])

    def samples(self, rows: Rows) -> bytes:
        """See `Encoder.samples`."""
        named = self._columns(rows.time, rows.place)
        if self._texts is None:
            return self._batch([*named[:3], pa.array(rows.value), named[3]])
        is_text = self._texts.is_state[rows.place] & ~np.isnan(rows.value)
        empty = pa.nulls(len(rows), pa.string())
        text = pc.replace_with_mask(empty, pa.array(is_text), self._texts.taken(rows, is_text))
        return self._batch([*named[:3], pa.array(rows.value, mask=is_text), named[3], text])

    def cells(self, rows: CellRows) -> bytes:
        """See `Encoder.cells`."""
        none, is_flat = ~rows.is_level, ~rows.is_energy
        return self._batch([
            *self._columns(rows.start, rows.place), pa.array(rows.min, mask=none), pa.array(rows.mean, mask=none),
            pa.array(rows.max, mask=none), pa.array(rows.count), pa.array(rows.joules, mask=is_flat),
            pa.array(rows.coverage, mask=is_flat),
        ])  # fmt: skip

    def tail(self) -> bytes:
        """See `Encoder.tail`."""
        self._writer.close()
        return self._taken()

    def _columns(self, time: Times, place: Any) -> list[Any]:
        named = [
            pa.DictionaryArray.from_arrays(codes[place], words, safe=False) for codes, words in self._named.values()
        ]
        return [pa.array(time).view(pa.timestamp("ns", "UTC")), *named]

    def _batch(self, columns: Sequence[Any]) -> bytes:
        self._writer.write_batch(pa.RecordBatch.from_arrays(list(columns), schema=self._schema))
        return self._taken()

    def _taken(self) -> bytes:
        body = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return body


def labels_text(series: Series) -> str:
    """Return the labels of a series as a JSON object."""
    return msgspec.json.encode(series.label_values()).decode()


def _column(texts: Sequence[str]) -> Any:
    """Return fragments by place, or the one fragment that all places share."""
    return texts[0] if len(set(texts)) == 1 else pa.array(texts, pa.string())


def _take(column: Any, place: Any) -> Any:
    return column if isinstance(column, str) else column.take(place)


def _dictionary(texts: Sequence[str]) -> tuple[np.ndarray[Any, np.dtype[np.int32]], Any]:
    words = {word: i for i, word in enumerate(dict.fromkeys(texts))}
    return np.array([words[text] for text in texts], np.int32), pa.array(list(words), pa.string())


def _times(time: Times, before: str) -> Any:
    """Return the text of each row's time with `before` in front of it, each distinct one made once."""
    is_new = np.ones(len(time), bool)
    is_new[1:] = time[1:] != time[:-1]
    distinct = time[is_new]
    digits = matrix(distinct)
    if digits is None:
        texts = pa.array([before + text.decode() for text in stamps(distinct).tolist()], pa.string())
    else:
        front = np.frombuffer(before.encode(), np.uint8)
        body = np.hstack([np.broadcast_to(front, (len(digits), len(front))), digits])
        offsets = np.arange(len(body) + 1, dtype=np.int32) * np.int32(body.shape[1])
        texts = pa.StringArray.from_buffers(len(body), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(body)))
    return texts if len(distinct) == len(time) else texts.take(pa.array(np.cumsum(is_new) - 1))


def _joined(parts: Sequence[Any]) -> bytes:
    """Join the parts of each row, and all rows."""
    rows = pc.binary_join_element_wise(*parts, "")
    _, offsets, body = rows.buffers()
    length = int(np.frombuffer(offsets, np.int32)[len(rows)])
    return bytes(memoryview(body)[:length])

"""Files to Arrow record batches, a few hundred thousand rows at a time.

A `Part` holds rows as the file has them (texts in dictionaries where the format allows), with the number of its rows
in the file and the rows that are no rows at all. Row numbers start at 1; a heading is not counted.
"""

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from msgspec import Raw, Struct
from numpy.typing import NDArray

from wattline.errors import Malformed
from wattline.exchange.form import ALL, DESCRIBING, NAMING
from wattline.exchange.formats import Format, compression_of

ROWS: Final = 1 << 20
"""Most rows of a part."""
BLOCK: Final = 16 << 20
"""Bytes of text that are parsed at once."""
_LONGEST_REASON: Final = 300
_TEXTS: Final = pa.dictionary(pa.int32(), pa.string())


class Part(NamedTuple):
    """Rows of a file: `columns` by name, `rows` int64[n] their numbers, `faults` of what could not be a row at all.

    `done` says how far the file is read after this part, between 0 and 1.
    """

    columns: dict[str, Any]
    rows: NDArray[np.int64]
    faults: dict[int, str]
    done: float


def parts(path: Path, form: Format) -> Iterator[Part]:
    """Read a file. Raises Malformed when it is not of its format, naming it."""
    reader = {Format.PARQUET: _parquet, Format.ARROW: _arrow, Format.CSV: _csv, Format.NDJSON: _ndjson}[form]
    try:
        yield from reader(path)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        raise Malformed(f"{path} cannot be read as {form}: {reason}") from error


def _numbered(batches: Iterable[tuple[Any, float]]) -> Iterator[Part]:
    """Make parts of record batches that come whole."""
    first = 1
    for batch, done in batches:
        for start in range(0, batch.num_rows, ROWS):
            cut = batch.slice(start, ROWS)
            _refuse_twins(cut.schema.names)
            columns = dict(zip(cut.schema.names, cut.columns, strict=True))
            yield Part(columns, np.arange(first, first + cut.num_rows), {}, done)
            first += cut.num_rows


def _parquet(path: Path) -> Iterator[Part]:
    with pa.OSFile(str(path)) as raw:
        texts = [field.name for field in pa.parquet.read_schema(raw) if field.name in NAMING and _is_bytes(field.type)]
        file = pa.parquet.ParquetFile(raw, read_dictionary=texts, pre_buffer=False)
        total, known = file.metadata.num_rows, [name for name in file.schema_arrow.names if name in ALL]

        def batches() -> Iterator[tuple[Any, float]]:
            seen = 0
            for batch in file.iter_batches(batch_size=ROWS, columns=known):
                seen += batch.num_rows
                yield batch, seen / total

        yield from _numbered(batches())
        yield _end(known)


def _refuse_twins(names: Sequence[str]) -> None:
    """Raise Malformed where a column that means something stands twice: either might be meant."""
    if twins := [name for name in ALL if names.count(name) > 1]:
        raise Malformed(f"the column {twins[0]} stands twice")


def _end(names: Iterable[str], faults: dict[int, str] | None = None) -> Part:
    """Return a part of no rows: a file without any still says which columns it has."""
    return Part({name: pa.array([], pa.string()) for name in names}, np.zeros(0, np.int64), faults or {}, 1.0)


def _is_bytes(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _arrow(path: Path) -> Iterator[Part]:
    with pa.OSFile(str(path)) as raw:
        try:
            file = pa.ipc.open_file(raw)
            count = file.num_record_batches
            yield from _numbered((_sound(file.get_batch(n)), (n + 1) / count) for n in range(count))
            names = file.schema.names
        except pa.ArrowInvalid:
            raw.seek(0)
            stream, size = pa.ipc.open_stream(raw), max(1, raw.size())
            names = stream.schema.names
            yield from _numbered((_sound(batch), raw.tell() / size) for batch in stream)
        yield _end(names)


def _sound(batch: Any) -> Any:
    """Return a batch whose every offset lies within it: Arrow believes a file, and would read beyond its memory."""
    batch.validate(full=True)
    return batch


@contextmanager
def _text(path: Path) -> Iterator[tuple[Any, Callable[[], float]]]:
    """Open a file of text, perhaps compressed; the second tells how much of it was read."""
    with pa.OSFile(str(path)) as raw:
        size, packed = max(1, raw.size()), compression_of(path.name)
        stream = pa.CompressedInputStream(raw, packed) if packed else raw
        yield stream, lambda: min(1.0, raw.tell() / size)


def _csv(path: Path) -> Iterator[Part]:
    ragged: dict[int, str] = {}
    _refuse_other_encodings(path)

    def keep(row: Any) -> str:
        ragged[row.number] = f"it has {row.actual_columns} columns instead of {row.expected_columns}"
        return "skip"

    with _text(path) as (stream, done):
        types = dict.fromkeys(("time", *NAMING), _TEXTS) | {"value": pa.string(), "text": pa.string()}
        reader = pa.csv.open_csv(
            stream,
            read_options=pa.csv.ReadOptions(block_size=BLOCK, use_threads=False),  # so that rows have numbers
            parse_options=pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep),
            convert_options=pa.csv.ConvertOptions(
                column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
        names, first = reader.schema.names, 0
        _refuse_twins(names)
        for batch in reader:
            numbers, first = _rows(first, batch.num_rows, ragged)
            yield Part(dict(zip(names, batch.columns, strict=True)), numbers, _taken(ragged, first), done())
        yield _end(names, _taken(ragged, None))


def _refuse_other_encodings(path: Path) -> None:
    """Raise Malformed, with the line, when a text is not UTF-8: then no row of it is to be believed."""
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    with _text(path) as (stream, _):
        while block := stream.read(BLOCK):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                line = lines + error.object.count(b"\n", 0, error.start)
                raise Malformed(
                    f"{path} is no UTF-8 text, as line {line} shows; convert it (iconv -t utf-8)"
                ) from error
            lines += block.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Malformed(f"{path} ends within a character of UTF-8, on line {lines}") from error


def _rows(first: int, count: int, ragged: dict[int, str]) -> tuple[NDArray[np.int64], int]:
    """Return the numbers of the next `count` rows after `first`, of which the ragged ones are none, and the last."""
    bad = {number - 1 for number in ragged}  # the heading is the first row of the file
    numbers = np.arange(first + 1, first + 1 + count + len(bad))
    numbers = numbers[~np.isin(numbers, list(bad))][:count] if bad else numbers
    return numbers, int(numbers[-1]) if count else first


def _taken(ragged: dict[int, str], last: int | None) -> dict[int, str]:
    due = [number for number in ragged if last is None or number - 1 <= last]
    return {number - 1: ragged.pop(number) for number in due}


class Row(Struct):
    """A line of NDJSON; more than this may stand there and is not read."""

    time: str | int | float | None = None
    device: str | None = None
    metric: str | None = None
    value: float | str | None = None
    labels: Raw = Raw(b"null")
    text: str | None = None
    run: int | None = None


@lru_cache
def _decoder(described: tuple[str, ...], *, is_strict: bool) -> Any:
    """Return a decoder of lines that may have some describing columns; a strict one refuses lines that have more."""
    fields = [(name, Any, None) for name in described]
    return msgspec.json.Decoder(msgspec.defstruct("Line", fields, bases=(Row,), forbid_unknown_fields=is_strict))


def _ndjson(path: Path) -> Iterator[Part]:
    with _text(path) as (stream, done):
        first, rest = 0, b""
        while block := stream.read(BLOCK):
            whole, newline, rest = (rest + block).rpartition(b"\n")
            if newline:
                part, first = _lines(whole, first, done())
                yield part
        part, _ = _lines(rest, first, 1.0)
        yield part


def _lines(block: bytes, first: int, done: float) -> tuple[Part, int]:
    """Decode lines at once: as alike as the first, which is fast, or all that a line may be, or else one by one."""
    head = block.partition(b"\n")[0]
    likely = tuple(name for name in DESCRIBING if f'"{name}"'.encode() in head)
    decoders = (_decoder(likely, is_strict=True), likely), (_decoder(DESCRIBING, is_strict=False), DESCRIBING)
    if b"\n\n" not in block and not block.startswith(b"\n"):  # lines without anything are no rows, but have numbers
        for decoder, described in decoders:
            try:
                rows = decoder.decode_lines(block)
            except msgspec.MsgspecError:
                continue
            numbers = np.arange(first + 1, first + 1 + len(rows))
            return Part(_columns(rows, described), numbers, {}, done), first + len(rows)
    rows, kept, faults = [], [], {}
    decoder = decoders[-1][0]
    for line in block.removesuffix(b"\n").split(b"\n"):
        first += 1
        if line.strip():
            try:
                rows.append(decoder.decode(line))
                kept.append(first)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                faults[first] = f"it is no row: {error}"
    return Part(_columns(rows, DESCRIBING), np.array(kept, np.int64), faults, done), first


def _columns(rows: Sequence[Any], described: Sequence[str]) -> dict[str, Any]:
    columns = {
        "time": _mixed([row.time for row in rows]),
        "device": pa.array([row.device for row in rows], pa.string()),
        "metric": pa.array([row.metric for row in rows], pa.string()),
        "value": _mixed([row.value for row in rows]),
        "labels": _raw_texts([row.labels for row in rows]),
        "text": pa.array([row.text for row in rows], pa.string()),
        "run": pa.array([row.run for row in rows], pa.int64()),
    }
    return columns | {name: _json_texts([getattr(row, name) for row in rows]) for name in described}


def _mixed(column: list[Any]) -> Any:
    """Return numbers as numbers and texts as texts; where both stand, all are texts."""
    try:
        return pa.array(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([one if one is None or isinstance(one, str) else repr(one) for one in column], pa.string())


def _raw_texts(column: list[Raw]) -> Any:
    coded = pa.array(list(map(bytes, column)), pa.binary()).dictionary_encode()
    table = [None if text in (b"null", b"") else text.decode() for text in coded.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(coded.indices, pa.array(table, pa.string()))


def _json_texts(column: list[Any]) -> Any:
    """Return values of a describing column as texts: what is no text is JSON."""
    try:
        return pa.array(column, pa.string())
    except pa.ArrowException:
        try:
            coded = pa.array(column).dictionary_encode()
        except pa.ArrowException:  # lists, or of many kinds
            return pa.array([_json_text(one) for one in column], pa.string())
        table = pa.array([_json_text(one) for one in coded.dictionary.to_pylist()], pa.string())
        return pa.DictionaryArray.from_arrays(coded.indices, table)


def _json_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()

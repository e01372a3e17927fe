"""Batches as lines of text: one sample a line, NDJSON or CSV.

What does not change within a layout (device, metric, labels) is encoded once; a frame then costs one encoding of its
values and one join. NaN and infinities are JSON strings, as the API writes them: JSON has no such numbers.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal

import msgspec
import numpy as np

from wattline.plugin import Batch, Kind, Layout

Format = Literal["ndjson", "csv"]
HEADER: Final = b"time,device,metric,value,labels\n"
_ODD: Final = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
_JSON: Final = msgspec.json.Encoder(order="sorted")
_SECOND: Final = 1_000_000_000


def render(batch: Batch, form: Format) -> bytes:
    """Return the lines of a batch, frame by frame in the order of the layout; absent values have no line."""
    begin, between, end = _around(batch.layout, form)
    text = _JSON.encode if form == "ndjson" else _cells
    lines = []
    for time, values in _frames(batch, text):
        lines += [
            part
            for i, value in enumerate(values)
            if value is not None
            for part in (begin, time, between[i], value, end[i])
        ]
    return b"".join(lines)


def _frames(batch: Batch, text: Callable[[str], bytes]) -> Iterator[tuple[bytes, list[bytes | None]]]:
    """Yield each frame's time and values, None where one is absent; `text` encodes texts."""
    mask = None if batch.present is None else batch.mask()
    states = [i for i, series in enumerate(batch.layout.series) if series.metric.kind is Kind.STATE]
    finite = np.asarray(np.isfinite(batch.values).all(axis=1))
    for n, time in enumerate(batch.time.tolist()):
        row = batch.values[n].tolist()
        there = [True] * len(row) if mask is None else mask[n].tolist()
        values: list[bytes | None] = list(_JSON.encode(row)[1:-1].split(b","))
        if not finite[n]:
            values = [text(_ODD[v]) if v in _ODD else old for v, old in zip(map(repr, row), values, strict=True)]
        for i in states:
            if there[i]:
                values[i] = text(batch.texts[i][int(row[i])])
        if mask is not None:
            values = [value if known else None for value, known in zip(values, there, strict=True)]
        yield stamp(time).encode(), values


def stamp(time: int) -> str:
    """Return a time in ns as ISO 8601 in UTC with microseconds."""
    second, rest = divmod(time, _SECOND)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


@lru_cache(maxsize=1024)
def _around(layout: Layout, form: Format) -> tuple[bytes, list[bytes], list[bytes]]:
    """Return what begins each line, and for each series what stands between time and value, and behind the value."""
    if form == "csv":
        names = [b"," + _cells(series.device) + b"," + _cells(series.metric.name) + b"," for series in layout.series]
        labels = [_JSON.encode(series.label_values()).decode() if series.labels else "" for series in layout.series]
        return b"", names, [b"," + _cells(text) + b"\n" for text in labels]
    named = [
        b'","device":' + _JSON.encode(s.device) + b',"metric":' + _JSON.encode(s.metric.name) + b',"value":'
        for s in layout.series
    ]
    return b'{"time":"', named, [b',"labels":' + _JSON.encode(s.label_values()) + b"}\n" for s in layout.series]


def _cells(text: str) -> bytes:
    """Quote a text for CSV (RFC 4180) where it needs that."""
    quoted = any(letter in text for letter in ',"\r\n')
    return ('"' + text.replace('"', '""') + '"' if quoted else text).encode()

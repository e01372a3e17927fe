"""The live stream as server-sent events (WHATWG HTML, "Server-sent events"): only what the store has acknowledged.

    event: layout   before the first batch of a layout: its id and the series that match
    event: batch    frames of a layout: times (ns), rows of values, and the name (source, run, sequence) of the batch
    event: lost     how many batches this client did not get because it read too slowly
    : still here    every 15 s without anything else

In values null is absent, "NaN", "+Inf" and "-Inf" are themselves, and a state is its text. What clients with one filter
get is encoded once for all of them.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import numpy as np
from msgspec import Struct

from wattline.api.parameters import chooser
from wattline.api.schema import encoded
from wattline.model import Batch, Column, Kind, Layout, Series
from wattline.runtime.live import Subscriber

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT: Final = 15.0
"""Seconds without an event after which a comment says that we are still here."""
STILL_HERE: Final = b": still here\n\n"
FILTERS: Final = 64
"""Filters whose encoded publications are kept; one more and the oldest is made again."""
LAYOUTS: Final = 10_000
"""Layouts that a filter and a client remember; then they begin anew, and layouts are told again."""


class LiveSeries(Struct, frozen=True):
    """A series as the stream tells it."""

    device: str
    metric: str
    unit: str
    kind: str
    labels: dict[str, Any]
    estimated: bool


class LayoutEvent(Struct, frozen=True):
    """The series of the rows to come."""

    id: str
    series: list[LiveSeries]


class BatchEvent(Struct, frozen=True):
    """Frames: `time` int[n] in ns, `values` [n][k]."""

    layout: str
    time: list[int]
    values: list[list[Any]]
    source: str
    run: int
    sequence: int


class Filter:
    """Which devices and metrics a client wants, and what it gets of a publication."""

    def __init__(self, devices: Sequence[str] | None, metrics: Sequence[str] | None) -> None:
        self._is_device, self._is_metric = chooser(devices, "device"), chooser(metrics, "metric")
        self._places: dict[bytes, list[int]] = {}
        self._published: Sequence[Batch] | None = None
        self._events: list[tuple[Layout, bytes]] = []

    def events(self, batches: Sequence[Batch]) -> list[tuple[Layout, bytes]]:
        """Return the batch events of a publication, each with its layout."""
        if self._published is not batches:
            chosen = ((batch, self.places(batch.layout)) for batch in batches)
            self._events = [
                (batch.layout, event("batch", batch_event(batch, places))) for batch, places in chosen if places
            ]
            self._published = batches
        return self._events

    def announcement(self, layout: Layout) -> bytes:
        """Return the event that tells the series of a layout."""
        told = [_live_series(layout.series[place], layout.columns[place]) for place in self.places(layout)]
        return event("layout", LayoutEvent(layout.id.hex(), told))

    def places(self, layout: Layout) -> list[int]:
        """Return the places in a layout of the series that match."""
        if layout.id not in self._places:
            if len(self._places) >= LAYOUTS:
                self._places.clear()
            self._places[layout.id] = [
                place
                for place, series in enumerate(layout.series)
                if self._is_device(series.device) and self._is_metric(series.metric.name)
            ]
        return self._places[layout.id]


class Filters:
    """The filters in use, shared by clients that want the same."""

    def __init__(self) -> None:
        self._kept: dict[tuple[tuple[str, ...] | None, tuple[str, ...] | None], Filter] = {}

    def find(self, devices: Sequence[str] | None, metrics: Sequence[str] | None) -> Filter:
        """Return the filter for globs. Raises Problem for globs that mean nothing."""
        name = (None if devices is None else tuple(devices), None if metrics is None else tuple(metrics))
        found = self._kept.pop(name, None) or Filter(devices, metrics)
        if len(self._kept) >= FILTERS:
            self._kept.pop(next(iter(self._kept)))
        self._kept[name] = found
        return found


async def batches(subscriber: Subscriber, wanted: Filter, heartbeat: float = HEARTBEAT) -> AsyncIterator[bytes]:
    """Yield what a subscriber gets as events until the stream ends."""
    told: dict[bytes, Sequence[Column]] = {}
    dropped = 0
    yield STILL_HERE  # so that the client knows at once that it listens
    while True:
        try:
            async with asyncio.timeout(heartbeat):
                published = await anext(subscriber)
        except TimeoutError:
            yield STILL_HERE
            continue
        except StopAsyncIteration:
            return
        parts = []
        if subscriber.dropped > dropped:
            parts.append(event("lost", {"batches": subscriber.dropped - dropped}))
            dropped = subscriber.dropped
        for layout, body in wanted.events(published):
            if told.get(layout.id) != layout.columns:
                if len(told) >= LAYOUTS:
                    told.clear()
                told[layout.id] = layout.columns
                parts.append(wanted.announcement(layout))
            parts.append(body)
        if parts:
            yield b"".join(parts)


async def moments(subscriber: Subscriber, now: Callable[[], Any], every: float = 1.0) -> AsyncIterator[bytes]:
    """Yield the answer of the coroutine `now` as an event once a second until the stream ends."""
    while True:
        yield b"event: now\ndata: " + await now() + b"\n\n"
        try:
            async with asyncio.timeout(every):
                async for _ in subscriber:
                    pass
        except TimeoutError:
            continue
        return


def event(name: str, told: Any) -> bytes:
    """Return one event; JSON has no line ends, so its text is one line."""
    return b"event: " + name.encode() + b"\ndata: " + encoded(told) + b"\n\n"


def batch_event(batch: Batch, places: Sequence[int]) -> BatchEvent:
    """Return frames of a batch with the values at `places`."""
    values = batch.values if len(places) == len(batch.layout) else batch.values[:, places]
    rows: list[list[Any]] = values.tolist()
    present = None if batch.present is None else batch.mask()[:, places]
    if not np.isfinite(values).all():
        for frame, place in np.argwhere(~np.isfinite(values)).tolist():
            rows[frame][place] = _odd(rows[frame][place])
    for place, own in enumerate(places):
        if batch.layout.series[own].metric.kind is Kind.STATE:
            texts = batch.texts.get(own, ())
            for row in rows:
                row[place] = _text(texts, row[place])
    if present is not None:
        for frame, place in np.argwhere(~present).tolist():
            rows[frame][place] = None
    return BatchEvent(batch.layout.id.hex(), batch.time.tolist(), rows, batch.source, batch.run, batch.sequence)


def _odd(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


def _text(texts: Sequence[str], value: Any) -> str | None:
    """Return the text of a state; what stands in an absent cell means nothing and may name none."""
    is_index = isinstance(value, float) and 0 <= value < len(texts)
    return texts[int(value)] if is_index else None


def _live_series(series: Series, column: Column) -> LiveSeries:
    return LiveSeries(
        device=series.device,
        metric=series.metric.name,
        unit=series.metric.unit.value,
        kind=series.metric.kind.value,
        labels=series.label_values(),
        estimated=bool(column.estimate),
    )

"""What a driver has read from a recording: one line a value."""

from collections.abc import Iterable

import numpy as np
from msgspec import Struct

from wattline.plugin import Frame, Kind


class Reading(Struct, frozen=True, order=True):
    """One value in base units; `text` instead of `value` for a state."""

    device: str
    metric: str
    labels: tuple[tuple[str, str], ...]
    unit: str
    value: float
    text: str = ""


def readings_of(frames: Iterable[Frame]) -> list[Reading]:
    """Return what is there in frames, the last of each series, sorted by device, metric and labels."""
    found: dict[tuple[str, str, tuple[tuple[str, str], ...]], Reading] = {}
    for frame in frames:
        values = np.atleast_2d(frame.values)
        present = np.ones(values.shape, bool) if frame.present is None else np.atleast_2d(frame.present)
        for place, series in enumerate(frame.layout.series):
            rows = np.flatnonzero(present[:, place])
            if not len(rows):
                continue
            value, text = float(values[rows[-1], place]), ""
            if series.metric.kind is Kind.STATE:
                text = frame.texts[place][int(value)]
            key = (series.device, series.metric.name, series.labels)
            found[key] = Reading(*key, series.metric.unit.value, value, text)
    return sorted(found.values())

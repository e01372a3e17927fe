"""/metrics: last values and our own figures, for Prometheus."""

import math
from collections.abc import Iterator

from litestar import Response

from wattline.api.exposition import MEDIA_TYPE, Last, page
from wattline.api.fresh import patience
from wattline.api.routes.resource import resource, work
from wattline.api.view import Seen
from wattline.model import Kind
from wattline.runtime.live import Latest, Live
from wattline.units import NANOSECONDS

LEAST_AGE = 300 * NANOSECONDS
"""A value is told until it is as old as Prometheus looks back, or no more fresh."""


@resource("/metrics", "Last values", tags=["live"], media_type=MEDIA_TYPE)
async def metrics(seen: Seen) -> Response[bytes]:
    """Give the newest value of each series and the program's own figures as a Prometheus exposition page."""
    values, own = list(last_values(seen.live, seen.clock())), seen.health.figures()
    body = await work(seen, lambda: page(own, values))
    return Response(body, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def last_values(live: Live, now: int) -> Iterator[Last]:
    """Yield the newest values that are not too old, each series once."""
    newest: dict[bytes, Last] = {}
    for latest in live.latest:
        for last in _of_layout(latest, now):
            key = last.series.key
            if key not in newest or newest[key].time <= last.time:
                newest[key] = last
    yield from newest.values()


def _of_layout(latest: Latest, now: int) -> Iterator[Last]:
    pairs = zip(latest.time.tolist(), latest.values.tolist(), strict=True)
    for place, (time, value) in enumerate(pairs):
        if not time or now - time > max(LEAST_AGE, patience(latest.layout.columns[place])):
            continue
        series = latest.layout.series[place]
        if series.metric.kind is not Kind.STATE:
            yield Last(series, time, value)
        elif not math.isnan(value):
            yield Last(series, time, value, latest.texts[place][int(value)])

"""/api/samples: the samples themselves, or their roll-ups, in bulk."""

from collections.abc import Callable, Iterator
from typing import Any

from litestar.response.base import ASGIResponse

from wattline.api import formats, parameters
from wattline.api.bulk import respond, while_wanted
from wattline.api.parameters import Accept, Devices, End, FormatName, Metrics, Start, Step, Window
from wattline.api.routes.resource import resource
from wattline.api.rows import Catalogue, CellRows, Rows, cell_rows, sample_rows
from wattline.api.view import Seen
from wattline.core.integral import Nature, nature
from wattline.plugin import Store

GoesOn = Callable[[], bool]


@resource("/api/samples", "Samples", tags=["history"])
async def samples(  # noqa: PLR0917 - each is a query parameter, given by name
    seen: Seen,
    device: Devices = None,
    metric: Metrics = None,
    start: Start = None,
    end: End = None,
    step: Step = None,
    form: FormatName = None,
    accept: Accept = None,
) -> ASGIResponse:
    """Give the samples of a window, [start, end), or with `step` the roll-ups of the whole buckets that it touches.

    Rows ascend by time, then device, metric and labels. Without a match the answer has no rows.
    """
    chosen = formats.choose(form, accept)
    asked, span = parameters.window(start, end, seen.clock()), parameters.step(step)

    def make(goes_on: GoesOn) -> Iterator[bytes]:
        from wattline.api.encode import encode, encoder  # noqa: PLC0415 - who asks in bulk pays for pyarrow

        catalogue = Catalogue(parameters.matching(seen.store.entries(), device, metric))
        one = encoder(chosen, catalogue, seen.store.texts, rolled=span is not None)
        if not len(catalogue):
            return encode(iter(()), one)
        if span is None:
            return encode(_raw(seen.store, catalogue, asked, goes_on), one)
        return encode(_rolled(seen.store, catalogue, parameters.widened(asked, span), span, goes_on), one)

    return await respond(seen.presses, make, chosen.media_type)


def _raw(store: Store[Any], catalogue: Catalogue, asked: Window, goes_on: GoesOn) -> Iterator[Rows]:
    slices = store.samples(catalogue.ids, asked.start, asked.end)
    return sample_rows(while_wanted(slices, goes_on), catalogue)


def _rolled(store: Store[Any], catalogue: Catalogue, asked: Window, span: int, goes_on: GoesOn) -> Iterator[CellRows]:
    slices = store.cells(catalogue.ids, asked.start, asked.end, span)
    carry_energy = [nature(entry.series.metric) is not Nature.LEVEL for entry in catalogue.entries]
    return cell_rows(while_wanted(slices, goes_on), catalogue, carry_energy)

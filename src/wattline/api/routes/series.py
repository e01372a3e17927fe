"""/api/series: what histories there are."""

from litestar import Response

from wattline.api.parameters import Devices, Metrics, matching
from wattline.api.routes.resource import resource, work
from wattline.api.rows import Catalogue
from wattline.api.schema import SeriesAnswer, answer
from wattline.api.view import Seen


@resource("/api/series", "Series", tags=["what there is"])
async def series(seen: Seen, device: Devices = None, metric: Metrics = None) -> Response[list[SeriesAnswer]]:
    """List the series whose device and metric match, by device, metric and labels."""

    def ask() -> list[SeriesAnswer]:
        found = Catalogue(matching(seen.store.entries(), device, metric))
        return [SeriesAnswer.of(entry) for entry in found.entries]

    return answer(await work(seen, ask))

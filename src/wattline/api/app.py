"""The application: routes over a `View`, with what surrounds them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from litestar import Litestar
from litestar.di import Provide
from litestar.types import ASGIApp

from wattline.api import openapi
from wattline.api.guard import Guard
from wattline.api.live import Filters
from wattline.api.now import Board
from wattline.api.problems import HANDLERS
from wattline.api.routes import (
    devices,
    energy,
    live,
    meters,
    metrics,
    now,
    outages,
    promotions,
    samples,
    series,
    static,
    status,
)
from wattline.api.view import View

__all__ = ["View", "create_app"]

ROUTES: Final = (
    status.status,
    meters.meters,
    promotions.promotions,
    promotions.promote,
    promotions.demote,
    outages.outages,
    devices.devices,
    series.series,
    now.now,
    live.live,
    samples.samples,
    energy.energy,
    metrics.metrics,
    openapi.openapi_json,
    openapi.openapi_page,
    static.index,
    static.device,
    static.meters,
    static.favicon,
    static.static,
)


def create_app(view: View) -> ASGIApp:
    """Return the ASGI application that answers for what `view` sees; its workers end with it."""
    board, filters = Board(view), Filters()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        yield
        for threads in (view.workers, view.presses):
            threads.shutdown(wait=False, cancel_futures=True)

    app = Litestar(
        route_handlers=ROUTES,
        dependencies={
            "seen": Provide(lambda: view, sync_to_thread=False),
            "board": Provide(lambda: board, sync_to_thread=False),
            "filters": Provide(lambda: filters, sync_to_thread=False),
        },
        exception_handlers=HANDLERS,
        lifespan=[lifespan],
        openapi_config=openapi.CONFIG,
        logging_config=None,
    )
    return Guard(app, view.site.listen)

"""What every route has in common: it is a GET that checks the names of its parameters before anything else."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from litestar import get
from litestar.handlers import HTTPRouteHandler

from wattline.api.parameters import check_names, declared
from wattline.api.view import View

T = TypeVar("T")


def resource(path: str, summary: str, **options: Any) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    """Return the decorator that makes a coroutine the handler of a path; its docstring is the description."""

    def decorated(handler: Callable[..., Any]) -> HTTPRouteHandler:
        return get(
            path,
            summary=summary,
            description=handler.__doc__,
            operation_id=handler.__name__,
            before_request=check_names,
            opt={"query": declared(handler)},
            **options,
        )(handler)

    return decorated


async def work(view: View, asked: Callable[[], T]) -> T:
    """Return what a blocking question gives, asked in one of the workers."""
    return await asyncio.get_running_loop().run_in_executor(view.workers, asked)

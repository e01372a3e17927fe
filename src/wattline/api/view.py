"""What the interface sees of the program: a store, and the runtime for reading, but for what is promoted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from litestar.di import NamedDependency
from litestar.params import SkipValidation
from msgspec import Struct, field

from wattline.plugin import Store
from wattline.runtime.health import Health
from wattline.runtime.live import Live
from wattline.runtime.promotions import Promotions
from wattline.runtime.site import Site

WORKERS: Final = 4
"""Threads that answer questions: more wait in line, so that a crowd cannot take the machine from the meters."""
PRESSES: Final = 2
"""Threads that make bulk answers, a part at a time for all who want one: each keeps some 50 MB once it has worked."""


def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS, thread_name_prefix="api")


def _presses() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(PRESSES, thread_name_prefix="api-bulk")


class View(Struct, eq=False):
    """All that a route may ask. `started` is when the program started, `clock` gives now (both ns).

    `site` is the configuration in force: the program sets it when it was loaded again.
    """

    store: Store[Any]
    health: Health
    live: Live
    site: Site
    started: int
    clock: Callable[[], int]
    promotions: Promotions | None = None
    """None: this program reads no meters."""
    workers: ThreadPoolExecutor = field(default_factory=_workers)
    presses: ThreadPoolExecutor = field(default_factory=_presses)


Seen = NamedDependency[SkipValidation[View]]
"""A route's parameter `seen`."""

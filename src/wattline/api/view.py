"""What the interface sees of the program: a store, and the runtime for reading alone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from litestar.di import NamedDependency
from litestar.params import SkipValidation
from msgspec import Struct, field

from wattline.plugin import Store
from wattline.runtime.health import Health
from wattline.runtime.live import Live
from wattline.runtime.site import Site

WORKERS: Final = 4
"""Threads that read the store: more wait in line, so that a crowd cannot take the machine from the meters."""


def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS, thread_name_prefix="api")


class View(Struct, frozen=True, eq=False):
    """All that a route may ask. `started` is when the program started, `clock` gives now (both ns)."""

    store: Store[Any]
    health: Health
    live: Live
    site: Site
    started: int
    clock: Callable[[], int]
    workers: ThreadPoolExecutor = field(default_factory=_workers)


Seen = NamedDependency[SkipValidation[View]]
"""A route's parameter `seen`."""

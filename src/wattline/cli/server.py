"""A web server as a part of a program: it leaves signals to the program, and waits for no client for ever."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

from wattline.cli.patient import Patient

_GRACE: Final = 2
"""Seconds that open connections have when the program stops."""


class Server(uvicorn.Server):
    """Serves an ASGI application; what has a beginning and an end says so in its `lifespan`."""

    def __init__(self, app: Any, *, grace: int = _GRACE) -> None:
        """Give open connections `grace` seconds at the end."""
        super().__init__(uvicorn.Config(app, http=Patient, ws="none", log_config=None, timeout_graceful_shutdown=grace))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

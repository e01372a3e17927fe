"""A web server as a part of a program: it leaves signals to the program, and waits for no client for ever."""

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

from wattline.cli.patient import Patient

_GRACE: Final = 2
"""Seconds that open connections have when the program stops."""


class Server(uvicorn.Server):
    """Serves an ASGI application."""

    def __init__(self, app: Any, *, lives: bool = False, grace: int = _GRACE) -> None:
        """Give open connections `grace` seconds at the end; an app that `lives` is told of its beginning and end."""
        config = uvicorn.Config(
            app,
            http=Patient,
            ws="none",
            lifespan="on" if lives else "off",
            log_config=None,
            timeout_graceful_shutdown=grace,
        )
        super().__init__(config)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

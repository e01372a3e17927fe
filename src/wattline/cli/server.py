"""A web server as a part of a program: it leaves signals to the program."""

import contextlib
from collections.abc import Iterator

import uvicorn


class Server(uvicorn.Server):
    """A server that leaves signals to the program that it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

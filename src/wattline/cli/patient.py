"""Connections whose client never says what it wants are closed: a few hundred would take every descriptor."""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

PATIENCE: Final = 20.0
"""Seconds within which the head of a request must have come, counted from its first byte or the connection's begin."""


class Patient(HttpToolsProtocol):
    """Uvicorn's protocol with an end to the waiting for a head."""

    patience = PATIENCE
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._rest()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the rest of this head."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """Wait no more: what comes now is ours to do."""
        self._rest()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._rest()
        self._deadline = self.loop.call_later(self.patience, self.transport.close)

    def _rest(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

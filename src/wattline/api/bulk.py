"""Bulk answers: made part by part in a worker thread, sent part by part by the event loop.

A worker is held for one part only, so that a slow client costs memory for two parts and no thread; between parts the
store holds no transaction. A client that leaves ends the production at its next part or slice.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Self, TypeVar

from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Receive, Scope, Send

T = TypeVar("T")


class Production:
    """Parts of one answer, made on request by threads that take turns; `make` gets what tells whether to go on."""

    def __init__(self, make: Callable[[Callable[[], bool]], Iterator[bytes]]) -> None:
        self._lock = threading.Lock()
        self._is_over = False
        self._make = make
        self._parts: Iterator[bytes] | None = None

    def goes_on(self) -> bool:
        """Say whether anybody still wants the next part."""
        return not self._is_over

    def step(self) -> bytes | None:
        """Make the next part; None after the last one."""
        with self._lock:
            if self._is_over:
                return None
            if self._parts is None:
                self._parts = self._make(self.goes_on)
            return next(self._parts, None)

    def end(self) -> None:
        """Let a step in progress end early; does not wait."""
        self._is_over = True

    def close(self) -> None:
        """Wait for a step in progress and let go of what the parts hold."""
        self._is_over = True
        with self._lock:
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()


class Parts:
    """The parts of a production as an async iterator that works one part ahead of its reader."""

    def __init__(self, workers: Executor, production: Production) -> None:
        self._workers = workers
        self._production = production
        self._ahead: Future[bytes | None] | None = None

    def start(self) -> None:
        """Begin with the next part before anybody asks for it."""
        if self._ahead is None:
            self._ahead = self._workers.submit(self._production.step)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self.start()
        assert self._ahead is not None
        part = await asyncio.wrap_future(self._ahead)
        self._ahead = None
        if part is None:
            raise StopAsyncIteration
        self.start()
        return part

    async def stop(self) -> None:
        """End the production, whatever it is doing; does not wait for it."""
        if self._ahead is not None:
            self._ahead.cancel()
        self._production.end()
        with suppress(RuntimeError):  # the program ends, and its threads take nothing new
            self._workers.submit(self._production.close)


class Flow(ASGIStreamingResponse):
    """A response whose parts come one by one; however it ends, `close` is awaited."""

    __slots__ = ("_close",)

    def __init__(self, parts: AsyncIterator[bytes], media_type: str, close: Callable[[], Awaitable[None]]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(iterator=parts, media_type=media_type, headers=headers)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all parts; see `ASGIStreamingResponse`."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._close()


async def respond(
    workers: Executor, make: Callable[[Callable[[], bool]], Iterator[bytes]], media_type: str
) -> ASGIResponse:
    """Return a bulk response once its first part is made, so that what fails before it is still a problem.

    `make` is called and stepped in `workers`; it gets what tells whether to go on.
    """
    parts = Parts(workers, Production(make))
    try:
        first = await anext(parts, b"")
    except BaseException:
        await parts.stop()
        raise
    return Flow(_chained(first, parts), media_type, parts.stop)


def while_wanted(slices: Iterator[T], goes_on: Callable[[], bool]) -> Iterator[T]:
    """Yield slices until nobody wants more: also where none of them gives a part."""
    for one in slices:
        if not goes_on():
            return
        yield one


async def _chained(first: bytes, rest: Parts) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part

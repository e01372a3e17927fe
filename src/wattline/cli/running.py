"""What the programs that run an engine have in common: a loop, errors as lines, signals, a listener."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

import click
import uvicorn

from wattline.errors import Misconfigured, WattlineError
from wattline.runtime.engine import Engine

_YOUNG: Final = 50_000
"""Objects that are made before the collector looks at them: most are the second's batches, which the commit frees."""


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a program to its end, on uvloop where that is installed; every error raised on purpose becomes a line.

    Raises ClickException with these lines.
    """
    faults: list[str] = []
    gc.set_threshold(_YOUNG)
    try:
        with _runner() as runner:
            runner.run(main())
    except* WattlineError as group:
        faults = [str(error) for error in _leaves(group)]
    if faults:
        raise click.ClickException("\n".join(dict.fromkeys(faults)))


def log_to_stderr(level: str) -> None:
    """Log to standard error from a level on."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set an event at SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)


async def opened(engine: Engine, metering: asyncio.Task[None]) -> bool:
    """Wait until the store is open; False: it cannot be, and there is nothing to do."""
    started = asyncio.ensure_future(engine.started.wait())
    await asyncio.wait((started, metering), return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    return engine.started.is_set()


class Server(uvicorn.Server):
    """A server that leaves signals to the program that it is part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@contextlib.contextmanager
def listening(address: tuple[str, int], said: str, option: str) -> Iterator[socket.socket]:
    """Bind a TCP socket. Raises Misconfigured, which names the option to choose another address with."""
    host, port = address
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            yield listener
    except OSError as error:
        raise Misconfigured(f"cannot listen on {said}: {error.strerror or error}; choose with {option}") from error


def _leaves(group: BaseExceptionGroup[WattlineError]) -> Iterator[WattlineError]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


def _runner() -> asyncio.Runner:
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)

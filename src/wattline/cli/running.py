"""What the programs that run an engine have in common: a loop, errors as lines, signals, a listener."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import click

from wattline.cli.calm import Calm
from wattline.errors import Misconfigured, WattlineError
from wattline.runtime.discreet import guard_log
from wattline.runtime.engine import Engine
from wattline.runtime.site import split_listen

_THREADS: Final = 64
"""Most threads for what blocks; they are started when there is work for them."""
_DESCRIPTORS: Final = 65_536
"""Descriptors that are asked for: each meter may keep a connection."""
_YOUNG: Final = 50_000
"""Objects that are made before the collector looks at them: most are the second's batches, which the commit frees."""


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a program to its end, on uvloop where that is installed; every error raised on purpose becomes a line.

    Raises ClickException with these lines.
    """
    faults: list[str] = []
    _take_standard_descriptors()
    _allow_connections()
    gc.set_threshold(_YOUNG)
    try:
        with _runner() as runner:
            # Names are looked up in threads: those that no name server answers for must not hold up all others.
            runner.get_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "wattline"))
            runner.run(main())
    except* WattlineError as group:
        faults = [str(error) for error in _leaves(group)]
    if faults:
        raise click.ClickException("\n".join(dict.fromkeys(faults)))


def _take_standard_descriptors() -> None:
    """Open what the shell has closed (`>&-`), or a connection would get the number of standard output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # takes the lowest number; to write there fails, and is told


def _allow_connections() -> None:
    """Raise the soft limit of descriptors as far as the hard one allows: most systems set it to 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def log_to_stderr(level: str) -> None:
    """Log to standard error from a level on."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.addFilter(Calm())
    guard_log()
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
    except (OSError, UnicodeError) as error:  # a name that no resolver takes is the latter
        why = getattr(error, "strerror", None) or error
        raise Misconfigured(f"cannot listen on {said}: {why}; choose with {option}") from error


@contextlib.contextmanager
def listening_at(text: str, option: str) -> Iterator[socket.socket]:
    """Bind a TCP socket at `HOST:PORT`, as an option says. Raises Misconfigured."""
    try:
        address = split_listen(text)
    except ValueError as error:
        raise Misconfigured(f"{option}: {error}") from error
    with listening(address, text, option) as listener:
        yield listener


def _leaves(group: BaseExceptionGroup[WattlineError]) -> Iterator[WattlineError]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


def _runner() -> asyncio.Runner:
    try:
        os.environ.setdefault("UV_THREADPOOL_SIZE", str(_THREADS))  # half of which look up names for HTTP and TCP
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)

"""`wattline collect`: drivers to sinks, without API and pages; also from the unchanged files of older collectors."""

import asyncio
import contextlib
import logging
import select
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
from msgspec.structs import replace

from wattline.cli.alone import alone_in
from wattline.cli.collection import STDOUT, Collection, Source
from wattline.cli.running import listening_at, log_to_stderr, opened, run, stop_on_signals
from wattline.cli.state_log import tell
from wattline.errors import WattlineError
from wattline.imports import energyrecorder, kwapi, kwollect, wattmetre
from wattline.runtime.config import Site
from wattline.runtime.engine import Engine
from wattline.runtime.nowhere import Nowhere
from wattline.runtime.registry import Registry
from wattline.runtime.site import state_directory

_LOOK: Final = 0.5
"""Seconds between two looks whether the reader of standard output has left."""

log = logging.getLogger("wattline.collect")
_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Meter without pages, also from older systems' files.")
@click.option("--config", type=_file, help="The site's YAML file.")
@click.option("--kwapi", "kwapi_file", type=_file, help="Kwapi's drivers.conf.")
@click.option("--kwollect", "kwollect_file", type=_file, help="Kwollect's kwollector.conf, with its metrics.d.")
@click.option("--wattmetre", "wattmetre_file", type=_file, help="kwollector-wattmetre's file; reads standard input.")
@click.option("--energyrecorder", "recorder_file", type=_file, help="energyrecorder's collector-settings.yaml.")
@click.option(
    "--sink",
    "sinks",
    multiple=True,
    metavar="NAME",
    help="stdout (a sample a line), or a sink of the configuration; may be repeated.  [default: the store and all]",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="WATTLINE_DATA",
    show_envvar=True,
    help="Folder of the store.  [default: ~/.local/state/wattline, where no --sink is named]",
)
@click.option("--metrics", default="", metavar="HOST:PORT", help="Show figures of its own and last values at /metrics.")
def collect(  # noqa: PLR0917 - called by click, with names
    config: Path | None,
    kwapi_file: Path | None,
    kwollect_file: Path | None,
    wattmetre_file: Path | None,
    recorder_file: Path | None,
    sinks: tuple[str, ...],
    data: Path | None,
    metrics: str,
) -> None:
    """Meter and pass on, without API and pages.

    \b
    Examples:
      wattline collect --config site.yaml
      wattline collect --kwapi /etc/kwapi/drivers.conf --sink stdout
      wattline collect --kwollect /etc/kwollect/kwollector.conf --data /var/lib/wattline
      wattmetre-read /dev/ttyUSB0 42 20 | wattline collect --wattmetre wattmetre.conf

    SIGTERM stops within seconds with everything acknowledged safe; SIGHUP reads all files again; SIGUSR1 writes the
    state of every meter to the log. A section of an older file that cannot be read costs itself alone.
    """  # noqa: D301 - click wants the character itself
    sources: list[Source] = []
    if kwapi_file is not None:
        sources.append(lambda registry: kwapi.convert(kwapi_file, registry))
    if kwollect_file is not None:
        sources.append(lambda registry: kwollect.convert(kwollect_file, registry))
    if wattmetre_file is not None:
        sources.append(lambda registry: wattmetre.convert(wattmetre_file, registry))
    if recorder_file is not None:
        sources.append(lambda registry: energyrecorder.convert(recorder_file, registry))
    if config is None and not sources:
        raise click.UsageError("say what to collect: --config, --kwapi, --kwollect, --wattmetre, --energyrecorder")
    start(Collection(config, tuple(sources), data, sinks, metrics))


def start(collection: Collection) -> None:
    """Collect until a signal, or until every meter has left."""
    log_to_stderr("info")
    run(lambda: _collect(collection, Registry.installed()))


async def _collect(collection: Collection, registry: Registry) -> None:
    site = collection.site(registry)
    logging.getLogger().setLevel(site.log.upper())
    stop = asyncio.Event()
    stop_on_signals(stop)
    for one in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(one, signal.SIG_IGN)  # until there is something to read again, or to tell
    with _folder(collection, site) as folder, alone_in(folder), _page(collection.metrics) as listener:
        engine = Engine(
            replace(site, data=folder), registry, store=None if collection.keeps else Nowhere(Nowhere.Config())
        )
        async with asyncio.TaskGroup() as group:
            metering = group.create_task(engine.run(stop), name="engine")
            if not await opened(engine, metering):
                return
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, lambda: group.create_task(_reload(collection, registry, engine)))
            loop.add_signal_handler(signal.SIGUSR1, tell, engine.health)
            beside = [group.create_task(_watch_reader(site, stop), name="reader")]
            if listener is not None:
                from wattline.cli.figures import serve_figures  # a web server, which few need here

                beside.append(group.create_task(serve_figures(engine, listener, stop), name="metrics"))
            where = "the store in " + str(folder) if collection.keeps else ", ".join(collection.sinks)
            click.echo(f"wattline collects from {len(site.meters)} meters into {where}.", err=True)
            await metering
            stop.set()
            beside[0].cancel()


def _page(metrics: str) -> contextlib.AbstractContextManager[socket.socket | None]:
    return listening_at(metrics, "--metrics") if metrics else contextlib.nullcontext()


async def _reload(collection: Collection, registry: Registry, engine: Engine) -> None:
    try:
        site = replace(collection.site(registry), data=engine.site.data)
        await engine.reload(site)
    except WattlineError as error:
        log.error("the configuration was not reloaded, the old one goes on: %s", error)  # noqa: TRY400 - no bug
    else:
        logging.getLogger().setLevel(site.log.upper())
        click.echo(f"wattline read everything again: {len(site.meters)} meters.", err=True)


async def _watch_reader(site: Site, stop: asyncio.Event) -> None:
    """End the program when the reader of standard output, to which all goes, has left."""
    if [sink.driver for sink in site.sinks] != [STDOUT]:
        return
    pipe = select.poll()
    pipe.register(1, 0)
    while not stop.is_set():
        if any(event & (select.POLLERR | select.POLLNVAL) for _, event in pipe.poll(0)):
            stop.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                await stop.wait()


@contextlib.contextmanager
def _folder(collection: Collection, site: Site) -> Iterator[Path]:
    """Yield where store and spools are. What goes to standard output alone outlives nothing: its spool is temporary."""
    if collection.keeps:
        yield site.data
    elif set(collection.sinks) == {STDOUT}:
        with tempfile.TemporaryDirectory(prefix="wattline-") as folder:
            yield Path(folder)
    else:
        yield state_directory() / "collect" if site.data == state_directory() else site.data

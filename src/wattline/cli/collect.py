"""`wattline collect`: drivers to sinks, without API and pages; also from the unchanged files of older collectors."""

import asyncio
import contextlib
import logging
import select
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec.structs import replace

from wattline.cli.alone import alone_in
from wattline.cli.running import listening, log_to_stderr, opened, run, stop_on_signals
from wattline.errors import Misconfigured, WattlineError
from wattline.imports import energyrecorder, kwapi, kwollect, wattmetre
from wattline.imports.conversion import Conversion
from wattline.runtime.config import PluginConfig, Site, load, named_apart, parse
from wattline.runtime.engine import Engine
from wattline.runtime.health import Health, Silent, Speaking
from wattline.runtime.nowhere import Nowhere
from wattline.runtime.registry import Registry
from wattline.runtime.site import split_listen, state_directory
from wattline.units import NANOSECONDS

Source = Callable[[Registry], Conversion]
"""Reads an older system's files; called again at every reload."""

STDOUT: Final = "stdout"
_LOOK: Final = 0.5
"""Seconds between two looks whether the reader of standard output has left."""

log = logging.getLogger("wattline.collect")


class Options(msgspec.Struct, frozen=True):
    """What is collected and where it goes: to be read again at every reload.

    `data` None: where the configuration says, or `home` where nobody says. Without `sinks` it is the store, and every
    sink of the configuration besides.
    """

    config: Path | None = None
    sources: tuple[Source, ...] = ()
    data: Path | None = None
    sinks: tuple[str, ...] = ()
    metrics: str = ""
    home: Path | None = None

    @property
    def keeps(self) -> bool:
        """Whether there is a store."""
        return not self.sinks or self.data is not None

    def site(self, registry: Registry) -> Site:
        """Read everything anew, and log what of older files was left out. Raises Misconfigured."""
        overrides = {"data": str(self.data)} if self.data is not None else {}
        site = load(self.config, registry, overrides=overrides) if self.config else parse("", registry)
        made = [source(registry) for source in self.sources]
        if made and not self.config:
            site = replace(site, log=made[0].site.log, data=self.data or self.home or site.data)
        elif not self.config:
            site = replace(site, data=self.data or site.data)
        for fault in (fault for one in made for fault in one.faults):
            log.error("%s", fault)
        meters = named_apart((*site.meters, *(meter for one in made for meter in one.site.meters)))
        return replace(site, meters=meters, sinks=self._chosen(site, registry))

    def _chosen(self, site: Site, registry: Registry) -> tuple[PluginConfig, ...]:
        there = {sink.name: sink for sink in site.sinks}
        if not self.sinks:
            return site.sinks
        there.setdefault(STDOUT, PluginConfig(name=STDOUT, driver=STDOUT, options=registry.sink(STDOUT).Config()))
        if unknown := [name for name in self.sinks if name not in there]:
            raise Misconfigured(f"there is no sink {unknown[0]!r} (there are: {', '.join(sorted(there))})")
        return tuple(there[name] for name in dict.fromkeys(self.sinks))


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
    start(Options(config, tuple(sources), data, sinks, metrics))


def start(options: Options) -> None:
    """Collect until a signal, or until every meter has left."""
    log_to_stderr("info")
    run(lambda: _collect(options, Registry.installed()))


async def _collect(options: Options, registry: Registry) -> None:
    site = options.site(registry)
    if not site.meters:
        raise Misconfigured("there is nothing to read")
    logging.getLogger().setLevel(site.log.upper())
    stop = asyncio.Event()
    stop_on_signals(stop)
    with _folder(options, site) as folder, alone_in(folder), _listener(options.metrics) as listener:
        engine = Engine(
            replace(site, data=folder), registry, store=None if options.keeps else Nowhere(Nowhere.Config())
        )
        async with asyncio.TaskGroup() as group:
            metering = group.create_task(engine.run(stop), name="engine")
            if not await opened(engine, metering):
                return
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, lambda: group.create_task(_reload(options, registry, engine)))
            loop.add_signal_handler(signal.SIGUSR1, tell, engine.health)
            beside = [group.create_task(_watch_reader(site, stop), name="reader")]
            if listener is not None:
                from wattline.cli.figures import serve

                beside.append(group.create_task(serve(engine, listener, stop), name="metrics"))
            where = "the store in " + str(folder) if options.keeps else ", ".join(options.sinks)
            click.echo(f"wattline collects from {len(site.meters)} meters into {where}.", err=True)
            await metering
            stop.set()
            beside[0].cancel()


async def _reload(options: Options, registry: Registry, engine: Engine) -> None:
    try:
        site = replace(options.site(registry), data=engine.site.data)
        await engine.reload(site)
    except WattlineError as error:
        log.error("the configuration was not reloaded, the old one goes on: %s", error)  # noqa: TRY400 - no bug
    else:
        logging.getLogger().setLevel(site.log.upper())
        click.echo(f"wattline read everything again: {len(site.meters)} meters.", err=True)


def tell(health: Health) -> None:
    """Write the state of every meter to the log, whatever its level is."""
    before = log.level
    log.setLevel(logging.INFO)
    for meter in health.meters():
        last = "never" if meter.last is None else f"{datetime.fromtimestamp(meter.last / NANOSECONDS, UTC):%FT%TZ}"
        match meter.state:
            case Speaking():
                state = "speaking"
            case Silent(error=error):
                state = f"silent ({error})"
            case _:
                state = "waiting"
        often = "" if meter.period is None else f", every {meter.period:g} s"
        log.info("%s %s: %s; last value %s, %d polls, %d failed, %d missed%s", meter.name, meter.address,
                 state, last, meter.polls, meter.failed, meter.missed, often)  # fmt: skip
    log.setLevel(before)


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
def _listener(metrics: str) -> Iterator[socket.socket | None]:
    """Bind the address of /metrics, where there is to be one."""
    if not metrics:
        yield None
        return
    try:
        address = split_listen(metrics)
    except ValueError as error:
        raise Misconfigured(f"--metrics: {error}") from error
    with listening(address, metrics, "--metrics") as listener:
        yield listener


@contextlib.contextmanager
def _folder(options: Options, site: Site) -> Iterator[Path]:
    """Yield where store and spools are. What goes to standard output alone outlives nothing: its spool is temporary."""
    if options.keeps:
        yield site.data
    elif set(options.sinks) == {STDOUT}:
        with tempfile.TemporaryDirectory(prefix="wattline-") as folder:
            yield Path(folder)
    else:
        yield state_directory() / "collect" if site.data == state_directory() else site.data

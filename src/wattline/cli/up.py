"""`wattline up`: drivers, store, API and pages in one process."""

import asyncio
import signal
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from wattline.api.app import create_app
from wattline.api.view import View
from wattline.cli.alone import alone_in
from wattline.cli.announcement import say_meters, say_where
from wattline.cli.running import listening, log_to_stderr, opened, run, stop_on_signals
from wattline.cli.server import Server
from wattline.errors import WattlineError
from wattline.runtime.config import Site, load, meter_from_url, named_apart, parse
from wattline.runtime.engine import Engine
from wattline.runtime.registry import Registry
from wattline.runtime.ticks import SystemClock

DEMO: Final = "sim://rack?servers=16"
THIS_HOST: Final = ("rapl://", "host://")
"""What is metered where nobody says what to meter; the first is left out, with its reason, where it cannot be read."""


class Options(msgspec.Struct, frozen=True):
    """The command line, to be applied to a configuration again at every reload."""

    config: Path | None
    data: Path | None
    listen: str | None
    meters: tuple[str, ...]
    demo: bool

    def site(self, registry: Registry) -> Site:
        """Read the configuration and apply the command line. Raises Misconfigured with every fault."""
        overrides = {name: str(value) for name in ("data", "listen") if (value := getattr(self, name)) is not None}
        site = (
            load(self.config, registry, overrides=overrides)
            if self.config
            else parse("", registry, overrides=overrides)
        )
        urls = [*self.meters, *([DEMO] if self.demo else []), *(() if self.config else THIS_HOST)]
        more = tuple(meter_from_url(url, registry) for url in urls)
        return msgspec.structs.replace(site, meters=named_apart((*site.meters, *more)))


@click.command(short_help="Meter, store and show, all in one process.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The site's YAML file; without it this host is metered.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="WATTLINE_DATA",
    show_envvar=True,
    help="Folder of the store.  [default: ~/.local/state/wattline]",
)
@click.option("--listen", metavar="HOST:PORT", help="Where API and pages answer.  [default: 127.0.0.1:8780]")
@click.option("--meter", "meters", metavar="URL", multiple=True, help="A meter to read besides; may be repeated.")
@click.option("--demo", is_flag=True, help="Add a simulated rack of sixteen servers.")
def up(config: Path | None, data: Path | None, listen: str | None, meters: tuple[str, ...], demo: bool) -> None:
    """Meter, store and show, all in one process.

    \b
    Examples:
      wattline up                                  this host
      wattline up --demo                           and a simulated rack
      wattline up --meter snmp://public@pdu-1/
      wattline up --config site.yaml --data /var/lib/wattline

    SIGTERM (or Ctrl-C) stops within seconds with everything acknowledged safe; SIGHUP reads the configuration again.
    """  # noqa: D301 - click wants the character itself
    options = Options(config, data, listen, meters, demo)
    run(lambda: _serve(options, Registry.installed()))


async def _serve(options: Options, registry: Registry) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    site, unread = await _readable(options.site(registry), registry, options)
    log_to_stderr(site.log)
    with listening(site.address, site.listen, "--listen") as listener, alone_in(site.data):
        clock = SystemClock()
        engine = Engine(site, registry, clock=clock)
        stop = asyncio.Event()
        view = View(engine.store, engine.health, engine.live, site, clock.now(), clock.now, engine.promotions)
        server = Server(create_app(view), lives=True)
        stop_on_signals(stop)
        async with asyncio.TaskGroup() as group:
            metering = group.create_task(engine.run(stop), name="engine")
            asyncio.get_running_loop().add_signal_handler(
                signal.SIGHUP,
                lambda: group.create_task(_reload(options, registry, engine, view, console), name="reload"),
            )
            if not await opened(engine, metering):
                return
            serving = group.create_task(server.serve(sockets=[listener]), name="api")
            say_where(console, engine, listener)
            group.create_task(say_meters(console, engine, unread, stop), name="announcement")
            await stop.wait()
            engine.live.close()
            server.should_exit = True
            await asyncio.gather(metering, serving)


async def _readable(site: Site, registry: Registry, options: Options) -> tuple[Site, list[str]]:
    """Leave out the sensors of this host that are not there, if nobody asked for them; return why."""
    if options.config:
        return site, []
    unread, kept = [], []
    for meter in site.meters:
        if meter.driver == "rapl" and "rapl://" not in options.meters:
            driver = registry.driver(meter.driver)(meter.options)
            try:
                await driver.open()
            except WattlineError as error:
                unread.append(f"{meter.address}: {error}")
                continue
            finally:
                await driver.close()
        kept.append(meter)
    return msgspec.structs.replace(site, meters=tuple(kept)), unread


async def _reload(options: Options, registry: Registry, engine: Engine, view: View, console: Console) -> None:
    await engine.started.wait()
    try:
        site, _ = await _readable(options.site(registry), registry, options)
        await engine.reload(site)
        view.site = site
    except WattlineError as error:
        console.print(f"[red]The configuration was not reloaded, the old one goes on:[/red]\n{escape(str(error))}")
    else:
        console.print(f"The configuration was reloaded: {len(site.meters)} meters.")

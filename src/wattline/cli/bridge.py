"""`wattline bridge redfish`: what is metered, shown to clients of other systems."""

import asyncio
import signal
import socket
from pathlib import Path
from typing import Any

import click

from wattline.cli.running import listening_at
from wattline.cli.server import Server
from wattline.cli.store import opened, with_data
from wattline.plugin import Store
from wattline.runtime.ticks import SystemClock


@click.group(short_help="Show what is metered to clients of other systems.")
def bridge() -> None:
    """Show what is metered to clients of other systems, from the store that a running `wattline up` writes.

    \b
    Examples:
      wattline bridge redfish                    a tree of chassis on http://127.0.0.1:8889/redfish/v1/
    """  # noqa: D301 - click wants the character itself


@bridge.command(short_help="Show devices as a tree of Redfish chassis.")
@with_data
@click.option("--listen", default="127.0.0.1:8889", show_default=True, metavar="HOST:PORT", help="Where it answers.")
@click.option("--device", "devices", multiple=True, metavar="GLOB", help="Devices to show; may be repeated.")
def redfish(directory: Path, listen: str, devices: tuple[str, ...]) -> None:
    """Show devices as a tree of Redfish chassis, without a password.

    Chassis 1 is all of it, in whole watts; each device with power or energy is a chassis inside of it. A value that is
    not fresh is null. SIGTERM (or Ctrl-C) ends it.

    \b
    Examples:
      wattline bridge redfish --device "rack-1/*"
      wattline bridge redfish --data /var/lib/wattline --listen 0.0.0.0:8889
      wattline read 'redfish://127.0.0.1:8889/?tls=false'
    """  # noqa: D301 - click wants the character itself
    with listening_at(listen, "--listen") as listener, opened(directory, is_new=None) as (runner, store):
        runner.run(_serve(store, listener, listen, devices))


async def _serve(store: Store[Any], listener: socket.socket, listen: str, devices: tuple[str, ...]) -> None:
    from wattline.api.redfish.app import create_redfish

    app = create_redfish(store, SystemClock().now, listen, devices)
    server = Server(app)
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, lambda: setattr(server, "should_exit", True))
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"A tree of Redfish chassis is on http://{shown}:{port}/redfish/v1/. Ctrl-C stops.", err=True)
    await server.serve(sockets=[listener])

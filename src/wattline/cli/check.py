"""`wattline check FILE`: every fault of a configuration at once, and what it would read."""

import sys
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wattline.cli.counted import counted
from wattline.runtime.config import Examination, examine
from wattline.runtime.registry import Registry

EXIT_FAULTY = 1


@click.command(short_help="Check a configuration and say what it would read.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Check a configuration: print every fault with its place, or what would be read.

    Nothing is opened and nothing is asked (`wattline read URL` does). The exit status is 1 when there are faults.

    \b
    Example:
      wattline check site.yaml
    """  # noqa: D301 - click wants the character itself
    examined = examine(file, Registry.installed())
    if examined.faults:
        for fault in examined.faults:
            click.echo(str(fault), err=True)
        click.echo(f"{file}: {counted(len(examined.faults), 'fault')}", err=True)
        sys.exit(EXIT_FAULTY)
    site, console = examined.site, Console()
    told = f"{counted(len(site.meters), 'meter')}, store in {site.data}, listening on {site.listen}"
    console.print(escape(told), style="bold", highlight=False, soft_wrap=True)
    if site.meters:
        console.print(_summary(examined))


def _summary(examined: Examination) -> Table:
    site = examined.site
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("meter", "driver", "address"):
        table.add_column(name, overflow="fold")
    table.add_column("every", justify="right")
    table.add_column("timeout", justify="right")
    for meter in site.meters:
        asked = " (while promoted)" if meter.optional else ""
        every, timeout = f"{meter.every:g} s{asked}", f"{meter.timeout:g} s"
        table.add_row(*map(escape, (meter.name, meter.driver, meter.address, every, timeout)))
    return table

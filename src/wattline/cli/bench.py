"""`wattline bench`: one table of measurements against real peers."""

import importlib
import sys
from collections.abc import Iterable
from typing import Final

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from wattline.bench.measure import Row, Skipped
from wattline.errors import WattlineError

_WIDE: Final = 180
"""Columns of the table where it goes to a file."""
PARTS: Final = {
    "pages": "exposition pages",
    "sweep": "processes of this host",
    "polls": "SNMP, polled to stored",
    "wattmeters": "a wattmeter of 42 ports",
    "crowd": "SNMP agents by the thousand",
    "kwollector": "collecting beside kwollector",
    "bmcs": "IPMI, polled to stored",
    "durable": "the store",
    "answers": "answers of the API",
}


@click.command(short_help="Measure Wattline against its peers on this machine.")
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)), metavar="[PART]...")
def bench(parts: tuple[str, ...]) -> None:
    """Measure Wattline against its peers on this machine, and print one table.

    Figures are CPU seconds or times of interleaved runs, medians; machines differ, so read the ratios. A PART is
    pages, sweep, polls, wattmeters, crowd, kwollector, bmcs, durable or answers; without any, all of them. The peers
    are net-snmp, snmp_exporter, kwollector (installed from PyPI), ipmitool, FreeIPMI, pyghmi, PostgreSQL, psutil and
    prometheus_client; a part whose peer is not to be had says so.

    \b
    Examples:
      wattline bench
      wattline bench pages sweep
    """  # noqa: D301 - click wants the character itself
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    found: list[Row | Skipped] = []
    chosen = parts or tuple(PARTS)
    # Drawn once a part: what draws by itself, ten times a second, costs more than a wattmeter does.
    columns = (MofNCompleteColumn(), BarColumn(), TextColumn("measuring {task.description} ..."))
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        task = progress.add_task("", total=len(chosen))
        for part in chosen:
            progress.update(task, description=PARTS[part], refresh=True)
            try:
                found += importlib.import_module(f"wattline.bench.{part}").rows()
            except (ImportError, WattlineError) as error:
                found.append(Skipped(PARTS[part], str(error)))
            progress.advance(task)
    console.print(_table(found))


def _table(found: Iterable[Row | Skipped]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("work", "unit"):
        table.add_column(name, overflow="fold")
    table.add_column("ours", justify="right")
    table.add_column("peer", overflow="fold")
    table.add_column("its", justify="right")
    table.add_column("ours/its", justify="right")
    table.add_column("reach", justify="right")
    table.add_column("note", overflow="fold")
    for one in found:
        if isinstance(one, Skipped):
            table.add_row(one.work, "", "", "", "", "", "", f"not measured: {one.why}")
            continue
        peer, ratio = ("", "") if one.peer is None else (f"{one.peer:.3g}", f"{one.ours / one.peer:.3g}")
        table.add_row(one.work, one.unit, f"{one.ours:.3g}", one.peer_name, peer, ratio, one.reach, one.note)
    return table

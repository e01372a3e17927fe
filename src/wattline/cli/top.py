"""`wattline top`: devices by watts, live, from a running Wattline."""

import http.client
import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any, Final

import click
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from wattline.cli.counted import counted
from wattline.core.address import hide_password

_PATIENCE: Final = 5.0
_MOST: Final = 64 * 1024 * 1024
_BAR: Final = 24
_STALE: Final = 15.0
"""Seconds after which a value is shown as old."""


@click.command(short_help="Show devices by watts, live, in the terminal.")
@click.option("--address", default="http://127.0.0.1:8780", show_default=True, help="Where a Wattline answers.")
@click.option("--once", is_flag=True, help="Print the table once and end.")
@click.option("--rows", default=0, help="Show that many devices.  [default: as many as fit]")
def top(address: str, once: bool, rows: int) -> None:
    """Show devices by watts, live, in the terminal; Ctrl-C ends it.

    \b
    Examples:
      wattline top
      wattline top --address http://meters.example.org:8780
      wattline top --once --rows 10
    """  # noqa: D301 - click wants the character itself
    if not address.startswith(("http://", "https://")):
        raise click.BadParameter("an address begins with http:// or https://", param_hint="--address")
    console = Console()
    if once:
        try:
            console.print(_screen(_now(address), rows or sys.maxsize))
        except OSError as error:
            raise click.ClickException(_away(address, error)) from error
        return
    with Live(Text("asking …"), console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(_picture(address, rows or max(console.height - 6, 1)), refresh=True)
                time.sleep(1)
        except KeyboardInterrupt:
            return


def _now(address: str) -> dict[str, Any]:
    """Ask once. Raises OSError when nobody answers, or nobody of ours."""
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/api/now", timeout=_PATIENCE) as answer:  # noqa: S310
            now: dict[str, Any] = json.loads(answer.read(_MOST))
    except (ValueError, http.client.HTTPException) as error:
        raise ConnectionError("what answers there is no Wattline") from error
    if not isinstance(now, dict) or not now.keys() >= {"devices", "meters", "watts"}:
        raise ConnectionError("what answers there is no Wattline")
    return now


def _away(address: str, error: OSError) -> str:
    reason = getattr(error, "reason", error)
    return f"no watts from {hide_password(address)} ({reason}); start one with: wattline up"


def _picture(address: str, rows: int) -> Group | Text:
    try:
        return _screen(_now(address), rows)
    except OSError as error:
        return Text(_away(address, error), style="red")


def _screen(now: dict[str, Any], rows: int) -> Group:
    meters = now["meters"]
    speaking = counted(meters["speaking"], "meter")
    silent = f", [red]{meters['silent']} silent[/red]" if meters["silent"] else ""
    waiting = f", {meters['waiting']} waiting" if meters["waiting"] else ""
    site = "no watts yet" if now["watts"] is None else _watts(now["watts"])
    today = "" if now["kwh_today"] is None else f"   today {now['kwh_today']:.3f} kWh"
    cost = "" if now.get("cost_today") is None else f", {now['cost_today']} {now['currency']}"
    part = "" if now["estimated_watts"] == now["watts"] else f"{_watts(now['estimated_watts'])} "
    estimated = f"   [yellow]{part}estimated[/yellow]" if now["estimated"] else ""
    head = Text.from_markup(f"[bold]{site}[/bold]{today}{cost}   {speaking} speaking{silent}{waiting}{estimated}")
    devices = [one for one in now["devices"] if one["watts"] is not None]
    if not devices:
        return Group(head, Text("\nNo device has watts yet. Add a meter: wattline up --meter URL", style="dim"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("device", overflow="fold")
    table.add_column("power", justify="right")
    table.add_column("", no_wrap=True)
    table.add_column("")
    most = max((abs(one["watts"]) for one in devices), default=0) or 1
    for one in devices[:rows]:
        age = one["age"] or 0
        note = "estimated" if one["estimated"] else ""
        note = f"{age:.0f} s old" if age > _STALE else note
        bar = "━" * max(1, round(_BAR * abs(one["watts"]) / most))
        table.add_row(escape(one["device"]), _watts(one["watts"]), f"[green]{bar}[/green]", f"[dim]{note}[/dim]")
    left = len(devices) - rows
    return Group(head, table, Text(f"and {left} more" if left > 0 else "", style="dim"))


def _watts(watts: float) -> str:
    for factor, unit in ((1e6, "MW"), (1e3, "kW")):
        if abs(watts) >= factor:
            return f"{watts / factor:,.3f} {unit}"
    return f"{watts:,.1f} W"

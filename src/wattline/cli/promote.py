"""`wattline promote`: ask a running Wattline for optional metrics of a device."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import urlencode

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wattline.core.address import hide_password

_PATIENCE: Final = 10.0
_MOST: Final = 16 * 1024 * 1024


@click.command(short_help="Ask for optional metrics, and every frame of fast meters.")
@click.argument("device", required=False)
@click.argument("metric", required=False)
@click.option("--for", "lasting", default="forever", show_default=True, help="How long: 90s, 1h, 2d.")
@click.option("--owner", help="For whom, such as a job: it takes back its own.")
@click.option("--list", "listing", is_flag=True, help="List what is promoted.")
@click.option("--remove", is_flag=True, help="Take back, all of DEVICE or METRIC alone.")
@click.option("--address", default="http://127.0.0.1:8780", show_default=True, help="Where a Wattline answers.")
def promote(
    *,
    device: str | None,
    metric: str | None,
    lasting: str,
    owner: str | None,
    listing: bool,
    remove: bool,
    address: str,
) -> None:
    """Ask for optional metrics of a device: METRIC is a regular expression, matched from the beginning of a name.

    A meter that is optional is read while one of its metrics is promoted, and a wattmeter tells every frame of a port
    instead of a mean a second. DEVICE is a name or an alias, such as that of the node on a port.

    \b
    Examples:
      wattline promote taurus-1 'power_.*' --for 1h
      wattline promote --list
      wattline promote --remove taurus-1
    """  # noqa: D301 - click wants the character itself
    if not address.startswith(("http://", "https://")):
        raise click.BadParameter("an address begins with http:// or https://", param_hint="--address")
    if not device and not listing:
        raise click.UsageError("name a DEVICE and a METRIC, or ask for the --list")
    if listing:
        told = _ask(address, "GET")
    elif remove:
        query = {"device": device, "metric": metric, "owner": owner}
        told = _ask(address, "DELETE", query={name: value for name, value in query.items() if value is not None})
    elif metric is None:
        raise click.UsageError("name a METRIC, such as 'power_.*', or '.*' for all")
    else:
        told = [_ask(address, "POST", body={"device": device, "metric": metric, "for": lasting, "owner": owner or ""})]
    _show("taken back" if remove else "promoted", told)


def _ask(address: str, method: str, *, query: dict[str, Any] | None = None, body: dict[str, Any] | None = None) -> Any:
    """Ask once. Raises ClickException with what the program says."""
    target = f"{address.rstrip('/')}/api/promotions" + (f"?{urlencode(query)}" if query else "")
    sent = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(  # noqa: S310 - its scheme was looked at
            target, sent, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
            return json.loads(answer.read(_MOST))
    except urllib.error.HTTPError as error:
        raise click.ClickException(_detail(error)) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise click.ClickException(
            f"no Wattline answers at {hide_password(address)} ({reason}); start one with: wattline up"
        ) from error


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(_MOST))["detail"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"what answers there says {error.code} {error.reason}"


def _show(title: str, told: list[dict[str, Any]]) -> None:
    if not told:
        click.echo("Nothing is promoted.")
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("device", "metric", "until", "owner"):
        table.add_column(name, overflow="fold")
    for one in told:
        table.add_row(*map(escape, (one["device"], one["metric"], one["until"] or "for good", one["owner"])))
    Console().print(table)

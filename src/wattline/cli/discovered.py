"""What a look at a network has found, and how it is told: a table, JSON, a site's file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct, field

from wattline.cli.counted import counted

if TYPE_CHECKING:
    from rich.table import Table

    from wattline.discovery.found import Found, Proof


class Harvest(Struct):
    """What was found so far, in the order in which it came: it survives an interruption."""

    found: "list[Found]" = field(default_factory=list)
    proofs: "dict[tuple[str, str, str], tuple[Found, Proof]]" = field(default_factory=dict)
    whole: bool = True

    def prove(self, one: "Found", proof: "Proof") -> None:
        """Note what came of reading something."""
        self.proofs[_key(one)] = (one, proof)

    def rows(self) -> "list[tuple[Found, Proof]]":
        """Return what was found with what came of reading it, by address."""
        from wattline.discovery.found import Proof, State

        unread, none = Proof(State.UNTRIED, "not read"), Proof(State.UNTRIED, "no driver reads it")
        rows = [self.proofs.get(_key(one), (one, unread if one.driver else none)) for one in self.found]
        return sorted(rows, key=lambda row: (_order(row[0].host), row[0].driver, row[0].url))


def tell(harvest: Harvest, hosts: Sequence[str], output: Path | None, *, as_json: bool) -> None:
    """Print what was found, and write the file that is asked for; `hosts` were looked at."""
    import msgspec
    from rich.console import Console

    from wattline.discovery.found import State
    from wattline.discovery.site_file import as_plain, needed, site_file

    rows = harvest.rows()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode([as_plain(*row) for row in rows])).decode())
    elif rows:
        Console().print(_table(rows))
    if not rows:
        click.echo(_nothing(hosts, whole=harvest.whole), err=True)
        return
    reads = sum(proof.state is State.READS for _, proof in rows)
    click.echo(f"{len(rows)} found, {reads} can be read as they are", err=True)
    if output is None:
        if not as_json:
            click.echo("write them down with -o site.yaml", err=True)
        return
    looked = counted(len(hosts), "address")
    output.write_text(site_file(rows, f"{looked} looked at, {len(rows)} found, {reads} read"), "utf-8")
    unset = [name for name in needed(rows) if name not in os.environ]
    hint = f"set {', '.join(unset)} and then: " if unset else ""
    click.echo(f"{output} is written; {hint}wattline check {output}", err=True)


def _table(rows: "Sequence[tuple[Found, Proof]]") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from wattline.discovery.found import State

    colours = {State.READS: "green", State.REFUSED: "red", State.FAILS: "yellow", State.UNTRIED: "dim"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("address", no_wrap=True)
    table.add_column("what it is, and why", overflow="fold", ratio=1)
    table.add_column("meter, and what it says", overflow="fold", ratio=1)
    before = ""
    for one, proof in rows:
        said = f"needs {one.needs}" if proof.state is State.UNTRIED and one.needs else proof.said
        shown = f"{escape(one.url)}\n[{colours[proof.state]}]{escape(said)}[/]".lstrip()
        what = f"{escape(one.what)}\n[dim]{escape(one.why)}[/dim]"
        table.add_row("" if one.host == before else escape(one.host), what, shown)
        before = one.host
    return table


def _nothing(hosts: Sequence[str], *, whole: bool) -> str:
    looked = counted(len(hosts), "address")
    if not whole:
        return "nothing had answered when the look was interrupted"
    return (
        f"nothing answers at {looked}. It may be that\n"
        "  - the agents know another community than 'public': --community env:SNMP_COMMUNITY\n"
        "  - a firewall, or another network, lies between: try one address that you know, such as\n"
        f"      wattline read snmp://public@{hosts[0]}/1.3.6.1.2.1.1.3.0\n"
        "  - the meters listen on other ports: --ports for exporters, --place snmp=1161 for the others\n"
        "  - they are slow: --wait 3\n"
        "  - they push (MQTT) or hang on a serial line: those have addresses of their own, see README.md"
    )


def _key(one: "Found") -> tuple[str, str, str]:
    return one.host, one.driver, one.url


def _order(host: str) -> tuple[int, int, str]:
    """Sort addresses as numbers, names behind them."""
    import ipaddress

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return 9, 0, host
    return address.version, int(address), host

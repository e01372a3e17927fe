"""`wattline discover RANGE...`: who answers on a network, what it is, and a site's file to begin with."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec import Struct

from wattline.cli.counted import counted
from wattline.cli.discovered import Harvest, tell
from wattline.cli.number import Number
from wattline.core.address import Secret
from wattline.errors import Misconfigured

if TYPE_CHECKING:
    from wattline.discovery.found import Credential, Found, Proof
    from wattline.discovery.pace import Pace
    from wattline.discovery.scan import Look

EXIT_NOTHING: Final = 1
USUAL: Final = {"snmp": 161, "ipmi": 623, "https": 443, "http": 80, "nut": 3493, "modbus": 502}
EXPORTERS: Final = (9100, 9400, 9290, 9610, 8010, 8080, 28282)
"""node exporter, NVIDIA DCGM, IPMI, Redfish, SmartWatts, Scaphandre, Kepler."""
PUBLIC: Final = "public"


class Plan(Struct, frozen=True, kw_only=True):
    """What is looked for, and how."""

    hosts: list[str]
    communities: "list[Credential]"
    ports: tuple[int, ...]
    places: dict[str, int]
    rate: float
    wait: float
    modbus: bool
    user: str
    password: "Credential | None"
    verify: bool


class Ports(click.ParamType[tuple[int, ...]]):
    """Ports with commas between."""

    name = "ports"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read `9100,9400`; an empty text names none."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",") if word.strip()]
        if not all(word.isdecimal() and 0 < int(word) < 65_536 for word in words):
            self.fail(f"{value!r} is no list of ports such as 9100,9400", param, ctx)
        return tuple(dict.fromkeys(map(int, words)))


class Place(click.ParamType[tuple[str, int]]):
    """A protocol and a port, with `=` between."""

    name = "protocol=port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Read `snmp=1161`."""
        if isinstance(value, tuple):
            return value
        name, _, port = str(value).partition("=")
        if name not in USUAL or not port.isdecimal() or not 0 < int(port) < 65_536:
            self.fail(f"{value!r} is no place such as snmp=1161; there are {', '.join(USUAL)}", param, ctx)
        return name, int(port)


@click.command(short_help="Find meters on a network, and write a site's file.")
@click.argument("ranges", nargs=-1, metavar="RANGE...")
@click.option("--hosts", "lists", multiple=True, type=click.File("r"), help="A list of hosts; `-`: standard input.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before looking.")
@click.option("--community", "communities", multiple=True, metavar="SECRET",
              help="SNMP community: env:NAME, file:PATH or itself; may be repeated.  [default: public]")  # fmt: skip
@click.option("--bmc-user", metavar="NAME", help="User to show to BMCs, once to each.")
@click.option("--bmc-password", metavar="SECRET", help="Their password: env:NAME or file:PATH.")
@click.option("--no-verify", is_flag=True, help="Show the password also where a certificate is not trusted.")
@click.option("--ports", type=Ports(), default=EXPORTERS, help="Ports of exporters.  [default: 9100,9400,9290,…]")
@click.option("--place", "places", multiple=True, type=Place(), help="Another port than the usual: snmp=1161.")
@click.option("--modbus", is_flag=True, help="Ask on port 502 who is there; reads no register.")
@click.option("--rate", default=50.0, type=Number(0.1, 10_000), show_default=True, help="Questions a second.")
@click.option("--wait", default=1.0, type=Number(0.05, 60), show_default=True, help="Seconds for an answer.")
@click.option("--many", is_flag=True, help="Allow more than 65,536 addresses.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write a site's file.")
@click.option("--force", is_flag=True, help="Replace the file where there is one.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def discover(
    *, ranges: tuple[str, ...], lists: tuple[Any, ...], yes: bool, communities: tuple[str, ...], bmc_user: str | None,
    bmc_password: str | None, no_verify: bool, ports: tuple[int, ...], places: tuple[tuple[str, int], ...],
    modbus: bool, rate: float, wait: float, many: bool, output: Path | None, force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Find meters on a network: SNMP agents, BMCs, Redfish services, exporters, Shellys, UPSes.

    RANGE is an address, a name, a network or a range. You are asked before anything is sent, and what answers is read
    once by the driver that would meter it. Ctrl-C ends the look and keeps what was found.

    \b
    Examples:
      wattline discover 10.0.0.0/24                      what is there?
      wattline discover 10.0.0.1-50 pdu-7 -o site.yaml   … and a file to begin with
      wattline discover 10.1.0.0/22 --community env:SNMP_COMMUNITY --rate 200
      wattline discover 10.2.0.0/24 --bmc-user reader --bmc-password env:BMC_PASSWORD
      wattline discover --hosts nodes.txt --yes --json | jq '.[].url'

    A BMC locks an account after a few refusals: each is shown the password once, and after 3 refusals in a row the
    others of its kind are left alone. Secrets are never written: the file names env: or file: in their place.

    The exit status is 1 when nothing was found.
    """  # noqa: D301 - click wants the character itself
    from wattline.discovery.targets import MOST, listed, targets

    if output is not None:
        _check_place(output, force=force)
    words = [*ranges, *(word for one in lists for word in listed(_text(one)))]
    if not words:
        raise click.UsageError("say where to look: wattline discover 10.0.0.0/24 (or --hosts FILE)")
    plan = Plan(
        hosts=targets(words, most=sys.maxsize if many else MOST),
        communities=[_community(text, i) for i, text in enumerate(communities or (PUBLIC,), 1)],
        ports=ports,
        places=USUAL | dict(places),
        rate=rate,
        wait=wait,
        modbus=modbus,
        user=bmc_user or "",
        password=_password(bmc_user, bmc_password),
        verify=not no_verify,
    )
    _ask(plan, yes=yes)
    harvest = Harvest()
    try:
        asyncio.run(_discover(plan, harvest))
    except KeyboardInterrupt:
        harvest.whole = False
        click.echo("interrupted: this is what was found until then", err=True)
    tell(harvest, plan.hosts, output, as_json=as_json)
    if not harvest.found:
        sys.exit(EXIT_NOTHING)


def _check_place(output: Path, *, force: bool) -> None:
    """Refuse a file that could not be written: better before a look of an hour than after it."""
    if output.exists() and not force:
        raise click.UsageError(f"{output} is there already: --force replaces it")
    if not os.access(output if output.exists() else output.parent, os.W_OK) or not output.parent.is_dir():
        raise click.UsageError(f"{output} cannot be written")


def _text(file: Any) -> str:
    try:
        return str(file.read())
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{file.name} is no list of hosts: it is no text") from error


def _community(text: str, number: int) -> "Credential":
    """Read a community. One that was written down itself is named `env:SNMP_COMMUNITY` in the file."""
    from wattline.discovery.found import Credential
    from wattline.runtime.shape import resolve

    if text == PUBLIC:
        return Credential("community", "", Secret(PUBLIC))
    try:
        secret = resolve(text)
    except ValueError as error:
        raise Misconfigured(f"--community: {error}") from error
    reference = (
        text if text.startswith(("env:", "file:")) else f"env:SNMP_COMMUNITY{'' if number == 1 else f'_{number}'}"
    )
    return Credential("community", reference, secret)


def _password(user: str | None, text: str | None) -> "Credential | None":
    from wattline.discovery.found import Credential
    from wattline.runtime.shape import resolve

    if not user and not text:
        return None
    if not user or not text:
        raise click.UsageError("--bmc-user and --bmc-password go together")
    if not text.startswith(("env:", "file:")):
        raise click.UsageError("--bmc-password is env:NAME or file:PATH: a command line is seen by everybody")
    try:
        return Credential("password", text, resolve(text))
    except ValueError as error:
        raise Misconfigured(f"--bmc-password: {error}") from error


def _looks(plan: Plan, pace: "Pace") -> "list[Look]":
    from wattline.discovery import agents, controllers, lines, pages

    at, wait = plan.places, plan.wait
    looks: list[Look] = [
        agents.Agents(at["snmp"], plan.communities, pace, wait),
        controllers.Controllers(at["ipmi"], pace, wait),
        pages.Pages(at["https"], at["http"], pace, wait, verify=plan.verify),
        lines.Upses(at["nut"], pace, wait),
    ]
    if plan.ports:
        looks.append(pages.Exporters(plan.ports, pace, wait))
    return [*looks, lines.ModbusUnits(at["modbus"], pace, wait)] if plan.modbus else looks


def _ask(plan: Plan, *, yes: bool) -> None:
    """Say what will be sent, and ask whether it may be."""
    from wattline.discovery.pace import Pace

    questions = len(plan.hosts) * sum(look.questions for look in _looks(plan, Pace(1)))
    hosts, most = counted(len(plan.hosts), "address"), counted(questions, "question")
    time = _duration(questions / plan.rate + plan.wait)
    click.echo(f"{hosts}, up to {most} at {plan.rate:g} a second: about {time}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("there is nobody to ask: say --yes")
    if not click.confirm("Look?", default=True, err=True):
        raise click.Abort


async def _discover(plan: Plan, harvest: Harvest) -> None:
    from wattline.discovery.pace import Pace
    from wattline.discovery.reading import Reader, read_all
    from wattline.discovery.scan import scan
    from wattline.runtime.discreet import guard_log
    from wattline.runtime.registry import Registry
    from wattline.runtime.ticks import SystemClock

    guard_log()
    pace = Pace(plan.rate)
    looks = _looks(plan, pace)
    reader = Reader(Registry.installed(), SystemClock(), pace, user=plan.user, password=plan.password)
    total = len(plan.hosts) * len(looks)
    await _followed("looking", total, harvest, lambda done: scan(plan.hosts, looks, harvest.found.append, done))

    def reading(done: Callable[[], None]) -> Awaitable[None]:
        def told(one: "Found", proof: "Proof") -> None:
            harvest.prove(one, proof)
            done()

        return read_all(harvest.found, reader, told)

    await _followed("reading", sum(map(reader.readable, harvest.found)), harvest, reading)


async def _followed(
    words: str, total: int, harvest: Harvest, work: Callable[[Callable[[], None]], Awaitable[None]]
) -> None:
    """Do some work with a bar on the terminal, if there is one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[found]} found"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(words, total=total, found=0)
        await work(lambda: progress.update(task, advance=1, found=len(harvest.found)))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

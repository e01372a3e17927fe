"""`wattline doctor`: how good meters are, and what would make them better."""

import asyncio
import fnmatch
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from wattline.cli.counted import counted
from wattline.cli.number import Number
from wattline.errors import Misconfigured

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from wattline.doctor.observed import Observed
    from wattline.doctor.verdict import Verdict
    from wattline.runtime.site import MeterConfig

EXIT_DEAD: Final = 1
LIVE, STORED = 60.0, 3600.0
_COLOURS: Final = {"A": "bold green", "B": "green", "C": "yellow", "D": "red", "E": "red", "-": "bold red"}


@click.command(short_help="Say how good meters are, and what would make them better.")
@click.argument("meters", nargs=-1, metavar="[METER]...")
@click.option("--config", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A site's file: all its meters, or those named.")  # fmt: skip
@click.option("--data", "directory", type=click.Path(file_okay=False, path_type=Path),
              help="Look into the store in this folder, and ask no meter.")  # fmt: skip
@click.option("--seconds", type=Number(1, 31_557_600), help="How long to look.  [default: 60; --data: 3600]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def doctor(
    meters: tuple[str, ...], file: Path | None, directory: Path | None, seconds: float | None, as_json: bool
) -> None:
    """Say how good meters are: from A (every joule is counted) to E (no measurement), why, and what mends it.

    METER is an address, or with --config the name of a meter (with * and ?). Each is read for a while, several times
    as often as its period says, for what its answers show: how long they take, how often the device renews its values
    and in which steps, whether its register agrees with its power, when it wraps, whether its clock is right.

    \b
    Examples:
      wattline doctor snmp://public@pdu-1/                  one meter, for a minute
      wattline doctor --config site.yaml --seconds 300      all meters of a site
      wattline doctor --config site.yaml 'pdu-*'
      wattline doctor --data ~/.local/state/wattline        what is stored of the last hour, device by device
      wattline doctor --data /srv/energy 'rack-1/*' --seconds 86400 --json

    The exit status is 1 when a meter does not answer. docs/howto/know-your-meters.md explains the grades.
    """  # noqa: D301 - click wants the character itself
    from wattline.doctor.verdict import NONE, verdict

    if directory is not None:
        if file is not None:
            raise click.UsageError("--config asks the meters, --data the store: give one of them")
        seen = _stored(directory, meters, seconds or STORED)
    elif file is None and not meters:
        raise click.UsageError("name a meter: an address, --config site.yaml, or --data for what is stored")
    else:
        seen = _watched(_chosen(file, meters), seconds or LIVE)
    verdicts = [verdict(one) for one in seen]
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode([_plain(one) for one in verdicts])).decode())
    else:
        _show(verdicts)
    if any(one.grade == NONE for one in verdicts):
        sys.exit(EXIT_DEAD)


def _chosen(file: Path | None, names: Sequence[str]) -> "list[MeterConfig]":
    """Return the meters that are named by address, and those of a file that are named by name: all, where none is."""
    from wattline.runtime.config import load, meter_from_url, named_apart
    from wattline.runtime.registry import Registry

    registry = Registry.installed()
    chosen = [meter_from_url(name, registry) for name in names if "://" in name]
    globs = [name for name in names if "://" not in name]
    if globs and file is None:
        raise Misconfigured(f"{globs[0]!r} is no address such as snmp://public@pdu-1/; a name needs --config")
    if file is not None:
        site = load(file, registry)
        found = [one for one in site.meters if not globs or any(fnmatch.fnmatchcase(one.name, g) for g in globs)]
        if not found and (globs or not chosen):
            some = ", ".join(one.name for one in site.meters[:10]) or "it has no meter"
            raise Misconfigured(f"{file} has no meter {' '.join(globs)}: {some}".replace("  ", " "))
        chosen += found if globs or not chosen else []
    return list(named_apart(chosen))


def _watched(meters: "Sequence[MeterConfig]", seconds: float) -> "list[Observed]":
    """Watch meters; an interruption ends it early, and what was seen counts."""
    from wattline.doctor.watch import Watch, watch
    from wattline.runtime.discreet import guard_log
    from wattline.runtime.registry import Registry
    from wattline.runtime.ticks import SystemClock

    registry, clock = Registry.installed(), SystemClock()
    guard_log()
    watches: list[Watch] = [Watch(meter, registry, clock) for meter in meters]
    with _bar(f"watching {counted(len(watches), 'meter')}", int(seconds)) as second:
        try:
            asyncio.run(watch(watches, seconds, second))
        except KeyboardInterrupt:
            click.echo("interrupted: this is what was seen until then", err=True)
    return [one.observed() for one in watches]


def _stored(directory: Path, names: Sequence[str], seconds: float) -> "list[Observed]":
    """Read the last `seconds` that the store has."""
    from wattline.cli.store import opened
    from wattline.doctor.history import observe_store
    from wattline.units import NANOSECONDS

    with opened(directory, is_new=None) as (_, store):
        newest = max((time for time, _ in store.last(0).values()), default=0)
        with _bar("reading the store", None) as device:
            start = max(0, newest + 1 - round(seconds * NANOSECONDS))
            found = observe_store(store, names, start, newest + 1, device)
    if not found:
        named = f" whose name is like {' or '.join(names)}" if names else ""
        raise Misconfigured(f"the store in {directory} has no device with power or energy{named}")
    return found


@contextmanager
def _bar(words: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Show how work goes on, if there is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(words, total=total)
        yield lambda: progress.update(task, advance=1)


def _show(verdicts: "Sequence[Verdict]") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(_table(verdicts))
    for one in verdicts:
        for line in _reasons(one):
            console.print(line)


def _table(verdicts: "Sequence[Verdict]") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("meter", "grade"):
        table.add_column(name, overflow="fold")
    for name in ("median", "p99", "refresh", "steps of", "register", "clock"):
        table.add_column(name, justify="right")
    for one in verdicts:
        grade = f"[{_COLOURS[one.grade]}]{one.grade}[/]"
        table.add_row(escape(one.seen.meter), grade, *_figures(one))
    return table


def _figures(one: "Verdict") -> tuple[str, ...]:
    """Return the cells of a meter; of several devices the slowest and the coarsest speak."""
    from wattline.doctor.verdict import seconds

    told = one.figures
    middle, late = (f"{latency * 1000:,.1f} ms" for latency in told.latency) if told.latency else ("", "")
    renewed = [fresh for s in told.sources if (fresh := s.refresh or s.register_refresh) is not None]
    slowest = max(renewed, key=lambda fresh: fresh.period, default=None)
    refresh = f"{'≤ ' if slowest.at_most else ''}{seconds(slowest.period)}" if slowest else ""
    coarsest = max((s.resolution for s in told.sources if s.resolution), default=None)
    registers = [s for s in told.sources if s.register is not None]
    register = f"{len(registers)} of {len(told.sources)}" if len(told.sources) > 1 else "yes" if registers else ""
    if any(s.agreement and not s.agreement.agrees for s in registers):
        register = "disagrees"
    elif registers and all(s.agreement and s.agreement.agrees for s in registers):
        register += ", agrees"
    quiet = "not seen" if told.sources else ""
    return (
        middle, late, refresh or quiet, f"{coarsest:.3g} W" if coarsest else quiet,
        register or ("none" if told.sources else ""),
        "" if told.offset is None else f"{told.offset * 1000:+,.0f} ms",
    )  # fmt: skip


def _reasons(one: "Verdict") -> "Iterator[RenderableType]":
    from rich.padding import Padding
    from rich.text import Text

    yield Text(one.seen.meter, style="bold")
    if not one.findings:
        yield Padding(Text("nothing to mend", style="dim"), (0, 0, 0, 2))
    for found in one.findings:
        more = f" ({found.devices} devices)" if found.devices > 1 else ""
        noted = found.grade == "A"
        line = Text("· " if noted else f"{found.grade} ", style="dim" if noted else _COLOURS[found.grade])
        line.append(f"{found.said}{more}", style="default")
        if found.mend:
            line.append(f": {found.mend}", style="cyan")
        yield Padding(line, (0, 0, 0, 2))


def _plain(one: "Verdict") -> dict[str, Any]:
    """Return a verdict as JSON has it: seconds, watts, joules; null where nothing shows it."""
    seen, told = one.seen, one.figures
    return {
        "meter": seen.meter,
        "driver": seen.driver,
        "address": seen.address,
        "grade": None if one.grade == "-" else one.grade,
        "every": seen.every,
        "asked": seen.asked,
        "failed": seen.failed,
        "latency_p50": told.latency and told.latency[0],
        "latency_p99": told.latency and told.latency[1],
        "clock_offset": told.offset,
        "findings": [
            {"kind": f.kind, "grade": f.grade, "said": f.said, "mend": f.mend, "devices": f.devices}
            for f in one.findings
        ],
        "devices": [
            {
                "device": source.device,
                "watts": source.watts,
                "refresh": source.refresh and source.refresh.period,
                "refresh_at_most": source.refresh and source.refresh.at_most,
                "resolution": source.resolution,
                "window": source.window,
                "register": source.register and source.register.series.metric.name,
                "register_step": source.register_step,
                "register_agrees": source.agreement and source.agreement.agrees,
                "register_ratio": source.agreement and source.agreement.ratio,
                "estimate": source.estimate,
            }
            for source in told.sources
        ],
    }

"""`wattline load FILE`: history from a file into the store."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wattline.cli.counted import counted
from wattline.cli.store import FILE, moment, opened, size, with_data
from wattline.errors import Misconfigured
from wattline.exchange.formats import Format, format_of
from wattline.model import Kind
from wattline.runtime.ticks import SystemClock
from wattline.units import NANOSECONDS, parse_unit

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from wattline.exchange.load import Checked, Loaded
    from wattline.plugin import Store

STDIN = "-"


@click.command(short_help="Load samples from Parquet, Arrow, CSV or NDJSON files.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@with_data
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in Format]),
    help="Format; without it, the file's ending says.",
)
@click.option("--unit", "units", multiple=True, metavar="[METRIC=]UNIT", help="Unit of values whose file says none.")
@click.option("--kind", "kinds", multiple=True, metavar="[METRIC=]KIND",
              help=f"Kind of metrics whose file says none: {', '.join(Kind)}. Without it: unknown.")  # fmt: skip
@click.option("--device", default="", help="Device of all rows, where there is no column for it.")
@click.option("--metric", default="", help="Metric of all rows, where there is no column for it.")
@click.option("--time-unit", type=click.Choice(["s", "ms", "us", "ns"]), default="s", show_default=True,
              help="What times that are numbers count, since the epoch.")  # fmt: skip
@click.option("--utc", is_flag=True, help="Take times without an offset as UTC; they are bad rows otherwise.")
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out and count them, rather than store nothing.")
@click.option("--check", "only_check", is_flag=True, help="Check the file and store nothing.")
def load(
    *, file: str, directory: Path, form: str | None, units: tuple[str, ...], kinds: tuple[str, ...], device: str,
    metric: str, time_unit: str, utc: bool, skip_bad: bool, only_check: bool,
) -> None:  # fmt: skip
    """Load samples from FILE (`-`: standard input) into the store.

    A file has one row a sample, with the columns time, device, metric and value, and as far as it has them labels (a
    JSON object), text (of a state), unit, kind, run, and what else `wattline dump` writes. Times are ISO 8601 with
    offset, or numbers since the epoch. The ending tells the format: .parquet .arrow .csv .ndjson, the last two also
    compressed: .csv.gz .csv.zst.

    The whole file is checked first. A bad row is named with its number and the reason, and nothing of the file is
    stored. A load that was interrupted can be run again: nothing is stored twice.

    Without unit and kind a metric is `unknown`, and no energy is computed from it.

    \b
    Examples:
      wattline load history.parquet
      wattline load pdu.csv --unit W --kind gauge
      wattline load meters.csv.gz --unit power=kW --kind power=gauge --unit total=kWh --kind total=counter
      wattline load old.csv --device rack-1 --metric power_watts --time-unit ms --skip-bad
      zcat all.ndjson.gz | wattline load - --format ndjson
    """  # noqa: D301 - click wants the character itself
    from wattline.exchange import load as exchange
    from wattline.exchange.form import Assumed

    chosen = _chosen(file, form)
    assumed = Assumed(_named(units), _named(kinds), device, metric, time_unit, utc)
    _check_words(assumed.units, assumed.kinds)
    clock = SystemClock()
    began, grown, is_new = clock.monotonic(), 0, True
    with _on_disk(file) as path, bars() as progress:
        tell = follow(progress)
        is_there = not only_check or (directory / FILE).exists()
        with opened(directory, is_new=True) if is_there else nullcontext() as given:
            held = given[1].entries() if given else ()
            checked = exchange.check(path, chosen, assumed, held, tell, skip_bad=skip_bad)
            if given and not only_check:
                grown, is_new = _store(*given, checked, tell)
    seconds = (clock.monotonic() - began) / NANOSECONDS
    verb = "checked" if only_check else "loaded" if is_new else "nothing new: the store had all of"
    _summarise(checked.loaded, verb, seconds, grown)


def _chosen(file: str, form: str | None) -> Format:
    if form:
        return Format(form)
    if file == STDIN:
        raise click.UsageError("standard input has no ending that tells the format: say --format")
    return format_of(file)


def _store(
    runner: asyncio.Runner, store: "Store[Any]", checked: "Checked", tell: Callable[[str, float, int], None]
) -> tuple[int, bool]:
    """Store what was checked; return by how many bytes the store grew, and whether anything of it was new."""
    from wattline.exchange.load import store as stored

    octets, samples = (int(store.statistics()[name]) for name in ("bytes", "samples"))
    runner.run(stored(checked, store, tell))
    if settle := getattr(store, "settle", None):  # a store with housekeeping: what it grew by is what stays
        tell("settling", 0.0, checked.loaded.rows)
        runner.run(settle())
    octets_now, samples_now = (int(store.statistics()[name]) for name in ("bytes", "samples"))
    return octets_now - octets, samples_now > samples or not checked.loaded.rows


def _named(given: Sequence[str]) -> dict[str, str]:
    """Read `[METRIC=]WORD`; without a metric it is said of all others."""
    pairs = (one.rpartition("=") for one in given)
    return {metric: word for metric, _, word in pairs}


def _check_words(units: Mapping[str, str], kinds: Mapping[str, str]) -> None:
    for text in units.values():
        try:
            parse_unit(text)
        except Misconfigured as error:
            raise click.BadParameter(str(error), param_hint="--unit") from error
    for text in kinds.values():
        if text not in list(Kind):
            raise click.BadParameter(f"{text!r} is no kind ({', '.join(Kind)})", param_hint="--kind")


@contextmanager
def _on_disk(file: str) -> Iterator[Path]:
    """Give the path of a file; what comes through standard input is kept, for it is read twice."""
    if file != STDIN:
        yield Path(file)
        return
    with tempfile.NamedTemporaryFile(prefix="wattline-load-") as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.flush()
        yield Path(kept.name)


def bars() -> "Progress":
    """Return bars on standard error; none where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:>8}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f} a second"), TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=Console(stderr=True), transient=True)


def follow(progress: "Progress") -> Callable[[str, float, int], None]:
    """Return what shows the stages of a job as bars: told the stage, the share that is done, and the rows so far."""
    stages: dict[str, TaskID] = {}

    def tell(stage: str, done: float, rows: int) -> None:
        if stage not in stages:
            stages[stage] = progress.add_task(stage, total=1.0, rows=0, rate=0.0)
        task = stages[stage]
        elapsed = progress.tasks[task].elapsed or 0.0
        progress.update(task, completed=done, rows=rows, rate=rows / elapsed if elapsed else 0.0)

    return tell


def summary(verb: str, rows: int, series: int, span: tuple[int | None, int | None], seconds: float) -> str:
    """Return what was done, in a line: how many samples of what time, and how fast."""
    first, last = span
    when = f" from {moment(first)} to {moment(last)}" if first is not None else ""
    rate = f", {rows / seconds:,.0f} a second" if seconds > 0 else ""
    return f"{verb} {counted(rows, 'sample')} of {series:,} series{when} in {seconds:.1f} s{rate}"


def _summarise(loaded: "Loaded", verb: str, seconds: float, grown: int) -> None:
    line = summary(verb, loaded.rows, loaded.series, (loaded.first, loaded.last), seconds)
    if grown > 0 and loaded.rows:
        line += f"; the store grew by {size(grown)}, {grown / loaded.rows:.2f} B a sample"
    click.echo(line)
    if loaded.bad:
        click.echo(f"left out {counted(loaded.bad, 'bad row')}, such as:", err=True)
        for row, reason in loaded.examples:
            click.echo(f"  row {row}: {reason}", err=True)

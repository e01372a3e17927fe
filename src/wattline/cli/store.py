"""`wattline store stats|verify|compact`: look into a store and keep it in order."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from wattline.cli.counted import counted
from wattline.errors import Misconfigured, Refused
from wattline.plugin import Store
from wattline.runtime.registry import Registry
from wattline.runtime.site import state_directory
from wattline.units import NANOSECONDS

STORE: Final = "sqlite"
FILE: Final = "wattline.sqlite"
EXIT_DAMAGED: Final = 1
_BYTES: Final = {
    "bytes_chunks": "bytes in chunks",
    "bytes_staged": "bytes staged",
    "bytes_rollups": "bytes in roll-ups",
    "bytes_free": "bytes free",
}
"""What the parts of a store's size are called."""


class Step(Protocol):
    """What the generators `verify()` and `compact()` of a store yield: how far they are, and lines for people.

    A line of `verify` names one damage; no line means that all is sound.
    """

    @property
    def done(self) -> int:
        """Return how much is done."""

    @property
    def total(self) -> int:
        """Return how much there is to do."""

    @property
    def lines(self) -> Sequence[str]:
        """Return what there is to say of this step."""


with_data = click.option(
    "--data",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=state_directory,
    envvar="WATTLINE_DATA",
    show_envvar=True,
    help=f"Folder of the store, which is the file {FILE} in it.  [default: ~/.local/state/wattline]",
)


@click.group(short_help="Look into the store: stats, verify, compact.")
def store() -> None:
    """Look into the store, while others write to it or not.

    \b
    Examples:
      wattline store stats                       how much is stored, and in how many bytes
      wattline store verify --data /srv/energy   read all that is stored and check it
      wattline store compact                     merge late data, give free pages back
    """  # noqa: D301 - click wants the character itself


@store.command(short_help="Print how much is stored, and in how many bytes.")
@with_data
def stats(directory: Path) -> None:
    """Print how much is stored, from when to when, and where the bytes are."""
    with opened(directory, is_new=None) as (_, kept):
        figures = dict(kept.statistics())
    Console().print(_table(directory / FILE, figures))


@store.command(short_help="Read all that is stored and check it.")
@with_data
def verify(directory: Path) -> None:
    """Read all that is stored and check it; the exit status is 1 when something is damaged, which is then listed."""
    with opened(directory, is_new=None) as (_, kept):
        damage = _follow(_housekeeping(kept, "verify"), "verifying")
    for line in damage:
        click.echo(line)
    if damage:
        click.echo(f"{directory / FILE} is damaged in {counted(len(damage), 'place')}", err=True)
        sys.exit(EXIT_DAMAGED)
    click.echo(f"{directory / FILE} is sound")


@store.command(short_help="Merge late data, and give free pages back.")
@with_data
def compact(directory: Path) -> None:
    """Fold what is staged, merge late data, and give free pages back to the file system."""
    with opened(directory, is_new=False) as (_, kept):
        before = int(kept.statistics()["bytes"])
        for line in _follow(_housekeeping(kept, "compact"), "compacting"):
            click.echo(line)
        after = int(kept.statistics()["bytes"])
    click.echo(f"{directory / FILE}: {size(before)} before, {size(after)} now")


@contextmanager
def opened(directory: Path, *, is_new: bool | None) -> Iterator[tuple[asyncio.Runner, Store[Any]]]:
    """Open the store in a directory, with the event loop that it lives in.

    `is_new`: True makes a store where there is none, False and None refuse to, and None opens it for reading alone.
    """
    path = directory / FILE
    if not is_new and not path.exists():
        raise Misconfigured(f"there is no store in {directory} (no {path}); `wattline up` and `wattline load` make one")
    kind = Registry.installed().store(STORE)
    options: dict[str, Any] = {"path": str(path)}
    if is_new is None and "read_only" in kind.Config.__struct_fields__:
        options["read_only"] = True
    kept = kind(kind.Config(**options))
    with asyncio.Runner() as runner:
        runner.run(kept.open())
        try:
            yield runner, kept
        finally:
            runner.run(kept.close())


def size(count: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.2f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"


def moment(time: int | None) -> str:
    """Return a time in ns for people, in UTC."""
    return "-" if time is None else datetime.fromtimestamp(time / NANOSECONDS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _housekeeping(kept: Store[Any], name: str) -> Iterator[Step]:
    found: Callable[[], Iterator[Step]] | None = getattr(kept, name, None)
    if found is None:
        raise Refused(f"a store of this kind has nothing to {name}")
    return found()


def _follow(steps: Iterator[Step], words: str) -> list[str]:
    """Show how a generator of steps goes on, and return the lines that it has for people."""
    lines: list[str] = []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(words, total=None)
        for step in steps:
            progress.update(task, completed=step.done, total=step.total)
            lines += step.lines
    return lines


def _table(path: Path, figures: dict[str, int | float | str]) -> Table:
    table = Table(title=str(path), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("B/sample", justify="right")
    samples = int(figures.get("samples", 0))
    for name, value in figures.items():
        words, ratio = name.replace("_", " "), ""
        if name in ("oldest", "newest"):
            shown = moment(int(value))
        elif name.startswith("bytes"):
            shown, ratio = size(float(value)), f"{float(value) / samples:.3f}" if samples else ""
            words = _BYTES.get(name, words)
        else:
            shown = f"{value:,}" if isinstance(value, int) else str(value)
        table.add_row(words, shown, ratio)
    return table

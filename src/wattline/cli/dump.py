"""`wattline dump FILE`: history from the store into a file."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from wattline.cli.load import bars, follow, summary
from wattline.cli.store import opened, with_data
from wattline.errors import Malformed
from wattline.exchange.formats import Format, compression_of, format_of
from wattline.runtime.ticks import SystemClock
from wattline.units import NANOSECONDS

STDOUT = "-"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Moment(click.ParamType[int]):
    """A time on the command line, as ns since the epoch."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ISO 8601, in UTC unless it has an offset, or seconds since the epoch; a date is its midnight."""
        from wattline.exchange.figures import instant

        if isinstance(value, int):
            return value
        try:
            return instant(f"{value}T00:00" if _DATE.fullmatch(str(value)) else str(value), naive=True)
        except Malformed:
            self.fail(f"{value!r} is neither ISO 8601 nor seconds since the epoch", param, ctx)


@click.command(short_help="Write samples to Parquet, Arrow, CSV or NDJSON.")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@with_data
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in Format]),
    help="Format; without it, the file's ending says.",
)
@click.option("--device", "devices", multiple=True, metavar="GLOB", help="Devices to dump; may be repeated.")
@click.option("--metric", "metrics", multiple=True, metavar="GLOB", help="Metrics to dump; may be repeated.")
@click.option(
    "--start", type=Moment(), help="First instant: ISO 8601, without an offset UTC, or seconds since the epoch."
)
@click.option("--end", type=Moment(), help="First instant that is left out.")
@click.option("--plain", is_flag=True, help="Only the columns time, device, metric, value and labels.")
@click.option("--force", is_flag=True, help="Replace the file where there is one.")
def dump(
    *, file: str, directory: Path, form: str | None, devices: tuple[str, ...], metrics: tuple[str, ...],
    start: int | None, end: int | None, plain: bool, force: bool,
) -> None:  # fmt: skip
    """Write samples to FILE (`-`: standard output), by time, then device and metric.

    One row a sample: time, device, metric, value, labels and, without --plain, unit, kind, run and what else describes
    the series. `wattline load` reads all of it again, to the last bit: in CSV and NDJSON a value is the shortest
    decimal that reads back as the same float64, or NaN, +Inf or -Inf (quoted in NDJSON); the value of a state is
    empty, and the column text has its text. (Only the payload bits of a NaN need Parquet or Arrow.)

    \b
    Examples:
      wattline dump history.parquet
      wattline dump rack-1.csv.gz --device "rack-1/*" --metric "power_*" --start 2026-11-01
      wattline dump - --format ndjson --plain | head
    """  # noqa: D301 - click wants the character itself
    from wattline.exchange import dump as exchange

    chosen = Format(form) if form else (format_of(file) if file != STDOUT else None)
    if chosen is None:
        raise click.UsageError("standard output has no ending that tells the format: say --format")
    if file != STDOUT and Path(file).is_file() and not force:
        raise click.UsageError(f"{file} is there already: --force replaces it")
    selection = exchange.Selection(devices, metrics, start, end, plain)
    clock = SystemClock()
    began = clock.monotonic()
    with opened(directory, is_new=None) as (_, store), bars() as progress, _written(file) as out:
        dumped = exchange.dump(store, chosen, out, selection, follow(progress))
    seconds = (clock.monotonic() - began) / NANOSECONDS
    click.echo(summary("dumped", dumped.rows, dumped.series, (dumped.first, dumped.last), seconds), err=True)


@contextmanager
def _written(file: str) -> Iterator[Any]:
    """Open what is written to; a file appears under its name when it is whole."""
    import pyarrow as pa

    if file == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if Path(file).exists() and not Path(file).is_file():  # a pipe or a device is written to, never replaced
        with Path(file).open("wb") as raw:
            yield raw
        return
    part = Path(f"{file}.part")
    try:
        with part.open("wb") as raw:
            packed = compression_of(file)
            if packed:
                with pa.CompressedOutputStream(raw, packed) as out:
                    yield out
            else:
                yield raw
        _sync(part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until the disk has the file."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)

"""`wattline read URL`: one poll of a meter, as a table or as JSON."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec
import numpy as np
from msgspec import Struct
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wattline.cli.counted import counted
from wattline.cli.number import Number
from wattline.core.address import hide_password
from wattline.errors import Unreachable, WattlineError
from wattline.plugin import Driver, Frame, Kind, Polled, Streamed
from wattline.runtime.config import meter_from_url
from wattline.runtime.discreet import guard_log, keep_quiet
from wattline.runtime.failure import scrub
from wattline.runtime.meters import hidden
from wattline.runtime.registry import Registry
from wattline.runtime.ticks import Clock, SystemClock

EXIT_FAILED = 1


class Reading(Struct, frozen=True):
    """One value of an answer; a text where the metric is a state."""

    device: str
    metric: str
    labels: dict[str, Any]
    value: float | str
    unit: str
    kind: str
    estimated: str


class Answer(Struct, frozen=True):
    """What one poll gave. `latency` in seconds, from asking to having it decoded."""

    meter: str
    driver: str
    latency: float
    values: list[Reading]


@click.command(short_help="Read a meter once and print what it says.")
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--timeout",
    type=Number(0, 3600, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds to wait for the answer.",
)
def read(url: str, as_json: bool, timeout: float) -> None:
    """Read a meter once and print what it says, with the time that it took.

    \b
    Examples:
      wattline read snmp://public@pdu-1/
      wattline read 'prometheus://node-7:9100/metrics/node_hwmon_*' --json
      wattline read rapl://
      wattline read 'sim://rack?servers=2'

    The exit status is 1, with a plain reason, when the meter cannot be read.
    """  # noqa: D301 - click wants the character itself
    try:
        answer = asyncio.run(_ask(url, timeout))
    except WattlineError as error:
        shown = hide_password(url)
        click.echo(f"{shown} cannot be read: {str(error).removeprefix(f'{shown}: ')}", err=True)
        sys.exit(EXIT_FAILED)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
    else:
        _show(answer)


async def _ask(text: str, patience: float) -> Answer:
    registry = Registry.installed()
    meter = meter_from_url(text, registry)
    guard_log()
    keep_quiet(hidden(meter))
    driver = registry.driver(meter.driver)(meter.options)
    clock = SystemClock()
    try:
        async with asyncio.timeout(patience):
            await driver.open()
            began = clock.monotonic()
            frames = await _frames(driver, clock)
            latency = (clock.monotonic() - began) / 1e9
    except TimeoutError as error:
        if isinstance(driver, Streamed):
            raise Unreachable(
                f"nothing was sent within {patience:g} s; it speaks when it likes: wait longer with --timeout"
            ) from error
        raise Unreachable(f"no answer within {patience:g} s") from error
    except WattlineError as error:
        raise Unreachable(scrub(str(error), hidden(meter))) from error
    finally:
        await driver.close()
    return Answer(
        meter.address or meter.name,
        meter.driver,
        latency,
        [reading for frame in frames for reading in _readings(frame)],
    )


async def _frames(driver: Driver[Any], clock: Clock) -> Sequence[Frame]:
    if isinstance(driver, Polled):
        return await driver.read(clock.now())
    assert isinstance(driver, Streamed)
    async for frames in driver.stream():
        return frames
    raise Unreachable("the meter closed without a word")


def _readings(frame: Frame) -> list[Reading]:
    values = np.atleast_2d(frame.values)[-1]
    present = np.ones(len(values), bool) if frame.present is None else np.atleast_2d(frame.present)[-1]
    found = []
    for i in np.flatnonzero(present):
        series, column = frame.layout.series[i], frame.layout.columns[i]
        number = float(values[i])
        value = frame.texts[int(i)][int(number)] if series.metric.kind is Kind.STATE else number
        found.append(
            Reading(
                series.device,
                series.metric.name,
                series.label_values(),
                value,
                series.metric.unit,
                series.metric.kind,
                column.estimate,
            )
        )
    return found


def _show(answer: Answer) -> None:
    console = Console(highlight=False)
    head = (
        f"{answer.meter}  ({answer.driver}, {counted(len(answer.values), 'value')} in {answer.latency * 1000:.1f} ms)"
    )
    console.print(escape(head), style="bold", soft_wrap=True)
    if answer.values:
        console.print(_table(answer))
    for estimate in dict.fromkeys(one.estimated for one in answer.values if one.estimated):
        console.print(f"estimated: {escape(estimate)}", style="dim", soft_wrap=True)


def _table(answer: Answer) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    labelled = any(one.labels for one in answer.values)
    table.add_column("device", overflow="fold")
    table.add_column("metric", overflow="fold")
    if labelled:
        table.add_column("labels", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("kind")
    for one in answer.values:
        value = one.value if isinstance(one.value, str) else f"{one.value:.12g}"
        labels = [", ".join(f"{name}={text}" for name, text in one.labels.items())] if labelled else []
        kind = f"{one.kind}, estimated" if one.estimated else one.kind
        table.add_row(*map(escape, (one.device, one.metric, *labels, value, one.unit, kind)))
    return table

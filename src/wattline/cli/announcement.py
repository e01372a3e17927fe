"""What `wattline up` says when it has begun: where it answers, which meters speak, and why the others do not."""

import asyncio
import socket
from collections import Counter
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape

from wattline import __version__
from wattline.cli.counted import counted
from wattline.core.address import hide_password
from wattline.runtime.engine import Engine
from wattline.runtime.health import MeterHealth, Silent, Speaking, Waiting

_FIRST_ANSWERS: Final = 3.0
"""Seconds after which it is said what answers and what does not."""
_LOOK: Final = 0.05
_FEW: Final = 20
"""So many meters are told one by one; of more, those that speak are counted, and so many others are named."""
_COLOURS: Final = {"speaking": "green", "waiting": "yellow", "silent": "red", "optional": "dim"}


def say_where(console: Console, engine: Engine, listener: socket.socket) -> None:
    """Print where the pages are and where the store is."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    console.print(f"[bold]Wattline {__version__}[/bold] answers on [bold]http://{shown}:{port}[/bold]")
    console.print(f"The store is in {escape(str(engine.site.data))}. Ctrl-C stops.")


async def say_meters(console: Console, engine: Engine, unread: Sequence[str], stop: asyncio.Event) -> None:
    """Print how the meters do as soon as each has spoken or failed, after three seconds in any case.

    `unread`: reasons why sensors of this host are left out.
    """
    optional = frozenset(meter.name for meter in engine.site.meters if meter.optional)
    if not await _first_answers(engine, optional, stop):
        return
    for line in meter_lines(engine.health.meters(), optional):
        console.print(line)
    for reason in unread:
        console.print(f"  [dim]not read[/dim] {escape(hide_password(reason))}")
    if not engine.site.meters:
        console.print("  There is no meter yet; add one with --meter URL, or see `wattline up --demo`.")


def meter_lines(meters: Sequence[MeterHealth], optional: frozenset[str]) -> list[str]:
    """Return a line of rich's markup for each meter; with many, a count for those of which nothing is to be said."""
    told = [(_word(meter, optional), meter) for meter in meters]
    if len(told) <= _FEW:
        return [_line(word, meter) for word, meter in told]
    lines = []
    for word in ("speaking", "optional"):
        drivers = Counter(meter.driver for said, meter in told if said == word)
        if drivers:
            devices = len({name for said, meter in told if said == word for name in meter.devices})
            of = ", ".join(f"{count} {driver}" for driver, count in drivers.most_common())
            means = counted(devices, "device") if word == "speaking" else "read while promoted"
            lines.append(_marked(word, f"{counted(drivers.total(), 'meter')} ({of}): {means}"))
    others = [(word, meter) for word, meter in told if word in {"waiting", "silent"}]
    lines += [_line(word, meter) for word, meter in others[:_FEW]]
    if len(others) > _FEW:
        lines.append(f"  and {len(others) - _FEW} more without an answer: see the page Meters")
    return lines


def _word(meter: MeterHealth, optional: frozenset[str]) -> str:
    match meter.state:
        case Silent():
            return "silent"
        case Waiting():
            return "optional" if meter.name in optional else "waiting"
        case Speaking():
            return "speaking"


def _line(word: str, meter: MeterHealth) -> str:
    name = f"{escape(meter.name)} [dim]{escape(meter.address)}[/dim]"
    match meter.state:
        case Silent(error=error):
            return _marked(word, f"{name}: {escape(error)}")
        case Waiting():
            return _marked(word, f"{name}: {'read while promoted' if word == 'optional' else 'no answer yet'}")
        case Speaking():
            often = "" if meter.period is None else f" every {meter.period:g} s"
            return _marked(word, f"{name}: {counted(len(meter.devices), 'device')}{often}")


def _marked(word: str, text: str) -> str:
    return f"  [{_COLOURS[word]}]{word:8}[/{_COLOURS[word]}] {text}"


async def _first_answers(engine: Engine, optional: frozenset[str], stop: asyncio.Event) -> bool:
    """Wait until no meter is waiting, or long enough; False: the program stops."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _FIRST_ANSWERS
    while not stop.is_set() and loop.time() < until:
        meters = engine.health.meters()
        if meters and not any(_word(meter, optional) == "waiting" for meter in meters):
            break
        await asyncio.sleep(_LOOK)
    return not stop.is_set()

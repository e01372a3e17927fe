"""Plugins that fail on purpose, by script: what a runtime must bear, in a test that says when.

A script is words with `*N` for repetition; the last word goes on for ever:

    take*3 refuse*10 take           a sink that fails ten times after its third batch of batches
    answer*5 silent answer          a meter that misses one poll
"""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import ClassVar, Final

import numpy as np

from wattline.plugin import (
    Batch,
    Column,
    Config,
    DriverConfig,
    Frame,
    Gone,
    Kind,
    Layout,
    Malformed,
    Metric,
    Misconfigured,
    Polled,
    Series,
    Sink,
    Unit,
    Unreachable,
)

ERRORS: Final = {"refuse": Unreachable, "garble": Malformed, "misconfigure": Misconfigured, "leave": Gone}
"""Words that raise an error on purpose."""
READS: Final = ("answer", "silent", "bug", *ERRORS)
WRITES: Final = ("take", "lose", "hang", "bug", *ERRORS)


def words(script: str, known: Sequence[str]) -> Iterator[str]:
    """Yield the words of a script, the last for ever. Raises Misconfigured: a word is not `known`."""
    steps = []
    for step in script.split():
        word, _, times = step.partition("*")
        if word not in known or not (times or "1").isdecimal():
            raise Misconfigured(f"{step!r} is no step of a script: {', '.join(known)}, each perhaps with *N")
        steps.append((word, int(times or 1)))
    if not steps:
        raise Misconfigured("a script needs a word")
    return chain(chain.from_iterable(repeat(word, times) for word, times in steps), repeat(steps[-1][0]))


class ScriptSinkConfig(Config, frozen=True, kw_only=True):
    """What the sink does, one word for each `write`."""

    script: str = "take"


class ScriptSink(Sink[ScriptSinkConfig]):
    """Keeps in `taken` what it acknowledged, and follows its script for the rest.

    `take` acknowledges; `lose` takes and then fails, as a network does whose answer is lost; `hang` waits until it is
    cancelled; `bug` raises what no plugin should; the words of `ERRORS` raise theirs.
    """

    Config: ClassVar[type[Config]] = ScriptSinkConfig
    summary: ClassVar[str] = "fails on purpose, by script, for tests"

    def __init__(self, config: ScriptSinkConfig | None = None) -> None:
        super().__init__(config or ScriptSinkConfig())
        self._words = words(self.config.script, WRITES)
        self.taken: list[Batch] = []
        self.asked = 0
        self._names: set[tuple[str, int, int]] = set()

    async def write(self, batches: Sequence[Batch]) -> None:
        """Do the next word of the script; batches that were taken before are taken again without effect."""
        self.asked += 1
        word = next(self._words)
        if word == "hang":
            await asyncio.Event().wait()
        if word in ("take", "lose"):
            self._take(batches)
        if word == "lose":
            raise Unreachable("the answer was lost, as the script says")
        if word in ERRORS:
            raise ERRORS[word](f"the sink fails on purpose: {word}")
        if word == "bug":
            raise RuntimeError("a bug of the sink, as the script says")

    def _take(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            name = (batch.source, batch.run, batch.sequence)
            if batch.sequence and name in self._names:
                continue
            self._names.add(name)
            self.taken.append(batch)


class ScriptConfig(DriverConfig, frozen=True, kw_only=True):
    """What the meter does, one word for each `read`."""

    script: str = "answer"
    series: int = 1


class Script(Polled[ScriptConfig]):
    """Answers with the number of its reading as watts, or fails; opened and closed are counted.

    `answer` gives a frame; `silent` waits until it is cancelled; `bug` raises what no plugin should; the words of
    `ERRORS` raise theirs.
    """

    Config: ClassVar[type[DriverConfig]] = ScriptConfig
    summary: ClassVar[str] = "a meter that fails on purpose, by script, for tests"
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("power_watts", Unit.WATT, Kind.GAUGE, "Number of the reading"),)
    example: ClassVar[str] = "script://?script=answer*5+silent+answer"

    def __init__(self, config: ScriptConfig | None = None) -> None:
        super().__init__(config or ScriptConfig())
        self._words = words(self.config.script, READS)
        self.opened = self.closed = self.reads = 0

    async def open(self) -> Sequence[Layout]:
        """Return the one layout."""
        self.opened += 1
        name = self.config.device or "script"
        series = [Series.of(name, self.metrics[0], {"n": str(i)} if i else None) for i in range(self.config.series)]
        self._layout = Layout.of(series, [Column(resolution=1.0)] * len(series))
        return [self._layout]

    async def read(self, now: int) -> Sequence[Frame]:
        """Do the next word of the script."""
        self.reads += 1
        word = next(self._words)
        if word == "silent":
            await asyncio.Event().wait()
        if word in ERRORS:
            raise ERRORS[word](f"the meter fails on purpose: {word}")
        if word == "bug":
            raise RuntimeError("a bug of the driver, as the script says")
        return [Frame(self._layout, np.full(self.config.series, float(self.reads)))]

    async def close(self) -> None:
        """Count."""
        self.closed += 1

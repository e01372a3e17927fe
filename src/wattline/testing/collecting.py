"""A program that collects, as a process of its own: `wattline collect`, or one under an older system's name.

with Collecting("kwollector", "-m", "metrics.d", "--sink", "stdout", folder=tmp_path) as program:
    program.wait(lambda: program.samples())
    program.signal(signal.SIGHUP)
"""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from wattline.testing.process import PATIENCE, Process


class Sample(Struct, frozen=True):
    """A line of standard output. `time` is in seconds since the epoch, `value` a number or a text."""

    time: float
    device: str
    metric: str
    value: Any
    labels: dict[str, Any]


class Collecting(Process):
    """A program of this installation, run in `folder`; its two outputs go to files there, named after the program."""

    def __init__(self, program: str, *arguments: str, folder: Path) -> None:
        log, lines = folder / f"{program}.log", folder / f"{program}.out"
        super().__init__(_command(program, *arguments), log, lines, folder, _at(folder))
        self._read = 0
        self._samples: list[Sample] = []

    def samples(self, device: str = "", metric: str = "") -> list[Sample]:
        """Return what it has printed so far, of a device or a metric alone where one is named."""
        with self.lines.open("rb") as lines:
            lines.seek(self._read)
            whole = lines.read().rpartition(b"\n")[0]
        self._read += len(whole) + 1 if whole else 0
        self._samples += samples_of(whole)
        return [one for one in self._samples if device in ("", one.device) and metric in ("", one.metric)]

    def values(self, device: str, metric: str) -> list[Any]:
        """Return the values of one metric of a device, oldest first."""
        return [one.value for one in self.samples(device, metric)]


def samples_of(lines: bytes) -> list[Sample]:
    """Read lines of standard output."""
    return [
        Sample(**{**said, "time": datetime.fromisoformat(said["time"]).timestamp()})
        for said in map(json.loads, lines.splitlines())
    ]


def ran(program: str, *arguments: str, folder: Path, said: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run a program of this installation to its end, with `said` on its standard input; its outputs are kept."""
    return subprocess.run(  # noqa: S603
        _command(program, *arguments), input=said, capture_output=True, cwd=folder, env=_at(folder), timeout=PATIENCE,
        check=False,
    )  # fmt: skip


def _command(program: str, *arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name(program)), *arguments]


def _at(folder: Path) -> dict[str, str]:
    """Return an environment in which a program keeps its state in `folder`, and not where its user does."""
    return {**os.environ, "XDG_STATE_HOME": str(folder.absolute() / "state")}

"""A program that collects, as a process of its own: `wattline collect`, or one under an older system's name.

with Collecting("kwollector", "-m", "metrics.d", "--sink", "stdout", folder=tmp_path) as program:
    program.wait(lambda: program.samples())
    program.signal(signal.SIGHUP)
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from msgspec import Struct

from wattline.errors import Unreachable

_PATIENCE: Final = 60.0
_STOPPING: Final = 15.0
T = TypeVar("T")


class Sample(Struct, frozen=True):
    """A line of standard output. `time` is in seconds since the epoch, `value` a number or a text."""

    time: float
    device: str
    metric: str
    value: Any
    labels: dict[str, Any]


class Collecting:
    """A program of this installation, run in `folder`; its two outputs go to files there, named after the program."""

    def __init__(self, program: str, *arguments: str, folder: Path) -> None:
        self.folder = folder
        self.log, self.lines = folder / f"{program}.log", folder / f"{program}.out"
        self._command = [str(Path(sys.executable).with_name(program)), *arguments]
        self._child: subprocess.Popen[bytes] | None = None
        self._read = 0
        self._samples: list[Sample] = []

    def __enter__(self) -> Self:
        with self.log.open("ab") as log, self.lines.open("ab") as lines:
            self._child = subprocess.Popen(  # noqa: S603
                self._command, stdin=subprocess.DEVNULL, stdout=lines, stderr=log, cwd=self.folder, env=_at(self.folder)
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None and self._child.poll() is None:
            self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._child is not None
        return self._child.pid

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

    def said(self) -> str:
        """Return what it has written to standard error."""
        return self.log.read_text(errors="replace")

    def wait(self, condition: Callable[[], T], seconds: float = _PATIENCE) -> T:
        """Ask until the answer is true. Raises Unreachable, with its log, after `seconds` or when it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if answer := condition():
                return answer
            if self._child is not None and self._child.poll() is not None:
                raise Unreachable(f"{self._command[0]} ended with {self._child.returncode}:\n{self.said()}")
            time.sleep(0.02)
        raise Unreachable(f"nothing came within {seconds:.0f} s; it said:\n{self.said()}")

    def signal(self, which: signal.Signals) -> None:
        """Send it a signal."""
        assert self._child is not None
        self._child.send_signal(which)

    def stop(self) -> tuple[int, float]:
        """End it with SIGTERM; returns its exit status and the seconds that it took.

        Raises Unreachable when it does not end.
        """
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        return self.ended(), time.monotonic() - began

    def ended(self) -> int:
        """Wait for its end and return its exit status. Raises Unreachable when it does not end."""
        assert self._child is not None
        try:
            return self._child.wait(_STOPPING)
        except subprocess.TimeoutExpired as error:
            self._child.kill()
            self._child.wait()
            raise Unreachable(f"it did not end within {_STOPPING:.0f} s:\n{self.said()}") from error


def samples_of(lines: bytes) -> list[Sample]:
    """Read lines of standard output."""
    return [
        Sample(**{**said, "time": datetime.fromisoformat(said["time"]).timestamp()})
        for said in map(json.loads, lines.splitlines())
    ]


def ran(program: str, *arguments: str, folder: Path, said: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run a program of this installation to its end, with `said` on its standard input; its outputs are kept."""
    command: Sequence[str] = [str(Path(sys.executable).with_name(program)), *arguments]
    return subprocess.run(  # noqa: S603
        command, input=said, capture_output=True, cwd=folder, env=_at(folder), timeout=_PATIENCE, check=False
    )


def _at(folder: Path) -> dict[str, str]:
    """Return an environment in which a program keeps its state in `folder`, and not where its user does."""
    return {**os.environ, "XDG_STATE_HOME": str(folder.absolute() / "state")}

"""A program of this installation as a process of its own, stopped by its pid; what it says goes to files."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Final, Self, TypeVar

from wattline.errors import Unreachable

PATIENCE: Final = 60.0
_STOPPING: Final = 15.0
_PAUSE: Final = 0.02
T = TypeVar("T")


class Process:
    """A process whose standard error goes to `log`, and its standard output to `lines`, or to `log` as well."""

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        lines: Path | None = None,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Take what is to be run, in which folder and environment: here and ours where nothing is said."""
        self.log, self.lines = log, lines or log
        self._command = command
        self._folder, self._environment = folder, environment
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None and self._child.poll() is None:
            self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running.pid

    def start(self) -> float:
        """Start it and return the seconds until it was ready. Raises Unreachable, with what it said, when it ends."""
        began = time.monotonic()
        with self.log.open("ab") as log, self.lines.open("ab") as lines:
            self._child = subprocess.Popen(  # noqa: S603
                self._command, stdin=subprocess.DEVNULL, stdout=lines, stderr=log, cwd=self._folder,
                env=self._environment,
            )  # fmt: skip
        self.ready()
        return time.monotonic() - began

    def ready(self) -> None:
        """Wait until it is of use; a process of which nobody knows is so at once."""

    def said(self) -> str:
        """Return what it has written to standard error."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait(self, condition: Callable[[], T], seconds: float = PATIENCE) -> T:
        """Ask until the answer is true; a failed connection means not yet.

        Raises Unreachable, with what it said, after `seconds` or when it has ended.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._child is not None and self._child.poll() is not None:
                raise Unreachable(f"{self._command[0]} ended with {self._child.returncode}:\n{self.said()}")
            try:
                if answer := condition():
                    return answer
            except OSError:
                pass
            time.sleep(_PAUSE)
        raise Unreachable(f"nothing came within {seconds:.0f} s; it said:\n{self.said()}")

    def signal(self, which: Signals) -> None:
        """Send it a signal."""
        self._running.send_signal(which)

    def stop(self, how: Signals = SIGTERM) -> float:
        """End it and return the seconds that it took. Raises Unreachable when it does not end."""
        began = time.monotonic()
        self.signal(how)
        self.ended()
        return time.monotonic() - began

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        self.stop(SIGKILL)

    def ended(self) -> int:
        """Wait for its end and return its exit status. Raises Unreachable when it does not end."""
        try:
            return self._running.wait(_STOPPING)
        except subprocess.TimeoutExpired as error:
            self._running.kill()
            self._running.wait()
            raise Unreachable(f"it did not end within {_STOPPING:.0f} s:\n{self.said()}") from error

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._child is not None
        return self._child

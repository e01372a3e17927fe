"""The real program, started for a test on a free loopback port and stopped by its pid.

with Program("--demo", data=tmp_path) as up:
    up.get("/api/status")
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from wattline.errors import Unreachable

_PATIENCE: Final = 60.0
_STOPPING: Final = 15.0
T = TypeVar("T")


class Program:
    """`wattline up` as a process of its own. Its output goes to `output`, a file beside its data."""

    def __init__(self, *arguments: str, data: Path, port: int | None = None) -> None:
        self.data = data
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.output = data.with_name(f"{data.name}.{self.port}.log")
        self._arguments = arguments
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None and self._child.poll() is None:
            self.stop()

    @property
    def pid(self) -> int:
        """Process id of the running program."""
        assert self._child is not None
        return self._child.pid

    def start(self) -> float:
        """Start it and return the seconds until it answered. Raises Unreachable, with its output, when it ends."""
        command = [sys.executable, "-m", "wattline", "up", "--data", str(self.data)]
        command += ["--listen", f"127.0.0.1:{self.port}", *self._arguments]
        began = time.monotonic()
        with self.output.open("ab") as output:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: S603
        self.wait(lambda: self.get("/api/status"))
        return time.monotonic() - began

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> float:
        """End it with SIGTERM and return the seconds that it took. Raises Unreachable when it does not end."""
        began = time.monotonic()
        self._end(signal.SIGTERM)
        return time.monotonic() - began

    def get(self, path: str) -> Any:
        """Fetch a path and decode its JSON."""
        with urllib.request.urlopen(self.address + path, timeout=_PATIENCE) as answer:  # noqa: S310
            return json.load(answer)

    def fetch(self, path: str) -> bytes:
        """Fetch a path as bytes."""
        with urllib.request.urlopen(self.address + path, timeout=_PATIENCE) as answer:  # noqa: S310
            content: bytes = answer.read()
            return content

    def wait(self, condition: Callable[[], T], seconds: float = _PATIENCE) -> T:
        """Ask until the answer is true; connection errors mean not yet. Raises Unreachable after `seconds`."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._child is not None and self._child.poll() is not None:
                raise Unreachable(f"wattline ended with {self._child.returncode}:\n{self.said()}")
            try:
                if answer := condition():
                    return answer
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(0.02)
        raise Unreachable(f"nothing came within {seconds:.0f} s; wattline said:\n{self.said()}")

    def said(self) -> str:
        """Return what it has printed."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def _end(self, how: signal.Signals) -> None:
        assert self._child is not None
        os.kill(self._child.pid, how)
        try:
            self._child.wait(_STOPPING)
        except subprocess.TimeoutExpired as error:
            self._child.kill()
            self._child.wait()
            raise Unreachable(f"wattline did not end on {how.name} within {_STOPPING:.0f} s:\n{self.said()}") from error


def free_port() -> int:
    """Ask the kernel for a TCP port that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port

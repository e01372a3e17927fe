"""The real program, started for a test on a free loopback port and stopped by its pid.

with Program("--demo", data=tmp_path) as up:
    up.get("/api/status")
"""

import json
import socket
import sys
import urllib.request
from pathlib import Path
from typing import Any

from wattline.testing.process import PATIENCE, Process


class Program(Process):
    """`wattline up` as a process of its own. What it says goes to `log`, a file beside its data."""

    def __init__(self, *arguments: str, data: Path, port: int | None = None) -> None:
        self.data = data
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "wattline", "up", "--data", str(data), "--listen", f"127.0.0.1:{self.port}"]
        super().__init__([*command, *arguments], data.with_name(f"{data.name}.{self.port}.log"))

    def ready(self) -> None:
        """Wait until it answers."""
        self.wait(lambda: self.get("/api/status"))

    def get(self, path: str) -> Any:
        """Fetch a path and decode its JSON."""
        return json.loads(self.fetch(path))

    def fetch(self, path: str) -> bytes:
        """Fetch a path as bytes."""
        with urllib.request.urlopen(self.address + path, timeout=PATIENCE) as answer:  # noqa: S310
            content: bytes = answer.read()
            return content


def free_port() -> int:
    """Ask the kernel for a TCP port that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port

"""A client of the live stream that writes down what it was shown, to be held against the store afterwards."""

import json
import threading
import urllib.request
from typing import Any, Final

import numpy as np
from msgspec import Struct

from wattline.model import Times

_PATIENCE: Final = 30.0


class Shown(Struct, frozen=True, eq=False):
    """What one series was shown to be: `time` int64[n] (ns, in the order of arrival), `values` as they came, `runs`."""

    time: Times
    values: list[Any]
    run: Times


class Listener:
    """Listens in a thread until the program ends or `close`; keeps the text and reads it afterwards."""

    def __init__(self, address: str) -> None:
        self._lines: list[bytes] = []
        self.heard = 0
        self._answer = urllib.request.urlopen(f"{address}/api/live", timeout=_PATIENCE)  # noqa: S310
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait until the stream has ended, which it does with the program."""
        self._thread.join(_PATIENCE)
        self._answer.close()

    def shown(self) -> dict[tuple[str, str], Shown]:
        """Return what was shown, by (device, metric); an event that was cut off by the end was not."""
        layouts: dict[str, list[dict[str, Any]]] = {}
        found: dict[tuple[str, str], tuple[list[int], list[Any], list[int]]] = {}
        for kind, event in self._events():
            if kind == "layout":
                layouts[event["id"]] = event["series"]
            elif kind == "batch":
                columns = zip(*event["values"], strict=True)
                for series, column in zip(layouts[event["layout"]], columns, strict=True):
                    time, values, runs = found.setdefault((series["device"], series["metric"]), ([], [], []))
                    time += event["time"]
                    values += column
                    runs += [event["run"]] * len(column)
        return {
            key: Shown(np.array(time, np.int64), values, np.array(runs, np.int64))
            for key, (time, values, runs) in found.items()
        }

    def _events(self) -> list[tuple[str, Any]]:
        text = b"".join(self._lines).decode()
        events = []
        for block in text.split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if fields:
                events.append((fields["event"], json.loads(fields["data"])))
        return events

    def _listen(self) -> None:
        try:
            for line in self._answer:
                self._lines.append(line)
                self.heard += line.startswith(b"event: batch")
        except (OSError, ValueError):  # the program was killed, or `close` came first
            return

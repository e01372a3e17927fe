"""Network UPS Tools as fixtures: Debian's `upsd` with `dummy-ups`, and a server of ours that plays variables.

with Upsd("ups.realpower: 41.0") as server:
    NutConfig(host="127.0.0.1", port=server.port, ups="rack")

async with ReplayUpsd({"rack": {"ups.realpower": "41.0"}}) as server: ...
"""

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from wattline.errors import Unreachable
from wattline.testing.agents import Server

SERVER: Final = "/lib/nut/upsd"
"""What `/sbin/upsd` starts where the machine's own configuration lets it."""
_PATIENCE: Final = 20.0
_STOPPING: Final = 10.0


class Upsd(Server):
    """Debian's server with one UPS, `rack`, that says what stands in `variables` (lines `name: value`)."""

    program = "dummy-ups"

    def __init__(self, variables: str) -> None:
        super().__init__()
        self._variables = variables
        self._server: subprocess.Popen[bytes] | None = None

    def _arguments(self) -> list[str]:
        if not Path(SERVER).exists():
            raise Unreachable(f"{SERVER} is not installed")
        self.folder.chmod(0o700)
        (self.folder / "rack.dev").write_text(self._variables)
        files = {
            "nut.conf": "MODE=standalone\n",
            "ups.conf": f"[rack]\n driver = dummy-ups\n port = {self.folder / 'rack.dev'}\n mode = dummy-once\n",
            "upsd.conf": f"LISTEN 127.0.0.1 {self.port}\nSTATEPATH {self.folder}\n",
            "upsd.users": '[reader]\n password = "wel come"\n upsmon slave\n',
        }
        for name, text in files.items():
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600)
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(  # noqa: S603
                [SERVER, "-D", "-u", "root"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment(),
            )  # fmt: skip
        return ["-a", "rack", "-D", "-u", "root"]

    def stop(self) -> None:
        """End both programs."""
        super().stop()
        if self._server is not None:
            self._server.terminate()
            self._server.wait(_STOPPING)
            self._server = None

    def _environment(self) -> dict[str, str]:
        places = {name: str(self.folder) for name in ("NUT_CONFPATH", "NUT_STATEPATH", "NUT_ALTPIDPATH")}
        return {**super()._environment(), **places}

    def _answers(self) -> bool:
        """Say whether the server has all variables of its driver by now."""
        names = [line.partition(":")[0] for line in self._variables.splitlines()]
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as one, one.makefile("rw") as lines:
                lines.write("LIST VAR rack\n")
                lines.flush()
                told = ""
                while (line := lines.readline()) and not line.startswith(("END", "ERR")):
                    told += line
        except OSError:
            return False
        return all(f" {name} " in told for name in names)


class ReplayUpsd:
    """Answers LIST UPS and LIST VAR; `spoiled`, where it is set, is what it says instead of any answer."""

    def __init__(self, upses: Mapping[str, Mapping[str, str]]) -> None:
        self.upses = upses
        self.spoiled: bytes | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(self.spoiled if self.spoiled is not None else self._answer(line.decode()))
                await writer.drain()
                if self.spoiled is not None:
                    break
        writer.close()

    def _answer(self, line: str) -> bytes:
        words = [word.strip('"') for word in line.split()]
        if words[:2] == ["LIST", "UPS"]:
            what, rows = "UPS", [f'UPS {name} "of a test"' for name in self.upses]
        elif words[:2] == ["LIST", "VAR"] and len(words) == 3:
            if words[2] not in self.upses:
                return b"ERR UNKNOWN-UPS\n"
            what = f"VAR {words[2]}"
            rows = [f"{what} {name} {_quoted(value)}" for name, value in self.upses[words[2]].items()]
        else:
            return b"ERR UNKNOWN-COMMAND\n"
        return "".join(f"{row}\n" for row in (f"BEGIN LIST {what}", *rows, f"END LIST {what}")).encode()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'

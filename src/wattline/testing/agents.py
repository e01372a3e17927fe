"""Real agents as fixtures: net-snmp's `snmpd`, `prometheus-node-exporter` and `mosquitto`, started on free loopback
ports and stopped by the pid that was started.

with Snmpd(["override 1.3.6.1.4.1.99.1.1 integer 230"]) as agent:
    Url.parse(f"snmp://public@127.0.0.1:{agent.port}/1.3.6.1.4.1.99.1.1?unit=W")
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from wattline.errors import Malformed, Unreachable
from wattline.wire import ber

_PATIENCE: Final = 20.0
_STOPPING: Final = 10.0
_SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin:/lib/nut"
_UPTIME: Final = "1.3.6.1.2.1.1.3.0"
_MQTT_CONNECT: Final = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01w"
_MQTT_CONNACK: Final = b"\x20"

USERS: Final = (
    "createUser plain",
    'createUser signed SHA "signature-1"',
    'createUser sealed SHA "signature-1" AES "sealing-wax-1"',
    'createUser strong SHA-512 "signature-1" AES256 "sealing-wax-1"',
    'createUser old MD5 "signature-1" DES "sealing-wax-1"',
    "rouser plain noauth",
    "rouser signed auth",
    "rouser sealed priv",
    "rouser strong priv",
    "rouser old priv",
)
"""SNMPv3 users that every `Snmpd` knows."""


def find_program(name: str) -> str | None:
    """Return where a program is, looking into the folders for servers as well; None when it is not installed."""
    return shutil.which(name) or shutil.which(name, path=_SBIN)


class Server(ABC):
    """A program with a folder of its own. Raises Unreachable, with what it said, when it ends or never answers."""

    program: str

    def __init__(self) -> None:
        self.port = 0
        self.folder = Path()
        self._room: tempfile.TemporaryDirectory[str] | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._room = tempfile.TemporaryDirectory(prefix=f"{self.program}-")
        self.folder = Path(self._room.name)
        try:
            self.start()
        except BaseException:
            self._room.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._room is not None:
            self._room.cleanup()

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._child is not None
        return self._child.pid

    def start(self) -> None:
        """Start it, on the port that it had before if it had one, and wait until it answers."""
        self.port = self.port or self._free_port()
        where = find_program(self.program)
        if where is None:
            raise Unreachable(f"{self.program} is not installed")
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603
                [where, *self._arguments()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment()
            )
        self._wait(self._answers)

    def stop(self) -> None:
        """End it with SIGTERM, and with SIGKILL when it does not listen."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(_STOPPING)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None

    @property
    def _log(self) -> Path:
        return self.folder / "output.log"

    @abstractmethod
    def _arguments(self) -> list[str]:
        """Write what the program reads at its start and return what stands behind its name."""

    @abstractmethod
    def _answers(self) -> bool:
        """Say whether it answers by now."""

    def _free_port(self) -> int:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return int(one.getsockname()[1])

    def _environment(self) -> dict[str, str]:
        return dict(os.environ)

    def _wait(self, answers: Callable[[], bool]) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            assert self._child is not None
            if self._child.poll() is not None:
                raise Unreachable(f"{self.program} ended with {self._child.returncode}:\n{self._log.read_text()}")
            if answers():
                return
            time.sleep(0.02)
        self.stop()
        raise Unreachable(f"{self.program} did not answer within {_PATIENCE:.0f} s:\n{self._log.read_text()}")


class Snmpd(Server):
    """net-snmp's agent: v1 and v2c with community `public`, v3 with `USERS`.

    `lines` stand in its configuration: `override OID integer 230` makes an object, `pass OID script` runs one.
    """

    program = "snmpd"

    def __init__(self, lines: Sequence[str] = (), *, ipv6: bool = False) -> None:
        super().__init__()
        self._lines = lines
        self._ipv6 = ipv6

    def configure(self, lines: Sequence[str]) -> None:
        """Take other objects from now on; a running agent is started again, on the same port."""
        self._lines = lines
        if self._child is not None:
            self.stop()
            self.start()

    def tool(self, *arguments: str, host: str = "") -> str:
        """Run net-snmp's own client here and return what it prints: `tool("snmpget", "-v2c", "-c", "public", OID)`."""
        program, *options = arguments
        split = next((i for i, one in enumerate(options) if one.startswith(("1.", ".1."))), len(options))
        target = host or f"127.0.0.1:{self.port}"
        command = [program, "-m", "", "-On", *options[:split], target, *options[split:]]
        environment = {**os.environ, "MIBS": ""}
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True, env=environment)  # noqa: S603
        return done.stdout

    def _arguments(self) -> list[str]:
        address = f"udp:127.0.0.1:{self.port}" + (f",udp6:[::1]:{self.port}" if self._ipv6 else "")
        community = ["rocommunity public 127.0.0.1", *(["rocommunity6 public ::1"] if self._ipv6 else [])]
        lines = [f"agentaddress {address}", *community, *USERS, *self._lines]
        path = self.folder / "snmpd.conf"
        path.write_text("\n".join(lines) + "\n")
        return ["-f", "-Lo", "-C", "-c", str(path), "-p", str(self.folder / "pid"), "-I", "-smux"]

    def _environment(self) -> dict[str, str]:
        # Without MIBS= it complains of every MIB that is not installed; its state must not be the machine's own.
        return {**os.environ, "MIBS": "", "SNMP_PERSISTENT_DIR": str(self.folder / "state")}

    def _free_port(self) -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind(("127.0.0.1", 0))
            return int(one.getsockname()[1])

    def _answers(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(0.2)
            one.connect(("127.0.0.1", self.port))
            try:
                one.send(ber.get_request(1, b"public", 1, [_UPTIME]))
                return _UPTIME in ber.read_response(one.recv(65_535)).tags
            except (OSError, Malformed):
                return False


class NodeExporter(Server):
    """Debian's `prometheus-node-exporter` with a folder for the text files that it adds to its page."""

    program = "prometheus-node-exporter"

    @property
    def url(self) -> str:
        """Address of its page."""
        return f"http://127.0.0.1:{self.port}/metrics"

    def write(self, name: str, text: str) -> None:
        """Put a file `name`.prom on the page, whole or not at all."""
        path = self.folder / "textfiles" / f"{name}.prom"
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").replace(path)

    def page(self) -> str:
        """Fetch the page as it is now."""
        with urllib.request.urlopen(self.url, timeout=_PATIENCE) as answer:  # noqa: S310
            return str(answer.read().decode())

    def _arguments(self) -> list[str]:
        texts = self.folder / "textfiles"
        texts.mkdir(exist_ok=True)
        return [f"--web.listen-address=127.0.0.1:{self.port}", f"--collector.textfile.directory={texts}"]

    def _answers(self) -> bool:
        try:
            return bool(self.page())
        except OSError:
            return False


class Mosquitto(Server):
    """Eclipse's MQTT broker. Without `users` it lets in everybody; `tls` is its certificate and key."""

    program = "mosquitto"

    def __init__(self, users: Mapping[str, str] | None = None, tls: tuple[Path, Path] | None = None) -> None:
        super().__init__()
        self._users, self._tls = users or {}, tls

    def _arguments(self) -> list[str]:
        passwords = self.folder / "passwords"
        passwords.touch(mode=0o600)
        for user, password in self._users.items():
            command = [find_program("mosquitto_passwd") or "", "-b", str(passwords), user, password]
            subprocess.run(command, check=True, timeout=_PATIENCE, capture_output=True)  # noqa: S603
        lines = [f"user {pwd.getpwuid(os.getuid()).pw_name}", f"listener {self.port} 127.0.0.1"]
        lines += ["allow_anonymous false", f"password_file {passwords}"] if self._users else ["allow_anonymous true"]
        lines += [f"certfile {self._tls[0]}", f"keyfile {self._tls[1]}"] if self._tls else []
        path = self.folder / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        return ["-c", str(path)]

    def _answers(self) -> bool:
        with socket.socket() as one:
            one.settimeout(0.5)
            try:
                one.connect(("127.0.0.1", self.port))
                if self._tls:
                    return True
                one.send(_MQTT_CONNECT)
                return one.recv(1) == _MQTT_CONNACK
            except OSError:
                return False

"""The peers: real programs, started on free loopback ports for one measurement and stopped by their pid."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import psycopg

from wattline.errors import Unreachable

_PATH: Final = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/lib/postgresql/15/bin"])
_PATIENCE: Final = 30.0  # seconds until a server must have answered


def program(name: str) -> str:
    """Return the path of an installed program. Raises Unreachable, naming it, when there is none."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise Unreachable(f"{name} is not installed")
    return found


@contextlib.contextmanager
def served(command: Sequence[str], ready: Callable[[], object], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server, wait until `ready` stops raising OSError or psycopg.Error, and stop it at the end."""
    server = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )  # type: ignore[call-overload]
    try:
        until = time.monotonic() + _PATIENCE
        while True:
            with contextlib.suppress(OSError, psycopg.Error):
                ready()
                break
            if server.poll() is not None or time.monotonic() > until:
                raise Unreachable(f"{command[0]} did not start")
            time.sleep(0.05)
        yield server
    finally:
        server.terminate()
        server.wait(20)


def free_port() -> int:
    """Ask the kernel for a TCP port that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def answers(port: int) -> Callable[[], object]:
    """Return a check that a TCP port is open."""

    def check() -> None:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()

    return check


@contextlib.contextmanager
def snmp_exporter(oids: Sequence[str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run Prometheus' snmp_exporter with one module `bench` that reads `oids`; yields it and its address."""
    exporter = program("prometheus-snmp-exporter")
    names = [oid.rpartition(".")[0] for oid in oids]
    lines = ["bench:", "  version: 2", "  auth: {community: public}", "  get:", *(f"  - {oid}" for oid in oids)]
    lines += ["  metrics:"]
    for i, (oid, name) in enumerate(zip(oids, names, strict=True)):
        index = [] if oid.endswith(".0") else ["    indexes: [{labelname: i, type: gauge}]"]
        lines += [f"  - name: m{i}", f"    oid: {name}", "    type: gauge", "    help: one", *index]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "snmp.yml")
        config.write_text("\n".join(lines) + "\n")
        port = free_port()
        command = [exporter, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
        with served(command, answers(port)) as server:
            yield server, f"http://127.0.0.1:{port}/snmp"


@contextlib.contextmanager
def postgres() -> Iterator[tuple[int, str]]:
    """Run a throw-away PostgreSQL, durable as it comes; yields its pid and the address of its database."""
    initdb, server_program = program("initdb"), program("postgres")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # noqa: S103  # the server runs as another user
        home = Path(folder, "pg")
        home.mkdir()
        user: dict[str, object] = {}
        if os.getuid() == 0:  # PostgreSQL refuses root
            entry = pwd.getpwnam("postgres")
            os.chown(home, entry.pw_uid, entry.pw_gid)
            user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        make = [initdb, "-D", str(home), "-A", "trust", "-U", "bench", "-E", "UTF8", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, cwd="/", env=environment, **user)  # type: ignore[call-overload]  # noqa: S603
        port = free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "",
                    "shared_buffers": "1GB", "max_wal_size": "4GB", "wal_compression": "on", "jit": "off"}  # fmt: skip
        command = [server_program, "-D", str(home), *(x for k, v in settings.items() for x in ("-c", f"{k}={v}"))]
        address = f"postgresql://bench@127.0.0.1:{port}/postgres"
        with served(command, lambda: psycopg.connect(address).close(), cwd="/", env=environment, **user) as server:
            yield server.pid, address

"""A certificate that signs itself, made by `openssl` for one test: for servers that speak TLS on loopback."""

import ssl
import subprocess
from pathlib import Path

from msgspec import Struct

from wattline.errors import Unreachable
from wattline.testing.agents import find_program

_PATIENCE = 30.0


class Certificate(Struct, frozen=True):
    """Files of a certificate for 127.0.0.1 and localhost, good for a day; `path` is also the `ca` that trusts it."""

    path: Path
    key: Path

    @classmethod
    def made_in(cls, folder: Path) -> "Certificate":
        """Make one. Raises Unreachable where openssl is not installed."""
        one = cls(folder / "certificate.pem", folder / "key.pem")
        program = find_program("openssl")
        if program is None:
            raise Unreachable("openssl is not installed")
        names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
        command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "1", "-subj", "/CN=localhost", "-addext", names]
        command += ["-keyout", str(one.key), "-out", str(one.path)]
        subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=True)  # noqa: S603
        return one

    def server(self) -> ssl.SSLContext:
        """Return what a server needs to show it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key)
        return context

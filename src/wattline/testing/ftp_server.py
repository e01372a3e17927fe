"""An FTP server in a thread of this process (pyftpdlib), for a folder of files.

with FtpServer(tmp_path, lacks=("MLSD",)) as server:
    CsvFtpConfig(host="127.0.0.1", port=server.port, user="logger", password=Secret(server.password))
"""

import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore, which Python 3.11 calls deprecated
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.ioloop import IOLoop
    from pyftpdlib.servers import FTPServer as Server

_TURN: Final = 0.05
WELCOME: Final = "wel come"


class FtpServer:
    """Serves a folder to the user `logger`, who may delete; `lacks` are commands that it does not know."""

    def __init__(self, folder: Path, *, lacks: Sequence[str] = ()) -> None:
        authorizer = DummyAuthorizer()
        authorizer.add_user("logger", WELCOME, str(folder), perm="elrd")
        known: dict[str, Any] = {name: how for name, how in FTPHandler.proto_cmds.items() if name not in lacks}
        handler = type(
            "Handler", (FTPHandler,), {"authorizer": authorizer, "proto_cmds": known, "auth_failed_timeout": 0}
        )
        self._loop = IOLoop()
        self._server = Server(("127.0.0.1", 0), handler, ioloop=self._loop)
        self.port: int = self._server.address[1]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._ending.is_set():
            self._loop.loop(timeout=_TURN, blocking=False)
        self._server.close_all()
        self._loop.close()

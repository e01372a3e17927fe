"""The lease of the one program that folds: it ends by itself, or at once when its holder has died on this host."""

import os
import socket
import sqlite3
from contextlib import suppress
from itertools import count
from typing import Final

from wattline.units import NANOSECONDS

TERM: Final = 60 * NANOSECONDS
_NAME: Final = "fold"
_numbers = count()


class Lease:
    """Asks for the lease, and gives it back."""

    def __init__(self) -> None:
        self._holder = f"{socket.gethostname()} {os.getpid()} {next(_numbers)}"
        self.held = False

    def take(self, connection: sqlite3.Connection, now: int) -> bool:
        """Take or renew the lease inside the caller's transaction; False while another holds it."""
        row = connection.execute("select holder, until from lease where name=?", (_NAME,)).fetchone()
        self.held = row is None or row[0] == self._holder or row[1] < now or _is_dead(row[0])
        if self.held:
            connection.execute("insert or replace into lease values(?,?,?)", (_NAME, self._holder, now + TERM))
        return self.held

    def give_back(self, connection: sqlite3.Connection) -> None:
        """End the lease inside the caller's transaction."""
        connection.execute("delete from lease where name=? and holder=?", (_NAME, self._holder))
        self.held = False


def _is_dead(holder: str) -> bool:
    """Say whether the holder was a program of this host that has ended."""
    host, pid, _ = holder.rsplit(" ", 2)
    if host != socket.gethostname():
        return False
    with suppress(PermissionError):  # it lives, as another user
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
    return False

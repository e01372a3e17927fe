"""One open file: its writing connection, its readers, and what is known of it in memory.

`gate` is held by who writes; `guard` by who changes or walks the catalogue; the newest values have a lock of their own.
Gate before guard, and that lock before guard. Neither gate nor guard is held while anything is encoded or decoded.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wattline.plugin import Refused
from wattline.stores.sqlite.append import frame_times
from wattline.stores.sqlite.catalogue import Catalogue, load
from wattline.stores.sqlite.newest import Newest, fill
from wattline.stores.sqlite.read import Reader
from wattline.stores.sqlite.schema import check, connect, plainly, prepare


class Vault:
    """Opens the file; raises Misconfigured when it is newer, or no store."""

    def __init__(self, path: Path, *, writing: bool) -> None:
        self.path = path
        self.gate = threading.Lock()
        self.guard = threading.RLock()
        self.reader = Reader(path)
        self.newest = Newest()
        self.marked: set[int] = set()
        """Marks of dirty hours that stand in the file; kept by the one who folds, empty for others."""
        self.staged_bytes = 0
        """Bytes staged since the last fold, as far as this program wrote them."""
        self.staged_since: int | None = None
        """When the oldest of them was written (ns, by the store's clock)."""
        self.writing = writing
        self._connection: sqlite3.Connection | None = None
        with plainly(path):
            if writing:
                prepare(path)
                self._connection = connect(path, writing=True)
            with self.reader.snapshot() as connection:
                check(path, connection)
        self.catalogue = Catalogue()
        self.thinned = 0
        """Before this time (ns) samples may have gone, and none are taken."""
        self.seq = 0
        """The staged row that was committed last, as far as this program knows."""
        self.refresh()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the gate and a write transaction: committed at the end, rolled back on any error."""
        if self._connection is None:
            raise Refused(f"{self.path} was opened for reading alone")
        with self.gate, plainly(self.path):
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:
                self.marked.clear()  # what was marked in memory alone would never be closed
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise

    def refresh(self) -> Catalogue:
        """Return the catalogue as the file has it, read again where another program has changed it."""
        with self.reader.snapshot() as connection:
            return self.follow(connection)

    def follow(self, connection: sqlite3.Connection) -> Catalogue:
        """Return the catalogue as a snapshot has it, or newer."""
        self.thinned = thinned_until(connection)
        version = connection.execute("select value from meta where name='catalogue'").fetchone()[0]
        if version != self.catalogue.version:
            self.reload(connection)
        return self.catalogue

    def is_current(self, connection: sqlite3.Connection) -> bool:
        """Say whether nobody else has written since what is known in memory was true."""
        version = connection.execute("select value from meta where name='catalogue'").fetchone()[0]
        known = self.catalogue.version, self.seq, self.thinned
        return (version, last_seq(connection), thinned_until(connection)) == known

    def reload(self, connection: sqlite3.Connection) -> None:
        """Read everything again: another program has written."""
        catalogue = load(connection)
        for life, first, last in connection.execute("select life, first, last from received"):
            held = catalogue.life_by_number[life]
            assert held is not None
            held.add(first, last)
        for row in self.reader.each_staged(connection):
            for number, sequence in zip(
                row.directory["life"].tolist(), row.directory["sequence"].tolist(), strict=True
            ):
                held = catalogue.life_by_number[number]
                assert held is not None
                if sequence and (sequence > held.last or sequence not in held):
                    held.add(sequence)
            times, layouts = frame_times(row)
            catalogue.newest_until(layouts, times)
        with self.guard:
            self.catalogue = catalogue
            self.seq = last_seq(connection)
            self.thinned = thinned_until(connection)

    def last(self, since: int) -> dict[int, tuple[int, float]]:
        """Return the newest (time, value) of every series that has one at or after `since`."""
        with self.newest.lock, self.reader.snapshot() as connection:
            self.follow(connection)
            fill(self.newest, self.catalogue, self.reader, connection, since)
            return self.newest.found(since)

    def checkpoint(self) -> None:
        """Bring the write-ahead log into the file and empty it, as far as readers let it."""
        with self.gate, plainly(self.path):
            if self._connection is not None:
                self._connection.execute("pragma wal_checkpoint(truncate)").fetchall()

    def shrink(self, pages: int) -> None:
        """Give up to `pages` free pages back to the file system."""
        with self.gate, plainly(self.path):
            if self._connection is not None:  # a script, for `execute` takes one step of it, which is one page
                self._connection.executescript(f"pragma incremental_vacuum({int(pages)});")

    def staged(self, size: int, now: int) -> None:
        """Note that a row of `size` bytes was staged at `now` (ns)."""
        self.staged_bytes += size
        if self.staged_since is None:
            self.staged_since = now

    def close(self) -> None:
        """Close all connections."""
        with self.gate, plainly(self.path):
            self.reader.close()
            if self._connection is not None:  # last, for only one that may write empties the log
                self._connection.close()
                self._connection = None


def last_seq(connection: sqlite3.Connection) -> int:
    """Return the number of the staged row that was committed last, though it may be folded and gone."""
    row = connection.execute("select seq from sqlite_sequence where name='staged'").fetchone()
    return row[0] if row else 0


def thinned_until(connection: sqlite3.Connection) -> int:
    """Return the time before which samples may have gone (ns)."""
    return int(connection.execute("select value from meta where name='thinned'").fetchone()[0])

"""The newest sample of every series, in memory: what a page asks for once a second.

Rows of the staging table are taken in as they come, as arrays; what is older comes from the newest chunks, once.
"""

import sqlite3
import threading
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wattline.core.chunk import Chunk, Decompressor
from wattline.stores.sqlite.catalogue import STRIPE, Catalogue
from wattline.stores.sqlite.pieces import Piece, Staged, chunk_piece, merge, stage
from wattline.stores.sqlite.read import HOUR, Reader
from wattline.stores.sqlite.staging import Row

NEVER: Final = -(2**63)


class Newest:
    """Time, life and value by series number. Who reads or changes them holds `lock`, and may take the guard then."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seq = 0
        """Staged rows up to this one are in, and what was folded of them."""
        self.floor: int | None = None
        """Chunks with a sample at or after this time are in (ns); None: none."""
        self._time: NDArray[np.int64] = np.zeros(0, np.int64)
        self._life: NDArray[np.int64] = np.zeros(0, np.int64)
        self._value: NDArray[np.float64] = np.zeros(0)
        self._stacked: tuple[tuple[int, bytes], NDArray[np.int64]] = ((0, b""), np.zeros((0, 0), np.int64))

    def take_row(self, row: Row, catalogue: Catalogue) -> None:
        """Take in a staged row, the rows before it being in."""
        staged = stage([row])
        is_single = (staged.n == 1) & (staged.flags == 0)
        for k in np.unique(staged.k[is_single]).tolist():
            self._take_alike(staged, np.flatnonzero(is_single & (staged.k == k)), k, catalogue)
        for batch in np.flatnonzero(~is_single).tolist():
            known = catalogue.numbered[int(staged.layout[batch])]
            assert known is not None
            self.take_piece(known.ids, staged.piece(np.array([batch])))
        self.seq = max(self.seq, row.seq)

    def _take_alike(self, staged: Staged, batches: NDArray[np.int64], k: int, catalogue: Catalogue) -> None:
        """Take in batches of one frame of k values, all at once; the newest is assigned last and so stays."""
        name = (k, staged.layout[batches].tobytes())
        if self._stacked[0] != name:
            layouts = (catalogue.numbered[number] for number in staged.layout[batches].tolist())
            self._stacked = (name, np.stack([known.ids for known in layouts if known is not None]))
        block = staged.words[staged.offset[batches, None] + np.arange(1 + k)]
        lives = staged.life[batches].astype(np.int64)
        sorting = np.lexsort((lives, block[:, 0]))
        ids = self._stacked[1][sorting].ravel()
        time, life = np.repeat(block[sorting, 0], k), np.repeat(lives[sorting], k)
        self._take(ids, time, life, block[sorting, 1:].view(np.float64).ravel())

    def take_piece(self, ids: NDArray[np.int64], piece: Piece) -> None:
        """Take in frames of the series `ids`; what is older than what is held changes nothing."""
        merged = merge([piece])
        if not len(merged.time):
            return
        n, k = merged.values.shape
        there = np.ones((n, k), bool) if merged.present is None else merged.present
        rows = np.where(there, np.arange(n)[:, None], -1).max(axis=0)
        columns = np.flatnonzero(rows >= 0)
        rows = rows[columns]
        self._take(ids[columns], merged.time[rows], merged.life[rows], merged.values[rows, columns])

    def take_leaving(self, row: Row, catalogue: Catalogue) -> None:
        """Take in a row that is about to leave the staging table, if anybody has asked for the newest values ever."""
        with self.lock:
            if self.floor is not None and row.seq > self.seq:
                self.take_row(row, catalogue)

    def times(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the time of the newest sample of series (ns), NEVER where none is known."""
        self._reach(int(ids.max(initial=0)))
        return self._time[ids]

    def found(self, since: int) -> dict[int, tuple[int, float]]:
        """Return (time, value) by series of those at or after `since`."""
        ids = np.flatnonzero((self._time >= since) & (self._time != NEVER))
        pairs = zip(self._time[ids].tolist(), self._value[ids].tolist(), strict=True)
        return dict(zip(ids.tolist(), pairs, strict=True))

    def _take(
        self, ids: NDArray[np.int64], time: NDArray[np.int64], life: NDArray[np.int64], values: NDArray[np.float64]
    ) -> None:
        if not len(ids):
            return
        self._reach(int(ids.max()))
        held = self._time[ids]
        newer = (time > held) | ((time == held) & (life >= self._life[ids]))
        chosen = ids[newer]
        self._time[chosen], self._life[chosen], self._value[chosen] = time[newer], life[newer], values[newer]

    def _reach(self, number: int) -> None:
        if number >= len(self._time):
            more = 2 * number + 64 - len(self._time)
            self._time = np.concatenate([self._time, np.full(more, NEVER)])
            self._life = np.concatenate([self._life, np.zeros(more, np.int64)])
            self._value = np.concatenate([self._value, np.zeros(more)])


def fill(newest: Newest, catalogue: Catalogue, reader: Reader, connection: sqlite3.Connection, since: int) -> None:
    """Bring the newest values up to a snapshot, as far back as `since`; the catalogue must be as new as that.

    Chunks are read where `since` lies before what was read ever, and where rows were folded that were not taken in.
    """
    rows = reader.staged(connection)
    folded = connection.execute("select value from meta where name='folded'").fetchone()[0]
    if newest.floor is None or since < newest.floor:
        _take_chunks(newest, catalogue, connection, since, 0)
        newest.floor = since
    else:
        rows = [row for row in rows if row.seq > newest.seq]
        if folded > newest.seq:
            _take_chunks(newest, catalogue, connection, since, newest.seq)
    newest.seq = max(newest.seq, folded)
    for row in rows:
        newest.take_row(row, catalogue)


def _take_chunks(newest: Newest, catalogue: Catalogue, connection: sqlite3.Connection, since: int, after: int) -> None:
    """Take in the chunks with a frame at or after `since` that were written after the row `after`, newest hour first.

    Nothing is read of hours before those of the newest samples: a series that is silent is looked for alone.
    """
    query = "select id, start, stripe from chunk where family=? and start>? and seq>? order by start desc, seq"
    decompressor = Decompressor()
    for family, ids in list(catalogue.members.items()):
        for number, start, stripe in connection.execute(query, (family, since - HOUR, after)):
            places = np.flatnonzero(newest.times(ids) < start + HOUR)
            if not len(places):
                break
            places = places[places // STRIPE == stripe]
            if len(places):
                body = connection.execute("select body from chunk where id=?", (number,)).fetchone()[0]
                piece = chunk_piece([(stripe, Chunk(body, decompressor))], 0, places.tolist(), STRIPE)
                newest.take_piece(ids[places], piece)

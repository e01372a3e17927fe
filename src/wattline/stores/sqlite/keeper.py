"""Housekeeping in a thread of its own: folds when enough is staged or old, closes hours that are over.

Whoever writes calls `wake` after each commit; it costs a comparison. What goes wrong is kept in `fault`, shown in the
figures, and tried again: what is staged is safe and readable without it.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple

from wattline.errors import WattlineError
from wattline.stores.sqlite import heap
from wattline.stores.sqlite.close_hours import close_hours, dirty_hours
from wattline.stores.sqlite.fold import fold
from wattline.stores.sqlite.lease import Lease
from wattline.stores.sqlite.thin import Due, Retention, due, thin
from wattline.stores.sqlite.vault import Vault
from wattline.units import NANOSECONDS

_ROUND: Final = 60 * NANOSECONDS
_PAGES: Final = 8192
"""Most pages given back at once: 64 MiB."""
_LEFT: Final = 1 << 20
"""Free bytes that are left in the file when nothing is going on."""
CLOSING: Final = 2 * NANOSECONDS
"""How long a close may take for housekeeping that can as well be done at the next opening."""


class Pace(NamedTuple):
    """When to fold: at so many staged bytes, or ns after the first; an hour closes `grace` ns after its end."""

    bytes: int
    age: int
    grace: int


class Keeper:
    """Owns the thread and the lease."""

    def __init__(self, vault: Vault, clock: Callable[[], int], pace: Pace, retention: Retention) -> None:
        self._vault = vault
        self._clock = clock
        self._pace = pace
        self._retention = retention
        self._over: Due | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wattline-fold")
        self._running: Future[None] | None = None
        self._round = 0
        self._touched: set[tuple[int, int]] = set()
        self._work = threading.Lock()
        self._stopping = False
        self.lease = Lease()
        self.fault = ""

    def wake(self) -> None:
        """Start a round where one is due and none is running; wait for one that cannot keep up with who writes."""
        if self._running is not None and not self._running.done():
            if self._vault.staged_bytes >= self._pace.bytes:
                self._running.result()
            return
        now = self._clock()
        vault = self._vault
        is_old = vault.staged_since is not None and now - vault.staged_since >= self._pace.age
        if vault.staged_bytes >= self._pace.bytes or is_old or now - self._round >= _ROUND:
            self._round = now
            self._running = self._thread.submit(self._go_round)

    def settle(self) -> None:
        """Fold everything and close every hour that is over, now."""
        if self._leased():
            with self._work:
                fold(self._vault)
                self._touched = set()
                self._close(None)
                self._thin()
                self._trim(_LEFT)

    def stop(self) -> None:
        """Fold what is staged, close hours for a while, and end the thread."""
        self._stopping = True
        self._thread.shutdown(wait=True)
        try:
            if self._leased():
                with self._work:
                    fold(self._vault)
                    self._touched = set()
                    self._close(self._clock() + CLOSING)
                    self._trim(_LEFT)
                with self._vault.transaction() as connection:
                    self.lease.give_back(connection)
        except WattlineError as error:  # nothing acknowledged depends on this
            self.fault = str(error)

    def _go_round(self) -> None:
        try:
            if self._leased():
                with self._work:
                    vault = self._vault
                    is_old = vault.staged_since is not None and self._clock() - vault.staged_since >= self._pace.age
                    if vault.staged_bytes >= self._pace.bytes or is_old:
                        self._touched = fold(vault)
                    self._close(None)
                    self._thin()
                    self._trim(2 * self._pace.bytes)
                heap.trim()
            self.fault = ""
        except WattlineError as error:
            self.fault = str(error)

    def _thin(self) -> None:
        """Let go what is over, once an hour has gone by."""
        over = due(self._retention, self._clock())
        if over != self._over and (over.raw or any(over.levels.values())):
            while thin(self._vault, over) and not self._stopping:
                pass
            self._over = over

    def _trim(self, keep: int) -> None:
        """Give free pages back that exceed `keep` bytes; what folds free is mostly needed by the next."""
        with self._vault.reader.snapshot() as connection:
            free, page = (
                connection.execute(f"pragma {name}").fetchone()[0] for name in ("freelist_count", "page_size")
            )
        if (more := free - keep // page) > 0:
            self._vault.shrink(min(more, _PAGES))

    def _leased(self) -> bool:
        with self._vault.transaction() as connection:
            held = self.lease.take(connection, self._clock())
        if not held:
            with self._vault.gate:
                self._vault.marked.clear()
        return held

    def _close(self, deadline: int | None) -> None:
        """Close hours that are over; those that the last fold touched are likely to be touched by the next."""
        with self._vault.reader.snapshot() as connection:
            hours = dirty_hours(connection, self._clock() - self._pace.grace)
        left = [hour for hour in hours if (hour.family, hour.start) not in self._touched]
        while left and not (self._stopping and deadline is None):
            left = left[close_hours(self._vault, left) :]
            if deadline is not None and self._clock() > deadline:
                return

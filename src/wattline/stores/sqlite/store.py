"""The SQLite store as a plugin: what `plugin.Store` asks, each in a few lines, and where each is done."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

from msgspec import Meta

from wattline.model import Batch, Cause, Device, Outage, Run
from wattline.plugin import Block, Cells, Config, Entry, Refused, Store, Tally
from wattline.stores.sqlite import append, rolled, tallied
from wattline.stores.sqlite.edges import after, before
from wattline.stores.sqlite.figures import figures
from wattline.stores.sqlite.keeper import Keeper, Pace
from wattline.stores.sqlite.pieces import Piece
from wattline.stores.sqlite.read import Group, Window, block, hours, slices
from wattline.stores.sqlite.thin import Retention
from wattline.stores.sqlite.vault import Vault
from wattline.stores.sqlite.verify import Progress, compact, verify
from wattline.units import NANOSECONDS

T = TypeVar("T")


class SqliteConfig(Config, frozen=True, kw_only=True):
    """Options of the SQLite store."""

    path: str = "wattline.sqlite"
    """The file; it is made, with its directory, where there is none."""
    read_only: bool = False
    """Open an existing store for reading alone, beside the program that writes it."""
    fold_bytes: Annotated[int, Meta(ge=1 << 16)] = 32 << 20
    """Fold staged commits into chunks when they are as large as this."""
    fold_seconds: Annotated[float, Meta(gt=0)] = 600.0
    """Fold them after this time at the latest."""
    grace: Annotated[float, Meta(ge=0)] = 120.0
    """Seconds after the end of an hour when it is closed; what comes later is merged all the same."""
    retention: Retention = Retention()
    """How long samples and roll-ups are kept; for ever, unless it is said."""


class Sqlite(Store[SqliteConfig]):
    """One file, one folding program, any number of readers in any number of programs.

    `clock` gives the wall clock in ns; it decides when an hour has closed and a staged row is old, nothing else.
    """

    Config: ClassVar[type[Config]] = SqliteConfig
    summary: ClassVar[str] = "keeps everything in one SQLite file, compressed, with roll-ups"

    def __init__(self, config: SqliteConfig | None = None, clock: Callable[[], int] = time.time_ns) -> None:
        super().__init__(config or SqliteConfig())
        self._clock = clock
        self._vault: Vault | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._keeper: Keeper | None = None

    # --- life ---

    async def open(self) -> None:
        """Make or open the file. Raises Misconfigured: no store, or a newer one; Unreachable: disk full, locked."""
        if self._vault is not None:
            return
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="wattline-store")
        self._vault = await self._in_writer(lambda: Vault(self.path, writing=not self.config.read_only))
        if not self.config.read_only:
            config = self.config
            pace = Pace(config.fold_bytes, int(config.fold_seconds * NANOSECONDS), int(config.grace * NANOSECONDS))
            self._keeper = Keeper(self._vault, self._clock, pace, config.retention)
            await self._in_writer(self._keeper.wake)

    async def close(self) -> None:
        """Close the file; what was acknowledged is in it already."""
        vault, keeper = self._vault, self._keeper
        self._vault = self._keeper = None
        if keeper is not None:
            await self._in_writer(keeper.stop)
        if vault is not None:
            await self._in_writer(vault.close)
        if self._writer is not None:
            self._writer.shutdown(wait=True)
            self._writer = None

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.config.path).expanduser()

    # --- writing ---

    async def write(self, batches: Sequence[Batch]) -> None:
        """Take all batches in one durable commit, or none: Refused names what contradicts, before any change."""
        if batches:
            await self._in_writer(lambda: self._write(list(batches)))

    async def note(self, outages: Sequence[Outage] = (), runs: Sequence[Run] = ()) -> None:
        """See `Store.note`."""
        await self._in_writer(lambda: self._note(outages, runs))

    def _write(self, batches: Sequence[Batch]) -> None:
        vault = self._open_vault()
        found = append.collect(batches, vault.catalogue, vault.thinned)
        if not (len(found.directory) or found.plan):
            return
        with vault.transaction() as connection:
            if not vault.is_current(connection):  # from here on nobody else can write
                vault.reload(connection)
                found = append.collect(batches, vault.catalogue, vault.thinned)
                if not (len(found.directory) or found.plan):
                    return
            held = self._keeper is not None and self._keeper.lease.held
            committed, marks = append.insert(connection, found, vault.catalogue, vault.marked if held else None)
            vault.marked |= marks if held else set()
        with vault.guard:
            append.adopt(found, vault.catalogue, committed)
            vault.seq = committed.row.seq
        vault.reader.keep(committed.row)
        vault.staged(committed.size, self._clock())
        if self._keeper is not None:
            self._keeper.wake()

    async def settle(self) -> None:
        """Do all housekeeping that is due now: fold what is staged, close every hour that is over."""
        if self._keeper is not None:
            await self._in_writer(self._keeper.settle)

    def _note(self, outages: Sequence[Outage], runs: Sequence[Run]) -> None:
        with self._open_vault().transaction() as connection:
            connection.executemany(
                "insert or replace into outage values(?,?,?,?,?)",
                ((o.meter, o.start, o.end, o.cause, o.detail) for o in outages),
            )
            connection.executemany(
                "insert or replace into run values(?,?,?)", ((r.source, r.start, r.end) for r in runs)
            )

    # --- reading ---

    def entries(self) -> Sequence[Entry]:
        """See `Store.entries`."""
        vault = self._open_vault()
        catalogue = vault.refresh()
        with vault.guard:
            return catalogue.entries()

    def devices(self) -> Sequence[Device]:
        """See `Store.devices`."""
        vault = self._open_vault()
        catalogue = vault.refresh()
        with vault.guard:
            return tuple(catalogue.devices[name] for name in sorted(catalogue.devices))

    def samples(self, ids: Sequence[int], start: int, end: int, *, around: bool = False) -> Iterator[Sequence[Block]]:
        """See `Store.samples`. A slice lies in one UTC hour; a block holds series of one layout family."""
        window = self._window(ids)
        reader = self._open_vault().reader
        if around and (blocks := _blocks(before(reader, window, start))):
            yield blocks
        if start < end:
            for _, merged in hours(reader, window, start, end):
                yield from slices(merged, start, end)
        if around and (blocks := _blocks(after(reader, window, max(start, end)))):
            yield blocks

    def cells(self, ids: Sequence[int], start: int, end: int, span: int) -> Iterator[Mapping[int, Cells]]:
        """See `Store.cells`."""
        window = self._window(ids)
        vault = self._open_vault()
        return rolled.cells(vault.reader, window, (start, end), span, vault.thinned)

    def tallies(self, ids: Sequence[int], start: int, end: int, span: int) -> Iterator[Tally]:
        """See `Store.tallies`."""
        window = self._window(ids)
        vault = self._open_vault()
        return tallied.tallies(vault.reader, window, (start, end), span, vault.thinned)

    def texts(self, series: int) -> Sequence[str]:
        """See `Store.texts`."""
        vault = self._open_vault()
        catalogue = vault.refresh()
        with vault.guard:
            catalogue.require([series])
            return tuple(catalogue.texts.get(series, {}))

    def last(self, since: int) -> Mapping[int, tuple[int, float]]:
        """See `Store.last`; at one instant the later life wins."""
        return self._open_vault().last(since)

    def outages(self, start: int, end: int) -> Sequence[Outage]:
        """See `Store.outages`."""
        with self._open_vault().reader.snapshot() as connection:
            rows = connection.execute(
                'select meter, start, "end", cause, detail from outage '
                'where start<? and ("end" is null or "end">?) order by start, meter',
                (end, start),
            ).fetchall()
        return [Outage(meter, begin, until, Cause(cause), detail) for meter, begin, until, cause, detail in rows]

    def statistics(self) -> Mapping[str, int | float | str]:
        """See `Store.statistics`; bytes of samples, roll-ups and free pages are told apart."""
        vault = self._open_vault()
        vault.refresh()
        found = figures(vault)
        if self._keeper is not None and self._keeper.fault:
            found["fault"] = self._keeper.fault
        return found

    # --- care ---

    def verify(self) -> Iterator[Progress]:
        """Read everything there is; each step says how far it is and what it found wrong. Blocks."""
        vault = self._open_vault()
        vault.refresh()
        return verify(vault)

    def compact(self) -> Iterator[Progress]:
        """Fold, close hours, and give free pages back to the file system, step by step. Blocks."""
        if self._keeper is None:
            raise Refused(f"{self.path} was opened for reading alone")
        self._keeper.settle()
        yield Progress("hours", 1, 1)
        yield from compact(self._open_vault())

    # --- inside ---

    def _window(self, ids: Sequence[int]) -> Window:
        vault = self._open_vault()
        catalogue = vault.refresh()
        with vault.guard:
            catalogue.require(ids)
            return Window(catalogue, ids)

    def _open_vault(self) -> Vault:
        if self._vault is None:
            raise Refused(f"{self.path} is not open")
        return self._vault

    async def _in_writer(self, work: Callable[[], T]) -> T:
        if self._writer is None:
            raise Refused(f"{self.path} is not open")
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)


def _blocks(sides: Mapping[Group, Piece]) -> list[Block]:
    blocks = [block(group.ids, piece) for group, piece in sides.items()]
    return [one for one in blocks if len(one.time) and one.ids]

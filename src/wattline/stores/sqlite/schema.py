"""The file: its tables, how it is opened, and what its errors mean.

`application_id` says that a file is ours, `user_version` of which make. An older make is brought up to date in one
transaction; a newer one is refused, for writing to what one does not understand loses data.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from wattline.errors import Misconfigured, Unreachable, WattlineError

APPLICATION: Final = 0x57617474
"""`Watt` in ASCII (SQLite file format, section 1.3.14)."""
VERSION: Final = 1
PAGE: Final = 8192
PATIENCE: Final = 30.0
"""Seconds to wait while another writer commits."""

TABLES: Final = """
create table meta(name text primary key, value) without rowid;
create table metric(name text primary key, unit text not null, kind text not null, help text not null,
    device text not null) without rowid;
create table series(id integer primary key, key blob not null unique, device text not null, metric text not null,
    labels text not null, family integer not null, column blob not null);
create table layout(number integer primary key, id blob not null unique, family integer not null,
    series blob not null, places blob not null, newest integer not null);
create table family(number integer primary key, root blob not null unique, series blob not null);
create table device(name text primary key, body blob not null) without rowid;
create table column_version(series integer not null, since integer not null, column blob not null,
    primary key(series, since)) without rowid;
create table text(series integer not null, place integer not null, text text not null,
    primary key(series, place)) without rowid;
create table life(number integer primary key, source integer not null, name text not null, run integer not null,
    unique(name, run));
create table received(life integer not null, first integer not null, last integer not null,
    primary key(life, first)) without rowid;
create table staged(seq integer primary key autoincrement, first integer, last integer, samples integer not null,
    body blob not null);
create table chunk(id integer primary key, family integer not null, source integer not null, start integer not null,
    span integer not null, stripe integer not null, first integer not null, n integer not null,
    last integer not null, seq integer not null, samples integer not null, made integer not null, body blob not null);
create unique index chunk_place on chunk(family, start, span, source, stripe, seq);
create index chunk_start on chunk(start);
create table rollup(id integer primary key, family integer not null, level integer not null,
    start integer not null, edges blob not null, body blob not null);
create unique index rollup_place on rollup(family, level, start);
create table dirty(family integer not null, hour integer not null, seq integer not null,
    primary key(family, hour)) without rowid;
create table outage(meter text not null, start integer not null, "end" integer, cause text not null,
    detail text not null, primary key(meter, start)) without rowid;
create table run(source text not null, start integer not null, "end" integer, primary key(source, start)) without rowid;
create table lease(name text primary key, holder text not null, until integer not null) without rowid;
insert into meta values('catalogue', 0), ('folded', 0), ('thinned', 0), ('late', 0);
"""

MIGRATIONS: Final[dict[int, Callable[[sqlite3.Connection], None]]] = {}
"""From a make to the next one, each inside the transaction of all of them. The first make has no elder."""


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into decisions, in plain words that name the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise _decision(path, error) from error


def _decision(path: Path, error: sqlite3.Error) -> WattlineError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return Unreachable(f"disk full: {path} cannot grow")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unreachable(f"{path} was locked by another writer for {PATIENCE:.0f} s")
    if code == sqlite3.SQLITE_READONLY:
        return Unreachable(f"{path} may only be read")
    if code == sqlite3.SQLITE_NOTADB:
        return Misconfigured(f"{path} is no Wattline store")
    if code == sqlite3.SQLITE_CANTOPEN:
        return Misconfigured(f"{path} cannot be opened: {error}")
    if code == sqlite3.SQLITE_IOERR:
        return Unreachable(
            f"{path} cannot be written or read ({getattr(error, 'sqlite_errorname', error)}): disk full?"
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return Unreachable(f"{path} is damaged: {error}; `wattline store verify` says more")
    return Unreachable(f"{path}: {error}")


def connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    """Open a connection of any thread; the file must be there."""
    address = f"{path.absolute().as_uri()}?mode={'rw' if writing else 'ro'}"
    connection = sqlite3.connect(address, PATIENCE, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("pragma synchronous=full")
    connection.execute("pragma cache_size=-2000")
    if writing:
        connection.execute("pragma secure_delete=off")  # Debian's is on: whatever a fold frees would be written anew
        connection.execute("pragma journal_size_limit=67108864")
        connection.execute("pragma wal_autocheckpoint=4096")
    return connection


def prepare(path: Path) -> None:
    """Make the file where there is none, bring an older one up to date. Raises Misconfigured: newer, or not ours."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"{path.parent} cannot be made: {error.strerror}") from error
    connection = sqlite3.connect(path, PATIENCE, isolation_level=None)
    try:
        if not connection.execute("select count(*) from sqlite_master").fetchone()[0]:
            _create(connection)
        check(path, connection)
        migrate(connection, MIGRATIONS)
    finally:
        connection.close()


def check(path: Path, connection: sqlite3.Connection) -> None:
    """Raise Misconfigured unless this program understands the file."""
    if connection.execute("pragma application_id").fetchone()[0] != APPLICATION:
        raise Misconfigured(f"{path} is no Wattline store")
    version = connection.execute("pragma user_version").fetchone()[0]
    if version > VERSION:
        raise Misconfigured(
            f"{path} was written by a newer Wattline (store version {version}; this one knows {VERSION}): "
            "use that one, or another directory"
        )


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"pragma page_size={PAGE}")
    connection.execute("pragma auto_vacuum=incremental")
    connection.execute("pragma journal_mode=wal")
    connection.execute("begin immediate")
    try:
        if not connection.execute("select count(*) from sqlite_master").fetchone()[0]:  # another may have been first
            for statement in TABLES.split(";\n"):
                connection.execute(statement)
            connection.execute(f"pragma application_id={APPLICATION}")
            connection.execute(f"pragma user_version={VERSION}")
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:  # a commit that finds the disk full has rolled back already
            connection.execute("rollback")
        raise


def migrate(connection: sqlite3.Connection, steps: dict[int, Callable[[sqlite3.Connection], None]]) -> None:
    """Bring an older make up to date: all steps from its version on in one transaction, or none."""
    if connection.execute("pragma user_version").fetchone()[0] == VERSION:
        return
    connection.execute("begin immediate")
    try:
        version = connection.execute("pragma user_version").fetchone()[0]
        for make in range(version, VERSION):
            steps[make](connection)
        connection.execute(f"pragma user_version={VERSION}")
        connection.execute("commit")
    except BaseException:
        if connection.in_transaction:  # a commit that finds the disk full has rolled back already
            connection.execute("rollback")
        raise

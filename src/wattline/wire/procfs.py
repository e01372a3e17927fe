"""Processor time of a host and its processes from /proc (proc_stat(5), proc_pid_stat(5)).

One sweep costs about what the kernel needs to format the texts: the descriptor of each `PID/stat` is kept and read by
`pread`, a text that did not change is not parsed, and of one that did only the fields in question are. A kept
descriptor belongs to one process for ever: when that has ended it answers ESRCH, even where the number was given to
another, so that no time is booked on the wrong process. Beyond half of RLIMIT_NOFILE descriptors are not kept; then a
process is known by its number and start time together.
"""

import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

TEXT: Final = 1024
"""Bytes that hold any `stat` line: 52 numbers and a name of at most 64 bytes."""
CHUNK: Final = 256
"""Processes of a sweep between two yields: about a millisecond."""
MOST_DESCRIPTORS: Final = 65_536
_UTIME: Final = 11
_STIME: Final = 12
_START: Final = 19
"""Places after the name: the fields 14, 15 and 22 of proc_pid_stat(5)."""


class Processors(NamedTuple):
    """Ticks since boot of all processors together, `busy` among `total`, and how many of them are online."""

    busy: int
    total: int
    online: int


class Use(NamedTuple):
    """What one process used since the sweep before, in ticks."""

    pid: int
    name: str
    ticks: int
    fresh: bool
    """It was not there in the sweep before."""


def parse_processors(text: bytes) -> Processors:
    """Read /proc/stat. Busy is user, nice, system, irq, softirq; idle, iowait and steal are not (guests are in user).

    Raises ValueError when the text is none.
    """
    line, _, rest = text.partition(b"\n")
    fields = line.split()
    if len(fields) < 5 or fields[0] != b"cpu":
        raise ValueError("/proc/stat does not begin with the line of all processors")
    ticks = [int(field) for field in fields[1:9]] + [0] * (9 - len(fields))
    user, nice, system, idle, iowait, irq, softirq, steal = ticks
    busy = user + nice + system + irq + softirq
    count = sum(line.startswith(b"cpu") for line in rest.partition(b"\nintr")[0].split(b"\n"))
    return Processors(busy, busy + idle + iowait + steal, max(count, 1))


def parse_use(text: bytes) -> int:
    """Return the ticks in user and kernel mode of a `stat` line. Raises ValueError, IndexError: it is none."""
    fields = text[text.rindex(b")") + 2 :].split(b" ", _STIME + 1)
    return int(fields[_UTIME]) + int(fields[_STIME])


def parse_name(text: bytes) -> str:
    """Return the command's name of a `stat` line, without what a terminal would obey."""
    name = text[text.index(b"(") + 1 : text.rindex(b")")].decode(errors="replace")
    return "".join(letter if letter.isprintable() else "?" for letter in name)


class Proc:
    """Sweeps over the processes below `root`; owns the descriptors that it keeps, so `close` it.

    `keep` bounds them; None: half of RLIMIT_NOFILE, which is raised as far as it may be. Raises OSError: no such root.
    """

    def __init__(self, root: Path = Path("/proc"), keep: int | None = None) -> None:
        self._keep = _room() if keep is None else keep
        self._folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._kept: dict[str, int] = {}
        self._texts: dict[str, bytes] = {}
        self._ticks: dict[str, int] = {}
        try:
            self._stat = self._open("stat")
        except OSError:
            os.close(self._folder)
            raise

    def close(self) -> None:
        """Close every descriptor."""
        for descriptor in (self._folder, self._stat, *self._kept.values()):
            os.close(descriptor)
        self._kept.clear()

    def processors(self) -> Processors:
        """Return the ticks of all processors. Raises ValueError: the text means nothing."""
        return parse_processors(os.pread(self._stat, 65_536, 0))

    def sweep(self) -> Iterator[list[Use]]:
        """Yield the processes that used time since the sweep before, in chunks as they are found.

        The first sweep counts every process's whole life as use. A sweep that is not run to its end forgets nothing,
        but leaves its rest to the next.
        """
        names = [name for name in os.listdir(self._folder) if name.isdigit()]
        for begin in range(0, len(names), CHUNK):
            yield self._sweep_part(names[begin : begin + CHUNK])
        if len(self._texts) > len(names):
            for name in self._texts.keys() - set(names):
                self._forget(name)

    def _sweep_part(self, names: list[str]) -> list[Use]:
        found = []
        kept, texts, pread = self._kept, self._texts, os.pread
        for name in names:
            descriptor = kept.get(name)
            try:
                text = pread(descriptor, TEXT, 0) if descriptor is not None else self._first(name)
            except OSError as error:
                if error.errno not in (errno.ESRCH, errno.ENOENT, errno.EACCES, errno.EPERM):
                    raise
                text = self._reborn(name)
            before = texts.get(name)
            if text and text != before:
                texts[name] = text
                found.append((name, text, before))
        return [use for name, text, before in found if (use := self._use(name, text, before))]

    def _use(self, name: str, text: bytes, before: bytes | None) -> Use | None:
        try:
            ticks = parse_use(text)
            if before is not None and name not in self._kept and _born(text) != _born(before):
                before = None  # the number was given to another process, and no descriptor could tell
        except (ValueError, IndexError):
            return None  # cut short while the process ended
        last = self._ticks.get(name, 0) if before is not None else 0
        self._ticks[name] = ticks
        return Use(int(name), parse_name(text), ticks - last, before is None) if ticks > last else None

    def _first(self, name: str) -> bytes:
        descriptor = self._open(f"{name}/stat")
        text = os.pread(descriptor, TEXT, 0)
        if len(self._kept) < self._keep:
            self._kept[name] = descriptor
        else:
            os.close(descriptor)
        return text

    def _reborn(self, name: str) -> bytes:
        """Forget a process that has ended; return the text of another with its number, or nothing."""
        self._forget(name)
        try:
            return self._first(name)
        except OSError:
            return b""

    def _forget(self, name: str) -> None:
        descriptor = self._kept.pop(name, None)
        if descriptor is not None:
            os.close(descriptor)
        self._texts.pop(name, None)
        self._ticks.pop(name, None)

    def _open(self, path: str) -> int:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)


def _born(text: bytes) -> bytes:
    return text[text.rindex(b")") + 2 :].split(b" ", _START + 1)[_START]


def _room() -> int:
    """Raise the soft limit of descriptors as far as the hard one allows; return half of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    return (MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft) // 2

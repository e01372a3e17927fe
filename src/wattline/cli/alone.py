"""One program on one directory: a second would meter the same things into the same store, under the same names."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from wattline.errors import Misconfigured

LOCK: Final = "up.lock"


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Hold a directory, which is made where there is none; the kernel lets it go when the program ends in any way.

    Raises Misconfigured when another program holds it, or when it cannot be written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Misconfigured(f"{directory} cannot be written to: {error.strerror}; choose with --data") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        raise Misconfigured(
            f"another Wattline (process {holder or 'unknown'}) has its store in {directory}; choose with --data"
        ) from error
    try:
        with suppress(OSError):  # on a full disk the number is missing, and nothing else
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)

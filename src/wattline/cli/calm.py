"""A log that a broken device cannot flood: of lines that are alike, a few a minute are written.

Lines are alike when one place in the code writes them about one thing, which is what stands first in them: a meter, an
address. How many were left out is said with the next line that is like them.
"""

import logging
from typing import Final

MOST: Final = 20
"""Lines that are alike in `SPAN`."""
SPAN: Final = 60.0
"""Seconds."""
_KINDS: Final = 20_000
"""Kinds of lines that are counted; beyond them the count begins anew."""


class Calm(logging.Filter):
    """Lets the first lines of a kind pass, and counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[object, ...], list[float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is written; it is given the number of those that were not."""
        about = str(record.args[0]) if isinstance(record.args, tuple) and record.args else ""
        kind = record.name, record.levelno, str(record.msg), about
        if len(self._seen) > _KINDS:
            self._seen.clear()
        seen = self._seen.setdefault(kind, [record.created, 0])
        since, count = seen
        if not 0 <= record.created - since < SPAN:
            left_out = max(0, int(count) - MOST)
            seen[:] = record.created, 1
            if left_out:
                record.msg, record.args = f"{record.getMessage()} ({left_out} lines like this were left out)", ()
            return True
        seen[1] += 1
        return count < MOST

"""What is logged on behalf of a meter shows none of its secrets, whoever logs it.

A driver quotes what a server says, and servers say again what they were sent.
"""

import logging
from collections.abc import Collection
from contextvars import ContextVar
from typing import Final

from wattline.runtime.failure import scrub

_SECRETS: Final[ContextVar[Collection[str]]] = ContextVar("secrets", default=())


def keep_quiet(secrets: Collection[str]) -> None:
    """Hide these from all that the current task logs from now on, and the tasks and threads that it starts."""
    _SECRETS.set(secrets)


def guard_log() -> None:
    """Stand before every handler of the log, and before the one that Python has where there is none."""
    for handler in (*logging.getLogger().handlers, logging.lastResort):
        if handler is not None:
            handler.addFilter(_GUARD)


class Discreet(logging.Filter):
    """Stands before a handler of the log."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without secrets."""
        if secrets := _SECRETS.get():
            record.msg, record.args = scrub(record.getMessage(), secrets), None
            if record.exc_info:
                record.exc_text = scrub(logging.Formatter().formatException(record.exc_info), secrets)
        return True


_GUARD: Final = Discreet()  # one, that it stands there once

"""Errors are decisions: each class says who must act and what the runtime does next.

    WattlineError
    ├── Misconfigured   the operator must act      this meter stops, the rest goes on
    ├── Denied          the meter refuses us       told once; tried again seldom, for devices lock accounts
    ├── Unreachable     the world must act         back off, reopen, try again
    ├── Malformed       this answer is dropped     the connection is kept
    ├── Gone            the thing has left         stop quietly
    └── Refused         a stored value contradicts what the store holds; nothing is changed

Anything else that a plugin raises is a bug of ours: it is logged once with its traceback, and the meter stops,
not the program. A message names the address, the key, the line or the object; it never holds a secret.
"""

import os
import re
from typing import Final

_NUMBERED: Final = re.compile(r"\[Errno (\d+)\]")


class WattlineError(Exception):
    """Root of all errors that Wattline raises on purpose."""


class Misconfigured(WattlineError):
    """A key, an address or a credential is wrong, and only the operator can mend it."""


class Denied(WattlineError):
    """Who asked is not let in: a user, a password, a community, a token. Asking often would lock the account."""


class Unreachable(WattlineError):
    """Nobody answered in time, or the connection ended: the same call may succeed later."""


class Malformed(WattlineError):
    """An answer came that means nothing: it is dropped whole, the next one may be good."""


class Gone(WattlineError):
    """What was read has left for good (a process ended, an outlet was removed), which is no fault."""


class Refused(WattlineError):
    """A store or an interface will not take this: the message says why and what would be taken."""


def reason(error: Exception) -> str:
    """Say why a connection failed in the system's words, `Connection refused`, without numbers and Python's tuples."""
    numbers = set(_NUMBERED.findall(str(error)))  # asyncio tells one for each address of a name, in one text
    if len(numbers) == 1:
        return os.strerror(int(numbers.pop()))
    return getattr(error, "strerror", None) or str(error)

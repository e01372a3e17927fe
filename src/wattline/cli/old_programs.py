"""The programs that are installed under older systems' names.

Kwollect took a password on its command line, where every user of the machine sees it. It is not needed here, so such a
program starts itself again without it, under the same process id; before anything large is imported, that the password
may be seen for as short as can be.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

_SECRET: Final = "db_password"  # noqa: S105 - the name of an option


def kwapi_drivers() -> None:
    """Be `kwapi-drivers`."""
    _be("kwapi_drivers")


def kwollector() -> None:
    """Be `kwollector`."""
    _without_password()
    _be("kwollector")


def kwollector_wattmetre() -> None:
    """Be `kwollector-wattmetre`."""
    _without_password()
    _be("kwollector_wattmetre")


def server_collector() -> None:
    """Be `server-collector`."""
    _be("server_collector")


def without_password(words: Sequence[str]) -> list[str]:
    """Return a command line without `--db_password` and its value."""
    clean: list[str] = []
    is_value = False
    for word in words:
        if is_value:
            is_value = False
        elif word == f"--{_SECRET}":
            is_value = True
        elif not word.startswith(f"--{_SECRET}="):
            clean.append(word)
    return clean


def _without_password() -> None:
    """Start again without a password on the command line, if there is one."""
    clean = without_password(sys.orig_argv)
    if len(clean) < len(sys.orig_argv):
        sys.stderr.write(
            "A password on a command line is seen by all users: it is not needed here, and was taken away.\n"
        )
        sys.stderr.flush()
        os.execv(sys.executable, clean)  # noqa: S606 - this very program


def _be(name: str) -> None:
    from wattline.cli import aliases

    aliases.main(getattr(aliases, name))

"""The round over hosts: every look at every host, so many at a time, and nobody is asked twice in a row.

A look is taken at all hosts before the next one begins, so that no host is met by all questions at once.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from wattline.discovery.found import Found
from wattline.errors import WattlineError

IN_FLIGHT: Final = 128
"""Most hosts that are looked at in one moment."""


class Look(Protocol):
    """One way to find out what a host is."""

    @property
    def questions(self) -> int:
        """Return the most questions that one host is asked."""

    async def look(self, host: str) -> list[Found]:
        """Return what is there."""


async def scan(
    hosts: Sequence[str], looks: Sequence[Look], found: Callable[[Found], None], looked: Callable[[], None]
) -> None:
    """Look at all hosts; tells `found` of what answers, at once, and `looked` when one look at one host is done.

    Ends early by cancellation: what was told until then holds.
    """
    jobs = ((look, host) for look in looks for host in hosts)
    async with asyncio.TaskGroup() as workers:
        for _ in range(min(IN_FLIGHT, len(hosts) * len(looks))):
            workers.create_task(_work(jobs, found, looked))


async def _work(jobs: Iterator[tuple[Look, str]], found: Callable[[Found], None], looked: Callable[[], None]) -> None:
    for look, host in jobs:
        try:
            for one in await look.look(host):
                found(one)
        except (OSError, UnicodeError, WattlineError):
            pass  # there is no way to that host, or no such name: it is not there
        looked()

"""Where a host is: its name is looked up in a thread, so that names which no server answers for hold up no others.

The threads are those of the loop's default executor: uvloop's own look up two names at a time.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Final

from wattline.errors import Unreachable, reason

_LOOKUP: Final = 8.0
"""Seconds that a name may take: a second name server is asked after 5 (resolv.conf(5)), a meter opened within 10."""

Place = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""Family, kind, protocol, canonical name and address, as getaddrinfo(3) says them."""


async def places(host: str, port: int, kind: socket.SocketKind) -> Sequence[Place]:
    """Return where a host is, at least one place; an address in digits needs no look-up.

    Raises Unreachable: there is no such name, or nobody says whether there is.
    """
    try:
        return socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        pass  # it is a name
    try:
        async with asyncio.timeout(_LOOKUP):
            return await asyncio.to_thread(socket.getaddrinfo, host, port, type=kind)
    except TimeoutError as error:
        raise Unreachable(f"the name server does not answer for {host}") from error
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{host} is no name that resolves: {reason(error)}") from error

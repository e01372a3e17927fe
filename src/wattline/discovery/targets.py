"""Which addresses are looked at: an address, a name, a network or a range, from arguments or a list.

`10.0.0.7`, `fd00::1` and `pdu-1.example.org` are one host, `10.0.0.0/24` is the hosts of a network, in `10.0.0.1-50`
the last part runs from 1 to 50, and `10.0.0.1-10.0.3.9` goes from one address to another.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final

from wattline.errors import Misconfigured

MOST: Final = 65_536
"""Addresses that are looked at unless somebody asks for more."""
_UTMOST: Final = 1 << 24
"""Addresses that are never exceeded: they are held in memory."""
_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?")
_SHORT_END: Final = re.compile(r"\d{1,3}")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def targets(texts: Iterable[str], *, most: int = MOST) -> list[str]:
    """Return the hosts that texts name, in order, each once.

    Raises Misconfigured, which quotes the text: it is no host, or the hosts are more than `most`.
    """
    found: dict[str, None] = {}
    for text in texts:
        for host in _hosts(text, min(most, _UTMOST) - len(found)):
            found[host] = None
    return list(found)


def listed(text: str) -> list[str]:
    """Return what a list of hosts names: words on lines, `#` begins a comment."""
    return [word for line in text.splitlines() for word in line.partition("#")[0].replace(",", " ").split()]


def _hosts(text: str, room: int) -> Iterator[str]:
    if "/" in text:
        network = _network(text)
        return _counted(text, (str(host) for host in network.hosts()), network.num_addresses, room)
    first, dash, last = text.partition("-")
    if dash and (begin := _address(first)) is not None:
        end = _end(text, begin, last)
        count = int(end) - int(begin) + 1
        return _counted(text, (str(begin + i) for i in range(count)), count, room)
    if (address := _address(text)) is not None:
        return _counted(text, iter([str(address)]), 1, room)
    if not _NAME.fullmatch(text) or re.fullmatch(r"[\d.]+", text):
        raise Misconfigured(f"{text!r} is no address, name, network (10.0.0.0/24) or range (10.0.0.1-50)")
    return _counted(text, iter([text]), 1, room)


def _counted(text: str, hosts: Iterator[str], count: int, room: int) -> Iterator[str]:
    if count > room + 2:  # a network's own address and its broadcast are no hosts
        raise Misconfigured(f"{text} brings the addresses to more than {MOST:,}: name less, or say --many")
    return hosts


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise Misconfigured(f"{text!r} is no network such as 10.0.0.0/24: {error}") from error


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _end(text: str, begin: Address, last: str) -> Address:
    if _SHORT_END.fullmatch(last) and begin.version == 4:
        last = f"{str(begin).rpartition('.')[0]}.{int(last)}"
    end = _address(last)
    if end is None or end.version != begin.version or int(end) < int(begin):
        raise Misconfigured(f"{text!r} is no range such as 10.0.0.1-50, or it ends before it begins")
    return end

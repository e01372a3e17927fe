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
        count, hosts = _hosts(text)
        if count > _UTMOST:
            raise Misconfigured(f"{text} is more than {_UTMOST:,} addresses: name less")
        if len(found) + count > most + 2:  # a network's own address and its broadcast are no hosts
            raise Misconfigured(f"{text} brings the addresses to more than {most:,}: name less, or say --many")
        found |= dict.fromkeys(hosts)
        if len(found) > _UTMOST:
            raise Misconfigured(f"{text} brings the addresses to more than {_UTMOST:,}: name less")
    return list(found)


def listed(text: str) -> list[str]:
    """Return what a list of hosts names: words on lines, `#` begins a comment."""
    return [word for line in text.splitlines() for word in line.partition("#")[0].replace(",", " ").split()]


def _hosts(text: str) -> tuple[int, Iterator[str]]:
    """Return how many hosts a text names at most, and them."""
    if "/" in text:
        network = _network(text)
        return network.num_addresses, (str(host) for host in network.hosts())
    first, dash, last = text.partition("-")
    if dash and (begin := _address(first)) is not None:
        end = _end(text, begin, last)
        count = int(end) - int(begin) + 1
        return count, (str(begin + i) for i in range(count))
    if (address := _address(text)) is not None:
        return 1, iter([str(address)])
    if not _NAME.fullmatch(text) or re.fullmatch(r"[\d.]+", text):
        raise Misconfigured(f"{text!r} is no address, name, network (10.0.0.0/24) or range (10.0.0.1-50)")
    return 1, iter([text])


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

"""The options of an M-Bus, and how an address says them."""

from typing import Any, Final, Self

from wattline.line_meter import LineConfig
from wattline.plugin import Misconfigured, Url
from wattline.wire.mbus import ANY
from wattline.wire.serial_line import name_line

_LAST: Final = 250
"""The highest address that a meter may have."""


class MbusConfig(LineConfig, frozen=True, kw_only=True):
    """Options of an M-Bus."""

    address: tuple[int, ...] = (ANY,)
    baud: int = 2400
    framing: str = "8E1"
    wait: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.address or len(set(self.address)) < len(self.address):
            raise ValueError("`address` lists the meters of the bus, each once")
        if self.address != (ANY,) and not all(0 <= one <= _LAST for one in self.address):
            raise ValueError(f"`address`: a meter has one from 0 to {_LAST}; {ANY} is the one that is alone on its bus")

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `mbus:///dev/ttyUSB0?address=1,2`, or `mbus://host:port` of a gateway."""
        where = f"{url.scheme}://{url.host}"
        given: dict[str, Any] = {"line": name_line(url.host, url.port, url.path), **dict(url.options)}
        if "address" in given:
            listed = str(given["address"]).split(",")
            if not all(one.strip().isascii() and one.strip().isdecimal() and len(one) < 9 for one in listed):
                raise Misconfigured(f"{where}: `address` is a list of numbers such as 1,2")
            given["address"] = [int(one) for one in listed]
        return cls.of(where, given)

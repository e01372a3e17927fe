"""The options of a P1 port, and how an address says them."""

from typing import Any, Self

from wattline.plugin import DriverConfig, Url
from wattline.wire.serial_line import check_line, name_line


class DsmrConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a P1 port."""

    line: str
    baud: int = 115_200
    framing: str = "8N1"
    wait: float = 30.0

    def __post_init__(self) -> None:
        check_line(self.line, self.baud, self.framing)
        if not 0 < self.wait <= 3600:
            raise ValueError("`wait` lies between 0 and 3600 seconds")

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `dsmr:///dev/ttyUSB0`, or `dsmr://host:port` of a serial server."""
        given: dict[str, Any] = {"line": name_line(url.host, url.port, url.path), **dict(url.options)}
        return cls.of(f"{url.scheme}://{url.host}", given)

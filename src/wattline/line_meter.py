"""What meters on a serial line have in common: the options of the line, and a name where nobody gives one."""

from typing import Any, Self

from wattline.plugin import DriverConfig, Url
from wattline.wire.serial_line import Line, check_line, name_line

_LONGEST = 3600


class LineConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a line: a serial port, or `tcp://host:port` of a serial server."""

    line: str
    baud: int = 115_200
    framing: str = "8N1"
    wait: float = 2.0
    """Seconds that the line may be silent."""

    def __post_init__(self) -> None:
        check_line(self.line, self.baud, self.framing)
        if not 0 < self.wait <= _LONGEST:
            raise ValueError(f"`wait` lies between 0 and {_LONGEST} seconds")

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `driver:///dev/ttyUSB0`, or `driver://host:port` of a serial server."""
        given: dict[str, Any] = {"line": name_line(url.host, url.port, url.path), **dict(url.options)}
        return cls.of(f"{url.scheme}://{url.host}", given)

    def opened_by(self) -> Line:
        """Return the line, which is not open yet."""
        return Line(self.line, baud=self.baud, framing=self.framing, wait=self.wait)

    def own_name(self, kind: str) -> str:
        """Return the device that the values are about: `kind-ttyUSB0` where nobody names it."""
        return self.device or f"{kind}-{self.line.rpartition('/')[2].replace(':', '-')}"

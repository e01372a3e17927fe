"""The options of an OmegaWatt wattmeter, and how an address says them."""

import shlex
from typing import Any, Literal, Self

from wattline.plugin import DriverConfig, Url


class WattmetreConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a wattmeter; README.md explains each."""

    device: str = "wattmetre"
    path: str = "-"
    command: str = ""
    version: Literal[2, 3] = 2
    tail: int = 3
    electrical: bool = False
    mapping: str = ""
    shared: Literal["group", "share"] = "group"
    metric: str = "power_watts"
    wait: float = 10.0

    def __post_init__(self) -> None:
        if not self.device or not self.metric:
            raise ValueError("`device` and `metric` are names, and not empty")
        if not self.path or "\0" in self.path:
            raise ValueError("`path` is that of a FIFO or file, or - for standard input")
        if not 0 <= self.tail <= 64:
            raise ValueError("`tail` lies between 0 and 64 pairs")
        if not 0 < self.wait <= 3600:
            raise ValueError("`wait` lies between 0 and 3600 seconds")
        try:
            shlex.split(self.command)
        except ValueError as error:
            raise ValueError(f"`command`: {error}") from error

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `wattmetre://-` (standard input), `wattmetre:///run/omegawatt.fifo`, or `wattmetre://?command=...`."""
        given: dict[str, Any] = {"path": url.host} if url.host else {"path": f"/{url.path}"} if url.path else {}
        return cls.of(f"{url.scheme}://{url.host}", {**given, **dict(url.options)})

    @property
    def words(self) -> list[str]:
        """The program to start, and its arguments."""
        return shlex.split(self.command)

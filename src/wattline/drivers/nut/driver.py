"""UPSes and PDUs by Network UPS Tools: whatever one of its drivers can read, from its server `upsd`."""

from collections.abc import Sequence
from typing import Any, Self

from wattline.drivers.nut.variables import METRICS, POWER, number_of, values
from wattline.plugin import (
    Column,
    Device,
    DriverConfig,
    Frame,
    Layout,
    Malformed,
    Misconfigured,
    Polled,
    Roster,
    Secret,
    Series,
    Url,
)
from wattline.wire.nut import Upsd
from wattline.wire.web import trust


class NutConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a UPS behind `upsd`."""

    host: str
    port: int = 3493
    ups: str = ""
    user: str = ""
    password: Secret = Secret("")
    tls: bool = False
    ca: str = ""
    verify: bool = True
    wait: float = 2.0

    def __post_init__(self) -> None:
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise ValueError("`host` is a name or an IP address")
        for name, least, most in (("port", 1, 65_535), ("wait", 0.001, 3600)):
            if not least <= getattr(self, name) <= most:  # not so either of what is no number
                raise ValueError(f"`{name}` lies between {least} and {most}")

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `nut://user:password@host:3493/UPS?option=value`."""
        given: dict[str, Any] = {"host": url.host}
        given |= {"port": url.port} if url.port else {}
        given |= {"ups": url.path} if url.path else {}
        given |= {"user": url.user.reveal()} if url.user else {}
        given |= {"password": url.password} if url.password else {}
        return cls.of(f"{url.scheme}://{url.host}", given | dict(url.options))


class Nut(Polled[NutConfig]):
    """Asks for all variables at every poll; outlets and groups are parts of the device."""

    Config = NutConfig
    summary = "UPSes and PDUs that Network UPS Tools reads (upsd)"
    metrics = METRICS
    example = "nut://ups-server/rack-ups"

    def __init__(self, config: NutConfig) -> None:
        super().__init__(config)
        self._upsd = Upsd(config.host, config.port, wait=config.wait)
        self._roster: Roster[tuple[Series, Column]] = Roster(lambda key: key, self._devices)
        self._within: dict[str, str] = {}
        self._ups = config.ups
        self.name = config.device or config.ups

    async def open(self) -> Sequence[Layout]:
        """Connect, and find the UPS where none was named. Raises Misconfigured when there are several."""
        config = self.config
        tls = trust(config.ca, verify=config.verify) if config.tls else None
        await self._upsd.open(tls, config.user, config.password.reveal())
        if not config.ups:
            known = await self._upsd.upses()
            if len(known) != 1:
                raise Misconfigured(
                    f"{self._upsd.name}: name one of its UPSes: {', '.join(known[:20]) or 'it has none'}"
                )
            self._ups = known[0]
            self.name = config.device or self._ups
        return []

    async def read(self, now: int) -> Sequence[Frame]:
        """Ask for the variables once. Raises Malformed: none of them is a quantity."""
        variables = await self._upsd.variables(self._ups)
        rated = number_of(variables.get("ups.realpower.nominal"))
        told: dict[tuple[Series, Column], float] = {}
        for one in values(variables):
            device = f"{self.name}/{one.part}" if one.part else self.name
            if one.part:
                self._within[device] = f"{self.name}/{one.within}" if one.within else self.name
            speaks = one.metric is POWER and not one.part and not one.labels
            column = Column(scale=one.scale, rated=rated if speaks and rated and rated > 0 else None)
            told[Series.of(device, one.metric, dict(one.labels)), column] = one.value
        if not told:
            raise Malformed(f"{self._upsd.name}/{self._ups} tells no quantity that is known")
        layout, row, present = self._roster.frame(now, list(told), list(told.values()))
        return [Frame(layout, row, present=None if present.all() else present)]

    async def close(self) -> None:
        """Close the connection."""
        await self._upsd.close()

    def _devices(self, series: Sequence[Series]) -> list[Device]:
        named = dict.fromkeys(one.device for one in series)
        parts = [Device(name, parents=(("", self._within[name]),)) for name in named if name in self._within]
        return [Device(self.name), *parts]

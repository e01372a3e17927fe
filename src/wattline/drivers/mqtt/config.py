"""The options of an MQTT broker whose topics are read."""

import ssl
from typing import Any, Final, Self

from wattline.drivers.mqtt.presets import PRESETS, Preset
from wattline.drivers.mqtt.rules import Rule
from wattline.plugin import DriverConfig, Misconfigured, Point, Secret, Url
from wattline.wire.web import trust

_PORT: Final = 1883
_TLS_PORT: Final = 8883
_OF_RULE: Final = ("labels", "path", "metric", "unit", "scale", "kind", "range", "resolution", "time")


class MqttConfig(DriverConfig, frozen=True, kw_only=True):
    """Options of a broker; sample.yaml explains each."""

    host: str
    port: int = 0
    user: str = ""
    password: Secret = Secret("")
    tls: bool = False
    ca: str = ""
    verify: bool = True
    client_id: str = ""
    presets: tuple[Preset, ...] = ()
    topics: tuple[Rule, ...] = ()
    retained: bool = False
    point: Point = Point.WALL
    most_topics: int = 10_000
    keep_alive: int = 60
    wait: float = 4.0
    silence: float = 330.0

    def __post_init__(self) -> None:
        if not self.presets and not self.topics:
            raise ValueError("says what to read in neither `topics` nor `presets`")
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise ValueError("`host` is a name or an IP address")
        if not 0 <= self.port <= 65_535:
            raise ValueError("`port` lies between 1 and 65535")
        if not 1 <= self.most_topics <= 1_000_000:
            raise ValueError("`most_topics` lies between 1 and 1000000")
        if not 1 <= self.keep_alive <= 65_535:
            raise ValueError("`keep_alive` lies between 1 and 65535")
        if not 1 <= self.silence <= 30 * 86_400:
            raise ValueError("`silence` lies between 1 s and 30 days")
        if not 0.001 <= self.wait <= 3600:  # not so either of what is no number
            raise ValueError("`wait` lies between 0.001 and 3600")

    @property
    def where(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or (_TLS_PORT if self.tls else _PORT)

    @property
    def name(self) -> str:
        """The address, for messages."""
        host, port = self.where
        return f"mqtt://{f'[{host}]' if ':' in host else host}:{port}"

    def rules(self) -> tuple[Rule, ...]:
        """Return all rules, those of the presets behind those of the operator."""
        return (*self.topics, *(rule for preset in self.presets for rule in PRESETS[preset]))

    def trust(self) -> ssl.SSLContext | None:
        """Return whose certificates are trusted; None without TLS. Raises Misconfigured."""
        return trust(self.ca, verify=self.verify) if self.tls else None

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """Read `mqtt://user:password@host/topic/+/power?unit=W`, or `mqtt://host/?presets=tasmota,shelly1`.

        The path is one topic, and what stands after `?` may be any option of it or of the broker.
        """
        options: dict[str, Any] = dict(url.options)
        given: dict[str, Any] = {"host": url.host}
        given |= {name: getattr(url, name) for name in ("port", "password") if getattr(url, name)}
        given |= {"user": url.user.reveal()} if url.user else {}
        of_rule = {name: options.pop(name) for name in _OF_RULE if name in options}
        if url.path:
            given["topics"] = [{"topic": url.path, **of_rule}]
        elif of_rule:
            raise Misconfigured(f"mqtt://{url.host}: {', '.join(of_rule)} speak of a topic, and none is given")
        if presets := options.pop("presets", ""):
            given["presets"] = presets.split(",")
        return cls.of(f"mqtt://{url.host}", given | options)

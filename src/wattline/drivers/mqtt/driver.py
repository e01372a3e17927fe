"""MQTT brokers: what meters, plugs and sensors publish, as it comes.

Each topic has a layout of its own: what one message says has one time.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import aiomqtt
from aiomqtt.exceptions import MqttConnectError

from wattline.drivers.mqtt.config import MqttConfig
from wattline.drivers.mqtt.rules import Payload, Rule
from wattline.plugin import Column, Denied, Device, Frame, Layout, Malformed, Roster, Series, Streamed, Unreachable

_QUEUE: Final = 10_000
"""Messages that wait to be read; beyond them the newest are dropped."""
_SECOND: Final = 1_000_000_000
_SHOWN: Final = 40
_NOT_LET_IN: Final = (4, 5, 134, 135)
"""Bad user or password, not authorised: codes of MQTT 3.1.1 section 3.2.2.3, and of 5.0 section 3.2.2.2."""
_REFUSED: Final = 128
"""Codes from it on refuse a subscription (MQTT 3.1.1 section 3.9.3)."""
_logger = logging.getLogger(__name__)
_quiet = logging.getLogger(f"{__name__}.library")
_quiet.setLevel(logging.CRITICAL)  # each failure ends as an error of ours, which is logged once


class Topic:
    """One topic that was heard of: its rules with their series, and what they have given so far.

    `bad` counts its bad messages in a row. A series is there from its first value on: presets have more than one device
    says.
    """

    def __init__(self, config: MqttConfig, topic: str) -> None:
        own = config.device or config.host
        found: dict[bytes, tuple[Rule, Series, Column]] = {}
        for rule in config.rules():
            if (wild := rule.matches(topic)) is not None:
                series = rule.series(wild, own)
                found.setdefault(series.key, (rule, series, rule.column(config.point)))  # the operator's come first
        self._rules = tuple(found.values())
        self._roster: Roster[int] = Roster(lambda i: self._rules[i][1:], _devices)
        self.bad = 0

    def frame(self, now: int, content: bytes) -> Frame | None:
        """Return what a message says; None: nothing that is asked for. `now` (ns) is of any clock. Raises Malformed."""
        payload = Payload(content)
        values = {}
        for i, (rule, _, column) in enumerate(self._rules):
            if (value := rule.value(payload, column.scale)) is not None:
                values[i] = value
        if not values:
            return None
        times = (rule.instant(payload) for rule, _, _ in self._rules)
        time = next((one for one in times if one is not None), None)
        layout, row, present = self._roster.frame(now, list(values), list(values.values()))
        return Frame(layout, row, time=time, present=None if present.all() else present)


def _devices(series: Sequence[Series]) -> list[Device]:
    return [Device(name) for name in dict.fromkeys(one.device for one in series)]


def _number(code: Any) -> int:
    """Return a code as the number that it is in the protocol version of the connection."""
    return int(getattr(code, "value", code) or 0)


class Mqtt(Streamed[MqttConfig]):
    """Subscribes to topics of one broker, at least once (QoS 1)."""

    Config = MqttConfig
    summary = "MQTT brokers: Tasmota, Zigbee2MQTT, Shelly, and any topic with a number or JSON"
    example = "mqtt://meter:password@broker:1883/power/+/watts?unit=W"

    def __init__(self, config: MqttConfig) -> None:
        super().__init__(config)
        self.patience = config.silence
        self._client: aiomqtt.Client | None = None
        self._topics: dict[str, Topic] = {}
        self._too_many = False

    async def open(self) -> Sequence[Layout]:
        """Connect and subscribe. Raises Unreachable, Denied (user, password, a topic) and Misconfigured (`ca`)."""
        host, port = self.config.where
        client = aiomqtt.Client(
            host,
            port,
            username=self.config.user or None,
            password=self.config.password.reveal() or None,
            identifier=self.config.client_id or None,
            clean_session=not self.config.client_id,
            tls_context=self.config.trust(),
            timeout=self.config.wait,
            keepalive=self.config.keep_alive,
            max_queued_incoming_messages=_QUEUE,
            logger=_quiet,
        )
        self._client = client
        try:
            await client.__aenter__()
            filters = dict.fromkeys(rule.topic for rule in self.config.rules())
            for topic in filters:
                codes = await client.subscribe(topic, qos=1)
                if any(_number(code) >= _REFUSED for code in codes):
                    raise Denied(f"{self.config.name} does not let us read {topic}")
        except MqttConnectError as error:
            if _number(error.rc) in _NOT_LET_IN:
                raise Denied(
                    f"{self.config.name} does not let in {self.config.user or 'a client without user'}"
                ) from error
            raise Unreachable(f"{self.config.name} refuses the connection: {error}") from error
        except (aiomqtt.MqttError, OSError, UnicodeError) as error:
            raise Unreachable(f"{self.config.name} cannot be reached: {error}") from error
        return []

    async def stream(self) -> AsyncIterator[Sequence[Frame]]:
        """Yield the frame of each message that has a value."""
        assert self._client is not None
        try:
            async for message in self._client.messages:
                if (frame := self._frame(message)) is not None:
                    yield [frame]
        except aiomqtt.MqttError as error:
            raise Unreachable(f"{self.config.name} closed the connection") from error

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.__aexit__(None, None, None)
            except aiomqtt.MqttError as error:
                _logger.debug("%s: %s", self.config.name, error)
            else:  # what ended the connection is asked for, or asyncio would log it as an error that nobody retrieved
                with contextlib.suppress(aiomqtt.MqttError):
                    async for _ in client.messages:
                        pass

    def _frame(self, message: aiomqtt.Message) -> Frame | None:
        if message.retain and not self.config.retained:
            return None  # nobody knows how old it is
        name = str(message.topic)
        if (topic := self._topics.get(name)) is None:
            if len(self._topics) >= self.config.most_topics:
                if not self._too_many:
                    _logger.warning(
                        "%s has more than %d topics; %s is not read", self.config.name, len(self._topics), name
                    )
                self._too_many = True
                return None
            topic = self._topics[name] = Topic(self.config, name)
        content = message.payload if isinstance(message.payload, bytes) else b""
        try:
            frame = topic.frame(int(asyncio.get_running_loop().time() * _SECOND), content)
        except Malformed as error:
            topic.bad += 1
            if topic.bad == 1:
                _logger.warning("%s: %s says %r: %s", self.config.name, name, content[:_SHOWN], error)
            return None
        if topic.bad:
            _logger.info("%s: %s is good again after %d that were not", self.config.name, name, topic.bad)
            topic.bad = 0
        return frame

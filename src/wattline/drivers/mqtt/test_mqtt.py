"""MQTT: what topics and payloads say, and what happens to the connection, with a real broker where one is installed."""

import asyncio
import gc
import json
import logging
from contextlib import aclosing, asynccontextmanager

import aiomqtt
import numpy as np
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from wattline.core.address import Url
from wattline.drivers.mqtt.config import MqttConfig
from wattline.drivers.mqtt.driver import Mqtt, Topic
from wattline.drivers.mqtt.presets import PRESETS
from wattline.drivers.mqtt.rules import Rule, instant
from wattline.errors import Denied, Malformed, Misconfigured, Unreachable
from wattline.model import Kind
from wattline.testing.agents import Mosquitto, find_program
from wattline.testing.driver_suite import DriverSuite, dead_port, opened

peer = pytest.mark.skipif(find_program("mosquitto") is None, reason="mosquitto is not installed")
PATIENCE = 20.0


def options(**given):
    return MqttConfig.of("test", {"host": "broker", **given})


def watts(topic="power/+/watts", **more):
    return {"topic": topic, "unit": "W", **more}


def told(frame):
    """Return value by (device, metric, labels)."""
    present = np.ones(len(frame.layout), bool) if frame.present is None else frame.present
    return {
        (series.device, series.metric.name, *(text for _, text in series.labels)): float(frame.values[i])
        for i, series in enumerate(frame.layout.series)
        if present[i]
    }


def says(config, topic, payload):
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    frame = Topic(config, topic).frame(1, content)
    return told(frame) if frame else {}


def preset(name, topic, payload):
    return {metric if not labels else (metric, *labels): value
            for (_, metric, *labels), value in says(options(presets=[name]), topic, payload).items()}  # fmt: skip


def test_an_address_of_a_topic_and_one_of_presets():
    config = MqttConfig.from_url(
        Url.parse("mqtt://me:secret@broker:99/power/+/watts?unit=W&scale=0.1&tls=true&device=x")
    )
    [rule] = config.topics
    assert (config.where, config.user, config.password.reveal(), config.tls) == (("broker", 99), "me", "secret", True)
    assert (rule.topic, rule.unit, rule.factor().den, config.device) == ("power/+/watts", "W", 10, "x")
    config = MqttConfig.from_url(Url.parse("mqtt://broker/?presets=tasmota,shelly1&tls=true"))
    assert (config.presets, config.where) == (("tasmota", "shelly1"), ("broker", 8883))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mqtt://broker/", "neither `topics` nor `presets`"),
        ("mqtt://broker/?unit=W", "unit speak of a topic"),
        ("mqtt://broker/?presets=tasmoto", "tasmoto"),
        ("mqtt://broker/a+/b", r"\+ stands for a whole level"),
        ("mqtt://broker/%23/b", "# for all that are left"),
        ("mqtt://broker/a?unit=watt", "'watt' is no unit"),
        ("mqtt://broker/a?scale=0", "cannot be inverted"),
        ("mqtt://broker/a?scale=1e300", "can be kept"),
        ("mqtt://broker/a?path=a..b", "no path such as"),
        ("mqtt://broker/a?kind=state", "no state"),
        ("mqtt://broker/a?wait=nan", "`wait` lies between"),
        ("mqtt:///a", "`host` is a name"),
    ],
)
def test_a_wrong_address_says_what_is_wrong(text, said):
    with pytest.raises(Misconfigured, match=said):
        MqttConfig.from_url(Url.parse(text))


def test_a_place_that_stands_for_no_wildcard_is_refused():
    with pytest.raises(Misconfigured, match=r"\{2\} stands for no wildcard of 'a/\+', which has 1"):
        options(topics=[watts("a/+", labels={"phase": "{2}"})])


@pytest.mark.parametrize(
    ("topic", "name", "wild"),
    [
        ("a/b", "a/b", ()), ("a/+", "a/b", ("b",)), ("+/+/c", "a/b/c", ("a", "b")), ("a/#", "a/b/c", ("b/c",)),
        ("#", "a", ("a",)), ("a/+", "a", None), ("a/+", "a/b/c", None), ("a", "b", None), ("a/+", "a/", ("",)),
    ],
)  # fmt: skip
def test_wildcards(topic, name, wild):
    assert Rule(topic=topic).matches(name) == wild


def test_wildcards_name_devices_and_labels():
    config = options(topics=[watts("shellies/+/emeter/+/power", labels={"channel": "{2}"})])
    assert says(config, "shellies/em-1/emeter/0/power", b" 12.5\n") == {("em-1", "power_watts", "0"): 12.5}
    config = options(topics=[watts("a/+/b", device="rack-{1}"), watts("meter")], device="wall")
    assert says(config, "a/7/b", b"1") == {("rack-7", "power_watts"): 1}
    assert says(config, "meter", b"1") == {("wall", "power_watts"): 1}
    assert says(options(topics=[watts("meter")]), "meter", b"1") == {("broker", "power_watts"): 1}


def test_paths_into_json():
    config = options(
        topics=[watts("m", path="a.b[1].w", scale=0.1, absent=[-1]), {"topic": "m", "path": "e", "unit": "kWh"}]
    )
    assert says(config, "m", {"a": {"b": [0, {"w": 5}]}, "e": "1.001"}) == {
        ("broker", "power_watts"): 0.5,
        ("broker", "energy_joules"): 3_603_600,
    }
    for there in (-1, None, True, "n/a", [], {"x": 1}, "1e999"):
        assert says(config, "m", {"a": {"b": [0, {"w": there}]}, "e": 1}) == {("broker", "energy_joules"): 3_600_000}
    for shape in (5, [1], {"a": [1]}, {"a": {"b": [1]}}):
        assert says(config, "m", shape) == {}


@pytest.mark.parametrize("payload", [b"", b"on", b"\xff", b"nan", b"inf", b"1e999", b"1 W", b"x" * 2_000_000])
def test_a_payload_that_is_no_number_is_malformed(payload):
    with pytest.raises(Malformed):
        says(options(topics=[watts("m")]), "m", payload)


@given(st.binary(max_size=200) | st.from_regex(r'\{"a": ?[\[\{]?-?\d{1,400}[\]\}]?\}').map(str.encode))
def test_any_payload_is_values_or_malformed(content):
    config = options(topics=[watts("m"), watts("m", path="a", metric="other_watts", time="a")])
    for some in ([config.topics[0]], [config.topics[1]], config.topics):
        try:
            frame = Topic(MqttConfig(host="broker", topics=tuple(some)), "m").frame(1, content)
        except Malformed:
            continue
        assert frame is None or np.isfinite(frame.values).all()


@pytest.mark.parametrize(
    ("found", "time"),
    [
        (1_700_000_000, 1_700_000_000_000_000_000), (1_700_000_000.25, 1_700_000_000_250_000_000),
        (1_700_000_000_250, 1_700_000_000_250_000_000), ("2023-11-14T22:13:20Z", 1_700_000_000_000_000_000),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000_000_000), ("2023-11-14T22:13:20", None), ("soon", None),
        (None, None), (True, None), (-5, None), (1e300, None), ([], None),
    ],
)  # fmt: skip
def test_times_of_their_own(found, time):
    assert instant(found) == time


def test_tasmota():
    energy = {"Total": 1.753, "Yesterday": 0.3, "Power": 10, "ApparentPower": 22, "ReactivePower": 20, "Factor": 0.47}
    payload = {"Time": "2025-01-01T00:00:00", "ENERGY": {**energy, "Voltage": 226, "Current": 0.098}}
    assert says(options(presets=["tasmota"]), "tele/plug-1/SENSOR", payload) == {
        ("plug-1", "power_watts"): 10, ("plug-1", "voltage_volts"): 226, ("plug-1", "current_amperes"): 0.098,
        ("plug-1", "apparent_power_va"): 22, ("plug-1", "reactive_power_var"): 20,
        ("plug-1", "power_factor_ratio"): 0.47, ("plug-1", "energy_joules"): 1753 * 3600,
    }  # fmt: skip
    assert preset("tasmota", "tele/plug-1/SENSOR", {"DS18B20": {"Temperature": 20.1}}) == {}


def test_zigbee2mqtt():
    payload = {"linkquality": 120, "power": 3.5, "voltage": 230, "current": 0.02, "energy": 12.34, "state": "ON"}
    assert preset("zigbee2mqtt", "zigbee2mqtt/plug", payload) == {
        "power_watts": 3.5, "voltage_volts": 230, "current_amperes": 0.02, "energy_joules": 12.34 * 3_600_000,
    }  # fmt: skip


def test_shelly():
    assert preset("shelly1", "shellies/em/emeter/1/total", b"15.5") == {("energy_joules", "1"): 15.5 * 3600}
    assert preset("shelly1", "shellies/plug/relay/0/energy", b"7") == {("energy_joules", "0"): 420}
    assert preset("shelly1", "shellies/plug/relay/0", b"on") == {}
    switch = {
        "id": 0,
        "output": True,
        "apower": 5.1,
        "voltage": 230.2,
        "aenergy": {"total": 2.5},
        "temperature": {"tC": 40},
    }
    assert preset("shelly2", "plus/status/switch:0", switch) == {
        ("power_watts", "switch:0"): 5.1, ("voltage_volts", "switch:0"): 230.2,
        ("energy_joules", "switch:0"): 9000, ("temperature_celsius", "switch:0"): 40,
    }  # fmt: skip
    three = {"id": 0, "a_act_power": 1, "b_act_power": 2, "c_act_power": 3, "total_act_power": 6, "a_voltage": 230}
    assert preset("shelly2", "pro/status/em:0", three) == {
        ("power_watts", "em:0", "a"): 1, ("power_watts", "em:0", "b"): 2, ("power_watts", "em:0", "c"): 3,
        ("power_watts", "em:0", "total"): 6, ("voltage_volts", "em:0", "a"): 230,
    }  # fmt: skip
    assert preset("shelly2", "pro/status/emdata:0", {"total_act": 10}) == {
        ("energy_joules", "emdata:0", "total"): 36_000
    }


def test_a_layout_grows_with_what_a_device_says():
    topic = Topic(options(presets=["tasmota"]), "tele/a/SENSOR")
    first = topic.frame(1, b'{"ENERGY": {"Power": 1}}').layout
    second = topic.frame(2, b'{"ENERGY": {"Power": 1, "Total": 1}}').layout
    assert (len(first), len(second), first.family == second.family) == (1, 2, True)
    assert second.columns[1].resolution == 3600


def test_presets_are_rules_with_units_and_counters():
    for rules in PRESETS.values():
        for rule in rules:
            assert (rule.of_metric().kind is Kind.COUNTER) == (rule.of_metric().name == "energy_joules")


# --- with a broker ---


@asynccontextmanager
async def publisher(broker, **more):
    async with aiomqtt.Client("127.0.0.1", broker.port, **more) as client:
        yield client


@asynccontextmanager
async def reading(broker, **given):
    config = options(host="127.0.0.1", port=broker.port, **given)
    async with opened(Mqtt(config)) as (driver, _), aclosing(driver.stream()) as spoken:
        yield spoken


async def heard(spoken):
    async with asyncio.timeout(PATIENCE):
        [frame] = await anext(spoken)
    return frame


@peer
@pytest.mark.peer
async def test_messages_come_as_frames(caplog):
    caplog.set_level(logging.INFO, "wattline")
    rules = [watts(), watts("power/+/json", path="w", time="t")]
    with Mosquitto() as broker:
        async with publisher(broker) as sender, reading(broker, topics=rules) as spoken:
            await sender.publish("power/a/watts", "1.5", qos=1)
            frame = await heard(spoken)
            assert (told(frame), frame.time) == ({("a", "power_watts"): 1.5}, None)
            for bad in ("off", "none", "off"):
                await sender.publish("power/a/watts", bad, qos=1)
            await sender.publish("power/a/watts", "2", qos=1)
            assert told(await heard(spoken)) == {("a", "power_watts"): 2}
            await sender.publish("power/b/json", '{"w": 3, "t": 1700000000}', qos=1)
            frame = await heard(spoken)
            assert (told(frame), frame.time) == ({("b", "power_watts"): 3}, 1_700_000_000_000_000_000)
    where = f"mqtt://127.0.0.1:{broker.port}: power/a/watts"
    assert caplog.messages == [f"{where} says b'off': it is no number", f"{where} is good again after 3 that were not"]


@peer
@pytest.mark.peer
async def test_retained_messages_are_read_by_option_alone():
    with Mosquitto() as broker:
        async with publisher(broker) as sender:
            await sender.publish("power/a/watts", "1", qos=1, retain=True)
            async with reading(broker, topics=[watts()]) as spoken:
                await sender.publish("power/a/watts", "2", qos=1)
                assert told(await heard(spoken)) == {("a", "power_watts"): 2}
        async with reading(broker, topics=[watts()], retained=True) as spoken:
            assert told(await heard(spoken)) == {("a", "power_watts"): 1}


@peer
@pytest.mark.peer
async def test_a_wrong_password_is_denied_and_never_shown(caplog):
    with Mosquitto(users={"me": "right"}) as broker:
        right = reading(broker, topics=[watts()], user="me", password="right")
        async with right as spoken, publisher(broker, username="me", password="right") as sender:
            await sender.publish("power/a/watts", "1", qos=1)
            assert told(await heard(spoken)) == {("a", "power_watts"): 1}
        for user in ({"user": "me", "password": "wr0ng"}, {}):
            with pytest.raises(Denied, match=r"does not let in") as caught:
                async with reading(broker, topics=[watts()], **user):
                    pass
            assert "wr0ng" not in str(caught.value) + caplog.text


@pytest.fixture
def secure(tmp_path):
    """Give a broker with TLS, and the options with which it is trusted."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    with Mosquitto(tls=(tmp_path / "cert.pem", tmp_path / "key.pem")) as broker:
        yield broker, {"topics": [watts()], "tls": True, "ca": str(tmp_path / "ca.pem")}


@peer
@pytest.mark.peer
async def test_tls(secure):
    broker, trusted = secure
    sender = publisher(broker, tls_context=options(**trusted).trust())
    async with reading(broker, **trusted) as spoken, sender as client:
        await client.publish("power/a/watts", "1", qos=1)
        assert told(await heard(spoken)) == {("a", "power_watts"): 1}


@peer
@pytest.mark.peer
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho leaves its socket to the collector
async def test_a_certificate_that_is_not_trusted(secure):
    broker, trusted = secure
    with pytest.raises(Unreachable, match="certificate verify failed"):
        async with reading(broker, **{**trusted, "ca": ""}):
            pass


@peer
@pytest.mark.peer
async def test_a_broker_that_goes_and_comes_back():
    with Mosquitto() as broker:
        driver = Mqtt(options(host="127.0.0.1", port=broker.port, topics=[watts()], wait=2))
        async with opened(driver), aclosing(driver.stream()) as spoken:
            broker.stop()
            with pytest.raises(Unreachable, match="closed the connection"):
                await heard(spoken)
        with pytest.raises(Unreachable, match="cannot be reached"):
            async with opened(driver):
                pass
        broker.start()
        async with opened(driver), aclosing(driver.stream()) as spoken, publisher(broker) as sender:
            await sender.publish("power/a/watts", "1", qos=1)
            assert told(await heard(spoken)) == {("a", "power_watts"): 1}


@peer
@pytest.mark.peer
async def test_a_kept_session_brings_what_was_missed():
    with Mosquitto() as broker:
        kept = {"topics": [watts()], "client_id": "wattline-1"}
        async with reading(broker, **kept):
            pass
        async with publisher(broker) as sender:
            for n in range(5):
                await sender.publish("power/a/watts", str(n), qos=1)
        async with reading(broker, **kept) as spoken:
            assert [list(told(await heard(spoken)).values()) for _ in range(5)] == [[n] for n in range(5)]


async def test_topics_are_bounded_and_it_is_said_once(caplog):
    with dead_port() as port:
        driver = Mqtt(options(host="127.0.0.1", port=port, topics=[watts()], most_topics=2))
    for name in ("a", "b", "c", "d"):
        message = aiomqtt.Message(f"power/{name}/watts", b"1", 1, False, 1, None)
        assert (driver._frame(message) is None) == (name in "cd")
    assert [text.partition("; ")[2] for text in caplog.messages] == ["power/c/watts is not read"]


@asynccontextmanager
async def talking(broker):
    """Publish again and again, as a device does."""
    enough = asyncio.Event()

    async def talk():
        async with publisher(broker) as sender:
            while not enough.is_set():
                await sender.publish("power/a/watts", "1")
                await asyncio.sleep(0.01)

    # It is not cancelled: the library waits by asyncio.wait_for, which may lose a cancellation before Python 3.12.
    async with asyncio.TaskGroup() as group:
        group.create_task(talk())
        yield
        enough.set()


async def test_a_broker_that_breaks_off_is_told_once(caplog):
    async def breaks_off(reader, writer):
        await reader.read(200)
        writer.write(bytes.fromhex("20020000"))  # CONNACK
        await writer.drain()
        await reader.read(200)
        writer.write(b"\xff" * 64)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(breaks_off, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        one = Mqtt(options(host="127.0.0.1", port=port, topics=[watts()], wait=0.5))
        with pytest.raises(Unreachable):
            async with opened(one), aclosing(one.stream()) as stream:
                await anext(stream)
    del one
    gc.collect()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@peer
@pytest.mark.peer
class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Mqtt

    @pytest.fixture
    async def working(self):
        with Mosquitto() as broker:
            async with talking(broker):
                yield options(host="127.0.0.1", port=broker.port, topics=[watts()])

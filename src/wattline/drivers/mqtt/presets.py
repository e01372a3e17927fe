"""Topics and payloads of devices that many have, as data.

Tasmota: documentation, "MQTT" and "Energy Commands" (`Total` in kWh). Zigbee2MQTT: "MQTT topics and messages".
Shelly: Gen1 device API, section "MQTT" (`energy` of relays in watt-minutes, `total` of emeters in Wh); Gen2 device API,
"Mqtt" and the status of the components Switch, PM1, EM, EM1, EMData.
"""

from typing import Final, Literal

from wattline.drivers.mqtt.rules import Rule

Preset = Literal["tasmota", "zigbee2mqtt", "shelly1", "shelly2"]


def _rules(topic: str, labels: dict[str, str], *values: tuple[str, str]) -> tuple[Rule, ...]:
    """Return a rule for each (path, unit) of one topic."""
    return tuple(Rule(topic=topic, path=path, unit=unit, labels=labels) for path, unit in values)


_CHANNEL: Final = {"channel": "{2}"}
_FACTOR: Final = "power_factor_ratio"

PRESETS: Final[dict[Preset, tuple[Rule, ...]]] = {
    "tasmota": (
        *_rules(
            "tele/+/SENSOR", {}, ("ENERGY.Power", "W"), ("ENERGY.Voltage", "V"), ("ENERGY.Current", "A"),
            ("ENERGY.ApparentPower", "VA"), ("ENERGY.ReactivePower", "var"), ("ENERGY.Frequency", "Hz"),
        ),
        Rule(topic="tele/+/SENSOR", path="ENERGY.Factor", unit="1", metric=_FACTOR),
        Rule(topic="tele/+/SENSOR", path="ENERGY.Total", unit="kWh", resolution=0.001),
    ),
    "zigbee2mqtt": (
        *_rules(
            "zigbee2mqtt/+", {}, ("power", "W"), ("voltage", "V"), ("current", "A"), ("ac_frequency", "Hz"),
            ("device_temperature", "Cel"),
        ),
        Rule(topic="zigbee2mqtt/+", path="power_factor", unit="1", metric=_FACTOR),
        Rule(topic="zigbee2mqtt/+", path="energy", unit="kWh", resolution=0.01),
    ),
    "shelly1": (
        *(
            Rule(topic=f"shellies/+/emeter/+/{name}", labels=_CHANNEL, unit=unit)
            for name, unit in (("power", "W"), ("voltage", "V"), ("current", "A"), ("total", "Wh"))
        ),
        Rule(topic="shellies/+/emeter/+/pf", labels=_CHANNEL, unit="1", metric=_FACTOR),
        Rule(topic="shellies/+/relay/+/power", labels=_CHANNEL, unit="W"),
        Rule(topic="shellies/+/relay/+/energy", labels=_CHANNEL, unit="J", scale=60, resolution=1),
        Rule(topic="shellies/+/temperature", unit="Cel"),
    ),
    "shelly2": (
        *_rules(
            "+/status/+", _CHANNEL, ("apower", "W"), ("voltage", "V"), ("current", "A"), ("freq", "Hz"),
            ("temperature.tC", "Cel"), ("aenergy.total", "Wh"),
        ),
        Rule(topic="+/status/+", labels=_CHANNEL, path="pf", unit="1", metric=_FACTOR),
        # Three phases (EM) and one (EM1), with their registers on a topic of their own (EMData, EM1Data).
        *(
            Rule(topic="+/status/+", labels={**_CHANNEL, "phase": phase}, path=f"{phase}_{name}", unit=unit)
            for phase in ("a", "b", "c", "total")
            for name, unit in (("act_power", "W"), ("voltage", "V"), ("current", "A"))
            if (phase, name) != ("total", "voltage")
        ),
        *_rules("+/status/+", {**_CHANNEL, "phase": "single"}, ("act_power", "W")),
        *_rules("+/status/+", {**_CHANNEL, "phase": "total"}, ("total_act", "Wh")),
        *_rules("+/status/+", {**_CHANNEL, "phase": "single"}, ("total_act_energy", "Wh")),
    ),
}  # fmt: skip

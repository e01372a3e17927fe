"""From a picture to Redfish resources (DMTF DSP0266, DSP0268): a path gives a body or nothing. Pure.

Chassis `1` is all of it, in whole watts; the chassis of devices are inside of it. Any other Id is answered as `1` too,
and links keep their slash at the end: that is how yoko2redfish showed a meter, and its three bodies are part of ours.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final

from wattline.api.redfish.picture import TOTAL, Chassis, Picture, Told
from wattline.model import Kind
from wattline.units import NANOSECONDS, Unit

ROOT: Final = "/redfish/v1"
CHASSIS: Final = f"{ROOT}/Chassis"
Body = dict[str, Any]

_SESSIONS: Final = f"{ROOT}/SessionService/Sessions"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_SIGN: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_KILOWATT_HOUR: Final = 3_600_000
_READINGS: Final = {
    Unit.WATT: ("Power", "W"), Unit.JOULE: ("EnergyJoules", "J"), Unit.VOLT: ("Voltage", "V"),
    Unit.AMPERE: ("Current", "A"), Unit.HERTZ: ("Frequency", "Hz"), Unit.CELSIUS: ("Temperature", "Cel"),
}  # fmt: skip
"""ReadingType and ReadingUnits by unit; a series of another unit is no sensor."""


def resource(path: str, picture: Picture) -> Body | None:
    """Return the resource at a path, with or without a slash at its end; None: there is none."""
    path = path.rstrip("/")
    fixed = {"/redfish": _versions, ROOT: _root, CHASSIS: lambda: _chassis_collection(picture), _SESSIONS: _sessions}
    if make := fixed.get(path):
        return make()
    name, *below = path.removeprefix(f"{CHASSIS}/").split("/") if path.startswith(f"{CHASSIS}/") else ("",)
    if not _NAME.fullmatch(name):
        return None
    one = picture.chassis.get(name)
    match below:
        case []:
            return _chassis(name, one, picture)
        case ["Power"]:
            return _power(name, one, picture)
        case ["EnvironmentMetrics"]:
            return _environment(name, one, picture)
        case ["Sensors"]:
            return _sensor_collection(name, one)
        case ["Sensors", sensor]:
            return _sensors(name, one).get(sensor)
    return None


def _versions() -> Body:
    return {"v1": f"{ROOT}/"}


def _root() -> Body:
    return {
        "@odata.id": f"{ROOT}/",
        "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
        "Id": "RootService",
        "Name": "Wattline",
        "RedfishVersion": "1.18.0",
        "Chassis": {"@odata.id": f"{CHASSIS}/"},
        "Links": {"Sessions": {"@odata.id": _SESSIONS}},
    }


def _sessions() -> Body:
    return _collection(_SESSIONS, "Session", "Sessions", [])


def _chassis_collection(picture: Picture) -> Body:
    return _collection(CHASSIS, "Chassis", "Chassis", [f"{CHASSIS}/{one}/" for one in (TOTAL, *picture.chassis)])


def _chassis(name: str, one: Chassis | None, picture: Picture) -> Body:
    path = f"{CHASSIS}/{name}"
    held = picture.tops if one is None else one.held
    links: Body = {"Contains": [{"@odata.id": f"{CHASSIS}/{each}/"} for each in held]} if held else {}
    if one is not None:
        links["ContainedBy"] = {"@odata.id": f"{CHASSIS}/{one.holder}/"}
    return {
        "@odata.id": f"{path}/",
        "@odata.type": "#Chassis.v1_23_0.Chassis",
        "Id": name,
        "Name": "All that is metered" if one is None else one.name,
        "ChassisType": "Enclosure" if one is None else "Other",
        "Status": {"State": "Enabled"},
        "Power": {"@odata.id": f"{path}/Power/"},
        "EnvironmentMetrics": {"@odata.id": f"{path}/EnvironmentMetrics"},
        "Sensors": {"@odata.id": f"{path}/Sensors"},
        "Links": links,
    }


def _power(name: str, one: Chassis | None, picture: Picture) -> Body:
    path = f"{CHASSIS}/{name}/Power"
    watts = _watts(one, picture)
    return {
        "@odata.id": path,
        "@odata.type": "#Power.v1_7_1.Power",
        "Id": "Power",
        "Name": "Power",
        "PowerControl": [
            {
                "@odata.id": f"{path}#/PowerControl/0",
                "MemberId": "0",
                "Name": "Power drawn",
                "PhysicalContext": "Chassis",
                "PowerConsumedWatts": None if watts is None else round(watts),
            }
        ],
    }


def _environment(name: str, one: Chassis | None, picture: Picture) -> Body:
    path = f"{CHASSIS}/{name}"
    body: Body = {
        "@odata.id": f"{path}/EnvironmentMetrics",
        "@odata.type": "#EnvironmentMetrics.v1_3_1.EnvironmentMetrics",
        "Id": "EnvironmentMetrics",
        "Name": "Power, energy and temperature",
    }
    if one is None:
        return {**body, "PowerWatts": {"Reading": _watts(one, picture)}}
    if one.power is not None:
        body["PowerWatts"] = {"DataSourceUri": _sensor_path(path, one.power), "Reading": one.power.value}
    if one.energy is not None:
        joules = one.energy.value
        body["EnergyJoules"] = {"DataSourceUri": _sensor_path(path, one.energy), "Reading": joules}
        body["EnergykWh"] = {"Reading": None if joules is None else joules / _KILOWATT_HOUR}
    warmth = [told for told in one.told if told.entry.series.metric.unit is Unit.CELSIUS]
    if len(warmth) == 1:
        body["TemperatureCelsius"] = {"DataSourceUri": _sensor_path(path, warmth[0]), "Reading": warmth[0].value}
    return body


def _watts(one: Chassis | None, picture: Picture) -> float | None:
    """Return the watts of a chassis; of all together in whole watts, as yoko2redfish told them."""
    if one is None:
        return None if picture.watts is None else round(picture.watts)
    return one.power.value if one.power else None


def _sensor_collection(name: str, one: Chassis | None) -> Body:
    path = f"{CHASSIS}/{name}/Sensors"
    return _collection(path, "Sensor", "Sensors", [f"{path}/{sensor}" for sensor in _sensors(name, one)])


def _sensors(name: str, one: Chassis | None) -> dict[str, Body]:
    path = f"{CHASSIS}/{name}"
    return {_sensor_id(told): _sensor(path, told) for told in one.told if _is_sensor(told)} if one else {}


def _is_sensor(told: Told) -> bool:
    metric = told.entry.series.metric
    return metric.unit in _READINGS and metric.kind in (Kind.GAUGE, Kind.COUNTER)


def _sensor(path: str, told: Told) -> Body:
    series = told.entry.series
    kind, unit = _READINGS[series.metric.unit]
    body: Body = {
        "@odata.id": _sensor_path(path, told),
        "@odata.type": "#Sensor.v1_7_0.Sensor",
        "Id": _sensor_id(told),
        "Name": " ".join((series.metric.name, *(f"{label}={value}" for label, value in series.labels))),
        "ReadingType": kind,
        "ReadingUnits": unit,
        "Reading": told.value,
        "ReadingTime": datetime.fromtimestamp(told.time // NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Status": {"State": "Enabled" if told.value is not None else "UnavailableOffline"},
    }
    if told.entry.column.accuracy is not None:
        body["Accuracy"] = told.entry.column.accuracy * 100
    return body


def _sensor_path(path: str, told: Told) -> str:
    return f"{path}/Sensors/{_sensor_id(told)}"


def _sensor_id(told: Told) -> str:
    """Name a sensor after its series; the number of the series keeps those apart that have labels."""
    series = told.entry.series
    return f"{_SIGN.sub('-', series.metric.name)}-{told.entry.id}" if series.labels else series.metric.name


def _collection(path: str, kind: str, name: str, members: list[str]) -> Body:
    return {
        "@odata.id": path,
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": name,
        "Members@odata.count": len(members),
        "Members": [{"@odata.id": member} for member in members],
    }

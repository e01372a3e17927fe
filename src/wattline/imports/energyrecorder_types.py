"""What each of the twelve types of energyrecorder becomes: our drivers, their options, and sensors with their units."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from wattline.errors import Misconfigured
from wattline.imports.conversion import ANSWER, PATIENCE
from wattline.imports.meaning import of_unit

Made = tuple[dict[str, Any], list[str]]
"""Options of a meter of ours without its name and period, and remarks."""

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\s]+)(?::(\d{1,5}))?")
_UNCHECKED: Final = "verify: false as before: whoever stands between sees the password. Leave it out where you can."
_MODBUS_TYPES: Final = {"MBI": "s16", "MBU": "u16", "MBL": "s32", "MBUL": "u32", "MBF": "f32"}
_NO_SECRET: Final = ("none", "no-privacy", "")
_ALONE: Final = ".0"
"""The end of an OID that is one object, with none below it (RFC 2578 section 7.7)."""
_BOOLEAN: Final = "boolean"
_SNMP_KEYS: Final = (
    "community", "username", "auth_protocole", "auth_secret", "privacy_protocole", "privacy_secret",
)  # fmt: skip


class Server:
    """One server of a POD; what was asked for is known, the rest is told of."""

    def __init__(self, identity: str, said: Mapping[str, Any]) -> None:
        self.id = identity
        self._said = said
        self._known = {"id", "type", "active"}

    def get(self, key: str, otherwise: Any = None) -> Any:
        """Return an option."""
        self._known.add(key)
        return self._said.get(key, otherwise)

    def text(self, key: str) -> str:
        """Return an option that must be there. Raises Misconfigured."""
        value = self.get(key)
        if value is None or isinstance(value, bool | Mapping | list):
            raise Misconfigured(f"the key {key} is missing")
        return str(value)

    def who(self) -> dict[str, Any]:
        """Return user and password; empty ones mean that nobody is asked. Raises Misconfigured: a key is missing."""
        said = {"user": self.text("user"), "password": self.text("pass")}
        return {key: value for key, value in said.items() if value}

    def place(self) -> dict[str, Any]:
        """Return host and port of `name[:port]`. Raises Misconfigured."""
        match = _HOST.fullmatch(self.text("host"))
        if match is None:
            raise Misconfigured("host is a name, or name:port")
        return {"host": match[1].strip("[]"), **({"port": int(match[2])} if match[2] else {})}

    def sensors(self) -> list[Mapping[str, Any]]:
        """Return the list `sensors`. Raises Misconfigured where it is none."""
        listed = self.get("sensors")
        if not isinstance(listed, list) or not listed:
            raise Misconfigured("sensors is a list of sensors")
        return [one if isinstance(one, Mapping) else {} for one in listed]

    def left(self) -> list[str]:
        """Return a remark at options that say nothing here."""
        unknown = [key for key in self._said if key not in self._known]
        return [f"{', '.join(unknown)}: no option here; left out."] if unknown else []


def _page(driver: str) -> Callable[[Server], Made]:
    def make(server: Server) -> Made:
        given = {"driver": driver, **server.place(), **server.who(), "verify": False, "wait": PATIENCE}
        return given, [_UNCHECKED]

    return make


def _ipmi(server: Server) -> Made:
    host, _, bridge = server.text("host").partition(":")
    remarks = ["IPMI is spoken by the program itself; DCMI power, or the sensors that its maker has for the whole."]
    given: dict[str, Any] = {"driver": "ipmi", "host": host, **server.who(), **({"bridge": bridge} if bridge else {})}
    if server.get("port") is not None:  # the old program knew none
        given["port"] = _number(server, "port")
    return given, remarks


def _redfish(server: Server) -> Made:
    given = {"driver": "redfish", **server.place(), **server.who(), "verify": False}
    given |= {key: value for key in ("power", "temperature", "temperatures")
              if (value := server.get(key)) is not None}  # fmt: skip
    return given, [_UNCHECKED, "Several chassis are a tree here, so that nothing counts twice."]


def _snmp(server: Server) -> Made:
    given: dict[str, Any] = {
        "driver": "snmp",
        "host": server.text("host"),
        "port": _number(server, "port"),
        "wait": ANSWER,
    }
    version, remarks = server.text("version"), []
    secrets = {name: str(server.get(name) or "") for name in _SNMP_KEYS}
    if version not in ("v2", "v3"):
        raise Misconfigured("version is v2 or v3")
    if version == "v3":
        given |= {"version": "3", "user": secrets["username"]}
        if secrets["auth_protocole"].lower() not in _NO_SECRET:
            given |= {"auth": _words(secrets["auth_protocole"]), "password": secrets["auth_secret"]}
        if secrets["privacy_protocole"].lower() not in _NO_SECRET:
            given |= {"priv": _words(secrets["privacy_protocole"]), "priv_password": secrets["privacy_secret"]}
    else:
        given |= {"version": "2c", "community": secrets["community"] or "public"}
        remarks.append('v2 was version 1 on the wire, and is 2c here; write `version: "1"` for a device that needs it.')
    oids = []
    for sensor in server.sensors():
        single, more = _sensor(sensor, "oid")
        oid = _text(sensor.get("oid"))
        is_walked = version == "v2" and not oid.endswith(_ALONE)
        oids.append({"oid": oid, **({"subtree": True} if is_walked else {}), **single})
        remarks += more
    if version == "v2":
        remarks.append("Of an OID all numbers below it are read, as before; without `subtree` it is that one alone.")
    return {**given, "oids": oids}, remarks


def _modbus(server: Server) -> Made:
    given: dict[str, Any] = {"driver": "modbus", **server.place()}
    if str(server.get("framer", "SOCKET")).upper() == "RTU":
        given["framing"] = "rtu"
    unit, order = server.get("device_unit"), server.get("register_order")
    registers, remarks = [], []
    for sensor in server.sensors():
        quantity, more = _sensor(sensor, "register_address")
        said = _text(sensor.get("register_type"))
        register = {"address": sensor.get("register_address"), "type": _MODBUS_TYPES.get(said, said), **quantity}
        if (category := sensor.get("register_category")) is not None:
            register["category"] = str(category).lower()
        if (own := sensor.get("device_unit", unit)) is not None:
            register["device_unit"] = own
        if str(sensor.get("register_order", order or "right")).lower() == "left":
            register["words"] = "le"
        if (scaling := sensor.get("register_scaling")) not in (None, 1):
            register["scale"] = scaling
        registers.append(register)
        remarks += more
    return {**given, "registers": registers}, remarks


def _shelly(server: Server) -> Made:
    given: dict[str, Any] = {"driver": "shelly", "host": server.text("host"), **server.who(), "wait": PATIENCE}
    if given["host"].startswith("https"):
        given["verify"] = False
    ignored = [name for name in ("power", "temperature", "temperatures") if server.get(name) is not None]
    return given, [f"{', '.join(ignored)}: had no effect, and has none."] if ignored else []


def _rpimon(server: Server) -> Made:
    return {"driver": "rpimonitor", **server.place(), "wait": PATIENCE}, []


def _csvftp(server: Server) -> Made:
    given = {"driver": "csvftp", **server.place(), **server.who(), "root_dir": server.text("root_dir")}
    for key in ("file_filter", "encoding", "purge", "tz", "max_files"):
        if (value := server.get(key)) is not None:
            given[key] = value
    return given, ["A file is told once, and again only where it has grown."]


TYPES: Final[Mapping[str, Callable[[Server], Made]]] = {
    "ilo": _page("ilo"), "ilo-gui": _page("ilo_gui"), "idrac8-gui": _page("idrac8_gui"),
    "intel-gui": _page("intel_gui"), "ibmc-gui": _page("ibmc_gui"), "ipmi": _ipmi, "redfish": _redfish,
    "snmp": _snmp, "modbus": _modbus, "shelly": _shelly, "rpimon": _rpimon, "csvftp": _csvftp,
}  # fmt: skip


def _sensor(sensor: Mapping[str, Any], what: str) -> Made:
    """Return metric and unit of a sensor, with a remark where its unit is not known here.

    What a sensor lacks is left empty: the check of its row says so.
    """
    name, said = sensor.get("name") and _text(sensor["name"]), _text(sensor.get("unit"))
    if said == _BOOLEAN and what == "oid":
        return {"metric": name, "unit": _BOOLEAN}, []
    unit = of_unit(said)
    if unit is not None:
        return {"metric": name, "unit": unit}, []
    return {"metric": name, "kind": "unknown"}, [f"{said!r} of {name} is no unit that is known here."] if said else []


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(server: Server, key: str) -> int:
    value = server.text(key)
    if not (value.isascii() and value.isdigit() and len(value) < 6):
        raise Misconfigured(f"{key} is a number")
    return int(value)


def _words(name: str) -> str:
    """Return the name of an algorithm without the blanks and brackets of `HMAC-SHA-2-256 (=SHA-256/192)`."""
    return name.partition("(")[0].strip()

"""What each driver of Kwapi becomes. `w` was all that its plugins used; ours give volts and amperes as well."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from wattline.errors import Misconfigured
from wattline.imports.conversion import ANSWER, PATIENCE
from wattline.imports.meaning import of_unit
from wattline.model import ALIAS

Made = tuple[dict[str, Any], list[str]]
"""A meter of ours, and remarks."""

EATON: Final = "1.3.6.1.4.1.534.6.6.7.6.5.1.3"
"""EATON-EPDU-MIB, outletWatts, which the old driver `Eaton` knew by itself."""
_VERSIONS: Final = {"1": "1", "v1": "1", "2": "2c", "v2": "2c", "2c": "2c", "v2c": "2c", "3": "3", "v3": "3"}
_KINDS: Final = {"gauge": "gauge", "cumulative": "counter", "delta": "delta"}


class Wattmeter(Struct, frozen=True):
    """A section: `probes` by outlet, None where one is not read; `aliases` are other names of a probe."""

    title: str
    driver: str
    probes: list[str | None]
    parameters: dict[str, Any]
    data_type: dict[str, Any]
    aliases: dict[str, Any]

    @property
    def first(self) -> str:
        """The first probe that is read."""
        return next(probe for probe in self.probes if probe)

    def one(self, driver: str, probe: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return a meter of one probe, with its other names as a label."""
        suffix = f"/{self.data_type['name']}" if self.data_type else ""
        made = {"name": f"{probe}{suffix}", "driver": driver, "device": probe, "every": "1s", **options}
        if alias := self.aliases.get(probe):
            made["labels"] = {ALIAS: alias}
        return made

    def quantity(self) -> tuple[dict[str, Any], list[str]]:
        """Return metric, unit and kind of what is read: watts where the section does not say."""
        if not self.data_type:
            return {"unit": "W"}, []
        said, kind = str(self.data_type.get("unit", "")), str(self.data_type.get("type", "")).lower()
        given = {"metric": self.data_type["name"], "kind": _KINDS.get(kind, "unknown")}
        unit = of_unit(said)
        if unit is not None:
            return {**given, "unit": unit}, []
        return given, [f"{said!r} is no unit that is known here: the numbers have none."] if said else []

    def renamed(self) -> list[str]:
        """Return a remark where a driver has names of its own."""
        name = self.data_type.get("name")
        return [f"{name} in Kwapi is power_watts here."] if name and name != "power_watts" else []

    def left(self, *known: str) -> list[str]:
        """Return a remark at parameters that say nothing here, and at probes beyond the only one."""
        unknown = [name for name in self.parameters if name not in known]
        return [f"{', '.join(unknown)}: no parameter here; left out."] if unknown else []

    def alone(self) -> list[str]:
        """Return a remark where a meter of one value has several probes."""
        others = [probe for probe in self.probes if probe and probe != self.first]
        return [f"It has one value, for the first probe; left out: {', '.join(others)}."] if others else []


def _dummy(meter: Wattmeter) -> Iterator[Made]:
    bounds: dict[str, Any] = {key: value for key, value in meter.parameters.items() if key in ("min", "max")}
    quantity, remarks = meter.quantity()
    own = quantity if meter.data_type else {}
    for probe in dict.fromkeys(probe for probe in meter.probes if probe):
        yield meter.one("dummy", probe, {**bounds, **own}), [*meter.left("min", "max"), *remarks]


def _ipmi(meter: Wattmeter) -> Iterator[Made]:
    said = meter.parameters
    options = {"host": _needed(said, "host")}
    options |= {ours: str(said[theirs]) for ours, theirs in (("user", "username"), ("password", "password"))
                if said.get(theirs)}  # fmt: skip
    remarks = ["Read by IPMI itself; no ipmitool is started, and no process and no log shows the password."]
    if sensor := said.get("sensor"):
        options["sensors"] = [str(sensor)]
    else:
        remarks.append("Without a sensor it is DCMI power, or the sensors that say what the machine draws.")
    if said.get("interface", "lanplus") != "lanplus":
        remarks.append(
            f"interface {said['interface']!r}: IPMI 2.0 (lanplus) is spoken, which the controller must know."
        )
    options |= _port(said)
    left = meter.left("host", "port", "username", "password", "sensor", "interface")
    yield meter.one("ipmi", meter.first, options), [*remarks, *meter.renamed(), *meter.alone(), *left]


def _snmp(meter: Wattmeter) -> Iterator[Made]:
    said = meter.parameters
    version = _VERSIONS.get(str(said.get("protocol", "")).lower())
    if version is None:
        raise Misconfigured("protocol is one of 1, v1, 2c, v2c, 3, v3")
    who = (
        {"user": str(_needed(said, "user"))} if version == "3" else {"community": str(said.get("community", "public"))}
    )
    yield _outlets(meter, {"version": version, **who}, str(_needed(said, "oid")),
                   meter.left("protocol", "community", "user", "ip", "port", "oid", "resolution"))  # fmt: skip


def _eaton(meter: Wattmeter) -> Iterator[Made]:
    who = {"version": "3", "user": str(_needed(meter.parameters, "user"))}
    yield _outlets(meter, who, EATON, ["The old driver Eaton, as an SNMP table.", *meter.left("ip", "port", "user")])


def _outlets(meter: Wattmeter, who: Mapping[str, Any], oid: str, remarks: list[str]) -> Made:
    """Return a table of outlets by position; two of one name are added up where they are a level."""
    quantity, more = meter.quantity()
    table = {"columns": [{"oid": oid, **quantity}], "names": list(meter.probes), "part": "outlet"}
    if len(set(filter(None, meter.probes))) < len([*filter(None, meter.probes)]):
        more.append("Outlets of one name are added up.")
    if meter.aliases:
        more.append(f"probes_names: {meter.aliases} are not kept; name devices with `devices`.")
    said = meter.parameters
    made = {"name": meter.title, "driver": "snmp", "host": str(_needed(said, "ip")), **_port(said), "wait": ANSWER,
            "every": said.get("resolution", "1s"), **who, "tables": [table]}  # fmt: skip
    return made, [*remarks, *more]


def _wattsup(meter: Wattmeter) -> Iterator[Made]:
    options = {"line": str(meter.parameters.get("device", "/dev/ttyUSB0"))}
    yield meter.one("wattsup", meter.first, options), [*meter.renamed(), *meter.alone(), *meter.left("device")]


def _json_url(meter: Wattmeter) -> Iterator[Made]:
    try:
        url = urlsplit(str(_needed(meter.parameters, "url")))
        port = url.port
    except ValueError as error:
        raise Misconfigured("url is no address") from error
    if url.scheme not in ("http", "https") or not url.hostname:
        raise Misconfigured("url is one of http:// or https://")
    made: dict[str, Any] = {"name": meter.title, "driver": "json_url", "every": "1s", "host": url.hostname}
    made |= {"port": port} if port else {}
    made |= {"path": (url.path or "/") + (f"?{url.query}" if url.query else "")}
    made |= {"tls": True, "verify": False} if url.scheme == "https" else {}
    made["wait"] = PATIENCE
    made |= {"user": url.username, "password": url.password or ""} if url.username else {}
    remark = "Every host of the page is a device; probes no longer choose among them."
    yield made, [remark, *meter.renamed(), *meter.left("url")]


DRIVERS: Final[Mapping[str, Callable[[Wattmeter], Iterator[Made]]]] = {
    "dummy": _dummy, "dummywatts": _dummy, "dummynet": _dummy, "ipmi": _ipmi, "snmp": _snmp, "eaton": _eaton,
    "wattsup": _wattsup, "json_url": _json_url,
}  # fmt: skip
"""By the small letters of the class, which were the module's name."""


def _port(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return another port than the protocol's own: Kwapi knew none, and a meter behind a gateway may have one."""
    return {"port": said["port"]} if "port" in said else {}


def _needed(said: Mapping[str, Any], name: str) -> Any:
    if said.get(name) in (None, ""):
        raise Misconfigured(f"parameters lack {name}")
    return said[name]

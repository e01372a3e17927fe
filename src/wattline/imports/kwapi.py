"""Kwapi's `drivers.conf`: options of the program in DEFAULT, and a section for each wattmeter with Python literals.

Both lines of Kwapi are read: the one of OpenStack (`probes`, `driver`, `parameters`) and that of Grid'5000, which adds
`data_type` and `probes_names`. What each driver becomes stands in `kwapi_drivers`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wattline.errors import Misconfigured
from wattline.imports.conversion import PATIENCE, PATIENT, Conversion, Old, Part, Where, settle
from wattline.imports.ini import DEFAULT, Section, read_ini, text_of
from wattline.imports.kwapi_drivers import DRIVERS, Wattmeter
from wattline.imports.literals import literal
from wattline.runtime.registry import Registry, nearest

SYSTEM: Final = "kwapi"
_LONGEST: Final = 16 << 20
_SHOWN: Final = 40
_NO_METERS: Final = ("keystone_authtoken",)
_KEYS: Final = ("probes", "driver", "parameters", "data_type", "probes_names")
_DANGEROUS: Final = "change this or be hacked"
_IDLE: Final = {
    "probes_endpoint": "no bus of Kwapi's is spoken here; samples go to the store and to the sinks",
    "enable_signing": "it signed what went to the bus",
    "check_drivers_interval": "a meter that is silent is tried again by itself, sooner and with growing pauses",
    "log_file": "the log goes to standard error",
    "log_dir": "the log goes to standard error",
    "log_config": "the log goes to standard error",
    "use_syslog": "the log goes to standard error",
}
"""Options that have no effect here, and why."""


def convert(path: Path, registry: Registry, *, log: str = "") -> Conversion:
    """Read a file; `log`, if it is given, is the level that the command line asks for.

    Raises Misconfigured when the file cannot be read.
    """
    old = Old(str(path))
    sections, odd = read_ini(text_of(path, _LONGEST))
    for line, text in odd:
        old.fault("", text, line)
    old.remarks += ["Read every second on the second; Kwapi slept a second after each reading.", PATIENT]
    for section in sections:
        if section.name == DEFAULT:
            _options(old, section)
        elif section.name in _NO_METERS:
            old.remarks.append(f"[{section.name}] is of kwapi-api and no wattmeter; left out.")
        else:
            _wattmeter(old, section)
    old.root |= {"log": log} if log else {}
    return settle(SYSTEM, old, registry)


def _options(old: Old, section: Section) -> None:
    old.root["log"] = "debug" if _flag(section, "debug") else "info" if _flag(section, "verbose", "true") else "warning"
    for name in section.values:
        value = section.last(name)
        assert value is not None
        if name in ("verbose", "debug"):
            continue
        if name == "metering_secret":
            told = " It is the documented default, with which anybody signs: choose another before you use it again."
            said = value.text.strip().lower()
            old.remarks.append(f"metering_secret signed what went to the bus; left out.{told * (said == _DANGEROUS)}")
        else:
            old.remarks.append(f"{name}: {_IDLE.get(name, 'has no effect here')}; left out.")


def _flag(section: Section, name: str, otherwise: str = "") -> bool:
    value = section.last(name)
    return (value.text if value else otherwise).lower() in ("true", "1", "yes", "on")


def _wattmeter(old: Old, section: Section) -> None:
    place, line = f"[{section.name}]", section.line
    try:
        read = {name: _literal(section, name) for name in ("probes", "parameters", "data_type", "probes_names")}
        meter = _described(section, read)
        unknown = [name for name in section.values if name not in _KEYS]
        remarks = [f"{name} is no key of a wattmeter; left out." for name in unknown]
        for given, more in DRIVERS[meter.driver](meter):
            old.parts.append(
                Part({**given, "timeout": f"{PATIENCE}s"}, Where(place, line, old.file), (*remarks, *more))
            )
            remarks = []
    except Misconfigured as error:
        old.fault(place, str(error), line)


def _literal(section: Section, name: str) -> Any:
    value = section.last(name)
    if value is None:
        return None
    try:
        return literal(value.text)
    except ValueError as error:
        raise Misconfigured(f"{name} (line {value.line}) {error}") from error


def _described(section: Section, read: Mapping[str, Any]) -> Wattmeter:
    """Return a section in types. Raises Misconfigured, naming the key."""
    driver, probes, parameters = section.last("driver"), read["probes"], read["parameters"]
    if driver is None or not driver.text:
        raise Misconfigured("it says no driver")
    if (name := driver.text.strip().lower()) not in DRIVERS:
        shown = driver.text.partition("\n")[0][:_SHOWN]  # what goes on in indented lines may be the parameters
        raise Misconfigured(f"there is no driver {shown!r} of Kwapi's{nearest(name, DRIVERS)}")
    if not isinstance(probes, list) or not all(one is None or (isinstance(one, str) and one) for one in probes):
        raise Misconfigured("probes is a list of names, or None for an outlet that is not read")
    if not any(probes):
        raise Misconfigured("probes names none")
    if parameters is not None and not isinstance(parameters, dict):
        raise Misconfigured("parameters is a mapping of names to values")
    data_type = read["data_type"]
    if data_type is not None and not (isinstance(data_type, dict) and isinstance(data_type.get("name"), str)):
        raise Misconfigured("data_type is a mapping with name, type and unit")
    return Wattmeter(section.name, name, probes, dict(parameters or {}), data_type or {},
                     _aliases(read["probes_names"], probes))  # fmt: skip


def _aliases(given: Any, probes: list[str | None]) -> dict[str, Any]:
    """Return the other names of each probe: one, or a list of the hosts that share an outlet."""
    if given is None:
        return {}
    if not isinstance(given, list):
        raise Misconfigured("probes_names is a list of names, or of lists of names")
    pairs = zip(probes, given, strict=False)
    return {probe: names for probe, names in pairs if probe and names and names != probe}

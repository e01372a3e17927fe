"""kwollector-wattmetre: one wattmeter whose lines come on standard input, and who draws from its ports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wattline.imports.conversion import Conversion, Old, Part, Where, settle
from wattline.imports.kwollect import chosen
from wattline.runtime.registry import Registry

SYSTEM: Final = "wattmetre"
OPTIONS: Final = {
    "db_host": "localhost", "db_name": "kwdb", "db_password": "changeme", "db_user": "kwuser", "log_level": "warning",
    "mapping_file_path": "", "wattmetre_id": "wattmetre", "wattmetre_version": 2,
}  # fmt: skip
"""The options of kwollector-wattmetre, in the order in which short flags are given."""
METRIC: Final = "wattmetre_power_watt"


def convert(path: Path | None, registry: Registry, given: Mapping[str, Any] | None = None) -> Conversion:
    """Read a configuration file (None: there is none), with options of the command line in `given`.

    Raises Misconfigured: the file is no mapping.
    """
    old = Old(str(path or "kwollector-wattmetre's command line"))
    options = chosen(old, path, OPTIONS, given or {})
    meter: dict[str, Any] = {"name": str(options["wattmetre_id"]), "driver": "wattmetre", "path": "-"}
    meter |= {"device": str(options["wattmetre_id"]), "metric": METRIC, "version": _version(options)}
    if options["mapping_file_path"]:
        meter["mapping"] = str(Path(str(options["mapping_file_path"])).absolute())
    remark = "A promoted port is told frame by frame, mapped or not; at the end of the input the last second is kept."
    old.parts.append(Part(meter, Where("", 0, old.file), (remark,)))
    return settle(SYSTEM, old, registry)


def _version(options: Mapping[str, Any]) -> Any:
    said = options["wattmetre_version"]
    return int(said) if str(said).isascii() and str(said).isdigit() and len(str(said)) < 9 else said

"""Recorded Redfish services: `{"source": ..., "resources": {path: body}}` in one JSON file.

Where the keys of `resources` are names of files and no paths, or there is one `body` with its `uri`, the resources are
put at the paths that they say of themselves, and a root and a collection of chassis are added where they are missing.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from wattline.drivers.redfish.config import RedfishConfig
from wattline.drivers.redfish.driver import Redfish
from wattline.errors import Malformed
from wattline.testing.recordings.reading import Reading, readings_of
from wattline.testing.redfish import Bmc

_NOW: Final = 1_795_184_315_000_000_000
_ROOT: Final = "/redfish/v1"
_CHASSIS: Final = "/redfish/v1/Chassis"
_WAIT: Final = 60.0


def matches(path: Path) -> bool:
    """Say whether a file is a bundle of Redfish resources."""
    if path.suffix != ".json":
        return False
    try:
        held = json.loads(path.read_text())
    except ValueError:
        return False
    return isinstance(held, dict) and "source" in held and bool(_given(held))


def readings(path: Path) -> list[Reading]:
    """Return what the driver reads of a bundle, parts and supplies too; nothing where nothing tells power."""
    return asyncio.run(_read(resources_of(json.loads(path.read_text()))))


def resources_of(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return resources by path, with a root and a collection of chassis."""
    placed: dict[str, Any] = {}
    for name, body in _given(held).items():
        if isinstance(body, dict) and "error" not in body:
            path = name if name.startswith(_ROOT) else str(body.get("@odata.id", name)).rstrip("/")
            if "PowerControl" in body and (path in placed or not path.startswith(_ROOT)):
                path = f"{_CHASSIS}/{name.strip('/').replace('/', '-')}/Power"
            placed[path.rstrip("/")] = body
    for path in [path for path in placed if path.endswith("/Power")]:
        chassis = path.removesuffix("/Power")
        placed.setdefault(
            chassis, {"@odata.id": chassis, "Id": chassis.rpartition("/")[2], "Power": {"@odata.id": path}}
        )
    members = [{"@odata.id": path} for path in placed if path.startswith(f"{_CHASSIS}/") and path.count("/") == 4]
    placed.setdefault(_CHASSIS, {"@odata.id": _CHASSIS, "Members": members})
    placed.setdefault(_ROOT, {"@odata.id": _ROOT, "Chassis": {"@odata.id": _CHASSIS}})
    return placed


def _given(held: Mapping[str, Any]) -> Mapping[str, Any]:
    if "body" in held and "uri" in held:
        return {str(held["uri"]): held["body"]}
    resources = held.get("resources")
    return resources if isinstance(resources, dict) else {}


async def _read(resources: Mapping[str, Any]) -> list[Reading]:
    async with Bmc(resources, expand=True) as bmc:
        options = {"host": "127.0.0.1", "port": bmc.port, "tls": False, "device": "bmc", "wait": _WAIT}
        driver = Redfish(RedfishConfig.of("recording", options | {"parts": True, "supplies": True}))
        try:
            await driver.open()
            return readings_of(await driver.read(_NOW))
        except Malformed:
            return []
        finally:
            await driver.close()

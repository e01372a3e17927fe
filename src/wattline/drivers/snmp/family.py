"""Which family a device is of: by what it says it is, then by what it answers."""

import logging
import re
from typing import Final

from wattline.drivers.snmp.config import SnmpConfig
from wattline.drivers.snmp.plan import Plan, plan_of_profile
from wattline.drivers.snmp.profile import Mark, Profile, fitting, profile
from wattline.plugin import Malformed
from wattline.wire.snmp import Agent, text

_DESCRIPTION: Final = "1.3.6.1.2.1.1.1.0"
_IDENTITY: Final = "1.3.6.1.2.1.1.2.0"
_logger = logging.getLogger(__name__)


async def named(name: str, agent: Agent) -> Profile:
    """Return a profile as it is for this device. Raises as `Agent` does, and Misconfigured when there is none."""
    profile(name)
    return profile(name, text((await agent.get([_IDENTITY])).get(_IDENTITY)))


async def find(config: SnmpConfig, agent: Agent) -> tuple[str, Profile, Plan]:
    """Return the name of the profile that gives values of this device, as it is for this device, and the plan.

    Raises as `Agent` does, and Malformed when no profile does.
    """
    said = await agent.get([_DESCRIPTION, _IDENTITY])
    identity, description = (text(said.get(oid)) for oid in (_IDENTITY, _DESCRIPTION))
    tried: set[str] = set()
    for mark, name in fitting(identity, description):
        if name in tried or not await _answers(mark, agent):
            continue
        tried.add(name)
        one = profile(name, identity)
        plan = await plan_of_profile(one, config, agent)
        if plan.cells:
            _logger.info("%s is read by the profile %s", agent.name, name)
            return name, one, plan
    raise Malformed(
        f"{agent.name} is of no family that Wattline knows: say which OIDs to read"
        f" (sysObjectID {identity or 'none'}, {description[:60]!r})"
    )


async def _answers(mark: Mark, agent: Agent) -> bool:
    if not mark.probe:
        return True
    value = await agent.first(mark.probe)
    return value is not None and bool(re.search(mark.says, text(value), re.IGNORECASE))

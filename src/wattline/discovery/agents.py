"""SNMP agents: what they say of themselves (sysDescr, sysObjectID; RFC 3418) to one of some communities."""

from collections.abc import Sequence
from typing import Final

from wattline.discovery.found import Credential, Found
from wattline.discovery.pace import Pace
from wattline.discovery.words import in_url, phrase
from wattline.errors import Malformed, Unreachable
from wattline.wire.snmp import Agent, Community, text

DEFAULT_PORT: Final = 161
_DESCRIPTION: Final = "1.3.6.1.2.1.1.1.0"
_IDENTITY: Final = "1.3.6.1.2.1.1.2.0"
_VERSIONS: Final = (2, 1)


class Agents:
    """Looks for agents, in v2c with every community, then in v1."""

    def __init__(self, port: int, communities: Sequence[Credential], pace: Pace, wait: float) -> None:
        self._port, self._communities, self._pace, self._wait = port, communities, pace, wait
        self.questions = len(communities) * len(_VERSIONS)
        """Most questions to one host."""

    async def look(self, host: str) -> list[Found]:
        """Return the agent of a host, if there is one that knows a community."""
        for version in _VERSIONS:
            for community in self._communities:
                await self._pace.turn()
                said = await self._ask(host, Community(community.secret.reveal(), version))
                if said is not None:
                    return [self._found(host, version, community, *said)]
        return []

    async def _ask(self, host: str, who: Community) -> tuple[str, str] | None:
        agent = Agent(host, self._port, who, wait=self._wait, tries=1)
        try:
            await agent.connect()
            said = await agent.get([_DESCRIPTION, _IDENTITY])
        except (Unreachable, Malformed):
            return None
        finally:
            agent.close()
        return text(said.get(_DESCRIPTION)), text(said.get(_IDENTITY)).lstrip(".")

    def _found(self, host: str, version: int, community: Credential, description: str, identity: str) -> Found:
        return Found(
            host=host,
            what=f"SNMP agent: {phrase(description) or 'says nothing of itself'}",
            why=f"{'v2c' if version == 2 else 'v1'}, sysObjectID {identity or 'none'}",
            driver="snmp",
            url=f"snmp://{in_url(host, self._port, DEFAULT_PORT)}/",
            options={"version": "1"} if version == 1 else {},
            credentials=(community,),
        )

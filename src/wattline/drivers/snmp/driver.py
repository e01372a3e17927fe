"""SNMP agents: PDUs, UPSes, BMCs, meters, switches. The protocol is in `wire/snmp`, what a value means in `config`.

A table is walked by GETBULK at the start and at every refresh; between, exactly its cells are asked for, row by row, as
many as fit into a PDU. So one round trip brings all columns of a row at one time, and nothing is fetched to be dropped.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

import msgspec

from wattline.drivers.snmp.config import SnmpConfig
from wattline.drivers.snmp.family import find, named
from wattline.drivers.snmp.plan import Plan, make_plan, plan_of_profile
from wattline.drivers.snmp.profile import Profile
from wattline.drivers.snmp.readout import Readout
from wattline.plugin import Frame, Layout, Malformed, Polled
from wattline.wire.snmp import Agent, Poll, opening

_SECOND: Final = 1_000_000_000
_TIME_WINDOW: Final = 100 * _SECOND
"""After so long a silence of ours a v3 agent's time is asked for again; RFC 3414 section 3.2 allows 150 s."""
_REFUSAL: Final = 60 * _SECOND
"""For so long an OID that made the agent refuse a whole PDU is left out."""


class Snmp(Polled[SnmpConfig]):
    """Reads OIDs and tables of one agent."""

    Config = SnmpConfig
    summary = "SNMP agents (v1, v2c, v3): PDUs, UPSes, BMCs, meters, switches"
    example = "snmp://public@pdu-1:161/1.3.6.1.4.1.318.1.1.26.9.4.3.1.7.1?unit=W"

    def __init__(self, config: SnmpConfig) -> None:
        super().__init__(config)
        self._agent = Agent(config.host, config.port, config.who(), wait=config.wait, tries=config.tries)
        self._readout: Readout | None = None
        self._profile: Profile | None = None
        self.recognised = config.profile
        self._planned = self._asked = self._renewed = 0

    async def open(self) -> Sequence[Layout]:
        """Resolve the name, show the user (v3), walk tables and templates."""
        await self._agent.resolve()
        async with opening():
            await self._agent.connect()
            await self._plan()
        self._planned = self._asked = self._renewed = 0
        return [self._readout.layout] if self._readout else []

    async def read(self, now: int) -> Sequence[Frame]:
        """Ask for every cell once."""
        await self._keep_fresh(now)
        if self._readout is None:
            raise Malformed(f"{self._agent.name} answers, but its tables hold nothing of what is asked for")
        return [self._readout.frame(await self._poll.ask())]

    async def close(self) -> None:
        """Let go of the socket."""
        self._agent.close()

    async def _keep_fresh(self, now: int) -> None:
        """Do what time asks for: the first tick after `open` begins all periods."""
        # Meters begin together; each has its own share of the first period, so that they do not all walk at once.
        self._planned, self._renewed = self._planned or now - self._share(), self._renewed or now
        if now - (self._asked or now) > _TIME_WINDOW:
            await self._agent.refresh()
        if now - self._planned >= self.config.refresh * _SECOND and self._walks:
            self._planned = now  # before: an agent that walks too slowly for a poll is not walked at every one
            await self._plan()
        if now - self._renewed >= _REFUSAL:
            self._renewed = now
            if self._poll.refused:
                self._poll.renew()
        self._asked = now

    def _share(self) -> int:
        """Return the nanoseconds by which the first refresh is early: less than half a period."""
        return crc32(self._agent.name.encode()) % 1024 * int(self.config.refresh * _SECOND) // 2048

    async def _plan(self) -> None:
        plan = await self._made()
        self._poll = Poll(self._agent, plan.oids, self.config.per_request)
        if self._readout is not None and plan.cells:
            self._readout.follow(plan)
        else:
            self._readout = Readout(self._agent.name, plan) if plan.cells else None

    async def _made(self) -> Plan:
        if not self.config.finds:
            return await make_plan(self.config, self._agent)
        if not self.recognised:
            self.recognised, self._profile, plan = await find(self.config, self._agent)
            return plan
        if self._profile is None:
            self._profile = await named(self.recognised, self._agent)
        return await plan_of_profile(self._profile, self.config, self._agent)

    @property
    def _walks(self) -> bool:
        moves = any("{{" in single.oid or single.subtree for single in self.config.oids)
        return self.config.finds or bool(self.config.tables) or moves


class SnmpV1(Snmp):
    """As `Snmp`, in version 1 unless it is said otherwise: `snmpv1://`."""

    example = "snmpv1://public@pdu-1/1.3.6.1.4.1.318.1.1.26.9.4.3.1.7.1?unit=W"

    def __init__(self, config: SnmpConfig) -> None:
        super().__init__(config if config.version else msgspec.structs.replace(config, version="1"))

"""Reading what was found, once, by the driver that would meter it: the only proof that an address works.

A BMC locks an account after a few refusals. Each is shown the password once, whatever comes of it, those of one kind
one after the other, and after three refusals in a row the others of that kind are left alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np
from msgspec.structs import replace

from wattline.discovery.found import Credential, Found, Proof, State
from wattline.discovery.pace import Pace
from wattline.discovery.words import phrase
from wattline.errors import Denied, Malformed, Misconfigured, WattlineError
from wattline.plugin import Driver, Frame, Kind, Polled, Unit
from wattline.runtime.discreet import keep_quiet
from wattline.runtime.document import Document
from wattline.runtime.failure import scrub
from wattline.runtime.meters import hidden, meter
from wattline.runtime.registry import Registry
from wattline.runtime.site import MeterConfig
from wattline.runtime.ticks import Clock

REFUSALS: Final = 3
"""Refusals in a row after which no more BMCs of a kind are tried."""
PATIENCE: Final = 15.0
"""Seconds that opening and reading a meter once may take."""
_AT_A_TIME: Final = 8
_SAID: Final = 160

Read = Callable[[Found], Awaitable[Proof]]


class Reader:
    """Reads what was found; `user` is shown to BMCs where it is given."""

    def __init__(
        self, registry: Registry, clock: Clock, pace: Pace, *, user: str = "", password: Credential | None = None
    ) -> None:
        self._registry, self._clock, self._pace = registry, clock, pace
        self._user, self._password = user, password

    def readable(self, one: Found) -> bool:
        """Say whether there is a driver to read it, and all that it needs; a Redfish service may let in anybody."""
        has_all = not one.needs or one.driver == "redfish" or (one.is_bmc and self._password is not None)
        return bool(one.driver and one.worth and has_all)

    def dressed(self, one: Found) -> Found:
        """Return what was found with the credentials that are given for it."""
        if not one.is_bmc or self._password is None:
            return one
        options = {**one.options, "user": self._user}
        return replace(one, options=options, credentials=(*one.credentials, self._password), needs="")

    async def read(self, one: Found) -> Proof:
        """Open and read a meter once. Never raises for what the meter does."""
        await self._pace.turn()
        secret: frozenset[str] = frozenset()
        driver: Driver[Any] | None = None
        try:
            config = self._config(one)
            secret = hidden(config)
            keep_quiet(secret)
            driver = self._registry.driver(config.driver)(config.options)
            async with asyncio.timeout(PATIENCE):
                await driver.open()
                frames = await driver.read(self._clock.now()) if isinstance(driver, Polled) else []
            model = f"{driver.recognised}, " if driver.recognised else ""
            return Proof(State.READS, f"{model}{summary(frames)}")
        except Denied as error:
            return Proof(State.REFUSED, phrase(scrub(str(error), secret), _SAID))
        except TimeoutError:
            return Proof(State.FAILS, f"no whole answer within {PATIENCE:g} s")
        except WattlineError as error:
            state = State.UNTRIED if isinstance(error, Misconfigured) else State.FAILS
            return Proof(state, phrase(scrub(str(error), secret), _SAID))
        finally:
            if driver is not None:
                await _close(driver)

    def _config(self, one: Found) -> MeterConfig:
        document = Document({})
        beside = {credential.option: credential.secret.reveal() for credential in one.credentials}
        config = meter(document, (), {"url": one.url, **one.options, **beside}, self._registry, 1.0)
        if config is None:
            raise Misconfigured("; ".join(fault.text for fault in document.faults))
        return config


async def read_all(
    given: Sequence[Found], reader: Reader, told: Callable[[Found, Proof], None], *, refusals: int = REFUSALS
) -> None:
    """Read all that can be read; tells `told` of each as it comes. Ends early by cancellation."""
    plain = [one for one in given if reader.readable(one) and not (one.is_bmc and reader.dressed(one) is not one)]
    guarded = [one for one in given if reader.readable(one) and one not in plain]
    room = asyncio.Semaphore(_AT_A_TIME)

    async def read(one: Found) -> None:
        async with room:
            proof = await reader.read(one)
        if one.needs and proof.state is not State.READS:
            proof = Proof(State.UNTRIED, f"needs {one.needs}")
        told(one, proof)

    async with asyncio.TaskGroup() as all_of_them:
        for one in plain:
            all_of_them.create_task(read(one))
        for group in by_group(guarded):
            all_of_them.create_task(_try_group(group, reader, told, refusals))


def by_group(given: Sequence[Found]) -> list[list[Found]]:
    """Return BMCs by what shares credentials, each host once: by Redfish, where it has both."""
    hosts: dict[str, Found] = {}
    for one in given:
        known = hosts.get(one.host)
        if known is None or (one.driver == "redfish" and known.driver != "redfish"):
            hosts[one.host] = one
    ordered = sorted(hosts.values(), key=lambda one: one.group)
    return [list(group) for _, group in groupby(ordered, key=lambda one: one.group)]


async def _try_group(
    group: Sequence[Found], reader: Reader, told: Callable[[Found, Proof], None], refusals: int
) -> None:
    in_a_row = 0
    for one in group:
        if in_a_row >= refusals:
            told(one, Proof(State.UNTRIED, f"not tried: {refusals} others of its kind refuse the user or the password"))
            continue
        proof = await reader.read(reader.dressed(one))
        in_a_row = in_a_row + 1 if proof.state is State.REFUSED else 0
        told(reader.dressed(one) if proof.state is State.READS else one, proof)


def summary(frames: Sequence[Frame]) -> str:
    """Say what an answer holds: how many series, and how many watts where one series tells them."""
    series, watts, registers = 0, [], 0
    for frame in frames:
        values = np.atleast_2d(frame.values)[-1]
        present = np.ones(len(values), bool) if frame.present is None else np.atleast_2d(frame.present)[-1]
        series += int(present.sum())
        for i in np.flatnonzero(present).tolist():
            metric = frame.layout.series[i].metric
            if metric.unit is Unit.WATT and metric.kind is Kind.GAUGE:
                watts.append(float(values[i]))
            registers += metric.unit is Unit.JOULE and metric.kind is Kind.COUNTER
    if not series:
        raise Malformed("it answers, but with no value")
    power = [f"{watts[0]:,.6g} W"] if len(watts) == 1 else [f"{len(watts)} of power"] if watts else []
    energy = [f"{registers} of energy"] if registers else []
    return f"{series} series{': ' if power or energy else ''}{', '.join(power + energy)}"


async def _close(driver: Driver[Any]) -> None:
    try:
        async with asyncio.timeout(1):
            await driver.close()
    except (TimeoutError, WattlineError, OSError):
        pass  # it was to be let go

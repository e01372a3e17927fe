"""A BMC that is read through its web pages: log in, read, log out.

A login is costly and sessions are few, so one is kept from poll to poll and given back at the end. A session that no
longer answers has mostly run out: it is given back, and the same poll begins another one, once.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

import numpy as np

from wattline.errors import Denied, Malformed, WattlineError
from wattline.plugin import Column, Device, Frame, Layout, Point, Series
from wattline.web_meter import POWER, WebConfig, WebMeter

S = TypeVar("S")


class BmcConfig(WebConfig, frozen=True, kw_only=True):
    """Options of a BMC's web pages: `WebConfig`, with https and a user who must be named."""

    tls: bool = True
    user: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.user or not self.password:
            raise ValueError("a BMC lets nobody in without `user` and `password`")


C = TypeVar("C", bound=BmcConfig)


class BmcMeter(WebMeter[C], Generic[C, S]):
    """Reads the watts of a server from its BMC's pages; `S` is what a login gives.

    `window` is how many seconds the BMC averages over, None where it does not say.
    """

    metrics = (POWER,)
    window: ClassVar[float | None] = None

    def __init__(self, config: C) -> None:
        super().__init__(config)
        column = Column(point=Point.BMC, window=self.window)
        self._layout = Layout.of([Series.of(self.name, POWER)], [column], devices=[Device(self.name, "server")])
        self._session: S | None = None

    @abstractmethod
    async def _enter(self) -> S:
        """Log in. Raises Denied only where the BMC says that user and password are wrong."""

    @abstractmethod
    async def _watts(self, session: S) -> float | None:
        """Ask for the power; None: the BMC has no value now."""

    @abstractmethod
    async def _leave(self, session: S) -> None:
        """Log out."""

    async def open(self) -> Sequence[Layout]:
        """Make a connection; the login is left to the first read, which has time for it."""
        await super().open()
        return [self._layout]

    async def read(self, now: int) -> Sequence[Frame]:
        """Ask for the power once; `now` is not needed, since the pages tell no time."""
        watts = await self._ask()
        return [] if watts is None else [Frame(self._layout, np.array([watts]))]

    async def close(self) -> None:
        """Log out and close the connection."""
        try:
            await self._let_go()
        finally:
            await super().close()

    async def _ask(self) -> float | None:
        if self._session is not None:
            try:
                return await self._watts(self._session)
            except (Denied, Malformed):
                await self._let_go()
        self._session = await self._enter()
        try:
            return await self._watts(self._session)
        except WattlineError:
            await self._let_go()
            raise

    async def _let_go(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                await self._leave(session)
            except WattlineError:
                return  # it runs out by itself; what was asked matters more

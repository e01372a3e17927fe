"""The contract of a driver and the dialogue with a BMC's web pages, as tests that each driver of one runs.

class TestIntelGui(BmcSuite):
    @pytest.fixture
    def driver(self):
        return IntelGui

    asked = ("POST /rpc/WEBSES/create.asp", ...)    # by opening, one reading, and closing
"""

# ruff: noqa: D102 - the name of a test says what is promised

from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar

import pytest

from wattline.errors import Denied, Malformed, Unreachable
from wattline.plugin import Driver, DriverConfig, Point, Polled, Secret
from wattline.testing.driver_suite import DriverSuite, opened
from wattline.testing.vendor_pages import VendorPages

NONSENSE = (b"", b"{", b"<root/>", b"[[[[" * 10_000, b"\xff\x00", b"null", b"{}", b"<!DOCTYPE a><a/>", b"x" * 5_000_000)


class BmcSuite(DriverSuite):
    """Promises of a driver that logs in."""

    asked: ClassVar[Sequence[str]] = ()

    @pytest.fixture
    async def working(self, driver: type[Driver[Any]]) -> AsyncIterator[DriverConfig]:
        async with VendorPages() as bmc:
            yield make(driver, bmc, bmc.password).config

    @pytest.fixture
    async def bmc(self) -> AsyncIterator[VendorPages]:
        async with VendorPages(watts=182) as bmc:
            yield bmc

    @pytest.fixture
    def one(self, driver: type[Driver[Any]], bmc: VendorPages) -> Polled[Any]:
        return make(driver, bmc, bmc.password)

    async def test_it_asks_for_no_more_than_it_needs(self, one: Polled[Any], bmc: VendorPages) -> None:
        [layout] = await one.open()
        await one.read(0)
        await one.close()
        assert tuple(bmc.asked) == self.asked
        assert layout.columns[0].point is Point.BMC

    async def test_it_reads_watts_and_logs_out_once(self, one: Polled[Any], bmc: VendorPages) -> None:
        async with opened(one):
            assert await watts(one) == 182
            bmc.watts = 0
            assert await watts(one) == 0, "no watts are watts"
            assert (bmc.logins, bmc.logouts) == (1, 0), "the session is kept"
        assert (bmc.logouts, bmc.sessions, bmc.refusals) == (1, set(), 0)

    async def test_a_session_that_ran_out_is_begun_again_in_the_same_poll(
        self, one: Polled[Any], bmc: VendorPages
    ) -> None:
        async with opened(one):
            await watts(one)
            bmc.forget()
            assert await watts(one) == 182
        assert (bmc.logins, len(bmc.sessions)) == (2, 0)

    async def test_a_refused_login_is_denied_and_tried_once(self, driver: type[Driver[Any]], bmc: VendorPages) -> None:
        one = make(driver, bmc, "wrong password")
        async with opened(one):
            with pytest.raises(Denied, match=bmc.address) as refused:
                await one.read(0)
        assert bmc.refusals == 1
        assert "wrong password" not in str(refused.value)

    @pytest.mark.parametrize("nonsense", NONSENSE, ids=range(len(NONSENSE)))
    async def test_nonsense_is_malformed_and_the_session_is_given_back(
        self, one: Polled[Any], bmc: VendorPages, nonsense: bytes
    ) -> None:
        async with opened(one):
            bmc.spoiled = nonsense
            with pytest.raises(Malformed):
                await one.read(0)
            assert (bmc.logins, bmc.logouts) == (1, 1), "logged out although the reading failed"
            bmc.spoiled = None
            assert await watts(one) == 182

    async def test_a_bmc_that_is_gone_is_unreachable_and_closing_does_not_mind(self, driver: type[Driver[Any]]) -> None:
        async with VendorPages() as bmc:
            one = make(driver, bmc, bmc.password)
            await one.open()
            await one.read(0)
        with pytest.raises(Unreachable):
            await one.read(0)
        await one.close()


def make(driver: type[Driver[Any]], bmc: VendorPages, password: str) -> Polled[Any]:
    """Return a driver that speaks to this BMC."""
    one = driver(driver.Config(host=bmc.address, user=bmc.user, password=Secret(password)))  # type: ignore[call-arg]
    assert isinstance(one, Polled)
    return one


async def watts(one: Polled[Any]) -> float:
    """Read once and return the one value."""
    [frame] = await one.read(0)
    [value] = frame.values
    return float(value)

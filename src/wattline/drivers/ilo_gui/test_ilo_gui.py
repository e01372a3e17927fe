"""The contract of a driver and of a BMC's dialogue, against a server of ours that speaks it."""

import pytest

from wattline.drivers.ilo_gui.driver import IloGui, IloGuiConfig
from wattline.plugin import Point, Secret
from wattline.testing.bmc_suite import BmcSuite
from wattline.testing.driver_suite import DriverSuite
from wattline.testing.vendor_pages import VendorPages


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return IloGui

    @pytest.fixture
    async def working(self):
        async with VendorPages() as bmc:
            yield IloGuiConfig(host=bmc.address, user=bmc.user, password=Secret(bmc.password))


class TestDialogue(BmcSuite):
    @pytest.fixture
    def driver(self):
        return IloGui

    async def test_what_it_asks_for(self, one, bmc):
        [layout] = await one.open()
        await one.read(0)
        await one.close()
        assert bmc.asked == ASKED
        assert layout.columns[0].point is Point.BMC


ASKED = ["POST /json/login_session", "GET /json/power_history_fast", "POST /json/login_session"]

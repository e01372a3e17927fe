"""The contract of a driver and of a BMC's dialogue, against a server of ours that speaks it."""

import pytest

from wattline.drivers.idrac8_gui.driver import Idrac8Gui, Idrac8GuiConfig
from wattline.plugin import Point, Secret
from wattline.testing.bmc_suite import BmcSuite
from wattline.testing.driver_suite import DriverSuite
from wattline.testing.vendor_pages import VendorPages


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Idrac8Gui

    @pytest.fixture
    async def working(self):
        async with VendorPages() as bmc:
            yield Idrac8GuiConfig(host=bmc.address, user=bmc.user, password=Secret(bmc.password))


class TestDialogue(BmcSuite):
    @pytest.fixture
    def driver(self):
        return Idrac8Gui

    async def test_what_it_asks_for(self, one, bmc):
        [layout] = await one.open()
        await one.read(0)
        await one.close()
        assert bmc.asked == ASKED
        assert layout.columns[0].point is Point.BMC


ASKED = ["POST /data/login", "POST /data?get=powergraphdata", "POST /data/logout"]

"""The contract of a driver and of a BMC's dialogue, against a server of ours that speaks it."""

import pytest

from wattline.drivers.intel_gui.driver import IntelGui
from wattline.testing.bmc_suite import BmcSuite


class TestIntelGui(BmcSuite):
    asked = ("POST /rpc/WEBSES/create.asp", "GET /rpc/getpowerstat.asp", "GET /rpc/WEBSES/logout.asp")

    @pytest.fixture
    def driver(self):
        return IntelGui

"""The contract of a driver and of a BMC's dialogue, against a server of ours that speaks it."""

import pytest

from wattline.drivers.idrac8_gui.driver import Idrac8Gui
from wattline.testing.bmc_suite import BmcSuite


class TestIdrac8Gui(BmcSuite):
    asked = ("POST /data/login", "POST /data?get=powergraphdata", "POST /data/logout")

    @pytest.fixture
    def driver(self):
        return Idrac8Gui

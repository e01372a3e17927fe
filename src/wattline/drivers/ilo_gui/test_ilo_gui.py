"""The contract of a driver and of a BMC's dialogue, against a server of ours that speaks it."""

import pytest

from wattline.drivers.ilo_gui.driver import IloGui
from wattline.testing.bmc_suite import BmcSuite


class TestIloGui(BmcSuite):
    asked = ("POST /json/login_session", "GET /json/power_history_fast", "POST /json/login_session")

    @pytest.fixture
    def driver(self):
        return IloGui

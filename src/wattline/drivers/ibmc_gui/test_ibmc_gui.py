"""The contract of a driver and of a BMC's dialogue, against a server of ours that speaks it."""

import pytest

from wattline.drivers.ibmc_gui.driver import IbmcGui
from wattline.testing.bmc_suite import BmcSuite


class TestIbmcGui(BmcSuite):
    asked = (
        "POST /bmc/php/processparameter.php",
        "POST /bmc/php/gettoken.php",
        "POST /bmc/php/getmultiproperty.php",
        "POST /bmc/php/processparameter.php",
    )

    @pytest.fixture
    def driver(self):
        return IbmcGui

"""An iLO 4 with early REST: two shapes of the fast power meter, refusals, nonsense."""

import pytest

from wattline.drivers.ilo.driver import Ilo, IloConfig
from wattline.errors import Denied, Malformed
from wattline.plugin import Point, Secret
from wattline.testing.bmc_suite import NONSENSE, make, watts
from wattline.testing.driver_suite import DriverSuite, opened
from wattline.testing.vendor_pages import VendorPages
from wattline.testing.web_server import WebServer, json_answer


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Ilo

    @pytest.fixture
    async def working(self):
        async with VendorPages() as bmc:
            yield IloConfig(host=bmc.address, user=bmc.user, password=Secret(bmc.password))


@pytest.fixture
async def bmc():
    async with VendorPages(watts=182) as bmc:
        yield bmc


@pytest.mark.parametrize("firmware", ["2.1", "2.4"])
async def test_both_shapes(bmc, firmware):
    bmc.firmware = firmware
    async with opened(make(Ilo, bmc, bmc.password)) as (one, _):
        assert await watts(one) == 182
        [frame] = await one.read(0)
    [column] = frame.layout.columns
    assert (column.point, column.window) == (Point.BMC, 10.0)


async def test_a_refusal_is_denied_at_once(bmc):
    one = make(Ilo, bmc, "wrong password")
    with pytest.raises(Denied):
        await one.open()
    await one.close()
    assert bmc.refusals == 1


@pytest.mark.parametrize("nonsense", NONSENSE, ids=range(len(NONSENSE)))
async def test_nonsense_is_malformed(bmc, nonsense):
    async with opened(make(Ilo, bmc, bmc.password)) as (one, _):
        bmc.spoiled = nonsense
        with pytest.raises(Malformed):
            await one.read(0)


async def test_chassis_add_up_and_a_missing_one_makes_the_sum_absent():
    averages = {"1": 100, "2": 50}

    def answer(request):
        if request.path == "/rest/v1/Chassis":
            return json_answer({"links": {"Member": [{"href": f"/rest/v1/Chassis/{n}/"} for n in averages]}})
        return json_answer({"PowerDetail": [{"Average": averages[request.path.split("/")[4]]}]})

    async with WebServer(answer) as server:
        config = IloConfig(host=server.address, user="u", password=Secret("p"))
        async with opened(Ilo(config)) as (one, _):
            assert await watts(one) == 150
            averages["2"] = None
            assert await one.read(0) == []


@pytest.mark.parametrize("page", [{}, {"links": None}, {"links": {"Member": [{"href": "no path"}]}}, []])
async def test_a_list_of_no_chassis_is_malformed(page):
    async with WebServer(lambda _: json_answer(page)) as server:
        one = Ilo(IloConfig(host=server.address, user="u", password=Secret("p")))
        with pytest.raises(Malformed):
            await one.open()
        await one.close()

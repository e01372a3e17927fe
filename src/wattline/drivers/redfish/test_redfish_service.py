"""Redfish services: users and sessions, TLS, pages, ETags, and services that go wrong and come back."""

import asyncio
import contextlib
import json
import logging
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.drivers.redfish.config import RedfishConfig
from wattline.drivers.redfish.driver import Redfish
from wattline.errors import Denied, Malformed, Misconfigured, Unreachable
from wattline.testing.certificate import Certificate
from wattline.testing.recordings import redfish as recordings
from wattline.testing.recordings.reading import readings_of
from wattline.testing.redfish import Bmc, Fault, tree
from wattline.wire.redfish import Service
from wattline.wire.web import Reply

NOW = 1_795_184_315_000_000_000
SECOND = 1_000_000_000
V1 = "/redfish/v1"
ONE = f"{V1}/Chassis/1"


def consumed(watts):
    return {"PowerControl": [{"@odata.id": f"{ONE}/Power#/PowerControl/0", "PowerConsumedWatts": watts}]}


def machine(name, watts):
    return name, {"Power": consumed(watts)}, {}


INLET = {"Temperatures": [{"Name": "Inlet", "ReadingCelsius": 21, "Status": {"State": "Enabled"}}]}
SERVER = tree(("1", {"Power": consumed(344), "Thermal": INLET}, {}))


def config(bmc, **options):
    given = {"host": "127.0.0.1", "port": bmc.port, "tls": False, "device": "bmc"}
    return RedfishConfig.of("test", given | options)


@asynccontextmanager
async def opened(bmc, **options):
    driver = Redfish(config(bmc, **options))
    try:
        await driver.open()
        yield driver
    finally:
        await driver.close()


def watts(frames):
    return {one.device: one.value for one in readings_of(frames) if one.metric == "power_watts"}


async def test_a_session_is_made_once_ended_at_the_close_and_renewed_once():
    async with Bmc(SERVER, user="admin", password="secret") as bmc:
        async with opened(bmc, user="admin", password="secret") as driver:
            assert len(bmc.sessions) == 1
            await driver.read(NOW)
            assert [method for method, _ in bmc.requests].count("POST") == 1
            bmc.sessions.clear()
            assert watts(await driver.read(NOW + SECOND)) == {"bmc": 344}
            assert [method for method, _ in bmc.requests].count("POST") == 2
            assert len(bmc.sessions) == 1
        assert not bmc.sessions


@pytest.mark.parametrize(("login", "has_sessions"), [("basic", True), ("auto", False), ("auto", True)])
async def test_basic_authentication(login, has_sessions):
    given = {"user": "admin", "password": "secret"}
    async with (
        Bmc(SERVER, sessions=has_sessions, most_sessions=0, **given) as bmc,
        opened(bmc, login=login, **given) as driver,
    ):
        assert watts(await driver.read(NOW)) == {"bmc": 344}


async def test_no_session_to_be_had_is_unreachable():
    async with Bmc(SERVER, user="admin", password="secret", most_sessions=0) as bmc:
        with pytest.raises(Unreachable, match="answers 503 Service Unavailable and gives no session"):
            async with opened(bmc, user="admin", password="secret", login="session"):
                pass


@pytest.mark.parametrize("options", [{}, {"login": "basic"}, {"login": "session"}])
async def test_a_wrong_password_is_shown_once(options):
    async with Bmc(SERVER, user="admin", password="secret") as bmc:
        with pytest.raises(Denied) as error:
            async with opened(bmc, user="admin", password="wr0ng", **options):
                pass
        assert bmc.refusals == 1
    assert "wr0ng" not in str(error.value)


async def test_ilo_refuses_with_400():
    sessions = f"{V1}/SessionService/Sessions"
    async with Bmc(SERVER, user="admin", password="secret", sessions=False) as bmc:
        bmc.faults[sessions] = Fault.REFUSED
        with pytest.raises(Denied, match="answers 400: it refuses the user or the password"):
            async with opened(bmc, user="admin", password="wrong"):
                pass
        assert bmc.refusals == 0


async def test_tls_is_verified_unless_the_operator_says_otherwise(tmp_path):
    made = Certificate.made_in(tmp_path)
    async with Bmc(SERVER, tls=made.server()) as bmc:
        for trusted in ({"verify": False}, {"ca": str(made.path)}):
            async with opened(bmc, tls=True, **trusted) as driver:
                assert watts(await driver.read(NOW)) == {"bmc": 344}
        with pytest.raises(Unreachable, match="a certificate that is not trusted"):
            async with opened(bmc, tls=True):
                pass
        with pytest.raises(Misconfigured, match="no readable file of certificates"):
            async with opened(bmc, tls=True, ca=str(tmp_path / "none.pem")):
                pass


async def test_a_strong_etag_saves_the_body():
    async with Bmc(SERVER, etags=True) as bmc, opened(bmc, temperature=False) as driver:
        first, again = await driver.read(NOW), await driver.read(NOW + SECOND)
        assert watts(first) == watts(again) == {"bmc": 344}
        bmc.resources[f"{ONE}/Power"] = consumed(345)
        assert watts(await driver.read(NOW + 2 * SECOND)) == {"bmc": 345}


async def test_a_collection_in_pages_is_followed_and_a_circle_of_pages_ends():
    placed = tree(*(machine(str(n), n + 1) for n in range(7)))
    async with Bmc(placed, pages=3) as bmc, opened(bmc) as driver:
        assert len(watts(await driver.read(NOW))) == 7
    placed[f"{V1}/Chassis"]["Members@odata.nextLink"] = f"{V1}/Chassis"
    async with Bmc(placed) as bmc, opened(bmc) as driver:
        assert len(watts(await driver.read(NOW))) == 7


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        (Fault.DENIED, Denied, "answers 401 Unauthorized"),
        (Fault.BROKEN, Malformed, "answers 500 Internal Server Error instead"),
        (Fault.GARBAGE, Malformed, "answers what is no JSON"),
        (Fault.TRUNCATED, Unreachable, "closed the connection before the page was whole"),
        (Fault.HUGE, Malformed, "is larger than 1 MiB"),
        (Fault.HANG, Unreachable, r"no whole page from .* within 0\.3 s"),
    ],
)
async def test_a_service_that_goes_wrong_and_comes_back(fault, error, said):
    async with Bmc(SERVER) as bmc, opened(bmc, wait=0.3, limit_mib=1) as driver:
        assert await driver.read(NOW)
        bmc.fault = fault
        with pytest.raises(error, match=said):
            await driver.read(NOW + SECOND)
        bmc.fault = Fault.NONE
        assert watts(await driver.read(NOW + 2 * SECOND)) == {"bmc": 344}
        bmc.fault = fault
        with pytest.raises((Denied, Malformed, Unreachable)):
            async with opened(bmc, wait=0.3, limit_mib=1):
                pass


@pytest.mark.parametrize("body", ["[1, 2]", "[" * 100_000, '"text"', "\ufeff{}"])
async def test_json_of_another_shape_is_malformed(body):
    async with Bmc(SERVER) as bmc, opened(bmc, temperature=False) as driver:
        bmc.resources[f"{ONE}/Power"] = body
        with pytest.raises(Malformed, match=r"no JSON|no resource"):
            await driver.read(NOW)


async def test_one_resource_that_fails_costs_its_own_values_and_is_told_once(caplog):
    caplog.set_level(logging.INFO)
    placed = tree(machine("A", 10), machine("B", 20))
    async with Bmc(placed) as bmc, opened(bmc) as driver:
        bmc.faults[f"{V1}/Chassis/A/Power"] = Fault.BROKEN
        for n in range(3):
            assert watts(await driver.read(NOW + n * SECOND)) == {"bmc/B": 20}
        bmc.faults.clear()
        assert len(watts(await driver.read(NOW + 9 * SECOND))) == 2
    told = [record.message for record in caplog.records if record.name.startswith("wattline")]
    assert len(told) == 2
    assert "answers 500" in told[0]
    assert told[0].endswith("; the rest is read")
    assert told[1].endswith(f"answers again for {V1}/Chassis/A/Power")


async def test_a_tree_that_has_changed_is_looked_through_anew():
    async with Bmc(SERVER) as bmc, opened(bmc, temperature=False) as driver:
        assert await driver.read(NOW)
        bmc.resources = tree(("Self", {"EnvironmentMetrics": {"PowerWatts": {"Reading": 9}}}, {}))
        with pytest.raises(Unreachable, match=r"/Power is not there any more; the service is looked through anew"):
            await driver.read(NOW + SECOND)
        await driver.close()
        await driver.open()
        assert watts(await driver.read(NOW + 2 * SECOND)) == {"bmc": 9}


async def test_a_service_without_power_says_so():
    async with Bmc(tree(("1", {}, {}))) as bmc:
        with pytest.raises(Malformed, match="has nothing that tells power or temperature"):
            async with opened(bmc):
                pass


async def test_a_cancelled_reading_can_be_repeated():
    async with Bmc(SERVER) as bmc, opened(bmc) as driver:
        bmc.fault = Fault.HANG
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await driver.read(NOW)
        bmc.fault = Fault.NONE
        assert watts(await driver.read(NOW)) == {"bmc": 344}


class Answers:
    """A web of JSON without a socket; what it does not know is not there."""

    root = "http://h"

    def __init__(self, bodies):
        self.bodies = bodies

    async def open(self):
        pass

    async def close(self):
        pass

    async def ask(self, path, *, method="GET", headers=None, body=None):
        found = self.bodies.get(path.partition("?")[0].rstrip("/"))
        return Reply(path, 200 if found is not None else 404, "", {}, json.dumps(found).encode())


WHOLE = tree(
    ("1", {"EnvironmentMetrics": {"PowerWatts": {"Reading": 1}}, "Power": consumed(2), "Thermal": INLET,
           "Sensors": {"Members": [{"Id": "TotalPower", "Reading": 3, "ReadingType": "Power"}]},
           "PowerSubsystem": {"PowerSupplies": {"@odata.id": f"{ONE}/PS"}}}, {}),
    ("2", {"Power": consumed(4)}, {"ChassisType": "Module", "Links": {"ContainedBy": {"@odata.id": ONE}}}),
    PowerEquipment={"@odata.id": f"{V1}/PE"},
) | {
    f"{ONE}/PS": {"Members": [{"@odata.id": f"{ONE}/PS/1"}]},
    f"{ONE}/PS/1": {"Id": "1", "Metrics": {"@odata.id": f"{ONE}/PS/1/M"}},
    f"{ONE}/PS/1/M": {"InputPowerWatts": {"Reading": 5}},
    f"{V1}/PE": {"RackPDUs": {"@odata.id": f"{V1}/PE/R"}},
    f"{V1}/PE/R": {"Members": [{"@odata.id": f"{V1}/PE/R/1"}]},
    f"{V1}/PE/R/1": {"Id": "1", "Metrics": {"@odata.id": f"{V1}/PE/R/1/M"}, "Outlets": {"@odata.id": f"{V1}/PE/R/1/O"}},
    f"{V1}/PE/R/1/M": {"PowerWatts": {"Reading": 6}},
    f"{V1}/PE/R/1/O": {"Members": [{"@odata.id": f"{V1}/PE/R/1/M"}]},
}  # fmt: skip
ODD = [None, 5, "x", "//[", [], [None], [[]], {}, {"@odata.id": 7}, {"@odata.id": "http://[::1"}, {"Reading": {}}, True]


def places(value, path=()):
    """Return the path of everything in a JSON value but the value itself."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in pairs for place in [(*path, key), *places(one, (*path, key))]]


@given(st.data(), st.booleans(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_tree_with_anything_anywhere_is_read_or_malformed(data, parts, supplies):
    bodies = json.loads(json.dumps(WHOLE))
    for _ in range(data.draw(st.integers(0, 4))):
        *above, last = data.draw(st.sampled_from(places(bodies)))
        holder = bodies
        for step in above:
            holder = holder[step]
        holder[last] = json.loads(json.dumps(data.draw(st.sampled_from(ODD))))

    async def read():
        driver = Redfish(RedfishConfig.of("t", {"host": "h", "parts": parts, "supplies": supplies}))
        driver.connect = lambda: Service(Answers(bodies))
        try:
            await driver.open()
            return readings_of(await driver.read(NOW))
        finally:
            await driver.close()

    with contextlib.suppress(Malformed, Unreachable):
        assert all(abs(one.value) < float("inf") for one in asyncio.run(read()))


async def test_a_hundred_services_in_one_process():
    async with asyncio.TaskGroup() as group:
        bmcs = [Bmc(json.loads(json.dumps(SERVER))) for _ in range(100)]
        for bmc in bmcs:
            group.create_task(bmc.start())
    try:
        drivers = [Redfish(config(bmc)) for bmc in bmcs]
        await asyncio.gather(*(driver.open() for driver in drivers))
        answers = await asyncio.gather(*(driver.read(NOW) for driver in drivers))
        assert all(watts(frames) == {"bmc": 344} for frames in answers)
        await asyncio.gather(*(driver.close() for driver in drivers))
    finally:
        await asyncio.gather(*(bmc.stop() for bmc in bmcs))


def test_a_recorded_bundle_is_read_as_the_service_was(tmp_path):
    whole, excerpt = tmp_path / "bmc.json", tmp_path / "excerpt.json"
    whole.write_text(json.dumps({"source": "a BMC", "resources": SERVER}))
    excerpt.write_text(json.dumps({"source": "an issue", "uri": f"{ONE}/Power", "body": consumed(93)}))
    assert [recordings.matches(path) for path in (whole, excerpt, tmp_path)] == [True, True, False]
    assert [(one.device, one.metric, one.value) for one in recordings.readings(whole)] == [
        ("bmc", "power_watts", 344),
        ("bmc", "temperature_celsius", 21),
    ]
    assert [one.value for one in recordings.readings(excerpt)] == [93]

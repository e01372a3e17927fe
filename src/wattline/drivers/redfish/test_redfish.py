"""Redfish meters: addresses, what is asked for, kin of chassis, and what vendors do otherwise."""

from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattline.core.address import Url
from wattline.drivers.redfish import resources
from wattline.drivers.redfish.config import RedfishConfig
from wattline.drivers.redfish.driver import Redfish
from wattline.drivers.redfish.kin import kin
from wattline.errors import Misconfigured
from wattline.plugin import Point
from wattline.testing.driver_suite import DriverSuite
from wattline.testing.redfish import Bmc
from wattline.testing.redfish import tree as placed_tree

NOW = 1_795_184_315_000_000_000
SECOND = 1_000_000_000
V1 = "/redfish/v1"
ONE = f"{V1}/Chassis/1"


def tree(*chassis, **root):
    return placed_tree(*((name, below, dict(*own)) for name, below, *own in chassis), **root)


def consumed(watts, **more):
    return {"PowerControl": [{"@odata.id": f"{ONE}/Power#/PowerControl/0", "PowerConsumedWatts": watts, **more}]}


INLET = {"Temperatures": [{"Name": "Inlet", "ReadingCelsius": 21, "Status": {"State": "Enabled"}}]}
SERVER = tree(("1", {"Power": consumed(344), "Thermal": INLET}))


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


def found(frames):
    """Return (device, metric, labels...) -> value of what is there."""
    values = {}
    for frame in frames:
        there = np.ones(len(frame.layout), bool) if frame.present is None else frame.present
        for i, series in enumerate(frame.layout.series):
            if there[i]:
                values[series.device, series.metric.name, *(f"{k}={v}" for k, v in series.labels)] = frame.values[i]
    return values


def watts(frames):
    return {(key[0], *key[2:]): value for key, value in found(frames).items() if key[1] == "power_watts"}


async def read(placed, **options):
    async with Bmc(placed) as bmc, opened(bmc, **options) as driver:
        return await driver.read(NOW)


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Redfish

    @pytest.fixture
    async def working(self):
        async with Bmc(SERVER, user="admin", password="secret") as bmc:
            yield config(bmc, user="admin", password="secret")


# --- addresses ---


def test_an_address_in_full():
    one = RedfishConfig.from_url(Url.parse("redfish://me:s3cret@[::1]:8443/a/b,c/?ca=x.pem&temperatures=false"))
    assert (one.root, one.chassis, one.wants_temperature) == ("https://[::1]:8443", ("a", "b", "c"), False)
    assert "s3cret" not in repr(one)
    assert RedfishConfig.from_url(Url.parse("redfish://bmc")).root == "https://bmc:443"
    assert RedfishConfig.from_url(Url.parse("redfish://bmc?tls=false")).root == "http://bmc:80"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": "a b"}, "`host` is a name"),
        ({"host": "a", "port": 70_000}, "`port` lies between 0 and 65535"),
        ({"host": "a", "wait": "nan"}, "`wait` lies between"),
        ({"host": "a", "password": "x"}, "a `password` needs a `user`"),
        ({"host": "a", "power": False, "temperature": False}, "there is nothing to read"),
        ({"host": "a", "login": "cookie"}, "Invalid enum value 'cookie'"),
    ],
)
def test_options_that_are_refused(options, said):
    with pytest.raises(Misconfigured, match=said):
        RedfishConfig.of("test", options)


# --- what is asked for ---


@pytest.mark.parametrize(
    ("told", "expected"), [(344, 344), ("344", 344), ("343.5", 343.5), (None, None), ("N/A", None)]
)
async def test_numbers_and_texts_of_numbers_are_read_and_null_is_absent(told, expected):
    values = found(await read(tree(("1", {"Power": consumed(told), "Thermal": INLET}))))
    assert values.pop(("bmc", "temperature_celsius", "sensor=1/Inlet")) == 21
    assert values == ({} if expected is None else {("bmc", "power_watts"): expected})


async def test_environment_metrics_are_preferred_and_a_poll_is_one_request():
    environment = {"PowerWatts": {"Reading": 512.5}, "EnergykWh": {"Reading": 46.15}}
    placed = tree(("1", {"EnvironmentMetrics": environment, "Power": consumed(500), "Thermal": INLET}))
    async with Bmc(placed) as bmc, opened(bmc) as driver:
        [drawn, warm] = await driver.read(NOW)
        assert watts([drawn]) == {("bmc",): 512.5}
        bmc.requests.clear()
        [again] = await driver.read(NOW + SECOND)
        assert list(bmc.requests) == [("GET", f"{ONE}/EnvironmentMetrics")]
        assert again.layout is drawn.layout
        assert len(await driver.read(NOW + 31 * SECOND)) == 2
    energy = drawn.layout.columns[1]
    assert (drawn.values[1], energy.resolution) == (46.15 * 3_600_000, 36_000)
    assert energy.scale.count(drawn.values[1]) == 46
    assert warm.layout.columns[0].period == 30


async def test_joules_are_read_where_both_registers_are():
    environment = {"EnergyJoules": {"Reading": 56078524.284}, "EnergykWh": {"Reading": 15.577367869}}
    values = found(await read(tree(("1", {"EnvironmentMetrics": environment}))))
    assert values == {("bmc", "energy_joules"): 56078524.284}


async def test_switches_leave_out_power_or_temperatures():
    environment = {"PowerWatts": {"Reading": 5}, "TemperatureCelsius": {"Reading": 24}}
    placed = tree(("1", {"EnvironmentMetrics": environment, "Thermal": INLET}))
    assert list(found(await read(placed, temperature=False))) == [("bmc", "power_watts")]
    assert list(found(await read(placed, temperatures=False))) == [("bmc", "power_watts")]
    assert list(found(await read(placed, power=False))) == [("bmc", "temperature_celsius", "sensor=1/Inlet")]


async def test_supplies_and_subsystems_are_children():
    power = {
        "PowerControl": [
            {"MemberId": "0", "PhysicalContext": "Chassis", "PowerConsumedWatts": 708},
            {"MemberId": "1", "PhysicalContext": "CPUSubsystem", "PowerConsumedWatts": 99},
            {"MemberId": "2", "PowerConsumedWatts": 53},
        ],
        "PowerSupplies": [
            {"MemberId": "PSU.Slot.1", "PowerInputWatts": 303.0, "PowerOutputWatts": 273.0, "LineInputVoltage": 240},
            {"MemberId": "PSU.Slot.2", "PowerInputWatts": 309.5, "PowerOutputWatts": None, "LineInputVoltage": 0},
        ],
    }
    frames = await read(tree(("1", {"Power": power})))
    assert watts(frames) == {
        ("bmc",): 708, ("bmc/cpu",): 99, ("bmc/control-2",): 53, ("bmc/psu-1",): 303, ("bmc/psu-2",): 309.5,
        ("bmc/psu-1", "side=output"): 273,
    }  # fmt: skip
    devices = {device.name: (device.parent, device.type) for device in frames[0].layout.devices}
    assert devices == {
        "bmc": (None, ""), "bmc/cpu": ("bmc", "socket"), "bmc/control-2": ("bmc", ""), "bmc/psu-1": ("bmc", ""),
        "bmc/psu-2": ("bmc", ""),
    }  # fmt: skip
    points = dict(zip([s.device for s in frames[0].layout.series], frames[0].layout.columns, strict=True))
    assert (points["bmc/psu-1"].point, points["bmc/cpu"].point) == (Point.BMC, Point.COMPONENT)


async def test_an_average_keeps_its_window():
    metrics = {"AverageConsumedWatts": 612, "IntervalInMin": 20}
    [frame] = await read(tree(("1", {"Power": consumed(614, PowerMetrics=metrics)})))
    assert watts([frame]) == {("bmc",): 614, ("bmc", "statistic=average"): 612}
    assert [column.window for column in frame.layout.columns] == [None, 1200]
    assert (
        len(watts(await read(tree(("1", {"Power": consumed(614, PowerMetrics=metrics | {"IntervalInMin": 0})}))))) == 1
    )


async def test_the_metrics_of_supplies_add_up_to_a_chassis_without_a_total():
    supplies = f"{ONE}/PowerSubsystem/PowerSupplies"
    placed = tree(("1", {"PowerSubsystem": {"PowerSupplies": {"@odata.id": supplies}}}))
    placed[supplies] = {"Members": [{"@odata.id": f"{supplies}/{name}"} for name in ("Bay1", "Bay2")]}
    for name in ("Bay1", "Bay2"):
        placed[f"{supplies}/{name}"] = {"Id": name, "Metrics": {"@odata.id": f"{supplies}/{name}/Metrics"}}
        placed[f"{supplies}/{name}/Metrics"] = {
            "InputPowerWatts": {"Reading": 100.5},
            "OutputPowerWatts": {"Reading": 90},
            "InputVoltage": {"Reading": 230.2},
            "FrequencyHz": {"Reading": 50},
        }
    async with Bmc(placed) as bmc, opened(bmc) as driver:
        values = found(await driver.read(NOW))
        assert values["bmc", "power_watts"] == 201
        assert values["bmc/psu-2", "voltage_volts"] == 230.2
        del bmc.resources[f"{supplies}/Bay2/Metrics"]["InputPowerWatts"]
        values = found(await driver.read(NOW + SECOND))
    assert ("bmc", "power_watts") not in values
    assert values["bmc/psu-1", "power_watts"] == 100.5


def sensor(name, kind, reading, **more):
    return {"@odata.id": f"{ONE}/Sensors/{name}", "Id": name, "ReadingType": kind, "Reading": reading, **more}


SHELF = [
    sensor("total_power_in", "Power", 1749), sensor("total_power_out", "Power", 1674),
    sensor("ps1_input_power", "Power", 341), sensor("ps1_output_power", "Power", 326),
    sensor("ps1_energy_in", "EnergyJoules", 107382), sensor("ps1_total_energy_in", "EnergykWh", 46.15),
    sensor("ps1_powerfactor", "Percent", 85.28), sensor("hotswap_input_power", "Power", 3),
    sensor("ambient", "Temperature", 26.5, Name="Ambient"), sensor("fan", "Rotational", 7200),
]  # fmt: skip
SHELF_SAYS = {
    ("bmc", "power_watts"): 1749, ("bmc", "power_watts", "side=output"): 1674, ("bmc/psu-1", "power_watts"): 341,
    ("bmc/psu-1", "power_watts", "side=output"): 326, ("bmc/psu-1", "energy_joules"): 166_140_000,
    ("bmc/psu-1", "power_factor_ratio"): 0.8528, ("bmc/hotswap_input_power", "power_watts"): 3,
    ("bmc", "temperature_celsius", "sensor=1/Ambient"): 26.5,
}  # fmt: skip


@pytest.mark.parametrize("pages", [0, 3])
async def test_a_collection_with_its_readings_is_one_request(pages):
    placed = tree(("1", {"Sensors": {"Members": SHELF}}))
    async with Bmc(placed, pages=pages) as bmc, opened(bmc) as driver:
        bmc.requests.clear()
        assert found(await driver.read(NOW)) == pytest.approx(SHELF_SAYS)
        assert len(bmc.requests) == (4 if pages else 1)


async def test_sensors_are_expanded_or_asked_for_one_by_one():
    placed = tree(("1", {"Sensors": {"Members": [{"@odata.id": one["@odata.id"]} for one in SHELF]}}))
    placed |= {one["@odata.id"]: one for one in SHELF}
    async with Bmc(placed) as bmc, opened(bmc) as driver:
        bmc.requests.clear()
        values = found(await driver.read(NOW))
        assert len(bmc.requests) == 6
        assert values["bmc/psu-1", "energy_joules"] == 166_140_000
        assert ("bmc/hotswap_input_power", "power_watts") not in values
    placed[V1]["ProtocolFeaturesSupported"] = {"ExpandQuery": {"NoLinks": True}}
    async with Bmc(placed, expand=True) as bmc, opened(bmc) as driver:
        bmc.requests.clear()
        assert found(await driver.read(NOW)) == pytest.approx(SHELF_SAYS)
        assert len(bmc.requests) == 1


async def test_sensors_of_unknown_roles_are_not_read_without_a_total():
    members = [sensor("VR0InputPower", "Power", 66), sensor("VR0OutputPower", "Power", 58)]
    placed = tree(("1", {"Sensors": {"Members": members}, "Thermal": INLET}))
    assert list(found(await read(placed, parts=True))) == [("bmc", "temperature_celsius", "sensor=1/Inlet")]


async def test_power_equipment_with_its_outlets():
    pdu = f"{V1}/PowerEquipment/RackPDUs/1"
    placed = tree(("PDU", {"Sensors": {"Members": []}}), PowerEquipment={"@odata.id": f"{V1}/PowerEquipment"})
    placed[f"{V1}/PowerEquipment"] = {"RackPDUs": {"@odata.id": f"{V1}/PowerEquipment/RackPDUs"}}
    placed[f"{V1}/PowerEquipment/RackPDUs"] = {"Members": [{"@odata.id": pdu}]}
    placed[pdu] = {
        "@odata.id": pdu, "Id": "1", "Metrics": {"@odata.id": f"{pdu}/Metrics"},
        "Outlets": {"@odata.id": f"{pdu}/Outlets"}, "Links": {"Chassis": [{"@odata.id": f"{V1}/Chassis/PDU"}]},
    }  # fmt: skip
    power = {"Reading": 6438, "ApparentVA": 6500, "ReactiveVAR": 100, "PowerFactor": 0.93}
    placed[f"{pdu}/Metrics"] = {"PowerWatts": power, "EnergykWh": {"Reading": 56438}}
    placed[f"{pdu}/Outlets"] = {"Members": [{"@odata.id": f"{pdu}/Outlets/A1"}]}
    placed[f"{pdu}/Outlets/A1"] = {"PowerWatts": {"Reading": 197.4}, "CurrentAmps": {"Reading": 0.9}}
    frames = await read(placed, parts=True)
    assert found(frames) == {
        ("bmc", "power_watts"): 6438, ("bmc", "energy_joules"): 56438 * 3.6e6, ("bmc", "apparent_power_va"): 6500,
        ("bmc", "reactive_power_var"): 100, ("bmc", "power_factor_ratio"): 0.93,
        ("bmc/outlet-A1", "power_watts"): 197.4, ("bmc/outlet-A1", "current_amperes"): 0.9,
    }  # fmt: skip
    assert {device.name: device.type for device in frames[0].layout.devices} == {"bmc": "", "bmc/outlet-A1": "outlet"}


# --- kin ---


def contained(holder):
    return {"Links": {"ContainedBy": {"@odata.id": f"https://other-name{V1}/Chassis/{holder}/"}}}


async def test_sleds_are_children_of_their_enclosure():
    placed = tree(
        ("Enclosure", {"Power": consumed(900)}, {"ChassisType": "Enclosure"}),
        ("Sled1", {"Power": consumed(300)}, {"ChassisType": "Sled"} | contained("Enclosure")),
        ("Backplane", {}, {"ChassisType": "Enclosure"}),
    )
    frames = await read(placed)
    assert watts(frames) == {("bmc",): 900, ("bmc/Sled1",): 300}
    assert {device.name: device.parent for device in frames[0].layout.devices} == {"bmc": None, "bmc/Sled1": "bmc"}
    assert watts(await read(placed, chassis=["Sled1"])) == {("bmc/Sled1",): 300}
    with pytest.raises(Misconfigured, match="has no chassis Sled2 to read; it has Enclosure, Sled1"):
        await read(placed, chassis=["Sled2"])


async def test_parts_inside_of_a_metered_chassis_are_read_where_they_are_wanted():
    gpu = {"EnvironmentMetrics": {"PowerWatts": {"Reading": 71.7}}}
    placed = tree(
        ("Chassis_0", {"EnvironmentMetrics": {"PowerWatts": {"Reading": 1073}}}, {"ChassisType": "Shelf"}),
        ("GPU_0", gpu, {"ChassisType": "Component"}),
        ("GPU_1", gpu, {"ChassisType": "Module"}),
    )
    assert watts(await read(placed)) == {("bmc",): 1073}
    frames = await read(placed, parts=True)
    assert watts(frames) == {("bmc",): 1073, ("bmc/GPU_0",): 71.7, ("bmc/GPU_1",): 71.7}
    assert {device.name: device.parent for device in frames[0].layout.devices}["bmc/GPU_1"] == "bmc"
    placed[f"{V1}/Chassis/Chassis_0/EnvironmentMetrics"]["PowerWatts"]["Reading"] = None
    assert set(watts(await read(placed))) == {("bmc/GPU_0",), ("bmc/GPU_1",)}


async def test_several_machines_have_names_of_their_own():
    frames = await read(tree(("A", {"Power": consumed(10)}), ("B", {"Power": consumed(20)})))
    assert watts(frames) == {("bmc/A",): 10, ("bmc/B",): 20}
    assert {device.name: device.parent for device in frames[0].layout.devices}["bmc/A"] == "bmc"


def test_a_circle_of_holders_holds_nothing():
    placed = tree(("A", {"Power": {}}, contained("B")), ("B", {"Power": {}}, contained("A")))
    assert [one.holder for one in kin([placed[f"{V1}/Chassis/A"], placed[f"{V1}/Chassis/B"]])] == ["", ""]


# --- what vendors do otherwise ---


def supplies(*listed, **control):
    return {"PowerControl": [control] if control else [], "PowerSupplies": list(listed)}


@pytest.mark.parametrize(
    ("power", "says"),
    [
        pytest.param(consumed(0), {}, id="0 is not measured"),
        pytest.param(
            supplies({"MemberId": "0", "PowerInputWatts": 900, "PowerOutputWatts": 203, "PowerCapacityWatts": 750},
                     PowerConsumedWatts=429),
            {("bmc",): 429, ("bmc/psu-0", "side=output"): 203}, id="idrac 7 tells ratings"),
        pytest.param(
            supplies({"MemberId": "PSU.Slot.1", "PowerInputWatts": 900, "InputRanges": [{"OutputWattage": 750}]},
                     PowerConsumedWatts=429),
            {("bmc",): 429}, id="idrac 7 tells ratings without a capacity"),
        pytest.param(
            supplies({"MemberId": "0", "LastPowerOutputWatts": 635}, {"MemberId": "1", "LastPowerOutputWatts": 635},
                     PowerConsumedWatts=708),
            {("bmc",): 708}, id="lenovo tells the system's output at every supply"),
        pytest.param(
            supplies({"MemberId": "0", "LastPowerOutputWatts": 0}, {"MemberId": "1", "LastPowerOutputWatts": 90},
                     PowerConsumedWatts=221),
            {("bmc",): 221, ("bmc/psu-0", "side=output"): 0, ("bmc/psu-1", "side=output"): 90}, id="hpe stands by"),
        pytest.param(
            supplies({"Name": "HpServerPowerSupply", "LastPowerOutputWatts": 299},
                     {"Name": "HpServerPowerSupply", "LastPowerOutputWatts": 291}, PowerConsumedWatts=590),
            {("bmc",): 590, ("bmc/psu-0", "side=output"): 299, ("bmc/psu-1", "side=output"): 291}, id="ilo 4"),
        pytest.param({"PowerConsumedWatts": 93, "PowerControl": []}, {("bmc",): 93}, id="ilo 4 at the top"),
        pytest.param(
            supplies({"MemberId": "powersupply0", "PowerInputWatts": 0.0}, PowerConsumedWatts=342.0),
            {("bmc",): 342}, id="openbmc measures no input"),
        pytest.param(
            {"PowerControl": [{"@odata.id": "x#/PowerControl/1", "PhysicalContext": "PowerSupply",
                               "PowerConsumedWatts": 324}]},
            {("bmc",): 324}, id="cimc has but number 1"),
        pytest.param(
            {"Oem": {"ts_fujitsu": {
                "ChassisPowerConsumption": {"CurrentPowerConsumptionW": 150},
                "ChassisPowerSensors": [
                    {"Designation": "PSU1 Power", "EntityId": "Power Supply", "CurrentPowerConsumptionW": 80},
                    {"Designation": "CPU1 Power", "EntityId": "Processor", "CurrentPowerConsumptionW": 40}]}}},
            {("bmc",): 150, ("bmc/psu-1",): 80}, id="fujitsu"),
    ],
)  # fmt: skip
async def test_what_a_vendor_does_otherwise(power, says):
    assert watts(await read(tree(("1", {"Power": power, "Thermal": INLET})))) == says


@pytest.mark.parametrize(
    ("name", "part", "side"),
    [
        ("total_power_in", "", ""), ("total_power_out", "", "output"), ("chassis_input_power", "", ""),
        ("chassis_output_power", "", "output"), ("total_power_in_B", "phase-B", ""),
        ("ChassisVoltageRegulator0InputPower", "", ""), ("HGX_Chassis_0_TotalHSC_Power_0", "", ""),
        ("PWR_SYSTEM", "", ""), ("PWR_PSU3", "psu-3", ""), ("SystemBoardPwrConsumption", "", ""),
        ("TotalPower", "", ""),
        ("Rectifier2InputPower", "psu-2", ""), ("Rectifier2OutputPower", "psu-2", "output"),
        ("PSU.Slot.1_InputPower", "psu-1", ""), ("PSU.Slot.1_OutputPower", "psu-1", "output"),
        ("ps4_input_power", "psu-4", ""), ("ps4_output_power", "psu-4", "output"), ("p0_pin", "psu-0", ""),
        ("p0_pout", "psu-0", "output"), ("PS1InputPower", "psu-1", ""), ("PS1OutputPower", "psu-1", "output"),
        ("CPU0VoltageRegulator2OutputPower", "CPU0VoltageRegulator2OutputPower", ""),
    ],
)  # fmt: skip
def test_what_the_name_of_a_sensor_says(name, part, side):
    [fact] = resources.sensors("1")(sensor(name, "Power", 5))
    assert (fact.key.part, fact.key.labels) == (part, (("side", side),) if side else ())


@pytest.mark.parametrize("name", ["ps1_energy_in", "ps1_energy_out", "ps2_standby_output_power"])
def test_sensors_that_tell_nothing_sound_are_not_read(name):
    assert resources.sensors("1")(sensor(name, "EnergyJoules", 5)) == []


async def test_ilo_4_links_by_href():
    rest = "/rest/v1/Chassis"
    placed = {
        V1: {"links": {"Chassis": {"href": rest}}},
        rest: {"links": {"Member": [{"href": f"{rest}/1"}]}},
        f"{rest}/1": {"Id": "1", "links": {"Power": {"href": f"{rest}/1/Power"}}},
        f"{rest}/1/Power": {"PowerConsumedWatts": 93},
    }
    assert watts(await read(placed)) == {("bmc",): 93}


async def test_links_may_be_relative_or_name_another_host():
    placed = tree(("1", {"Power": consumed(7)}))
    placed[V1]["Chassis"]["@odata.id"] = "Chassis/"
    placed[f"{V1}/Chassis"]["Members"] = [{"@odata.id": f"https://10.0.0.1:9{V1}/Chassis/1#fragment"}]
    assert watts(await read(placed)) == {("bmc",): 7}


async def test_temperatures_that_share_a_name_or_are_not_there():
    listed = [
        {"Name": "Inlet", "ReadingCelsius": 21}, {"Name": "Inlet", "ReadingCelsius": 22},
        {"Name": "CPU", "ReadingCelsius": 0, "Status": {"State": "Absent"}}, {"Name": "Out", "ReadingCelsius": None},
    ]  # fmt: skip
    values = found(await read(tree(("1", {"Thermal": {"Temperatures": listed}}))))
    assert list(values.values()) == [21, 22]
    assert [key[2:] for key in values] == [("sensor=1/Inlet",), ("n=2", "sensor=1/Inlet")]


async def test_thermal_metrics_stand_in_for_thermal():
    metrics = {"TemperatureReadingsCelsius": [{"DeviceName": "CPU1", "Reading": 44}],
               "TemperatureSummaryCelsius": {"Intake": {"Reading": 24}}}  # fmt: skip
    placed = tree(("1", {"ThermalSubsystem": {"ThermalMetrics": {"@odata.id": f"{ONE}/TM"}}, "Power": consumed(5)}))
    placed[f"{ONE}/TM"] = metrics
    assert [key[2] for key in found(await read(placed)) if len(key) > 2] == ["sensor=1/CPU1", "sensor=1/Intake"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just({"Reading": 5}),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["PowerControl", "PowerSupplies", "PowerConsumedWatts", "Oem", "Temperatures", "Members", "Id",
                         "Reading", "ReadingType", "PowerWatts", "EnergykWh", "PowerMetrics", "MemberId", "Name",
                         "PowerInputWatts", "ts_fujitsu", "IntervalInMin", "AverageConsumedWatts", "Status"]),
        inner, max_size=6),
    max_leaves=16,
)  # fmt: skip


@given(json_values)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_body_gives_facts_or_none(value):
    body = value if isinstance(value, dict) else {"PowerControl": value, "Members": value, "Temperatures": value}
    for reader in (resources.excerpts("x"), resources.power, resources.thermal("1"), resources.thermal_metrics("1"),
                   resources.sensors("1")):  # fmt: skip
        assert all(np.isfinite(fact.value) for fact in reader(body))

"""A tree of sensors: units, names that stay, what says nothing, and descriptors given back."""

import os

import pytest

from wattline.drivers.hwmon.driver import Hwmon, HwmonConfig
from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.plugin import Point, Url
from wattline.testing.driver_suite import DriverSuite, opened
from wattline.testing.recordings.reading import readings_of


def chip(root, number, name, device, **files):
    folder = root / "class" / f"hwmon{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    if device:
        (root / "devices" / device).mkdir(parents=True)
        (folder / "device").symlink_to(root / "devices" / device)
    for file, text in files.items():
        (folder / file).write_text(f"{text}\n")
    return folder


@pytest.fixture
def root(tmp_path):
    chip(tmp_path, 0, "power_meter", "ACPI000D:00", power1_average=182_000_000, power1_average_interval=1000,
         power1_label="chassis", power1_cap=300_000_000)  # fmt: skip
    chip(tmp_path, 1, "nvme", "0000:01:00.0", temp1_input=35850, temp1_label="Composite", temp1_max=80000)
    chip(tmp_path, 2, "nvme", "0000:02:00.0", temp1_input=-5000)
    chip(tmp_path, 10, "ina3221", "", in1_input=5032, in1_label="VDD_IN", curr1_input=400, power1_input=2012800,
         energy1_input=123_456_789, humidity1_input=45500)  # fmt: skip
    chip(tmp_path, 11, "empty", "", fan1_input=1200)
    (tmp_path / "class" / "notes").mkdir()
    return tmp_path / "class"


def config(root, **options):
    return HwmonConfig(path=str(root), device="node", **options)


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Hwmon

    @pytest.fixture
    def working(self, root):
        return config(root)


async def test_every_sensor_in_its_base_unit(root):
    async with opened(Hwmon(config(root))) as (one, [layout]):
        told = readings_of(await one.read(0))
    assert {(r.device.removeprefix("node/"), r.metric, dict(r.labels)["sensor"]): r.value for r in told} == {
        ("power_meter", "power_watts", "power1_average"): 182.0,
        ("nvme-0000:01:00.0", "temperature_celsius", "temp1"): 35.85,
        ("nvme-0000:02:00.0", "temperature_celsius", "temp1"): -5.0,
        ("ina3221", "voltage_volts", "in1"): 5.032,
        ("ina3221", "current_amperes", "curr1"): 0.4,
        ("ina3221", "power_watts", "power1"): 2.0128,
        ("ina3221", "energy_joules", "energy1"): 123.456789,
        ("ina3221", "humidity_ratio", "humidity1"): 0.455,
    }
    columns = {
        s.device: c for s, c in zip(layout.series, layout.columns, strict=True) if s.metric.name == "power_watts"
    }
    assert columns["node/power_meter"].window == 1.0
    assert columns["node/ina3221"].window is None
    assert {column.point for column in layout.columns} == {Point.COMPONENT}
    assert {device.parent for device in layout.devices} == {None, "node"}
    labels = [dict(series.labels).get("label") for series in layout.series]
    assert {"chassis", "Composite", "VDD_IN"} <= set(labels)


async def test_kinds_and_chips_can_be_chosen(root):
    async with opened(Hwmon(config(root, kinds="power, energy", chips="ina*, power_meter"))) as (_, [layout]):
        assert len(layout) == 3
    with pytest.raises(Misconfigured, match="'fan' is none of power"):
        HwmonConfig.of("test", {"kinds": "fan"})


async def test_what_says_nothing_is_absent(root):
    async with opened(Hwmon(config(root, chips="nvme*"))) as (one, _):
        (root / "hwmon1" / "temp1_input").write_text("")
        [frame] = await one.read(0)
        assert frame.present.tolist() == [False, True]
        (root / "hwmon2" / "temp1_input").write_text("N/A\n")
        with pytest.raises(Malformed):
            await one.read(0)
        (root / "hwmon2" / "temp1_input").write_text("")
        with pytest.raises(Unreachable):
            await one.read(0)


async def test_no_sensors(root, tmp_path):
    for path, said in ((tmp_path / "nowhere", "is not there"), (root / "notes", "no sensor that may be read")):
        one = Hwmon(config(path))
        with pytest.raises(Misconfigured, match=said):
            await one.open()
        await one.close()


async def test_descriptors_are_given_back(root):
    one = Hwmon(config(root))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        async with opened(one):
            await one.read(0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_address():
    assert HwmonConfig.from_url(Url.parse("hwmon://?kinds=power")).wanted == ["power"]
    assert HwmonConfig.from_url(Url.parse("hwmon:///host/sys/class/hwmon")).path == "host/sys/class/hwmon"

"""NVIDIA GPUs through a stand-in for NVIDIA's library."""

import asyncio
import gc
import logging
import shutil
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattline.core.address import Url
from wattline.drivers.nvml.driver import Nvml, NvmlConfig
from wattline.errors import Misconfigured, Unreachable
from wattline.testing.driver_suite import DriverSuite, opened
from wattline.testing.nvml import FakeGpu, FakeNvml
from wattline.testing.recordings import nvidia

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
A, B = FakeGpu("GPU-a", power=312_500, energy=2**53 // 1000 * 1000), FakeGpu("GPU-b", power=80_250)


@pytest.fixture
def fake(tmp_path):
    return FakeNvml(tmp_path)


def config(fake, **options):
    return NvmlConfig.of("test", {"library": str(fake.library), "device": "node-1", **options})


def told(frame):
    """Return value by (UUID, metric)."""
    present = np.ones(len(frame.layout), bool) if frame.present is None else frame.present
    return {
        (series.device.removeprefix("node-1/"), series.metric.name): float(frame.values[i])
        for i, series in enumerate(frame.layout.series)
        if present[i]
    }


async def read(fake, **options):
    async with opened(Nvml(config(fake, **options))) as (one, _):
        [frame] = await one.read(NOW)
        return frame


async def test_every_gpu_with_its_register_and_limit(fake):
    fake.show(A, B)
    frame = await read(fake)
    assert told(frame) == {
        ("GPU-a", "power_watts"): 312.5, ("GPU-a", "energy_joules"): A.energy / 1000,
        ("GPU-a", "temperature_celsius"): 40, ("GPU-a", "load_ratio"): 0.5,
        ("GPU-b", "power_watts"): 80.25, ("GPU-b", "energy_joules"): 1000,
        ("GPU-b", "temperature_celsius"): 40, ("GPU-b", "load_ratio"): 0.5,
    }  # fmt: skip
    power, energy = frame.layout.columns[:2]
    assert (power.rated, power.window, energy.scale.den, energy.range) == (300, 1.0, 1000, None)
    assert dict(frame.layout.series[0].labels) == {"gpu": "0", "model": "Imaginary H1"}
    assert {device.name: device.parent for device in frame.layout.devices}["node-1/GPU-a"] == "node-1"


@pytest.mark.parametrize(
    ("gpu", "window"),
    [
        (FakeGpu("GPU-a"), 1.0),
        (FakeGpu("GPU-a", architecture=7, major=8, minor=0), None),  # GA100
        (FakeGpu("GPU-a", architecture=7, major=8, minor=6), 1.0),
        (FakeGpu("GPU-a", architecture=5, major=7, minor=0), None),  # Volta
        (FakeGpu("GPU-a", architecture=None), None),
        (FakeGpu("GPU-a", instant=1), None),
    ],
)
async def test_a_plain_reading_says_whether_it_is_an_average(fake, gpu, window):
    fake.show(gpu)
    frame = await read(fake)
    [column] = [
        c for c, s in zip(frame.layout.columns, frame.layout.series, strict=True) if s.metric.name == "power_watts"
    ]
    assert column.window == window


async def test_the_moment_is_told_apart_from_the_average(fake):
    fake.show(FakeGpu("GPU-a", power=100_000, instant=142_330, average=139_620))
    values = told(await read(fake))
    assert (values["GPU-a", "power_watts"], values["GPU-a", "power_average_watts"]) == (142.33, 139.62)


async def test_what_is_not_supported_is_absent(fake):
    fake.show(FakeGpu("GPU-a", power=None, energy=None, load=None, temperature=33, limit=None, mig=None))
    assert told(await read(fake)) == {("GPU-a", "temperature_celsius"): 33}


async def test_blanks_are_absent(fake):
    fake.show(FakeGpu("GPU-a", power=0x7FFFFFF0, energy=140737488355328, load=0xFFFFFFFF, temperature=0x7FFFFFF2))
    with pytest.raises(Unreachable, match="no GPU answers"):
        await read(fake)


async def test_gpus_are_chosen_by_index_or_uuid(fake):
    fake.show(A, B)
    assert {uuid for uuid, _ in told(await read(fake, gpus=["1"]))} == {"GPU-b"}
    assert {uuid for uuid, _ in told(await read(fake, gpus=["GPU-a"]))} == {"GPU-a"}
    with pytest.raises(Misconfigured, match=r"there is no GPU 7; there are: 0 \(GPU-a\)"):
        await read(fake, gpus=["0", "7"])


async def test_a_gpu_that_leaves_its_bus_is_absent_and_comes_back(fake, caplog):
    caplog.set_level(logging.INFO, "wattline")
    fake.show(A, B)
    async with opened(Nvml(config(fake))) as (one, _):
        [frame] = await one.read(NOW)
        fake.show(A, FakeGpu("GPU-b", power=-1))
        for n in range(1, 3):
            [frame] = await one.read(NOW + n * SECOND)
            assert {uuid for uuid, _ in told(frame)} == {"GPU-a"}
        [frame] = await one.read(NOW + 61 * SECOND)
        assert {uuid for uuid, _ in told(frame)} == {"GPU-a"}
        fake.show(A, B)
        [frame] = await one.read(NOW + 122 * SECOND)
        assert {uuid for uuid, _ in told(frame)} == {"GPU-a", "GPU-b"}
    assert caplog.messages == ["GPU 1 (GPU-b) has left its bus", "GPU 1 (GPU-b) is back"]


async def test_a_gpu_that_is_new_is_read_from_the_next_search_on(fake):
    fake.show(A)
    async with opened(Nvml(config(fake))) as (one, _):
        [first] = await one.read(NOW)
        fake.show(A, B)
        [second] = await one.read(NOW + 60 * SECOND)
    assert len(second.layout) == 2 * len(first.layout)
    assert second.layout.family == first.layout.family


async def test_a_split_gpu_is_read_as_a_whole_and_said_so(fake, caplog):
    caplog.set_level(logging.INFO, "wattline")
    fake.show(FakeGpu("GPU-a", mig=1, load=None, power=66_920))
    assert told(await read(fake))["GPU-a", "power_watts"] == 66.92
    assert caplog.messages == ["GPU 0 (GPU-a) is split (MIG): what is read is the whole of it"]


async def test_no_library_and_no_driver(fake, tmp_path):
    with pytest.raises(Unreachable, match="the driver is not loaded"):
        await read(fake)
    with pytest.raises(Misconfigured, match="NVIDIA's driver is not installed"):
        await read(fake, library=str(tmp_path / "none.so"))


async def test_a_library_that_is_not_there_is_told_once(tmp_path, caplog):
    one = Nvml(NvmlConfig(library=str(tmp_path / "none.so")))
    for _ in range(2):
        with pytest.raises(Misconfigured, match="cannot be loaded"):
            await one.open()
        await one.close()
    gc.collect()
    await asyncio.sleep(0)
    assert not caplog.records


async def test_a_driver_that_does_not_come_back_is_waited_for_no_longer_than_asked(fake):
    fake.show(A)
    driver = Nvml(config(fake, wait=0.1))
    async with opened(driver):
        back = threading.Event()
        stuck = driver._thread.submit(back.wait)
        driver._call = stuck
        for _ in range(2):
            with pytest.raises(Unreachable, match=r"does not answer within 0.1 s"):
                await driver.read(NOW)
        back.set()
        assert await driver.read(NOW)


def test_addresses():
    assert NvmlConfig.from_url(Url.parse("nvml:///0,GPU-b?wait=9")).gpus == ("0", "GPU-b")
    with pytest.raises(Misconfigured, match="this machine alone"):
        NvmlConfig.from_url(Url.parse("nvml://node-7"))


def test_a_recorded_log_of_nvidia_smi_is_read_as_the_driver_would(tmp_path):
    (tmp_path / "log.xml").write_text("""<?xml version="1.0" ?>
        <nvidia_smi_log><gpu id="0"><product_name>Imaginary</product_name><uuid>GPU-x</uuid>
        <product_architecture>Ampere</product_architecture><temperature><gpu_temp>27 C</gpu_temp></temperature>
        <gpu_power_readings><average_power_draw>139.62 W</average_power_draw>
        <instant_power_draw>142.33 W</instant_power_draw><current_power_limit>N/A</current_power_limit>
        </gpu_power_readings><utilization><gpu_util>N/A</gpu_util></utilization></gpu></nvidia_smi_log>""")
    assert nvidia.matches(tmp_path / "log.xml")
    values = {reading.metric: reading.value for reading in nvidia.readings(tmp_path / "log.xml")}
    assert values == {"power_watts": 142.33, "power_average_watts": 139.62, "temperature_celsius": 27}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.none() | st.integers(0, 2**64 - 1), min_size=8, max_size=8))
async def test_any_numbers_are_values_or_one_of_our_errors(fake, numbers):
    power, instant, average, energy, temperature, load, limit, mig = numbers
    fake.show(FakeGpu("GPU-a", "x", power, instant, average, energy, temperature, load, limit, mig=mig))
    try:
        frame = await read(fake)
    except Unreachable:
        return
    assert np.isfinite(frame.values[frame.present if frame.present is not None else slice(None)]).all()


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Nvml

    @pytest.fixture
    def working(self, fake):
        fake.show(A, B)
        return config(fake)

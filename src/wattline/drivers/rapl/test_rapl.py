"""RAPL counts each joule once, through wraps, and says what to do where it cannot read."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from wattline.core.counter import steps
from wattline.drivers.rapl.driver import Rapl, RaplConfig
from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.plugin import Kind, Point, Url
from wattline.testing.powercap import Powercap
from wattline.wire.powercap import COUNTS, register


def rapl(tree, **options):
    return Rapl(RaplConfig(path=str(tree.root), device="node", **options))


def parents(layout):
    return {device.name: device.parent for device in layout.devices}


async def test_parts_are_named_and_nothing_is_counted_twice(tmp_path):
    driver = rapl(Powercap(tmp_path, packages=2, uncore=True, mmio=True))
    [layout] = await driver.open()
    assert parents(layout) == {
        "node": None,
        "node/package-0": "node",
        "node/package-0/core": "node/package-0",
        "node/package-0/uncore": "node/package-0",
        "node/dram-0": "node",
        "node/package-1": "node",
        "node/package-1/core": "node/package-1",
        "node/package-1/uncore": "node/package-1",
        "node/dram-1": "node",
    }
    assert all(series.metric.kind is Kind.COUNTER for series in layout.series)
    assert all(column.point is Point.COMPONENT for column in layout.columns)
    await driver.close()


async def test_the_platform_contains_packages_and_memory(tmp_path):
    driver = rapl(Powercap(tmp_path, packages=2, psys=True))
    [layout] = await driver.open()
    above = parents(layout)
    assert above["node/psys"] == "node"
    assert above["node/package-1"] == above["node/dram-0"] == "node/psys"
    assert above["node/package-1/core"] == "node/package-1"
    await driver.close()


async def test_a_package_that_only_mmio_shows_is_read(tmp_path):
    tree = Powercap(tmp_path, packages=1, dram=False, mmio=True)
    tree.vanish("intel-rapl:0:0")
    tree.vanish("intel-rapl:0")
    driver = rapl(tree)
    [layout] = await driver.open()
    assert [series.device for series in layout.series] == ["node/package-0"]
    await driver.close()


async def test_kinds_can_be_chosen(tmp_path):
    driver = rapl(Powercap(tmp_path, psys=True), zones="package, dram")
    [layout] = await driver.open()
    assert parents(layout) == {"node": None, "node/package-0": "node", "node/dram-0": "node"}
    await driver.close()
    with pytest.raises(Misconfigured, match="'cpu' is none of package"):
        await rapl(Powercap(tmp_path / "other"), zones="cpu").open()


async def test_values_are_the_kernels_integers(tmp_path):
    tree = Powercap(tmp_path)
    tree.set_count("intel-rapl:0", 123_456_789)
    driver = rapl(tree)
    [layout] = await driver.open()
    [frame] = await driver.read(0)
    column = layout.columns[0]
    assert frame.time is None
    assert frame.present is None
    assert column.scale.count(frame.values[0]) == tree.microjoules("intel-rapl:0") == 123_456_789 * 61_035 // 1000
    await driver.close()


@pytest.mark.parametrize("step_nano", [61_035, 15_258, 1_000_000_000])
async def test_a_wrap_loses_nothing(tmp_path, step_nano):
    tree = Powercap(tmp_path, dram=False, start=COUNTS - 5_000_000, step_nano=step_nano)
    driver = rapl(tree)
    [layout] = await driver.open()
    readings = []
    for _ in range(5):
        [frame] = await driver.read(0)
        readings.append(frame.values[0])
        tree.advance("intel-rapl:0", 2_000_000 * step_nano / 1e9)
    await driver.close()
    assert min(np.diff(readings)) < 0, "the register has wrapped"
    time = np.arange(5, dtype=np.int64) * (2_000_000 * step_nano // 50)  # at 50 W
    found = steps(time, np.array(readings), layout.columns[0])
    assert not found.broken.any()
    exact = 2_000_000 * step_nano / 1000
    assert np.abs(found.energy - exact).max() <= 1, "each step is exact to the microjoule that the kernel rounds down"
    assert abs(int(found.energy.sum()) - 4 * exact) <= 1, "and their sum is as well: a wrap adds no error of its own"


@pytest.mark.parametrize(
    ("most", "modulus", "step"),
    [
        (262_143_328_850, 262_143_328_911.36, 61.035),  # 2^-14 J, as packages of many servers say
        (65_532_610_987, 65_532_611_002.368, 15.258),  # 2^-16 J
        (999_999_999_999, 1e12, 1.0),  # no multiple of 2^32 - 1: a register of microjoules
        (0, 1.0, 1.0),
    ],
)
def test_the_modulus_is_one_step_more_than_the_largest_value(most, modulus, step):
    assert register(most) == pytest.approx((modulus, step), rel=1e-15)


async def test_a_zone_that_vanishes_is_absent_and_the_others_go_on(tmp_path):
    tree = Powercap(tmp_path)
    driver = rapl(tree)
    await driver.open()
    tree.vanish("intel-rapl:0:1")
    [frame] = await driver.read(0)
    assert frame.present.tolist() == [True, True, False]
    for zone in tree.zones:
        tree.vanish(zone)
    with pytest.raises(Unreachable, match="every zone has left"):
        await driver.read(0)
    await driver.close()


async def test_a_register_that_is_no_number_drops_the_answer(tmp_path):
    tree = Powercap(tmp_path)
    driver = rapl(tree)
    await driver.open()
    (tree.root / "intel-rapl:0/energy_uj").write_text("full of eels\n")
    with pytest.raises(Malformed, match="holds no number"):
        await driver.read(0)
    await driver.close()


async def test_power_limits_say_what_a_part_may_draw(tmp_path):
    tree = Powercap(tmp_path)
    driver = rapl(tree)
    [layout] = await driver.open()
    rated = dict(zip((series.device for series in layout.series), layout.columns, strict=True))
    assert rated["node/package-0"].rated == rated["node/package-0/core"].rated == 205.0
    assert rated["node/dram-0"].rated is None
    await driver.close()


async def test_no_tree_says_what_else_can_be_read(tmp_path):
    with pytest.raises(Misconfigured, match=r"shows no RAPL.*snmp://.*host://"):
        await Rapl(RaplConfig(path=str(tmp_path))).open()
    with pytest.raises(Misconfigured, match="shows no RAPL"):
        await Rapl(RaplConfig(path=str(tmp_path / "nowhere"))).open()


READ_AS_NOBODY = """
import asyncio, os, sys
from wattline.drivers.rapl.driver import Rapl, RaplConfig
from wattline.errors import Misconfigured
os.setgid(65534), os.setuid(65534)
async def main():
    driver = Rapl(RaplConfig(path=sys.argv[1]))
    try:
        await driver.open()
    except Misconfigured as error:
        print(error)
    finally:
        await driver.close()
asyncio.run(main())
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become nobody")
def test_unreadable_registers_say_what_to_do(tmp_path_factory):
    root = tmp_path_factory.mktemp("sys")
    tree = Powercap(root)
    for folder in (root, *root.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    (tree.root / "intel-rapl:0/energy_uj").chmod(0o400)
    told = subprocess.run(
        [sys.executable, "-c", READ_AS_NOBODY, root], capture_output=True, text=True, check=True
    ).stdout
    assert "root alone" in told
    assert "CVE-2020-8694" in told
    assert f"chmod g+r {root}/intel-rapl:0/energy_uj" in told


async def test_descriptors_are_kept_and_given_back(tmp_path):
    driver = rapl(Powercap(tmp_path))
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        await driver.open()
        await driver.read(0)
        await driver.close()
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_an_address_names_the_tree():
    assert RaplConfig.from_url(Url.parse("rapl://")).path == "/sys/class/powercap"
    assert RaplConfig.from_url(Url.parse("rapl:///host/sys/class/powercap")).path == "host/sys/class/powercap"

"""Yokogawa meters: what is run, what is printed, and programs that fail, hang or never stop."""

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.core.address import Url
from wattline.drivers.yokogawa.driver import Yokogawa, YokogawaConfig, read_csv
from wattline.errors import Malformed, Misconfigured, Unreachable
from wattline.testing.driver_suite import DriverSuite, opened
from wattline.testing.recordings.reading import readings_of

NOW = 1_795_184_315_000_000_000


@pytest.fixture
def tool(tmp_path):
    """Return what writes a program that does what a shell line says, and is a yokotool."""

    def write(does):
        path = tmp_path / "yokotool"
        path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/ran\n{does}\n')
        path.chmod(0o755)
        return str(path)

    return write


def config(tool, **options):
    return YokogawaConfig.of("test", {"dev": "/dev/usbtmc1", "tool": tool, "pmtype": "wt310", **options})


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Yokogawa

    @pytest.fixture
    def working(self, tool):
        return config(tool("printf 'P\\n12.6\\n'"))


async def test_a_reading_runs_the_program_as_yoko2redfish_did(tool, tmp_path):
    async with opened(Yokogawa(config(tool("printf 'P\\n12.6\\n'")))) as (driver, _):
        [one] = readings_of(await driver.read(NOW))
    assert (one.device, one.metric, one.value) == ("usbtmc1", "power_watts", 12.6)
    assert (tmp_path / "ran").read_text() == "/dev/usbtmc1 --pmtype=wt310 read P --count=1\n"


async def test_several_items_stand_where_the_first_line_says(tool):
    program = tool("echo 'T,    V,     P'; echo '1.5, 230.1, NAN'")
    async with opened(Yokogawa(config(program, items=["P", "V"], device="rack"))) as (driver, _):
        assert [(one.metric, one.value) for one in readings_of(await driver.read(NOW))] == [("voltage_volts", 230.1)]


def test_an_address_in_full():
    one = YokogawaConfig.from_url(
        Url.parse("yokogawa:///dev/usbtmc1?pmtype=wt210&items=P,I&sudo=true&tool=/x/yokotool")
    )
    assert one.command == ["sudo", "-n", "/x/yokotool", "/dev/usbtmc1", "--pmtype=wt210", "read", "P,I", "--count=1"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("yokogawa://", "`dev` is the meter's port"),
        ("yokogawa:///dev/x?items=P,Z", "not Z"),
        ("yokogawa:///dev/x?items=P,P", "each item once"),
        ("yokogawa:///dev/x?wait=0", "`wait` lies between"),
    ],
)
def test_addresses_that_are_refused(address, said):
    with pytest.raises(Misconfigured, match=said):
        YokogawaConfig.from_url(Url.parse(address))


@pytest.mark.parametrize(
    ("does", "error", "said"),
    [
        (
            "echo busy >&2; echo 'device is busy' >&2; exit 1",
            Unreachable,
            "ended with 1 for /dev/usbtmc1: device is busy",
        ),
        ("exit 127", Misconfigured, "ended with 127 for /dev/usbtmc1: without a word"),
        ("echo P", Malformed, "printed no values for /dev/usbtmc1, only 'P'"),
        ("echo P; echo error", Malformed, "printed no number for /dev/usbtmc1, but 'error'"),
        ("exec sleep 60", Unreachable, r"read nothing from /dev/usbtmc1 within 0\.3 s"),
        ("while :; do echo P; done", Unreachable, r"within 0\.3 s"),
    ],
)
async def test_a_program_that_goes_wrong(tool, does, error, said):
    async with opened(Yokogawa(config(tool(does), wait=0.3))) as (driver, _):
        with pytest.raises(error, match=said):
            await driver.read(NOW)


async def test_a_program_that_is_not_there_is_misconfigured():
    async with opened(Yokogawa(config("/nowhere/yokotool"))) as (driver, _):
        with pytest.raises(Misconfigured, match="/nowhere/yokotool cannot be run"):
            await driver.read(NOW)


async def test_a_reading_that_is_cancelled_ends_the_program(tool, tmp_path):
    program = tool(f"echo $$ > {tmp_path}/pid; exec sleep 600")
    async with opened(Yokogawa(config(program, wait=60))) as (driver, _):
        reading = asyncio.create_task(driver.read(NOW))
        async with asyncio.timeout(20):
            while not (pid := _pid(tmp_path / "pid")):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def _pid(path: Path) -> int:
    return int(path.read_text() or 0) if path.exists() else 0


@given(st.text(), st.lists(st.sampled_from(["P", "V", "I"]), min_size=1, max_size=3, unique=True))
def test_whatever_is_printed_is_values_or_malformed(printed, items):
    try:
        told = read_csv(printed, items, "x")
    except Malformed:
        return
    assert len(told) == len(items)

"""What programs that run an engine have in common."""

import asyncio
import resource
import subprocess
import sys
import threading

import pytest

from wattline.cli.running import run


def test_many_names_that_do_not_resolve_hold_up_nothing_else():
    all_there = threading.Barrier(50)

    async def main():
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(asyncio.to_thread(all_there.wait, 20))

    run(main)


def test_a_meter_may_have_a_descriptor_wherever_the_system_allows_it():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= 256:
        pytest.skip("the system allows 256 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        run(lambda: asyncio.sleep(0))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_closed_standard_output_is_nobody_elses():
    show = "os.write(2, os.readlink('/proc/self/fd/1').encode())"
    code = f"import os; from wattline.cli.running import run\nasync def main(): {show}\nrun(main)"
    told = subprocess.run(
        f'"{sys.executable}" -c "{code}" >&-', shell=True, stderr=subprocess.PIPE, check=True, timeout=60
    ).stderr
    assert told == b"/dev/null"

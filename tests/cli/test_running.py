"""What programs that run an engine have in common."""

import asyncio
import threading

from wattline.cli.running import run


def test_many_names_that_do_not_resolve_hold_up_nothing_else():
    all_there = threading.Barrier(50)

    async def main():
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(asyncio.to_thread(all_there.wait, 20))

    run(main)

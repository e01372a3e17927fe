"""Bulk answers are made on request: a client that reads slowly or leaves costs what it has read, and no more."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from wattline.api.bulk import respond, while_wanted

PATIENCE = 20.0


class Press:
    """Makes parts and notes how many, and whether it was let go of."""

    def __init__(self, parts: int, slices: int = 0) -> None:
        self.parts = parts
        self.slices = slices
        self.made = 0
        self.turned = 0
        self.closed = threading.Event()

    def __call__(self, goes_on):
        try:
            for _ in while_wanted(iter(range(self.slices)), goes_on):
                self.turned += 1
            for i in range(self.parts):
                self.made += 1
                yield b"%d;" % i
        finally:
            self.closed.set()


@pytest.fixture
def workers():
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def sent(response, leave_after: int = 10**9) -> bytes:
    """Send a response to a client that leaves after some parts; return what it got."""
    body, left = [], asyncio.Event()

    async def send(message):
        body.append(message.get("body", b""))
        if not message.get("more_body", True):
            left.set()
        elif len(body) > leave_after:
            left.set()
            await asyncio.Event().wait()  # what a server does to whoever writes to a client that reads no more

    async def receive():
        await left.wait()
        return {"type": "http.disconnect"}

    async with asyncio.timeout(PATIENCE):
        await response({"type": "http"}, receive, send)
    return b"".join(body)


async def test_all_parts_come_in_order(workers):
    press = Press(50)
    body = await sent(await respond(workers, press, "text/plain"))
    assert body == b"".join(b"%d;" % i for i in range(50))
    assert press.closed.wait(PATIENCE)


async def test_an_empty_answer_is_one(workers):
    assert await sent(await respond(workers, Press(0), "text/plain")) == b""


async def test_who_leaves_ends_the_production(workers):
    press = Press(1000)
    await sent(await respond(workers, press, "text/plain"), leave_after=3)
    assert press.closed.wait(PATIENCE)
    assert press.made < 10


async def test_what_fails_before_the_first_part_is_an_error(workers):
    def fail(_):
        raise LookupError("no")
        yield b""

    with pytest.raises(LookupError):
        await respond(workers, fail, "text/plain")


async def test_who_leaves_while_nothing_is_found_ends_the_search(workers):
    press = Press(1, slices=10**9)
    asking = asyncio.create_task(respond(workers, press, "text/plain"))
    async with asyncio.timeout(PATIENCE):
        while not press.turned:  # noqa: ASYNC110 - it is a thread that turns
            await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await asyncio.to_thread(press.closed.wait, PATIENCE)
    assert press.turned < 10**9

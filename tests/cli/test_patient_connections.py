"""A client that never ends the head of its request is let go; one that is slow to read its answer is not."""

import asyncio
import contextlib
import socket

import uvicorn

from wattline.cli.patient import Patient


class Hasty(Patient):
    patience = 0.3


async def answer(scope, receive, send):
    """Answer at once, and end the body only when the client was longer here than a head may take."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"on", "more_body": True})
    await asyncio.sleep(2 * Hasty.patience)
    await send({"type": "http.response.body", "body": b"ly"})


@contextlib.asynccontextmanager
async def serving():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(answer, http=Hasty, ws="none", lifespan="off", log_config=None))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await task


async def test_heads_that_never_end_are_closed():
    async with serving() as port:
        readers = []
        for said in (b"", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\nX: "):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            readers.append((reader, writer))
        for reader, writer in readers:
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()


async def test_a_long_answer_is_not_cut_and_the_next_request_has_its_own_time():
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.wait_for(reader.readuntil(b"only"), 10)
        writer.write(b"GET / HTTP/1.1\r\nHo")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()

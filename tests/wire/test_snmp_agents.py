"""Agents that answer badly, late or not at all: every failure is one plain error, and none is for ever."""

import asyncio
import time

import pytest
from gufo.snmp import User as SnmpUser
from hypothesis import given
from hypothesis import strategies as st

from wattline.errors import Malformed, Unreachable
from wattline.testing.replay import Fault, ReplayAgent
from wattline.wire import ber
from wattline.wire.snmp import WINDOW, Agent, Community, Poll, User, reading, text
from wattline.wire.snmp_sealed import Below, Sealed, TooLong, is_message

ROOT = "1.3.6.1.4.1.99999"
OIDS = [f"{ROOT}.{i}" for i in range(1, 41)]


def replay(**options):
    agent = ReplayAgent({}, **options)
    for i, oid in enumerate(OIDS):
        agent.put(oid, i)
    return agent


AGENTS = []


@pytest.fixture(autouse=True)
def closed():
    yield
    while AGENTS:
        AGENTS.pop().close()


async def connected(server, *, version=2, wait=0.2, tries=2, community="public"):
    agent = Agent("127.0.0.1", server.port, Community(community, version), wait=wait, tries=tries)
    await agent.connect()
    AGENTS.append(agent)
    return agent


@pytest.mark.parametrize("version", [1, 2])
async def test_values_come_by_oid(version):
    async with replay() as server:
        agent = await connected(server, version=version)
        assert await Poll(agent, OIDS, 15).ask() == {oid: i for i, oid in enumerate(OIDS)}
    assert len(server.requests) == 3


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.OTHER_REQUEST, Fault.FLOOD])
async def test_silence_says_what_may_be_wrong(fault):
    async with replay() as server:
        agent = await connected(server)
        server.fault = fault
        with pytest.raises((Unreachable, Malformed)) as said:
            await agent.get(OIDS[:1])
        if fault is Fault.SILENT:
            assert str(said.value) == (
                f"no answer from 127.0.0.1:{server.port} within 0.2 s, asked 2 times:"
                " host down, wrong port, or wrong community"
            )
            assert isinstance(said.value.__cause__, TimeoutError)  # so that its cause is the same whoever waited


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.TRUNCATED, Fault.ECHO])
async def test_what_is_no_snmp_is_malformed_and_the_session_lives_on(fault):
    async with replay() as server:
        agent = await connected(server)
        server.fault = fault
        with pytest.raises(Malformed, match=r"127\.0\.0\.1:\d+ answered what is no SNMP"):
            await agent.get(OIDS[:2])
        server.fault = Fault.NONE
        assert await agent.get(OIDS[:2]) == {OIDS[0]: 0, OIDS[1]: 1}


async def test_wrong_community_is_silence_and_names_no_secret():
    async with replay() as server:
        agent = await connected(server, community="hunter2", tries=1)
        with pytest.raises(Unreachable, match=r"within 0\.2 s: host down, wrong port, or wrong community") as said:
            await agent.get(OIDS[:1])
        assert "hunter2" not in str(said.value) + repr(Community("hunter2"))


async def test_a_lost_answer_is_asked_for_again():
    async with replay() as server:
        agent = await connected(server)
        server.fault = Fault.LOST_ONCE
        assert await agent.get(OIDS[:1]) == {OIDS[0]: 0}
        assert len(server.requests) == 2


async def test_a_port_where_nobody_listens_is_known_at_once():
    async with replay() as server:
        pass
    agent = await connected(server, wait=30)
    began = time.monotonic()
    with pytest.raises(Unreachable, match="nothing listens on that port"):
        await agent.get(OIDS[:1])
    assert time.monotonic() - began < 5


async def test_a_name_that_does_not_resolve_is_named():
    agent = Agent("no-such-host.invalid", 161, Community("public"))
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid is no name that resolves"):
        await agent.connect()


async def test_one_bad_oid_costs_only_itself_in_v1():
    async with replay() as server:
        agent = await connected(server, version=1)
        bad = f"{ROOT}.999"
        poll = Poll(agent, [*OIDS[:7], bad, *OIDS[7:]], 60)
        assert len(await poll.ask()) == len(OIDS)
        assert poll.refused == {bad}
        server.requests.clear()
        assert len(await poll.ask()) == len(OIDS)
        assert len(server.requests) == 1
        server.put(bad, 5)
        poll.renew()
        assert (await poll.ask())[bad] == 5


async def test_an_answer_that_is_too_big_is_asked_for_in_parts_from_then_on():
    async with replay(most=12) as server:
        poll = Poll(await connected(server), OIDS, 40)
        assert len(await poll.ask()) == 40
        assert not poll.refused
        server.requests.clear()
        assert len(await poll.ask()) == 40
        assert len(server.requests) == 4


async def test_an_agent_without_any_of_the_objects_says_so_at_every_poll():
    async with replay() as server:
        poll = Poll(await connected(server), [f"{ROOT}.77.{i}" for i in range(5)], 40)
        for _ in range(2):
            with pytest.raises(Malformed, match=r"has nothing at any of 5 OIDs, such as 1\.3\.6.*wrong OID"):
                await poll.ask()
        server.put(f"{ROOT}.77.0", 1)
        assert await poll.ask() == {f"{ROOT}.77.0": 1}


@pytest.mark.parametrize("version", [1, 2])
async def test_a_walk_gives_indices_in_order(version):
    async with replay() as server:
        server.put("1.3.6.1.5.1.1", 3)
        agent = await connected(server, version=version)
        assert list(await agent.walk(ROOT)) == [str(i) for i in range(1, 41)]
        assert await agent.walk(f"{ROOT}.88") == {}
        assert set(server.requests) == ({0xA1} if version == 1 else {0xA5})


async def test_a_walk_passes_over_rows_without_a_value():
    async with replay() as server:
        server.objects = {arcs: value if arcs[-1] % 2 else (5, b"") for arcs, value in server.objects.items()}
        for version in (1, 2):
            found = await (await connected(server, version=version)).walk(ROOT)
            assert list(found) == [str(i) for i in range(1, 41, 2)]


async def test_a_table_with_long_texts_is_read():
    async with replay() as server:
        for oid in OIDS:
            server.put(oid, "x" * 300)
        agent = await connected(server)
        assert list((await agent.walk(ROOT)).values()) == [b"x" * 300] * len(OIDS)
        assert await agent.first(ROOT) == b"x" * 300
        assert len(await Poll(agent, OIDS, 40).ask()) == len(OIDS)


async def test_a_sealed_walk_goes_row_by_row_where_many_are_too_long():
    async def rows(last):
        for i in range(6):
            if i == last:
                raise TooLong("a datagram of 5000 octets")
            yield f"1.3.{i}", i

    sealed = Sealed(("127.0.0.1", 9), SnmpUser(name="u"), wait=1.0, tries=1)
    walk = Below(sealed, lambda: rows(3), lambda: rows(None))
    assert [await walk.__anext__() for _ in range(6)] == [(f"1.3.{i}", i) for i in range(6)]
    with pytest.raises(StopAsyncIteration):
        await walk.__anext__()
    stuck = Below(sealed, lambda: rows(0), lambda: rows(0))
    with pytest.raises(Malformed, match="5000 octets"):
        await stuck.__anext__()


async def test_a_walk_in_a_circle_ends():
    async with replay() as server:
        agent = await connected(server)
        server.fault = Fault.CIRCLE
        with pytest.raises(Malformed, match="walks in a circle"):
            await agent.walk(ROOT)


async def test_types_tell_how_wide_a_register_is():
    async with replay() as server:
        server.put(f"{ROOT}.1", 7, 0x41)
        server.put(f"{ROOT}.2", 7, 0x46)
        agent = await connected(server)
        assert await agent.types(OIDS[:3]) == {OIDS[0]: 0x41, OIDS[1]: 0x46, OIDS[2]: 0x42}
        in_v1 = await (await connected(server, version=1)).types(OIDS[:3])
        assert in_v1 == {OIDS[0]: 0x41, OIDS[2]: 0x42}  # v1 knows no Counter64
        server.fault = Fault.GARBAGE
        with pytest.raises(Malformed):
            await agent.types(OIDS[:3])


async def test_the_window_of_an_address_is_shared():
    """Fifty sessions to one agent: no more than the window wait for it at one time."""
    async with replay() as server:
        agents = [await connected(server, wait=5) for _ in range(50)]
        server.fault = Fault.SILENT
        asked = [asyncio.create_task(agent.get(OIDS[:1])) for agent in agents]
        await asyncio.wait_for(server.asked(WINDOW), 10)
        async with replay() as other:  # a few turns of the loop, in which more would have come
            assert await (await connected(other, wait=5)).get(OIDS)
        assert len(server.requests) == WINDOW
        for task in asked:
            task.cancel()
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)


async def test_a_silent_agent_delays_no_other():
    async with replay() as dead, replay() as alive:
        dead.fault = Fault.SILENT
        silent = asyncio.create_task((await connected(dead, wait=5)).get(OIDS[:1]))
        began = time.monotonic()
        assert await (await connected(alive)).get(OIDS[:1])
        assert time.monotonic() - began < 2
        silent.cancel()


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7), (-1, -1), (b"12.5", "12.5"), (b"12.5 W", "12.5"), (b" -3e2 kW\0", "-3e2"), (b".5", ".5"),
        (b"\x9f\x78\x04\x3d\xcc\xcc\xcd", 0.1), (b"\x9f\x79\x08\x3f\xb9\x99\x99\x99\x99\x99\x9a", 0.1),
        (b"\x9f\x78\x04\x3d", None), (b"ON", None), (b"1.2.3", None), (b"12,5", None), (b"1:30", None), (b"", None),
        (b"1e999999999", None), (b"\xff\xfe", None), (None, None), ("1.3.6", None),
    ],
)  # fmt: skip
def test_numbers_in_texts(value, number):
    assert reading(value) == number


@pytest.mark.parametrize(
    ("value", "shown"), [(b"Outlet 1 \0", "Outlet 1"), (b"\0\x1b\xff", "00:1b:ff"), (5, "5"), (None, "")]
)
def test_texts(value, shown):
    assert text(value) == shown


@pytest.mark.parametrize(
    ("user", "fault"),
    [
        (User("u"), ""),
        (User("u", auth_password="12345678", priv_password="12345678"), ""),
        (User(""), "needs a user"),
        (User("u", priv_password="12345678"), "beside it"),
        (User("u", auth_password="1234567"), "at least 8"),
    ],
)
def test_users(user, fault):
    assert fault in user.fault()
    assert bool(fault) == bool(user.fault())
    assert "12345" not in repr(user)


@given(body=st.binary(max_size=300), tag=st.sampled_from([0x30, 0x30, 0x31, 0xFF]), more=st.integers(-1, 2))
def test_a_message_is_one_sequence_of_its_datagrams_length(body, tag, more):
    datagram = ber.block(tag, body)
    said = datagram + bytes(more) if more >= 0 else datagram[:-1]
    assert is_message(said[:6], len(said)) == (tag == 0x30 and more == 0)


async def test_an_agent_that_answers_garbage_writes_nothing_to_standard_error(capfd):
    async with ReplayAgent({}) as served:
        served.put("1.3.6.1.4.1.1.0", 5)
        agent = Agent("127.0.0.1", served.port, Community("public"), wait=5)
        await agent.connect()
        served.fault = Fault.GARBAGE
        with pytest.raises(Malformed, match="no SNMP: a datagram of 50 octets"):
            await agent.get(["1.3.6.1.4.1.1.0"])
        served.fault = Fault.NONE
        assert await agent.get(["1.3.6.1.4.1.1.0"]) == {"1.3.6.1.4.1.1.0": 5}
        agent.close()
    assert capfd.readouterr().err == ""

"""Conversations with a controller that answers badly, late, twice or not at all; logins of every kind."""

import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattline.errors import Denied, Malformed, Misconfigured, Unreachable, WattlineError
from wattline.testing.bmc import FakeBmc, Fault
from wattline.testing.bmc_board import IDENTITY, Board
from wattline.testing.driver_suite import dead_port, descriptors
from wattline.wire import rmcp
from wattline.wire.ipmi import envelope, handshake, message
from wattline.wire.ipmi.commands import DEVICE_ID, POWER_READING, read_device_id, read_level, read_power
from wattline.wire.ipmi.keys import ADMINISTRATOR, OPERATOR, Keys, Who
from wattline.wire.ipmi.message import Hop, Reply, Request
from wattline.wire.ipmi.session import Session
from wattline.wire.ipmi.suites import SUITES

WHO = Who(b"meter", b"secret")


def session(bmc, who=WHO, *, wait=0.1, tries=2):
    return Session("127.0.0.1", bmc.port, who, wait=wait, tries=tries)


async def watts(one, route=()):
    return read_power((await one.ask(POWER_READING, route)).content).watts


@pytest.mark.parametrize("suite", [3, 17])
@pytest.mark.parametrize("kg", [b"", b"a-key"])
async def test_a_login_of_each_kind(suite, kg):
    async with FakeBmc(Board(watts=231), kg=kg, suites=(suite,)) as bmc:
        one = session(bmc, Who(b"meter", b"secret", kg))
        await one.login()
        assert await watts(one) == 231
        assert bmc.sessions == 1
        await one.close()
        await asyncio.sleep(0)
        with pytest.raises(Unreachable, match="not connected"):
            await one.ask(DEVICE_ID)


async def test_suite_17_is_taken_where_both_are_offered():
    async with FakeBmc(Board(watts=1)) as bmc:
        one = session(bmc)
        await one.login()
        asked = [handshake.read_open_request(packet[16:])[2].id for packet in bmc.packets if packet[5:6] == b"\x10"]
        assert asked == [17]
        await one.close()


@pytest.mark.parametrize(
    ("options", "who", "error", "said"),
    [
        ({}, Who(b"meter", b"wrong"), Denied, "refuses user 'meter': the password is wrong"),
        ({}, Who(b"nobody", b"secret"), Denied, "refuses user 'nobody': it knows no such user"),
        ({}, Who(b"", b""), Denied, "refuses user without a name"),
        ({"kg": b"one"}, WHO, Denied, "it has a Kg, and it is not the one given"),
        ({"kg": b"one"}, Who(b"meter", b"secret", b"two"), Denied, "it has a Kg, and it is not the one given"),
        ({"limit": 2}, Who(b"meter", b"secret", level=OPERATOR), Denied, "as operator: it does not give that"),
        ({"suites": (3,)}, Who(b"meter", b"secret", suites=(17,)), Misconfigured, "none of cipher suites 17"),
        ({"is_old": True}, WHO, Misconfigured, "speaks IPMI 1.5 alone"),
    ],
)
async def test_a_login_that_is_refused_says_why_and_is_tried_once(options, who, error, said):
    async with FakeBmc(**options) as bmc:
        one = session(bmc, who)
        with pytest.raises(error, match=said) as told:
            await one.login()
        assert sum(packet[4:6] == b"\x06\x12" for packet in bmc.packets) <= 1
        assert "secret" not in str(told.value)
        assert not one.is_warm
        await one.close()


async def test_an_administrator_is_one():
    async with FakeBmc(Board(watts=5)) as bmc:
        one = session(bmc, Who(b"meter", b"secret", level=ADMINISTRATOR))
        await one.login()
        assert await watts(one) == 5
        await one.close()


async def test_silence_says_what_may_be_wrong_and_whether_it_answers_a_ping():
    with dead_port() as port:
        one = Session("127.0.0.1", port, WHO, wait=0.05, tries=2)
        with pytest.raises(Unreachable, match=r"within 0.05 s, asked 2 times: host down, wrong port") as told:
            await one.login()
        assert isinstance(told.value.__cause__, TimeoutError)
        await one.close()
    async with FakeBmc() as bmc:
        bmc._reply = lambda packet: [rmcp.pong(packet[9])] if packet[:4] == rmcp.ASF else []
        one = session(bmc, wait=0.05)
        with pytest.raises(Unreachable, match="answers a ping, but IPMI over LAN is off"):
            await one.login()
        await one.close()


@pytest.mark.parametrize("fault", [Fault.SILENT, Fault.GARBAGE, Fault.FORGED, Fault.CUT, Fault.REPLAY])
async def test_what_is_not_signed_is_silence_and_the_session_lives_on(fault):
    async with FakeBmc(Board(watts=9)) as bmc:
        one = session(bmc, wait=0.05)
        await one.login()
        bmc.fault = fault
        with pytest.raises(Unreachable, match="it has forgotten the session, or is down"):
            await one.ask(POWER_READING)
        bmc.fault = Fault.NONE
        assert await watts(one) == 9
        await one.close()


async def test_an_answer_is_taken_once_and_not_again_when_it_is_replayed():
    async with FakeBmc(Board(watts=9)) as bmc:
        one = session(bmc, wait=0.05, tries=1)
        await one.login()
        bmc._first = None
        assert await watts(one) == 9
        bmc.board.watts, bmc.fault = 10, Fault.REPLAY
        for _ in range(70):  # so that the sequence number of the replayed answer comes again
            one._wait = 0.001
            with pytest.raises(Unreachable):
                await one.ask(POWER_READING)
        bmc.fault = Fault.NONE
        one._wait = 1
        assert await watts(one) == 10
        await one.close()


@pytest.mark.parametrize("fault", [Fault.TWICE, Fault.LOST_ONCE])
async def test_what_is_lost_or_doubled_in_the_network_is_answered(fault):
    async with FakeBmc(Board(watts=9)) as bmc:
        one = session(bmc)
        bmc.fault = fault
        await one.login()
        bmc.fault = fault
        assert [await watts(one) for _ in range(3)] == [9, 9, 9]
        await one.close()


async def test_a_retransmission_has_the_same_rq_sequence_and_another_of_the_session():
    async with FakeBmc(Board(watts=9)) as bmc:
        one = session(bmc)
        await one.login()
        asked = []
        answers = bmc._answers
        bmc._answers = lambda request, of: (asked.append(request.sequence), answers(request, of))[1]
        bmc.packets.clear()
        bmc.fault = Fault.LOST_ONCE
        assert await watts(one) == 9
        assert len(asked) == 2
        assert asked[0] == asked[1]
        numbers = [int.from_bytes(packet[10:14], "little") for packet in bmc.packets]
        assert numbers[1] == numbers[0] + 1
        await one.close()


async def test_a_cut_answer_that_is_signed_is_malformed():
    async with FakeBmc(Board(watts=9)) as bmc:
        one = session(bmc)
        await one.login()
        bmc.fault = Fault.SHORT
        with pytest.raises(Malformed, match="cut off"):
            await watts(one)
        await one.close()


@pytest.mark.parametrize("within", [False, True])
async def test_bridges(within):
    behind = {(6, 0x2C): Board(343, watts=7), (0, 0x82): {(7, 0x72): Board(1, watts=8)}}
    async with FakeBmc(Board(watts=9), behind=behind, within=within) as bmc:
        one = session(bmc)
        await one.login()
        assert await watts(one, (Hop(0x2C, 6),)) == 7
        assert await watts(one, (Hop(0x82, 0), Hop(0x72, 7))) == 8
        assert (await one.ask(POWER_READING, (Hop(0x10, 6),))).code == 0x83
        assert await watts(one) == 9
        await one.close()


async def test_a_session_that_is_idle_is_kept_warm_without_waiting(monkeypatch):
    monkeypatch.setattr("wattline.wire.ipmi.session._KEEP_WARM", 0.02)
    async with FakeBmc(Board(watts=9)) as bmc:
        one = session(bmc)
        await one.login()
        asked, answer = asyncio.Event(), bmc.board.answer
        bmc._own = lambda request, _: (asked.set(), answer(request.function, request.command, request.content))[1]
        async with asyncio.timeout(10):
            await asked.wait()
        assert set(bmc.board.asked) == {IDENTITY}
        assert await watts(one) == 9
        await one.close()


async def test_a_request_that_is_cancelled_leaves_nothing_behind():
    async with FakeBmc(Board(watts=9)) as bmc:
        one = session(bmc, wait=5)
        await one.login()
        bmc.fault = Fault.SILENT
        asking = asyncio.create_task(one.ask(POWER_READING))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        bmc.fault = Fault.NONE
        assert await watts(one) == 9
        await one.close()
        before = descriptors()
        for _ in range(3):
            login = asyncio.create_task(one.login())
            await asyncio.sleep(0)
            login.cancel()
            await asyncio.gather(login, return_exceptions=True)
            await one.close()
        assert descriptors() <= before


async def test_many_share_one_socket_and_two_may_speak_to_one_controller():
    async with FakeBmc(Board(watts=1)) as bmc, FakeBmc(Board(watts=2)) as other:
        many = [session(one, wait=2) for one in (bmc, other) for _ in range(20)]
        before = descriptors()
        await asyncio.gather(*(one.login() for one in many))
        assert descriptors() == before + 1
        assert await asyncio.gather(*map(watts, many)) == [1] * 20 + [2] * 20
        assert (bmc.sessions, other.sessions) == (20, 20)
        await asyncio.gather(*(one.close() for one in many))
        assert descriptors() == before


async def test_a_name_that_does_not_resolve():
    with pytest.raises(Unreachable, match="no name that resolves"):
        await Session("no-such-host.invalid", 623, WHO).login()


SEALS = {number: Keys.of(suite, b"key") for number, suite in SUITES.items()}


@pytest.mark.parametrize("suite", SUITES)
def test_a_window_takes_each_number_once_and_late_ones_within_32(suite):
    there, here = (envelope.Seal(SEALS[suite], b"\1\2\3\4") for _ in range(2))
    packets = [there.close(b"message %d" % i) for i in range(100)]
    assert here.open(packets[50]) == b"message 50"
    assert here.open(packets[50]) is None
    assert here.open(packets[19]) == b"message 19"
    assert here.open(packets[19]) is None
    assert here.open(packets[18]) is None
    assert here.open(packets[99]) == b"message 99"
    assert here.open(packets[51]) is None
    assert here.open(packets[98]) == b"message 98"


@given(st.binary(max_size=100), st.sampled_from(sorted(SUITES)))
def test_what_is_sealed_is_opened(text, suite):
    there, here = (envelope.Seal(SEALS[suite], b"\1\2\3\4") for _ in range(2))
    packet = there.close(text)
    assert here.open(packet) == text
    assert text not in packet or len(text) < 8


@given(st.binary(max_size=300), st.sampled_from(sorted(SUITES)))
def test_any_bytes_are_read_or_dropped_or_malformed(some, suite):
    for read in (
        envelope.read_plain,
        rmcp.is_pong,
        rmcp._session_of,
        envelope.Seal(SEALS[suite], b"\1\2\3\4").open,
        handshake.read_opened,
        lambda payload: handshake.read_rakp_2(payload, SUITES[suite]),
        lambda payload: handshake.read_rakp_4(payload, SUITES[suite]),
        handshake.read_open_request,
        handshake.read_rakp_1,
        handshake.read_rakp_3,
        message.read,
        lambda packet: message.answers(packet, DEVICE_ID, 1, (Hop(0x2C, 6),)),
        read_device_id,
        read_power,
        lambda content: read_level(Reply(0, content)),
    ):
        with contextlib.suppress(Malformed):
            read(some)


@given(st.binary(max_size=60), st.sampled_from(sorted(SUITES)))
def test_what_the_other_end_signed_may_be_anything(body, suite):
    keys = SEALS[suite]
    signed = b"\x06\xc0\1\2\3\4\1\0\0\0" + len(body).to_bytes(2, "little") + body + bytes(34)
    packet = rmcp.IPMI + signed + keys.suite.digest(keys.signing, signed)[: keys.suite.code]
    with contextlib.suppress(Malformed):
        envelope.Seal(keys, b"\1\2\3\4").open(packet)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=3))
def test_a_controller_that_says_anything_at_login_ends_in_a_decision(said):
    async def scene():
        async with FakeBmc() as bmc:
            left = list(said)
            bmc._shake = lambda kind, payload: payload[:1] + (left.pop(0) if left else b"")
            one = session(bmc, wait=0.005, tries=1)
            with pytest.raises(WattlineError):
                await one.login()
            await one.close()

    asyncio.run(scene())


def test_requests_are_bytes_of_the_specification():
    # IPMI 2.0 section 13.8: Get Device ID from console to controller, sequence 1
    assert message.ask(Request(0x06, 0x01), 1).hex() == "2018c88104017a"
    assert rmcp.ping(1).hex() == "0600ff06000011be80010000"

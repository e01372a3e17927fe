"""Questions that are encoded once: their answers are read as `ber` reads them, whatever their form."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.errors import Malformed
from wattline.wire import ber
from wattline.wire.snmp_plain import Question

OIDS = [f"1.3.6.1.4.1.99999.{i}" for i in (1, 200, 3)]
QUESTION = Question(2, b"public", OIDS)
NUMBER = 0x12345678
VALUES = st.tuples(st.sampled_from([2, 4, 5, 6, 64, 65, 66, 67, 68, 70, 71, 128, 129, 130]), st.binary(max_size=11))


def response(bindings, *, number=NUMBER, status=0, block=ber.block):
    rows = b"".join(block(0x30, ber.object_id(oid) + block(tag, content)) for oid, (tag, content) in bindings)
    body = ber.integer(number) + ber.integer(status) + ber.integer(0) + block(0x30, rows)
    return block(0x30, ber.integer(1) + block(4, b"public") + block(0xA2, body))


def long_block(tag, body):
    """As other agents write it: every length in two octets behind 0x82."""
    return bytes([tag, 0x82]) + len(body).to_bytes(2, "big") + body


def plainly(message):
    found = ber.read_response(message)
    return {oid: value for oid, value in found.values.items() if value is not None}


def test_a_question_is_the_request_that_ber_makes():
    assert QUESTION.request(NUMBER) == ber.get_request(1, b"public", NUMBER, OIDS)


@given(st.lists(VALUES, min_size=3, max_size=3), st.permutations(OIDS), st.sampled_from([ber.block, long_block]))
def test_an_answer_is_read_as_ber_reads_it(values, oids, block):
    message = response(zip(oids, values, strict=True), block=block)
    assert QUESTION.read(message, NUMBER) == plainly(message)


@pytest.mark.parametrize("oids", [OIDS[:2], [*OIDS, "1.3.6.1"], []])
def test_other_objects_than_those_asked_for_are_told_as_they_are(oids):
    message = response([(oid, (0x42, b"\x05")) for oid in oids])
    assert QUESTION.read(message, NUMBER) == dict.fromkeys(oids, 5)


def test_an_unsigned_number_whose_agent_left_out_the_leading_zero_is_no_negative_one():
    message = response([(oid, (0x41, b"\xff\xff\xff\xff")) for oid in OIDS])
    assert set(QUESTION.read(message, NUMBER).values()) == {2**32 - 1}


def test_the_answer_to_another_request_is_none():
    message = response([(oid, (2, b"\x05")) for oid in OIDS], number=NUMBER + 1)
    assert QUESTION.read(message, NUMBER) is None


def test_a_refusal_holds_nothing():
    message = response([(oid, (2, b"\x05")) for oid in OIDS], status=5)
    assert QUESTION.read(message, NUMBER) == {}


def test_an_echo_of_the_request_is_malformed():
    with pytest.raises(Malformed, match="no response"):
        QUESTION.read(QUESTION.request(NUMBER), NUMBER)


@given(st.data())
def test_a_spoilt_answer_is_malformed_or_an_answer(drawn):
    message = bytearray(response([(oid, (0x41, b"\x05\x06")) for oid in OIDS]))
    for _ in range(drawn.draw(st.integers(0, 4))):
        message[drawn.draw(st.integers(0, len(message) - 1))] = drawn.draw(st.integers(0, 255))
    with suppress(Malformed):
        QUESTION.read(bytes(message[: drawn.draw(st.integers(0, len(message)))]), NUMBER)


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed_or_an_answer(message):
    with suppress(Malformed):
        QUESTION.read(message, NUMBER)

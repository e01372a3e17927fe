"""The BER of one GET: what goes out comes back, and no bytes raise anything but Malformed."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.errors import Malformed
from wattline.wire import ber

ARC = st.integers(0, 2**32 - 1)
OID = st.builds(lambda first, second, rest: ".".join(map(str, (first, second, *rest))),
                st.integers(0, 2), st.integers(0, 39), st.lists(ARC, max_size=12))  # fmt: skip


@given(OID)
def test_an_oid_comes_back(oid):
    [(tag, body)] = ber.blocks(ber.object_id(oid))
    assert (tag, ber.dotted(body)) == (6, oid)


@given(st.integers(0, 1), st.integers(0, 2**31 - 1), st.lists(OID, max_size=30))
def test_a_request_turned_into_a_response_is_read(version, request, oids):
    message = ber.get_request(version, b"public", request, oids)
    at = message.index(b"public") + 6
    response = ber.read_response(message[:at] + b"\xa2" + message[at + 1 :])
    assert response == ber.Response(request, 0, 0, dict.fromkeys(oids, ber.Tag.NULL), dict.fromkeys(oids))


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed_or_an_answer(message):
    with suppress(Malformed):
        ber.read_response(message)


@given(st.data())
def test_a_spoilt_answer_is_malformed_or_an_answer(drawn):
    message = bytearray(ber.get_request(1, b"public", 5, ["1.3.6.1.2.1.1.3.0"]))
    message[message.index(b"\xa0")] = 0xA2
    for _ in range(drawn.draw(st.integers(1, 4))):
        message[drawn.draw(st.integers(0, len(message) - 1))] = drawn.draw(st.integers(0, 255))
    with suppress(Malformed):
        ber.read_response(bytes(message[: drawn.draw(st.integers(0, len(message)))]))


def test_a_request_is_no_response():
    with pytest.raises(Malformed, match="no response"):
        ber.read_response(ber.get_request(1, b"public", 5, ["1.3.6"]))

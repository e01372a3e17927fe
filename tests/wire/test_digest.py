"""Digest authentication: the examples of RFC 7616 section 3.9.1, and any header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.errors import Malformed
from wattline.wire.digest import Challenge, answer, challenge

OWN = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
ASKED = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_the_rfc(algorithm, response):
    asked = challenge(ASKED.format(algorithm))
    said = answer(asked, "Mufasa", "Circle of Life", method="GET", path="/dir/index.html", count=1, own=OWN)
    assert f'response="{response}"' in said
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in said
    assert "nc=00000001" in said


def test_a_challenge_as_a_plug_writes_it():
    said = 'Digest qop="auth", realm="plug-a4cf12f45f8c", nonce="60dc59c6", algorithm=SHA-256'
    assert challenge(said) == Challenge("plug-a4cf12f45f8c", "60dc59c6", "", "SHA-256")


@pytest.mark.parametrize(
    "header",
    ["", "Basic realm=x", "Digest", 'Digest nonce="n", algorithm=SHA-512-256', 'Digest nonce="n", qop="auth-int"'],
)
def test_a_challenge_that_cannot_be_answered(header):
    with pytest.raises(Malformed):
        challenge(header)


@given(st.text('nonce=",algorithm\\\r\0é MD5', max_size=80))
def test_any_challenge_can_be_answered_or_is_malformed(text):
    try:
        asked = challenge(f"Digest {text}")
    except Malformed:
        return
    said = answer(asked, 'a"b\\', "p", method="GET", path="/", count=1, own="x")
    assert said.isascii()
    assert said.isprintable()

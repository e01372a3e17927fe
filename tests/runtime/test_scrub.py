"""No message holds a secret, however it is spelled there."""

import logging
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.core.address import spellings
from wattline.runtime.discreet import guard_log, keep_quiet
from wattline.runtime.failure import scrub

SECRET = 'p@ss/w%rd +"ü\\'


@given(
    st.text(min_size=3, max_size=20).filter(str.isprintable), st.sampled_from([quote, quote_plus, str]), st.booleans()
)
def test_a_secret_is_found_encoded_once_and_twice(secret, way, twice):
    said = quote(way(secret)) if twice else way(secret)
    assert scrub(f"[{said}]", [secret]) == "[***]"


@pytest.mark.parametrize(
    "said", ['p@ss/w%rd +\\"ü\\\\', "p%40ss/w%25rd%20+%22%C3%BC%5C", "p%40ss%2fw%25rd++%22%c3%bc%5c"]
)  # fmt: skip
def test_a_secret_is_found_escaped_and_half_encoded(said):
    assert scrub(said, [SECRET]) == "***"


def test_a_secret_is_found_in_the_base64_of_basic_authentication():
    assert spellings("secret", "meter") == {"secret", "c2VjcmV0", "bWV0ZXI6c2VjcmV0"}
    assert scrub("Authorization: Basic bWV0ZXI6c2VjcmV0", spellings("secret", "meter")) == "Authorization: Basic ***"


def test_nothing_else_is_hidden():
    assert scrub("prometheus at http://h:9100/metrics answers 500", ["metric"]) == (
        "prometheus at http://h:9100/***s answers 500"
    )
    assert scrub("100% of 25 W", ["secret"]) == "100% of 25 W"


def test_what_is_logged_for_a_meter_shows_none_of_its_secrets(caplog):
    logging.getLogger().addHandler(caplog.handler)
    guard_log()
    keep_quiet(["secret"])
    try:
        logging.getLogger("a.library").warning("a page says %s", "secret")
        try:
            int("secret")
        except ValueError:
            logging.getLogger("a.library").exception("it fails")
    finally:
        keep_quiet(())
    assert "secret" not in caplog.text
    assert "a page says ***" in caplog.text
    assert "base 10: '***'" in caplog.text

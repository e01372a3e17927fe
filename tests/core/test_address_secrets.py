"""Addresses are split once, and never show a secret."""

import pytest

from wattline.core.address import Secret, Url, hide_password
from wattline.errors import Misconfigured


def test_an_address_has_its_parts():
    url = Url.parse("snmp://public@pdu-1:1161/1.3.6.1?version=2c&retries=#outlet 3")
    assert (url.scheme, url.host, url.port, url.path, url.fragment) == ("snmp", "pdu-1", 1161, "1.3.6.1", "outlet 3")
    assert url.user.reveal() == "public"
    assert not url.password
    assert url.options == (("version", "2c"), ("retries", ""))


def test_little_is_enough():
    url = Url.parse("rapl://")
    assert (url.host, url.port, url.path, url.options) == ("", None, "", ())


def test_escapes_are_undone_in_secrets_and_paths():
    url = Url.parse("snmp://a%40b:p%3Aw@[2001:db8::1]:161/x%2Fy")
    assert (url.user.reveal(), url.password.reveal()) == ("a@b", "p:w")
    assert (url.host, url.port, url.path) == ("2001:db8::1", 161, "x/y")


@pytest.mark.parametrize("text", ["", "pdu-1", "://host", "sn mp://host", "snmp://h:0/", "snmp://h:65536", "snmp://h:x",
                                  "snmp://[::1"])  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(Misconfigured):
        Url.parse(text)


@pytest.mark.parametrize("text", ["snmp://hunter2@h:99999/1", "snmp://hunter2:hunter2@h:x/", "snmp://hunter2@[::1"])
def test_an_error_shows_no_secret(text):
    with pytest.raises(Misconfigured) as caught:
        Url.parse(text)
    assert "hunter2" not in str(caught.value)


def test_a_secret_shows_itself_to_nobody():
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {Url.parse('snmp://hunter2:hunter2@host/1')}"
    assert secret == Secret("hunter2")
    assert secret != "hunter2"
    assert len({secret, Secret("hunter2"), Secret("other")}) == 2
    assert (bool(secret), bool(Secret(""))) == (True, False)


def test_a_password_is_hidden_and_the_rest_kept():
    assert hide_password("snmp://public@pdu:161/1.3") == "snmp://***@pdu:161/1.3"
    assert hide_password("snmp://user:pass@pdu/1.3") == "snmp://***@pdu/1.3"
    assert hide_password("prometheus://node:9100/metrics/a,b") == "prometheus://node:9100/metrics/a,b"
    assert hide_password("host") == "host"

"""An address is shown without its secrets, wherever they stand in it."""

import pytest

from wattline.core.address import Url, hide_password
from wattline.errors import Misconfigured


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("snmp://public@pdu-1/1.3.6", "snmp://***@pdu-1/1.3.6"),
        (
            "snmp://u:a@b@pdu/1.3?version=3&priv_password=x%20y&unit=W",
            "snmp://***@pdu/1.3?version=3&priv_password=***&unit=W",
        ),
        ("prometheus://h/?token=abc#f", "prometheus://h/?token=***#f"),
        ("prometheus://h/a,b?param.target=x", "prometheus://h/a,b?param.target=x"),
        ("snmp://h/1.3?priv_password=a@b&unit=W", "snmp://h/1.3?priv_password=***&unit=W"),
        ("prometheus://u:hun/ter2@h:80/x", "prometheus://***@h:80/x"),
        ("snmp://hun?ter2@h/1.3", "snmp://***@h/1.3"),
        ("snmp://hun#ter2@h/1.3", "snmp://***@h/1.3"),
    ],
)
def test_secrets_are_hidden(text, shown):
    assert hide_password(text) == shown


@pytest.mark.parametrize("sign", ["/", "?", "#"])
def test_a_password_that_ends_the_host_early_is_refused_and_not_looked_up_as_a_host(sign):
    with pytest.raises(Misconfigured, match="%2F") as caught:
        Url.parse(f"prometheus://user:hun{sign}ter2@h:80/x")
    assert "hun" not in str(caught.value)
    assert Url.parse("prometheus://user:hun%2Fter2@h:80/x").password.reveal() == "hun/ter2"
    assert Url.parse("snmp://h/1.3?priv_password=a@b").host == "h"


def test_a_scheme_may_have_an_underscore():
    url = Url.parse("json_path://me:secret@host:81/page?a=b#c")
    assert (url.scheme, url.host, url.port, url.path, url.fragment) == ("json_path", "host", 81, "page", "c")

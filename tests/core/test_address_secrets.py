"""An address is shown without its secrets, wherever they stand in it."""

import pytest

from wattline.core.address import hide_password


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
    ],
)
def test_secrets_are_hidden(text, shown):
    assert hide_password(text) == shown

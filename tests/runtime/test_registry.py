import pytest

from wattline.model import Layout
from wattline.plugin import Misconfigured, Polled, Url
from wattline.runtime.registry import Registry


class Meter(Polled):
    async def open(self):
        return [Layout.of([])]

    async def read(self, now):
        return []


def broken():
    raise ImportError("no module named pymodbus")


REGISTRY = Registry({
    "drivers": {"snmp": lambda: Meter, "prometheus": lambda: Meter, "modbus": broken, "odd": lambda: "text"}
})  # fmt: skip


def test_the_scheme_of_an_address_is_its_driver_and_a_transport_may_follow():
    assert REGISTRY.driver_of(Url.parse("prometheus+https://h/metrics")) == ("prometheus", Meter)
    with pytest.raises(Misconfigured, match="there is no driver 'snnmp', did you mean snmp"):
        REGISTRY.driver_of(Url.parse("snnmp://h"))


def test_a_plugin_that_cannot_be_imported_is_named_and_the_rest_works():
    good, bad = REGISTRY.loadable("drivers")
    assert sorted(good) == ["prometheus", "snmp"]
    assert "'modbus' cannot be imported: ImportError: no module named pymodbus" in bad["modbus"]
    assert "'odd' is no Polled or Streamed" in bad["odd"]


def test_a_group_without_plugins_says_so():
    with pytest.raises(Misconfigured, match="there is no sink 'influx'"):
        REGISTRY.sink("influx")


def test_ours_are_registered_as_a_strangers_would_be():
    installed = Registry.installed()
    assert {"snmp", "prometheus", "rapl", "host", "sim"} <= set(installed.names("drivers"))
    assert installed.store("memory").summary

"""Kwollect's files: few meters of many descriptions, each description by itself, and names as its clients know them."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wattline.errors import Misconfigured
from wattline.imports import kwollect, wattmetre
from wattline.imports.conversion import Where
from wattline.imports.description import describe
from wattline.imports.written import render
from wattline.runtime.config import examine
from wattline.runtime.promotions import names_of
from wattline.runtime.registry import Registry

REGISTRY = Registry.installed()
WATTS = "1.3.6.1.4.1.99.1"
PDU = [
    {"name": "pdu_outlet_power_watt", "device_id": f"pdu-1-port-{i}", "url": f"snmp://public@pdu-1/{WATTS}.{i}",
     "update_every": 1000, "labels": {"_device_alias": f"node-{i}"}}
    for i in range(1, 4)
]  # fmt: skip


def description(name, url, **more):
    return {"name": name, "device_id": "node-1", "url": url, **more}


@pytest.fixture
def site(tmp_path):
    """Write descriptions by file name, and return what becomes of them."""

    def convert(given=None, **files):
        folder = tmp_path / "metrics.d"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            text = content if isinstance(content, str) else yaml.safe_dump(content)
            (folder / name.replace("__", ".")).write_text(text)
        conf = tmp_path / "kwollector.conf"
        conf.write_text(yaml.safe_dump({"metrics_dir": str(folder), "log_level": "info"}))
        made = kwollect.convert(conf, REGISTRY, given)
        path = tmp_path / "site.yaml"
        path.write_text(render(made))
        examined = examine(path, REGISTRY)
        assert not examined.faults
        assert examined.site.meters == made.site.meters
        return made

    return convert


def test_one_host_and_period_is_one_meter(site):
    slow = description("network_ifacein_bytes_total", "snmp://public@pdu-1/1.3.6.1.2.1.31.1.1.1.6.1", scale_factor=8)
    other = description("bmc_power_watt", "snmp://public@pdu-2:1161/.1.3.6.1.4.1.99.9")
    made = site(a=PDU, b__yaml=slow, c__conf=[other, description("pdu_amp", "snmp://pdu-2:1161/1.3.6.1.4.1.99.10")])
    assert [meter.name for meter in made.site.meters] == [
        "snmp-pdu-1-1s",
        "snmp-pdu-1-10s",
        "snmp-pdu-2",
        "snmp-pdu-2-2",
    ]
    fast = made.site.meters[0]
    assert [(one.device, one.metric, one.unit, one.kind) for one in fast.options.oids] == [
        (f"pdu-1-port-{i}", "pdu_outlet_power_watt", "W", "gauge") for i in range(1, 4)
    ]
    assert (fast.every, fast.options.oids[1].labels) == (1.0, {"_device_alias": "node-2"})
    [octets] = made.site.meters[1].options.oids
    assert (octets.unit, octets.kind, octets.scale) == ("By", "counter", 8)


def test_options_hold_in_order_and_an_empty_one_does_not_count(site, tmp_path):
    assert site({"metrics_dir": "", "log_level": "debug"}, a=PDU).site.log == "debug"
    with pytest.raises(Misconfigured, match="is no folder"):
        site({"metrics_dir": str(tmp_path / "none")}, a=PDU)


def test_each_bad_description_costs_itself(site):
    bad = [
        description("a", "snmp://public@pdu-1/1.3.6.nonsense", update_every=1000),
        description("b", "gopher://pdu-1/1"),
        description("c", "snmp://pdu-1:0/1.3.6.1"),
        description("d", "snmp://pdu-1/1.3.6.1", update_every="5s"),
        description("e", "modbus://m-1/1/1032/xx_yy_f32"),
        {"name": "f", "url": "snmp://pdu-1/1.3.6.1"},
        description("g", "snmp://pdu-1/1.3.6.1", colour="red"),
        PDU[0],
        "no mapping",
    ]
    made = site(a=PDU, b=bad, c="- [", d="")
    assert [len(meter.options.oids) for meter in made.site.meters] == [3]
    assert sorted(fault.place for fault in made.faults) == ["", *(f"[{i}]" for i in range(9))]


def test_folders_hidden_files_and_entries_for_people_are_passed_over(site, tmp_path):
    (tmp_path / "metrics.d" / "sub").mkdir(parents=True)
    told = [
        description("wattmetre_power_watt", f"{scheme}://x") for scheme in ("wattmetre", "pdu", "network_equipment")
    ]
    made = site(a=PDU, __hidden="nonsense: [", b=told)
    assert not made.faults
    assert len(made.site.meters) == 1
    assert sum("for people" in remark for remark in made.remarks) == 3


def test_a_pipe_and_a_link_that_leads_nowhere_cost_themselves(site, tmp_path):
    good = description("a", "snmp://public@pdu-1/1.3.6.1.4.1.99.1")
    (tmp_path / "metrics.d").mkdir()
    os.mkfifo(tmp_path / "metrics.d" / "pipe")
    (tmp_path / "metrics.d" / "loop").symlink_to(tmp_path / "metrics.d" / "loop")
    made = site(good__yaml=good)
    assert len(made.parts) == 1
    assert sorted(Path(fault.file).name for fault in made.faults) == ["loop", "pipe"]


@pytest.mark.parametrize("name", ["x" * 5000, "/proc/1/root/x" * 40])
def test_a_folder_that_there_cannot_be_is_one_clear_error(tmp_path, name):
    conf = tmp_path / "kwollector.conf"
    conf.write_text(yaml.safe_dump({"metrics_dir": name}))
    with pytest.raises(Misconfigured, match="is no folder of descriptions"):
        kwollect.convert(conf, REGISTRY)


def test_a_factor_that_no_number_can_be_costs_its_description(site):
    made = site(a__yaml=[description("a", "snmp://p@h/1.3.6.1.4.1.99.1", scale_factor=int("9" * 400))])
    assert "scale_factor is a number below" in str(made.faults[0])


def test_every_scheme(site):
    made = site(a=[
        description("p", "prometheus://node-1:9100/node_load1-node_load5", labels={"a": "b"}),
        description("q", "prometheus://node-1:9100/kwollect_custom"),
        description("bmc_temp_celsius", "ipmisensor://u:p%40s%2Fs@bmc-1/Inlet%20Temp"),
        description("bmc_fan_rpm", "ipmisensor://u:p%40s%2Fs@bmc-1/7"),
        description("x_watt", "https://u:p@bmc-2/redfish/v1/Power/FastPowerMeter#PowerDetail[-1].Average"),
        description("y_watt", "https://u:p@bmc-2/redfish/v1/Power/FastPowerMeter#PowerDetail[0].Average"),
        description("m_watt", "modbus://m-1/1/1032/le_le_f32"),
        description("v_watt", "snmpv1://public@pdu-1/1.3.6.1.4.1.99.1"),
        description("iface_total", "snmp://c@sw-1/1.3.6.1.2.1.2.2.1.10.{{ 1.3.6.1.2.1.2.2.1.2 == eth#1/1?3 }}"),
    ])  # fmt: skip
    assert not made.faults
    by = {meter.name: meter for meter in made.site.meters}
    page = by["prometheus-node-1"].options
    assert page.names == ("kwollect_custom", "node_load1", "node_load5")
    assert (page.prefix, page.custom, page.device) == ("prom_", "kwollect_custom", "node-1")
    assert [one.sensor for one in by["ipmisensor-bmc-1"].options.sensors] == ["Inlet Temp", "7"]
    assert by["ipmisensor-bmc-1"].options.password.reveal() == "p@s/s"
    assert [one.path for one in by["https-bmc-2"].options.values] == [
        "PowerDetail[-1].Average",
        "PowerDetail[0].Average",
    ]
    [register] = by["modbus-m-1"].options.registers
    assert (register.address, register.words, register.octets, register.type) == (1032, "le", "le", "f32")
    assert by["snmp-sw-1"].options.oids[0].oid.endswith("== eth#1/1?3 }}")


def test_an_optional_metric_is_a_meter_of_its_own_and_goes_by_its_name(site):
    made = site(a=[{**one, "optional": True} for one in PDU] + [
        description("prom_all_metrics", "prometheus://node-1:9100/", optional=True),
    ])  # fmt: skip
    names = [names_of(meter, ()) for meter in made.site.meters]
    assert names[0] == (
        ("pdu_outlet_power_watt",),
        ("pdu-1-port-1", "pdu-1", "pdu-1-port-1/pdu_outlet_power_watt", "node-1"),
    )
    assert names[3][0] == ("prom_all_metrics",)


KEYS = ["name", "device_id", "url", "update_every", "labels", "optional", "scale_factor"]


@given(st.dictionaries(st.sampled_from(KEYS),
                       st.none() | st.booleans() | st.floats() | st.text() | st.lists(st.text())))  # fmt: skip
def test_any_entry_is_a_description_or_refused(entry):
    try:
        assert describe(entry, Where("", 0, "")).host is not None
    except Misconfigured:
        return


def test_a_wattmeter_on_standard_input(tmp_path):
    conf = tmp_path / "w.conf"
    conf.write_text("wattmetre_id: w1\nwattmetre_version: 3\ndb_password: changeme\n")
    made = wattmetre.convert(conf, REGISTRY, {"wattmetre_id": "w2", "log_level": ""})
    [meter] = made.site.meters
    assert (meter.options.device, meter.options.version, meter.options.metric) == ("w2", 3, "wattmetre_power_watt")
    assert any("everybody knows" in remark for remark in made.remarks)

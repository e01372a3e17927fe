"""energyrecorder's collector-settings.yaml: all twelve types, both spellings, and what is switched off."""

import pytest

from wattline.imports import energyrecorder
from wattline.imports.written import render
from wattline.runtime.config import examine
from wattline.runtime.registry import Registry

REGISTRY = Registry.installed()
WEB = "host: {0}.example:8443, user: reader, pass: s3cret"
SAMPLE = f"""\
PODS:
  - environment: E1
    polling_interval: 0.5
    servers:
      - {{id: s1, type: ilo, {WEB.format("a")}}}
      - {{id: s2, type: ilo-gui, {WEB.format("b")}}}
      - {{id: s3, type: idrac8-gui, {WEB.format("c")}}}
      - {{id: s4, type: intel-gui, {WEB.format("d")}}}
      - {{id: s5, type: ibmc-gui, {WEB.format("e")}}}
      - {{id: s6, type: ipmi, host: "bmc-1:0x2c", user: u, pass: p}}
      - {{id: s7, type: redfish, {WEB.format("f")}, temperature: false}}
      - id: s8
        type: snmp
        host: pdu-1
        port: 161
        version: v3
        community: x
        username: u
        auth_protocole: HMAC-SHA-96
        auth_secret: signature-1
        privacy_protocole: CFB128-AES-128
        privacy_secret: sealing-wax-1
        sensors:
          - {{name: power, oid: 1.3.6.1.4.1.99.1, unit: W}}
          - {{name: switch, oid: 1.3.6.1.4.1.99.2, unit: boolean}}
          - {{name: wrong, oid: nonsense, unit: W}}
          - {{name: odd, oid: 1.3.6.1.4.1.99.3, unit: bananas}}
      - id: s9
        type: modbus
        host: "m-1:1502"
        framer: RTU
        sensors:
          - {{name: power, unit: kW, register_address: 3, register_type: MBF, register_order: left}}
          - {{name: energy, unit: kWh, register_address: 9, register_type: MBUL, register_scaling: 0.1, device_unit: 7}}
          - {{name: bad, unit: V, register_address: 9, register_type: XYZ}}
      - {{id: s10, type: shelly, host: "http://plug-1", user: '', pass: '', power: true}}
      - {{id: s11, type: rpimon, host: "pi-1:8888"}}
      - {{id: s12, type: csvftp, host: ftp-1, user: u, pass: p, root_dir: /x, purge: true, tz: +02:00}}
      - {{id: s13, type: nonsense}}
      - {{id: s14, type: ilo, host: x}}
      - {{id: off, type: ilo, active: false}}
  - environment: E2
    polling_interval: 0
    active: false
    servers: [{{id: t1, type: rpimon, host: pi}}]
  - environment: E3
    polling_interval: -1
    servers: [{{id: t2, type: rpimon, host: pi}}]
  - environment: E4
    servers: [{{id: t3, type: rpimon, host: pi}}]
  - servers: []
RECORDER_API_SERVER: {{base_url: "http://u:hidden@recorder:8888", user: root, pass: hidden}}
"""


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "collector-settings.yaml"
    path.write_text(SAMPLE)
    return energyrecorder.convert(path, REGISTRY)


def test_all_types_are_meters_and_what_is_off_is_not(made):
    assert [(meter.name, meter.driver) for meter in made.site.meters] == [
        ("s1", "ilo"), ("s2", "ilo_gui"), ("s3", "idrac8_gui"), ("s4", "intel_gui"), ("s5", "ibmc_gui"),
        ("s6", "ipmi"), ("s7", "redfish"), ("s8", "snmp"), ("s9", "modbus"), ("s10", "shelly"), ("s11", "rpimonitor"),
        ("s12", "csvftp"), ("t2", "rpimonitor"), ("t3", "rpimonitor"),
    ]  # fmt: skip
    assert [meter.every for meter in made.site.meters[-3:]] == [0.5, 0.1, 10.0]
    assert made.site.meters[0].labels == {"environment": "E1"}
    assert made.site.meters[5].options.bridge == "0x2c"
    assert not made.site.meters[6].options.wants_temperature
    one, two = made.site.meters[8].options.registers
    assert (one.type, one.words, one.unit, two.type, two.scale, two.device_unit) == ("f32", "le", "kW", "u32", 0.1, 7)
    assert [oid.unit for oid in made.site.meters[7].options.oids] == ["W", "boolean", ""]


def test_a_bad_sensor_server_or_pod_costs_itself(made):
    assert {fault.place for fault in made.faults} == {
        "PODS[0].servers[7].sensors[2]", "PODS[0].servers[8].sensors[2]", "PODS[0].servers[12]",
        "PODS[0].servers[13]", "PODS[4]",
    }  # fmt: skip
    assert all(fault.line for fault in made.faults)


def test_the_written_file_reads_the_same_meters_and_names_the_destination(made, tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(render(made))
    examined = examine(path, REGISTRY)
    assert not examined.faults
    assert examined.site.meters == made.site.meters
    assert "recorder:8888" in path.read_text()
    assert "hidden" not in path.read_text()


@pytest.mark.parametrize("interval", ["9" * 400, ".nan", "-.inf", "1.0e+300"])
def test_an_interval_that_no_clock_has_costs_its_group(tmp_path, interval):
    path = tmp_path / "collector-settings.yaml"
    server = "{id: a, type: shelly, host: 'http://a', user: '', pass: ''}"
    group = f"- {{environment: E, polling_interval: 5, servers: [{server}]}}"
    path.write_text(f"PODS:\n{group}\n{group.replace(': 5', f': {interval}').replace('id: a', 'id: b')}\n")
    made = energyrecorder.convert(path, REGISTRY)
    assert len(made.parts) == 1
    assert "polling_interval is a number of seconds" in str(made.faults)

"""Kwapi's drivers.conf: every oddity, one bad section costs itself, and the written file reads the same meters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.imports import kwapi
from wattline.imports.ini import read_ini
from wattline.imports.literals import literal
from wattline.imports.written import render
from wattline.runtime.config import examine
from wattline.runtime.registry import Registry

REGISTRY = Registry.installed()
SAMPLE = """\
# a comment
[DEFAULT]
probes_endpoint = ipc:///tmp/kwapi-drivers
metering_secret = Change This Or Be Hacked
check_drivers_interval = 60
verbose = true
this means nothing

[Dummy]
probes = ['site.A', 'site.B']
driver = Dummy
parameters = {'min': 80, 'max': 80}

[Net]
probes = ['site.A']
driver = DummyNet
data_type = {'name': 'network_in', 'type': 'Cumulative', 'unit': 'B'}
probes_names = [['site.n1', 'site.n2']]
parameters = {'min': 10,
    'max': 20}

[Watts]
probes = ['site.A']
driver = DummyWatts
data_type = {'name': 'power', 'type': 'Gauge', 'unit': 'W'}

[Ipmi]
probes = ['site.C', 'site.D']
driver = Ipmi
parameters = {'interface': 'lan', 'host': 'bmc-1', 'username': 'meter', 'password': 's3cret', 'sensor': 'Pwr'}

[Pdu]
probes = ['F1', None, 'F3', 'F1']
driver = Snmp
parameters = {'protocol': 'v2c', 'community': 'public', 'ip': 'pdu-1', 'oid': '1.3.6.1.4.1.534.6.6.7.6.5.1.3'}

[Old PDU]
probes = ['G1']
driver = Eaton
parameters = {'ip': 'pdu-2', 'user': 'reader'}

[Wattsup]
probes = ['site.E']
driver = Wattsup
parameters = {'device': '/dev/ttyUSB7'}

[Page]
probes = ['h1']
driver = Json_url
parameters = {'url': 'http://page-1:8000/power.json?site=a'}

[Unknown]
probes = ['x']
driver = Nonesuch

[Literal]
probes = ['x'
driver = Dummy

[Code]
probes = ['x'] * 9
driver = Dummy

[Bounds]
probes = ['x']
driver = Dummy
parameters = {'min': 9, 'max': 1}

[Oid]
probes = ['x']
driver = Snmp
parameters = {'protocol': '1', 'ip': 'pdu-3', 'oid': 'not.an.oid'}
"""


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "drivers.conf"
    path.write_text(SAMPLE)
    return kwapi.convert(path, REGISTRY)


def test_good_sections_are_meters(made):
    assert [(meter.name, meter.driver) for meter in made.site.meters] == [
        ("site.A", "dummy"), ("site.B", "dummy"), ("site.A/network_in", "dummy"), ("site.A/power", "dummy"),
        ("site.C", "ipmi"), ("Pdu", "snmp"), ("Old PDU", "snmp"), ("site.E", "wattsup"), ("Page", "json_url"),
    ]  # fmt: skip
    outlets = made.site.meters[5].options
    assert outlets.tables[0].names == ("F1", None, "F3", "F1")
    assert (outlets.version, made.site.meters[6].options.number, made.site.log) == ("2c", 3, "info")
    net = made.site.meters[2]
    assert (net.options.metric, net.options.unit, net.options.kind) == ("network_in", "B", "counter")
    assert net.labels == {"_device_alias": ["site.n1", "site.n2"]}


def test_each_bad_section_costs_itself_and_says_where(made):
    assert [(fault.place, fault.line) for fault in made.faults] == [
        ("", 7), ("[Unknown]", 52), ("[Literal]", 56), ("[Code]", 60), ("[Bounds]", 64), ("[Oid]", 69),
    ]  # fmt: skip
    assert all("\n" not in str(fault) for fault in made.faults)


def test_the_written_file_reads_the_same_meters(made, tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(render(made))
    examined = examine(path, REGISTRY)
    assert not examined.faults
    assert examined.site.meters == made.site.meters
    text = path.read_text()
    assert "documented default" in text
    assert "site.D" in text
    assert "Change This" not in text


@given(st.text())
def test_any_text_is_a_file_or_has_faults(text):
    sections, _ = read_ini(text)
    assert sections[0].name == "DEFAULT"


@given(st.text(alphabet="[](){}'\",:0123456789.eEjNone -+*lambd", max_size=60) | st.text())
def test_any_text_is_a_literal_or_refused(text):
    try:
        literal(text)
    except ValueError:
        return


@pytest.mark.parametrize(
    "text", ["__import__('os')", "[1]*9", "1j", "b'x'", "{1: 2}", "[" * 300, "(" * 9999, "{1}", "1e999", "'\\ud800'"]
)
def test_what_is_no_plain_literal_is_refused(text):
    with pytest.raises(ValueError, match=r"literal|holds"):
        literal(text)


def test_a_driver_whose_line_goes_on_shows_no_parameters(tmp_path):
    path = tmp_path / "drivers.conf"
    path.write_text(
        "[A]\nprobes = ['a']\ndriver = Ipmi\n  parameters = {'password': 's3cret'}\n"
        "[B]\nprobes = ['b']\ndriver = Dummy\n"
    )
    made = kwapi.convert(path, REGISTRY)
    assert [part.where.place for part in made.parts] == ["[B]"]
    assert "there is no driver 'Ipmi' of Kwapi's" in str(made.faults[0])
    assert "s3cret" not in str(made.faults)

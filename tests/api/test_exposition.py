"""The page of last values is one that Prometheus' own tool finds nothing wrong with."""

import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wattline.api.exposition import Last, page
from wattline.model import Kind, Metric, Series
from wattline.units import Unit

WHEN = 1_795_179_600_123_456_789
METRICS = [
    Metric("power_watts", Unit.WATT, Kind.GAUGE, "Power."),
    Metric("powerWatts", Unit.WATT, Kind.GAUGE),
    Metric("energyJoules", Unit.JOULE, Kind.COUNTER),
    Metric("9 odd-näme\n", Unit.NONE, Kind.UNKNOWN),
    Metric("x_count", Unit.NONE, Kind.GAUGE),
    Metric("disk_total", Unit.BYTE, Kind.GAUGE, "a\\b\nc"),
    Metric("outlet_state", Unit.NONE, Kind.STATE),
    Metric("wattline_polls_total", Unit.NONE, Kind.COUNTER),
    Metric("energy_delta", Unit.JOULE, Kind.DELTA),
]
LABELS = {"device": "x", "camelCase": 1, "__name__": "q", "a-b": "1", "a_b": "2", "le": "3", "quantile": "0.5"}
OWN = (
    b"# HELP wattline_polls_total Polls.\n# TYPE wattline_polls_total counter\n"
    b'wattline_polls_total{meter="a"} 3\nwattline_polls_total{meter="b"} 3\n'
)
DEVICE = 'd "1"\\\n'


def text() -> str:
    values = [
        Last(Series.of(DEVICE, metric, LABELS), WHEN, i / 2, "on\n" if metric.kind is Kind.STATE else None)
        for i, metric in enumerate(METRICS)
    ]
    values += [Last(Series.of(f"e{value}", METRICS[0]), WHEN, float(value)) for value in ("nan", "inf", "-inf")]
    return page(OWN, values).decode()


def test_every_value_is_read_back():
    families = {family.name: family for family in text_string_to_metric_families(text())}
    assert len(families) == len(METRICS) + 1
    power = {sample.labels["device"]: sample for sample in families["power_watts"].samples}
    assert power[DEVICE].value == 0
    assert power[DEVICE].labels["exported_device"] == "x"
    assert (power["einf"].value, power["e-inf"].value, str(power["enan"].value)) == (float("inf"), float("-inf"), "nan")
    assert power[DEVICE].timestamp == pytest.approx(WHEN / 1e9, abs=1e-3)
    assert families["energy_joules"].samples[0].name == "energy_joules_total"
    assert families["outlet_state"].samples[0].labels["state"] == "on\n"
    assert families["outlet_state"].samples[0].value == 1
    assert families["disk_total"].documentation == "a\\b\nc"
    assert [sample.value for sample in families["wattline_polls"].samples] == [3, 3]


def test_an_empty_page_is_a_page():
    assert page(b"", []) == b""


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (package prometheus)")
def test_promtool_finds_nothing():
    command = ["promtool", "check", "metrics"]
    done = subprocess.run(command, input=text(), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

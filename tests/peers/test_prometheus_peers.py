"""Prometheus meters against Debian's node exporter: what we read is what stands on its page."""

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families as families

from wattline.core.address import Url
from wattline.drivers.prometheus.driver import Prometheus
from wattline.errors import Malformed, Unreachable
from wattline.model import Kind
from wattline.testing.agents import NodeExporter, find_program
from wattline.units import Unit
from wattline.wire.exposition import Parser

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        not find_program("prometheus-node-exporter"),
        reason="prometheus-node-exporter is not installed (apt-get install prometheus-node-exporter)",
    ),
]

NOW = 1_700_000_000_000_000_000
RACK = """\
# HELP rack_energy_joules_total Register of an outlet.
# TYPE rack_energy_joules_total counter
rack_energy_joules_total{outlet="1"} 7.2e+06
rack_energy_joules_total{outlet="2"} 123456789.25
# HELP rack_power_watts Power of an outlet.
# TYPE rack_power_watts gauge
rack_power_watts{note="a \\"quoted\\" name",outlet="1"} 230.5
rack_power_watts{outlet="2"} NaN
"""


@pytest.fixture(scope="module")
def exporter():
    with NodeExporter() as server:
        server.write("rack", RACK)
        yield server


async def read(exporter, path):
    driver = Prometheus(Prometheus.Config.from_url(Url.parse(f"prometheus://127.0.0.1:{exporter.port}/{path}")))
    await driver.open()
    try:
        return await driver.read(NOW)
    finally:
        await driver.close()


def samples(text):
    """Return (name, labels) -> value by prometheus_client; a label without a value, as the exporter adds, is none."""
    return {
        (sample.name, tuple(sorted((name, value) for name, value in sample.labels.items() if value))): sample.value
        for family in families(text)
        for sample in family.samples
    }


def identical(one, other):
    return one == other or (math.isnan(one) and math.isnan(other))


async def test_values_of_the_rack_equal_those_of_the_page(exporter):
    [frame] = await read(exporter, "metrics/rack_*?device_label=outlet&device=rack-1")
    page = {key: value for key, value in samples(exporter.page()).items() if key[0].startswith("rack_")}
    series = frame.layout.series
    ours = {(one.metric.name, one.labels): value for one, value in zip(series, frame.values, strict=True)}
    assert len(ours) == 4
    assert ours.keys() == page.keys()
    assert all(identical(ours[key], page[key]) for key in page)
    energy = next(one for one in series if one.metric.name == "rack_energy_joules_total")
    assert (energy.device, energy.metric.kind, energy.metric.unit) == ("rack-1/outlet-1", Kind.COUNTER, Unit.JOULE)


async def test_the_whole_page_is_read_as_prometheus_client_reads_it(exporter):
    text = exporter.page()
    page = Parser().parse(text.encode())
    ours = {(key.name, key.labels): value for key, value in zip(page.keys, page.values, strict=True)}
    theirs = samples(text)
    assert page.bad == page.repeated == 0
    assert ours.keys() == theirs.keys()
    assert all(identical(ours[key], theirs[key]) for key in theirs)


async def test_every_series_of_the_page_is_in_the_frame(exporter):
    [frame] = await read(exporter, "metrics")
    assert len(frame.layout) > 100
    assert frame.present is None


async def test_a_text_file_that_changes_changes_the_frame(exporter):
    exporter.write("more", "more_volts 229.5\n")
    [frame] = await read(exporter, "more_volts")
    assert list(frame.values) == [229.5]
    assert frame.layout.series[0].metric.unit is Unit.VOLT


async def test_a_wrong_page_a_wrong_name_and_a_dead_exporter_are_told():
    with NodeExporter() as exporter:
        with pytest.raises(Malformed, match=r"HTML|404"):
            await read(exporter, "nope/")
        with pytest.raises(Malformed, match="has none of nope"):
            await read(exporter, "metrics/nope")
    with pytest.raises(Unreachable, match="cannot be reached"):
        await read(exporter, "metrics")

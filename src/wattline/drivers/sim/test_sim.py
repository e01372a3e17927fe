"""The simulated rack says what its truth says, and its truth is consistent with itself."""

from itertools import pairwise

import numpy as np
import pytest

from wattline.core.counter import steps
from wattline.drivers.sim.driver import Rack, Sim, SimConfig, truth
from wattline.errors import Misconfigured
from wattline.plugin import Column, Url

SECOND = 10**9
NOW = 1_795_184_315 * SECOND


async def frames_of(config, *nows):
    driver = Sim(config)
    await driver.open()
    return [frame for now in nows for frame in await driver.read(now)]


@pytest.mark.parametrize(
    "options",
    [{}, {"frames": 50}, {"gaps": 300}, {"wrap": 500}, {"jitter": 0.01}, {"servers": 7, "pdus": 3, "seed": 5}],
    ids=str,
)
async def test_every_value_is_the_truth(options):
    config = SimConfig(**options)
    frames = await frames_of(config, NOW, NOW + SECOND, NOW + 3 * SECOND)
    jobs = Rack(config).job_names
    assert frames
    for frame in frames:
        assert frame.values.shape == (len(frame.time), len(frame.layout))
        assert (frame.time % 1000 == 0).all(), "stamps are whole microseconds"
        for column, series in enumerate(frame.layout.series):
            expected = truth(series.device, series.metric.name, frame.time, config)
            given = frame.values[:, column]
            there = ~np.isnan(expected)
            if frame.present is None:
                assert there.all()
            else:
                assert (frame.present[:, column] == there).all()
            if column in frame.texts:
                named = [frame.texts[column][int(i)] for i in given[there]]
                assert named == [jobs[int(i)] for i in expected[there]]
            else:
                assert (given[there] == expected[there]).all()


async def test_frames_fill_the_time_between_readings_and_none_before():
    driver = Sim(SimConfig(frames=50))
    await driver.open()
    first = await driver.read(NOW)
    assert {tuple(frame.time.tolist()) for frame in first} == {(NOW,)}
    second = await driver.read(NOW + SECOND)
    between = range(NOW + SECOND // 50, NOW + SECOND + 1, SECOND // 50)
    assert {tuple(frame.time.tolist()) for frame in second} == {tuple(between)}
    back = await driver.read(NOW - 5 * SECOND)
    assert {tuple(frame.time.tolist()) for frame in back} == {(NOW - 5 * SECOND,)}


def test_energy_is_the_integral_of_power_to_the_microjoule():
    rack = Rack(SimConfig(servers=5))
    start, seconds = NOW - 600_000 * SECOND, 4000
    time = start + np.arange(seconds, dtype=np.int64) * SECOND
    for device in (rack.pdu(0), rack.pdu(1), rack.outlet(4), "sim-rack/server-02"):
        metric = "power_watts"
        kind, behind = rack.behind(device)
        tenths = rack.tenths_of_watts(time)[:, behind.start : behind.stop].sum(axis=1)
        own = 60 if kind == "pdu" else 0
        watts = (tenths + own).astype(object)
        assert rack.microjoules(device, start, start + seconds * SECOND) == int(watts.sum()) * 100_000
        if kind != "server":
            assert (rack.values(device, metric, time) == watts / 10).all()


def test_adjacent_windows_add_up_across_the_week():
    rack = Rack(SimConfig(servers=3, pdus=1))
    edges = [NOW, NOW + 1, NOW + 3 * SECOND + 7_000, NOW + 700_000 * SECOND, NOW + 2_000_000 * SECOND]
    parts = [rack.microjoules("sim-rack", a, b) for a, b in pairwise(edges)]
    assert abs(sum(parts) - rack.microjoules("sim-rack", edges[0], edges[-1])) <= len(parts)
    one_week = 7 * 86_400 * SECOND
    assert rack.microjoules("sim-rack", NOW, NOW + one_week) == rack.microjoules("sim-rack", 0, one_week)


def test_a_register_is_the_exact_energy_modulo_its_range():
    config = SimConfig(wrap=1000.0)
    rack = Rack(config)
    time = NOW + np.arange(0, 3000, dtype=np.int64) * 333_333_000
    register = rack.values("sim-rack/pdu-1/outlet-2", "energy_joules", time)
    assert register.max() < 1000.0
    assert np.count_nonzero(np.diff(register) < 0) >= 50, "it wraps"
    steps = np.diff(np.rint(register * 10).astype(np.int64)) % 10_000
    for a, b, step in zip(time[:50], time[1:], steps, strict=False):
        assert abs(rack.microjoules("sim-rack/pdu-1/outlet-2", int(a), int(b)) - int(step) * 100_000) <= 100_000


def test_wraps_and_known_gaps_lose_no_energy():
    config = SimConfig(wrap=200_000.0, gaps=30)
    rack = Rack(config)
    time = NOW + np.arange(3 * 3600, dtype=np.int64) * SECOND
    for device in ("sim-rack/pdu-1/outlet-2", "sim-rack/pdu-2"):
        register = truth(device, "energy_joules", time, config)
        there = ~np.isnan(register)
        assert not there.all()
        column = Column(range=200_000.0, resolution=0.1, rated=4000.0)
        found = steps(time[there], register[there], column)
        assert not found.broken.any()
        first, last = int(time[there][0]), int(time[there][-1])
        assert abs(int(found.energy.sum()) - rack.microjoules(device, first, last)) <= 100_000


def test_a_pdu_measures_what_its_outlets_measure_and_its_own():
    rack = Rack(SimConfig(servers=9, pdus=2))
    time = NOW + np.arange(100, dtype=np.int64) * SECOND
    for k in range(2):
        outlets = sum(rack.values(rack.outlet(i), "power_watts", time) for i in rack.fed_by(k))
        assert np.allclose(rack.values(rack.pdu(k), "power_watts", time), outlets + 6.0, rtol=0, atol=1e-9)


async def test_nothing_is_counted_twice():
    driver = Sim(SimConfig(servers=5))
    devices = {device.name: device for layout in await driver.open() for device in layout.devices}
    assert devices["sim-rack/server-05"].parent == "sim-rack/pdu-2/outlet-2"
    assert devices["sim-rack/pdu-2/outlet-2"].parent == "sim-rack/pdu-2"
    assert devices["sim-rack/pdu-2"].parent == "sim-rack"
    assert devices["sim-rack"].parent is None


async def test_power_stays_within_what_its_column_says():
    driver = Sim(SimConfig())
    time = NOW + np.arange(0, 7 * 86_400, 60, dtype=np.int64) * SECOND
    rack = Rack(SimConfig())
    for layout in await driver.open():
        for series, column in zip(layout.series, layout.columns, strict=True):
            if series.metric.name == "power_watts":
                watts = rack.values(series.device, "power_watts", time)
                assert column.rated is not None
                assert column.floor * 0.99 <= watts.min() <= watts.max() <= column.rated * 1.01


def test_the_week_is_lively():
    rack = Rack(SimConfig())
    time = NOW + np.arange(0, 7 * 86_400, 60, dtype=np.int64) * SECOND
    site = rack.tenths_of_watts(time).sum(axis=1) / 10
    assert site.max() > 1.5 * site.min()
    assert 0.05 < (rack.jobs(time) == 0).mean() < 0.7, "some servers are idle, most are not"
    assert len(np.unique(rack.jobs(time))) > 100


def test_gaps_are_where_they_are_said_to_be():
    rack = Rack(SimConfig(gaps=60))
    time = NOW + np.arange(0, 6000, dtype=np.int64) * SECOND
    for device in ("sim-rack/pdu-1", "sim-rack/server-16"):
        assert np.count_nonzero(rack.silent(device, time)) == pytest.approx(600, abs=1)


def test_an_address_names_the_rack():
    config = SimConfig.from_url(Url.parse("sim://row-7?servers=4&pdus=1&seed=3"))
    assert Rack(config).server(3) == "sim-row-7/server-04"
    with pytest.raises(Misconfigured, match="server_count"):
        SimConfig.from_url(Url.parse("sim://rack?server_count=4"))


@pytest.mark.parametrize("device", ["sim-rack/server-17", "sim-rack/pdu-0", "sim-rack/pdu-1/outlet-9", "elsewhere"])
def test_what_is_not_in_the_rack_is_refused(device):
    with pytest.raises(Misconfigured, match="no device"):
        truth(device, "power_watts", np.array([NOW]), SimConfig())


async def test_more_pdus_than_servers_are_refused():
    with pytest.raises(Misconfigured, match="only 2 servers"):
        await Sim(SimConfig(servers=2, pdus=3)).open()

"""Wattmeters: means and full rate, mappings, bad frames, and every kind of source with its own end."""

import asyncio
import os
import shutil
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.core.address import Url
from wattline.drivers.wattmetre.config import WattmetreConfig
from wattline.drivers.wattmetre.driver import Wattmetre
from wattline.drivers.wattmetre.rows import Reader
from wattline.drivers.wattmetre.seconds import Seconds
from wattline.errors import Gone, Malformed, Misconfigured, Unreachable
from wattline.plugin import nothing_promoted
from wattline.testing.driver_suite import DriverSuite, check_frame
from wattline.wire.text_stream import LONGEST, TextStream

BEGIN = 1_795_179_600
SECOND = 1_000_000_000


def second(n, ports=4, *, frames=50, at=BEGIN, watts=lambda port, i: 100.0 * port + i):
    """Lines of version 2 of one second, `n` seconds after the beginning."""
    return [
        f"12,0,{at + n}.{i * 1_000_000 // frames:06d},OK,"
        + ",".join(f"{watts(port, i):.1f}" for port in range(ports))
        for i in range(frames)
    ]  # fmt: skip


def third(stamp, pairs, good="true"):
    return f"{stamp},{good},231.1,232.2,233.3," + ",".join(f"{a},{w}" for a, w in pairs)


def seconds_of(promoted=nothing_promoted, nodes=None, **options):
    config = WattmetreConfig(**options)
    return Seconds(
        config, Reader(config.version, config.tail, electrical=config.electrical), nodes or {}, promoted
    )  # fmt: skip


def fed(seconds, lines):
    """Frames of lines, the last second included."""
    frames = [frame for line in lines for frame in seconds.take(line.encode())]
    frames += seconds.flush()
    for frame in frames:
        check_frame(frame, Wattmetre.metrics)
    return frames


def table(frames):
    """(device, metric) -> [(time, value)] of what is there."""
    told = {}
    for frame in frames:
        values = np.atleast_2d(frame.values)
        present = np.ones(values.shape, bool) if frame.present is None else np.atleast_2d(frame.present)
        for row, time in enumerate(np.atleast_1d(frame.time).tolist()):
            for place, series in enumerate(frame.layout.series):
                if present[row, place]:
                    told.setdefault((series.device, series.metric.name), []).append((time, values[row, place]))
    return told


async def read_all(driver):
    """All that a driver says until it raises, and what it raised."""
    frames = []
    try:
        await driver.open()
        async for some in driver.stream():
            frames += some
    except (Gone, Unreachable, Malformed) as error:
        return frames, error
    finally:
        await driver.close()
    raise AssertionError("a stream of text ends with an error that says why")


class TestContract(DriverSuite):
    @pytest.fixture
    def driver(self):
        return Wattmetre

    @pytest.fixture
    def working(self, tmp_path):
        path = tmp_path / "frames.csv"
        path.write_text("\n".join(line for n in range(5) for line in second(n)))
        return WattmetreConfig(path=str(path))

    @pytest.fixture
    def dead(self, tmp_path):
        return WattmetreConfig(path=str(tmp_path / "nothing"))


# --- what is stored ---


def test_a_port_is_one_mean_a_second_stamped_at_its_start():
    frames = fed(seconds_of(), [line for n in range(3) for line in second(n)])
    told = table(frames)
    assert told["wattmetre-port2", "power_watts"] == [((BEGIN + n) * SECOND, 224.5) for n in range(3)]
    assert [len(told[f"wattmetre-port{port}", "power_watts"]) for port in range(4)] == [3] * 4
    column = frames[0].layout.columns[0]
    assert (column.period, column.window) == (1.0, 1.0)


def test_a_promoted_node_has_every_frame_of_its_ports_and_only_these():
    nodes = {"wattmetre-port1": ("node-1",), "wattmetre-port3": ("node-1",)}
    wanted = {"node-1"}
    asked = []

    def promoted(metrics, devices):
        asked.append(tuple(metrics))
        return "wattmetre_power_watt" in asked[-1] and not wanted.isdisjoint(devices)

    seconds = seconds_of(promoted, nodes)
    told = table(fed(seconds, second(0)))
    assert [len(told[f"wattmetre-port{port}", "power_watts"]) for port in range(4)] == [1, 50, 1, 50]
    assert told["wattmetre-port1", "power_watts"][:2] == [(BEGIN * SECOND, 100), (BEGIN * SECOND + 20_000_000, 101)]
    wanted.clear()
    told = table(fed(seconds, second(1)))
    assert [len(told[f"wattmetre-port{port}", "power_watts"]) for port in range(4)] == [1, 1, 1, 1]
    assert len(asked) == 8, "a promotion is looked for once a second and port"


def test_a_series_is_the_same_at_both_rates():
    seconds = seconds_of(lambda _, devices: "wattmetre-port0" in devices)
    [mean, full] = fed(seconds, second(0, ports=2))
    [other] = fed(seconds_of(), second(0, ports=2))
    assert full.layout.series[0] == other.layout.series[0]
    assert full.layout.columns[0].period == 0.02
    assert mean.layout.series[0].device == "wattmetre-port1"


def test_power_may_be_called_as_kwollect_does():
    frames = fed(seconds_of(metric="wattmetre_power_watt", device="w2"), [])
    assert not frames
    seconds = seconds_of(metric="wattmetre_power_watt", device="w2")
    for line in second(0):
        seconds.take(line.encode())
    [frame] = seconds.flush()
    assert frame.layout.series[0].device == "w2-port0"
    assert frame.layout.series[0].metric.name == "wattmetre_power_watt"


def test_what_is_not_there_is_absent_and_what_is_not_ok_is_skipped():
    lines = [
        f"0,0,{BEGIN}.000000,OK,10,,nan,40",
        f"0,0,{BEGIN}.020000,KO,99,99,99,99",
        f"0,0,{BEGIN}.040000,OK,20,,30,inf",
        "",
        "full of eels",
        f"0,0,{BEGIN}.060000,OK,1,2,3",  # cut
        f"0,0,{BEGIN + 1}.000000,OK,,,,",
    ]
    frames = fed(seconds_of(), lines)
    told = table(frames)
    assert told["wattmetre-port0", "power_watts"] == [(BEGIN * SECOND, 15)]
    assert ("wattmetre-port1", "power_watts") not in told
    assert told["wattmetre-port2", "power_watts"] == [(BEGIN * SECOND, 30)]
    assert told["wattmetre-port3", "power_watts"] == [(BEGIN * SECOND, 40)]
    assert told["wattmetre", "refused_frames_total"][-1][1] == 3


def test_seconds_that_are_left_out_are_counted():
    told = table(fed(seconds_of(), second(0) + second(4) + second(5)))
    assert [value for _, value in told["wattmetre", "lost_seconds_total"]] == [0, 3, 3]
    told = table(fed(seconds_of(), second(4) + second(0)))
    assert [value for _, value in told["wattmetre", "lost_seconds_total"]] == [0, 0], "a clock that was set back"


def test_another_number_of_ports_is_a_change_when_it_stays():
    told = table(fed(seconds_of(), second(0, 4) + second(1, 6)))
    assert told["wattmetre-port5", "power_watts"] == [((BEGIN + 1) * SECOND, pytest.approx(525.0, abs=1))]


def test_version_three_leaves_the_head_module_out():
    pairs = [(0.1, 10), (0.2, 20)]
    head = [(1, 100), (2, 200), (3, 300)]
    lines = ["#timestamp,ok,u1,u2,u3", third(f"{BEGIN}.123456789", pairs + head)]
    lines += [third(f"{BEGIN}.5", pairs + head, "false"), third(f"{BEGIN}.6", pairs + head) + ",7"]
    frames = fed(seconds_of(version=3), lines)
    told = table(frames)
    assert {device for device, metric in told if metric == "power_watts"} == {"wattmetre-port0", "wattmetre-port1"}
    assert told["wattmetre-port1", "power_watts"] == [(BEGIN * SECOND, 20)]
    assert told["wattmetre", "refused_frames_total"][0][1] == 2
    assert len({d for d, m in table(fed(seconds_of(version=3, tail=0), lines)) if m == "power_watts"}) == 5


def test_version_three_tells_volts_and_amperes_where_they_are_wanted():
    line = third(f"{BEGIN}.123456789", [(0.1, 10), (0.2, 20)])
    seconds = seconds_of(lambda metrics, _: "current_amperes" in metrics, version=3, tail=0, electrical=True)
    mean, full = fed(seconds, [line])
    assert mean.layout.series[2].label_values() == {"phase": "1"}
    assert mean.values.tolist()[:5] == [10, 20, 231.1, 232.2, 233.3]
    assert full.values.tolist() == [[0.1, 0.2]]
    assert full.time.tolist() == [BEGIN * SECOND + 123_456_000]
    assert full.layout.columns[0].period == 0.01


# --- who draws from which port ---


def parents(frames):
    return {device.name: dict(device.parents) for frame in frames for device in frame.layout.devices}


def test_a_node_on_two_ports_has_two_feeds():
    frames = fed(seconds_of(nodes={"wattmetre-port0": ("n",), "wattmetre-port1": ("n",)}), second(0))
    assert parents(frames)["n"] == {"1": "wattmetre-port0", "2": "wattmetre-port1"}
    assert frames[0].layout.series[0].label_values() == {"_device_alias": "n"}
    assert frames[0].layout.series[2].label_values() == {}


def test_nodes_on_one_port_are_a_group_or_share_it():
    nodes = {"wattmetre-port1": ("n1", "n2")}
    frames = fed(seconds_of(nodes=nodes), second(0, ports=2))
    assert frames[0].layout.series[1].label_values() == {"_device_alias": "n1+n2"}
    assert parents(frames)["n1"] == parents(frames)["n2"] == {"": "wattmetre-port1"}
    frames = fed(seconds_of(nodes=nodes, shared="share"), second(0, ports=2))
    told = table(frames)
    assert told["wattmetre-port1", "power_watts"] == [(BEGIN * SECOND, 124.5)]
    assert told["wattmetre-port1/n2", "power_watts"] == [(BEGIN * SECOND, 62.25)]
    estimates = {s.device: c.estimate for s, c in zip(frames[0].layout.series, frames[0].layout.columns, strict=True)}
    assert estimates["wattmetre-port1/n2"] == "equal share of 2 nodes on one port"
    assert not estimates["wattmetre-port1"]
    above = parents(frames)
    assert above["n2"] == {"": "wattmetre-port1/n2"}
    assert above["wattmetre-port1/n2"] == {"": "wattmetre-port1"}


async def test_the_mapping_is_a_file_of_nodes(tmp_path):
    source, mapping = tmp_path / "frames.csv", tmp_path / "map.yaml"
    source.write_text("\n".join(second(0)))
    mapping.write_text("taurus-1: [wattmetre-port0, wattmetre-port1]\ntaurus-2: wattmetre-port1\nother: [w9-port0]\n")
    frames, _ = await read_all(Wattmetre(WattmetreConfig(path=str(source), mapping=str(mapping))))
    labels = [series.label_values().get("_device_alias") for series in frames[0].layout.series]
    assert labels[:3] == ["taurus-1", "taurus-1+taurus-2", None]


@pytest.mark.parametrize(
    ("text", "says"),
    [("a: [", "is no YAML"), ("- a", "has no lines of the form"), ("a: {b: 1}", "a needs a list"),
     ("a: [1]", "a needs a list"), (None, "cannot be read")],
)  # fmt: skip
async def test_a_mapping_that_is_none_says_so(tmp_path, text, says):
    if text is not None:
        (tmp_path / "map").write_text(text)
    driver = Wattmetre(WattmetreConfig(mapping=str(tmp_path / "map")))
    with pytest.raises(Misconfigured, match=says):
        await driver.open()
    await driver.close()


# --- where lines come from ---


async def test_a_file_ends_with_its_last_second(tmp_path):
    path = tmp_path / "frames.csv"
    path.write_text("\n".join(second(0) + second(1)[:7]))  # cut off in the middle, and without the end of a line
    frames, error = await read_all(Wattmetre(WattmetreConfig(path=str(path))))
    assert isinstance(error, Gone)
    assert [value for _, value in table(frames)["wattmetre-port0", "power_watts"]] == [24.5, 3.0]


async def test_a_program_is_started_and_its_end_is_no_end_for_ever(tmp_path):
    script = tmp_path / "reader.py"
    script.write_text(f"print({chr(10).join(second(0))!r})")
    driver = Wattmetre(WattmetreConfig(command=f"{sys.executable} {script}"))
    for _ in range(2):
        frames, error = await read_all(driver)
        assert len(table(frames)["wattmetre-port0", "power_watts"]) == 1
        assert isinstance(error, Unreachable)
    with pytest.raises(Misconfigured, match="cannot be started: No such file"):
        await Wattmetre(WattmetreConfig(command="no-such-program 42")).open()


async def test_a_program_that_runs_is_ended():
    driver = Wattmetre(WattmetreConfig(command=f"{shutil.which('sleep')} 600"))
    await driver.open()
    pid = driver._text._program.pid
    await driver.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_fifo_waits_for_its_writer_and_outlives_it(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    driver = Wattmetre(WattmetreConfig(path=str(fifo), wait=20))
    for n in range(2):
        reading = asyncio.create_task(read_all(driver))
        await asyncio.sleep(0)
        await asyncio.to_thread(fifo.write_text, "\n".join(second(n)) + "\n")
        frames, error = await reading
        assert len(table(frames)["wattmetre-port0", "power_watts"]) == 1
        assert isinstance(error, Unreachable)


async def test_silence_is_unreachable_and_a_line_without_end_malformed(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    text = TextStream(str(fifo), wait=0.2)
    await text.open()
    with pytest.raises(Unreachable, match="said nothing"):
        await text.lines()
    await text.close()
    (tmp_path / "long").write_bytes(b"x" * 3 * LONGEST)
    _, error = await read_all(Wattmetre(WattmetreConfig(path=str(tmp_path / "long"))))
    assert isinstance(error, Malformed)
    assert "no end of a line" in str(error)


@pytest.mark.parametrize(
    ("address", "path", "command"),
    [
        ("wattmetre://-", "-", ""),
        ("wattmetre:///run/omegawatt.fifo", "/run/omegawatt.fifo", ""),
        ("wattmetre://?command=wattmetre-read+/dev/ttyUSB0+42+20", "-", "wattmetre-read /dev/ttyUSB0 42 20"),
    ],
)
def test_an_address_names_the_source(address, path, command):
    config = WattmetreConfig.from_url(Url.parse(address))
    assert (config.path, config.command) == (path, command)


@settings(deadline=None)
@given(
    lines=st.lists(
        st.binary(max_size=60)
        | st.sampled_from(
            [b"0,0,1.5,OK,1,2", b"0,0,2,OK,1e400,_", b"0,0,99999999999,OK,1", b"9999999999,true,1,1,1,1,1,1,1,1,1,1,1"]
        )
    )
)
@pytest.mark.parametrize("version", [2, 3])
def test_any_lines_give_frames_or_nothing(version, lines):
    seconds = seconds_of(version=version, electrical=True)
    for line in lines:
        for frame in seconds.take(line):
            check_frame(frame, Wattmetre.metrics)
    for frame in seconds.flush():
        check_frame(frame, Wattmetre.metrics)

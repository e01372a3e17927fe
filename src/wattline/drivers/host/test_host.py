"""The host's use is handed out to the tick, its power is an estimate that says so, and descriptors follow processes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.drivers.host.driver import Host, HostConfig
from wattline.drivers.host.estimate import draw_line
from wattline.drivers.host.top import Top
from wattline.errors import Malformed, Misconfigured
from wattline.plugin import Point, Url
from wattline.testing.powercap import Powercap
from wattline.wire.procfs import Proc, Use, parse_name, parse_processors, parse_use

LINE = "{pid} ({name}) R 1 1 1 0 -1 4194304 101 0 0 0 {user} {system} 0 0 20 0 1 0 {start} 2998272 395 184467440737"
SPIN = "import os\nprint(flush=True)\nwhile True: os.getpid()"


class FakeProc:
    """A /proc of files: ticks of processors and processes are what the test says."""

    def __init__(self, root):
        self.root = root
        self.processors(0, 0)

    def processors(self, busy, idle, count=4):
        lines = [
            f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0",
            *(f"cpu{i} 0 0 0 0" for i in range(count)),
            "intr 1 2 3",
            "ctxt 7",
        ]
        (self.root / "stat").write_text("\n".join(lines) + "\n")

    def runs(self, pid, name, user, system=0, start=100):
        folder = self.root / str(pid)
        folder.mkdir(exist_ok=True)
        (folder / "stat").write_text(LINE.format(pid=pid, name=name, user=user, system=system, start=start) + "\n")

    def ends(self, pid):
        (self.root / str(pid) / "stat").unlink()
        (self.root / str(pid)).rmdir()


@pytest.fixture
def fake(tmp_path):
    return FakeProc(tmp_path)


def host(fake, **options):
    options = {"top": 2, "power": "always", "idle_watts": 100.0, "full_watts": 300.0} | options
    return Host(HostConfig(path=str(fake.root), device="node", **options))


def told(frame):
    """What a frame says, by device and metric, texts as texts."""
    said = {}
    for i, series in enumerate(frame.layout.series):
        value = frame.texts[i][int(frame.values[i])] if i in frame.texts else frame.values[i]
        said[series.device.removeprefix("node/"), series.metric.name] = value
    return said


async def test_use_is_handed_out_to_the_tick_and_the_milliwatt(fake):
    fake.processors(1000, 3000)
    for pid, name in ((10, "busy"), (11, "less"), (12, "least")):
        fake.runs(pid, name, 500)
    driver = host(fake)
    await driver.open()
    fake.processors(1000 + 200, 3000 + 200)
    fake.runs(10, "busy", 500 + 80, 20)
    fake.runs(11, "less", 500 + 30)
    fake.runs(12, "least", 500 + 29)
    [frame] = await driver.read(0)
    said = told(frame)
    assert said["node", "cpu_ratio"] == 0.5
    assert (said["top-01", "occupant"], said["top-01", "cpu_ratio"]) == ("busy 10", 0.25)
    assert (said["top-02", "occupant"], said["top-02", "cpu_ratio"]) == ("less 11", 0.075)
    assert said["rest", "cpu_ratio"] == 70 / 400
    assert said["node", "power_watts"] == 200.0
    assert (said["top-01", "power_watts"], said["top-02", "power_watts"]) == (50.0, 15.0)
    assert said["rest", "power_watts"] == 135.0
    await driver.close()


async def test_a_process_keeps_its_slot_and_an_empty_one_uses_nothing(fake):
    fake.runs(10, "a", 0)
    fake.runs(11, "b", 0)
    driver = host(fake)
    await driver.open()
    occupants = []
    for turn, (a, b) in enumerate([(50, 10), (60, 90), (60, 190), (61, 191)], start=1):
        fake.processors(100 * turn, 100 * turn)
        fake.runs(10, "a", a)
        fake.runs(11, "b", b)
        said = told((await driver.read(0))[0])
        occupants.append((said["top-01", "occupant"], said["top-02", "occupant"]))
        assert said["top-01", "cpu_ratio"] > 0 or said["top-01", "occupant"] == ""
    assert occupants == [("a 10", "b 11"), ("a 10", "b 11"), ("", "b 11"), ("a 10", "b 11")]
    await driver.close()


async def test_a_process_that_lives_for_an_instant_is_in_the_rest(fake):
    driver = host(fake)
    await driver.open()
    fake.processors(100, 100)
    fake.runs(77, "cc1", 90)
    said = told((await driver.read(0))[0])
    assert said["top-01", "occupant"] == ""
    assert said["rest", "cpu_ratio"] == 0.5
    fake.processors(200, 200)
    fake.runs(77, "cc1", 100)
    said = told((await driver.read(0))[0])
    assert (said["top-01", "occupant"], said["top-01", "cpu_ratio"]) == ("cc1 77", 10 / 200)
    await driver.close()


async def test_processes_that_show_more_than_the_host_share_what_it_shows(fake):
    fake.runs(10, "a", 0)
    fake.runs(11, "b", 0)
    driver = host(fake)
    await driver.open()
    fake.processors(10, 90)
    fake.runs(10, "a", 9)
    fake.runs(11, "b", 9)
    said = told((await driver.read(0))[0])
    assert said["top-01", "cpu_ratio"] == said["top-02", "cpu_ratio"] == 0.05
    assert said["rest", "cpu_ratio"] == 0.0
    await driver.close()


async def test_no_tick_means_no_answer_and_nothing_is_lost(fake):
    fake.runs(10, "a", 0)
    driver = host(fake)
    await driver.open()
    fake.runs(10, "a", 40)
    assert await driver.read(0) == []
    fake.processors(50, 50)
    assert told((await driver.read(0))[0])["top-01", "cpu_ratio"] == 0.4
    await driver.close()


async def test_every_estimate_says_so_and_how(fake):
    for options in ({}, {"idle_watts": None, "full_watts": None}):
        driver = host(fake, **options)
        [layout] = await driver.open()
        await driver.close()
        power = [c for s, c in zip(layout.series, layout.columns, strict=True) if s.metric.name == "power_watts"]
        assert len(power) == 4
        assert all(column.point is Point.ESTIMATE and "processor time" in column.estimate for column in power)
        assert all(column.accuracy for column in power)
    assert "Cloud Carbon Footprint" in power[0].estimate
    assert (power[0].floor, power[0].rated) == (0.43 * 4, 8.61 * 4)


async def test_nothing_is_estimated_where_it_is_measured(fake, tmp_path_factory):
    tree = Powercap(tmp_path_factory.mktemp("powercap"))
    driver = host(fake, power="auto", powercap=str(tree.root))
    [layout] = await driver.open()
    assert "power_watts" not in {series.metric.name for series in layout.series}
    fake.processors(10, 10)
    [frame] = await driver.read(0)
    assert len(frame.values) == len(layout)
    await driver.close()
    driver = host(fake, power="auto", powercap=str(tree.root / "nowhere"))
    [layout] = await driver.open()
    assert "power_watts" in {series.metric.name for series in layout.series}
    await driver.close()


async def test_parts_belong_to_the_host(fake):
    driver = host(fake)
    [layout] = await driver.open()
    assert {d.name: d.parent for d in layout.devices} == {
        "node": None, "node/top-01": "node", "node/top-02": "node", "node/rest": "node",
    }  # fmt: skip
    await driver.close()


@pytest.mark.parametrize(
    ("idle", "full", "says"),
    [
        (10.0, None, "belong together"),
        (None, 10.0, "belong together"),
        (20.0, 10.0, "must be less"),
        (-1.0, 5.0, "less"),
    ],
)
def test_a_line_that_is_none_is_refused(idle, full, says):
    with pytest.raises(Misconfigured, match=says):
        draw_line(idle, full, 4)


def test_the_line_covers_both_its_ends():
    line = draw_line(100.0, 300.0, 4)
    half = line.milliwatts(1, 2) / 1000
    assert half * (1 - line.accuracy) <= 100.0
    assert half * (1 + line.accuracy) >= 300.0
    assert (line.milliwatts(0, 7), line.milliwatts(7, 7), line.share(0, 7)) == (100_000, 300_000, 0)


async def test_a_folder_that_is_no_proc_is_refused(tmp_path):
    driver = Host(HostConfig(path=str(tmp_path)))
    with pytest.raises(Misconfigured, match="is no /proc of Linux"):
        await driver.open()
    await driver.close()


async def test_a_stat_that_means_nothing_drops_the_answer(fake):
    driver = host(fake)
    await driver.open()
    (fake.root / "stat").write_text("gibberish")
    with pytest.raises(Malformed, match="does not begin"):
        await driver.read(0)
    await driver.close()


@pytest.fixture
def worker():
    with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as spinning:
        spinning.stdout.readline()
        yield spinning
        spinning.kill()


async def test_a_process_at_work_is_found_on_this_host(worker):
    driver = Host(HostConfig(top=20))
    try:
        await driver.open()
        async with asyncio.timeout(20):
            while True:
                said = {(s.rpartition("/")[2], m): v for (s, m), v in told_of(await driver.read(0)).items()}
                slots = [k for (k, m), v in said.items() if m == "occupant" and v.endswith(f" {worker.pid}")]
                if slots and said[slots[0], "cpu_ratio"] > 0:
                    break
                await asyncio.sleep(0.05)
    finally:
        await driver.close()


def told_of(frames):
    return {key: value for frame in frames for key, value in told(frame).items()}


def test_a_descriptor_never_books_on_another_process():
    first = subprocess.Popen(["sleep", "600"])
    proc = Proc()
    try:
        assert any(use.pid == os.getpid() for part in proc.sweep() for use in part)
        assert str(first.pid) in proc._kept
        first.send_signal(signal.SIGKILL)
        first.wait()
        for _ in proc.sweep():
            pass
        assert str(first.pid) not in proc._kept, "the descriptor of a process that has ended is closed"
    finally:
        first.kill()
        proc.close()


@pytest.mark.parametrize("keep", [0, 100])
def test_a_number_that_comes_again_is_another_process(fake, keep):
    fake.runs(10, "old", 1000, start=5)
    proc = Proc(fake.root, keep=keep)
    assert [use for part in proc.sweep() for use in part] == [Use(10, "old", 1000, fresh=True)]
    if keep:
        fake.ends(10)
        assert [use for part in proc.sweep() for use in part] == []
    fake.runs(10, "new", 7, start=99)
    assert [use for part in proc.sweep() for use in part] == [Use(10, "new", 7, fresh=True)]
    fake.runs(10, "new", 9, start=99)
    assert [use for part in proc.sweep() for use in part] == [Use(10, "new", 2, fresh=False)]
    proc.close()


def test_descriptors_are_bounded(fake):
    before = len(os.listdir("/proc/self/fd"))
    for pid in range(1, 40):
        fake.runs(pid, "p", pid)
    proc = Proc(fake.root, keep=10)
    assert sum(len(part) for part in proc.sweep()) == 39
    assert len(os.listdir("/proc/self/fd")) == before + 2 + 10
    proc.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_names_with_brackets_spaces_and_escapes_are_read():
    text = LINE.format(pid=5, name="a) R (b \x1b[2J", user=3, system=4, start=1).encode()
    assert parse_use(text) == 7
    assert parse_name(text) == "a) R (b ?[2J"


def test_waiting_and_stolen_time_is_not_busy():
    text = b"cpu  10 20 30 400 50 6 7 80 9 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 5\n"
    assert parse_processors(text) == (73, 603, 2)
    with pytest.raises(ValueError, match="does not begin"):
        parse_processors(b"")


@given(st.binary(max_size=200))
def test_no_text_of_the_kernel_breaks_the_reading(text):
    for start in (b"", b"cpu ", b"cpu  1 2 3 4 5\n", b"7 (a) R "):
        with contextlib.suppress(ValueError):
            assert parse_processors(start + text).online >= 1
        with contextlib.suppress(ValueError, IndexError):
            assert isinstance(parse_use(start + text), int)


def test_a_process_cut_short_is_passed_over(fake):
    fake.runs(10, "whole", 5)
    fake.runs(11, "cut", 5)
    (fake.root / "11/stat").write_text("11 (cut) R 1 1")
    (fake.root / "12").mkdir()
    proc = Proc(fake.root)
    assert [use.pid for part in proc.sweep() for use in part] == [10]
    proc.close()


def test_slots_change_as_little_as_can_be():
    top = Top(3)

    def occupants(**ticks):
        return [s.occupant for s in top.fill(Use(int(k[1:]), k[0], v, fresh=False) for k, v in ticks.items())]

    assert occupants(a1=5, b2=9, c3=7, d4=1) == ["b 2", "c 3", "a 1"]
    assert occupants(a1=5, b2=1, c3=7, d4=8) == ["d 4", "c 3", "a 1"]
    assert occupants(c3=1) == ["", "c 3", ""]


def test_an_address_gives_the_watts():
    config = HostConfig.from_url(Url.parse("host://?idle_watts=95&full_watts=340&top=5"))
    assert (config.idle_watts, config.full_watts, config.top) == (95.0, 340.0, 5)

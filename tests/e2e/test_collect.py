"""`wattline collect`: signals, a reload, its page of figures, standard input, and a sink that takes nothing."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from wattline.testing.collecting import Collecting, ran, samples_of
from wattline.testing.program import free_port

BEGIN = 1_795_179_600
CSV = """\
"Timestamp","TZ","power (W)"
2017/07/17 09:04:00.000,+0200,100
2017/07/17 09:04:00,+05:30,200
2017/07/17 09:04:00,-0500,300
"""


def dummy(name, watts):
    return {"driver": "dummy", "name": name, "device": name, "min": watts, "max": watts, "every": "200ms"}


def put(folder, *meters):
    """Write the file whole, as an editor does."""
    (folder / "site.new").write_text(yaml.safe_dump({"meters": list(meters)}))
    (folder / "site.new").replace(folder / "site.yaml")


def frames(count):
    """Frames of three ports at 50 Hz, one of which has no value."""
    return "".join(f"0,0,{BEGIN + n // 50}.{n % 50 * 2:02d},OK,{n % 50},{100 + n % 50},nan\n" for n in range(count))


def test_a_reload_changes_what_changed_a_bad_one_nothing_and_the_end_is_soon(tmp_path):
    put(tmp_path, dummy("a", 10), dummy("b", 20))
    where = f"127.0.0.1:{free_port()}"
    options = ("--config", "site.yaml", "--sink", "stdout", "--metrics", where)
    with Collecting("wattline", "collect", *options, folder=tmp_path) as program:
        program.wait(lambda: program.samples("a") and program.samples("b"))

        put(tmp_path, dummy("a", 10), dummy("c", 30))
        program.signal(signal.SIGHUP)
        program.wait(lambda: program.values("c", "power_watts")[:2] == [30.0, 30.0])
        b = len(program.samples("b"))

        put(tmp_path, dummy("a", 10), {"driver": "dumy", "name": "d"})
        program.signal(signal.SIGHUP)
        program.wait(lambda: "was not reloaded" in program.said())
        assert "dumy" in program.said()
        seen = len(program.samples("c"))
        program.wait(lambda: len(program.samples("c")) > seen)
        assert len(program.samples("b")) == b

        for n in range(40):  # faster than one of them is done
            put(tmp_path, dummy("a", 10), dummy("c", 30), *[dummy("e", 50 + n)] * (n % 2))
            program.signal(signal.SIGHUP)
        program.wait(lambda: 89.0 in program.values("e", "power_watts"))

        program.signal(signal.SIGUSR1)
        program.wait(lambda: "c dummy://dummy: speaking" in program.said())
        with urllib.request.urlopen(f"http://{where}/metrics", timeout=10) as answer:
            page = answer.read().decode()
        assert 'wattline_meter_up{meter="a"} 1' in page
        assert 'power_watts{device="c"} 30' in page
        seconds = program.stop()
    assert program.ended() == 0
    assert seconds < 5
    times = [one.time for one in program.samples("a", "power_watts")]
    assert max(b - a for a, b in pairwise(times)) < 0.7, "what did not change is not interrupted"


@pytest.mark.parametrize(
    ("program", "options"),
    [
        ("wattline", ("collect", "--wattmetre", "wattmetre.conf", "--sink", "stdout")),
        ("kwollector-wattmetre", ("wattmetre.conf", "--db_password", "the-database", "--sink", "stdout")),
    ],
)
def test_a_wattmeter_on_standard_input_is_read_to_its_end(tmp_path, program, options):
    (tmp_path / "map.yaml").write_text("node-1: [w-port1]\n")
    (tmp_path / "wattmetre.conf").write_text("wattmetre_id: w\nmapping_file_path: map.yaml\n")
    done = ran(program, *options, folder=tmp_path, said=frames(120).encode())
    assert done.returncode == 0, done.stderr.decode()
    told = [(one.device, one.metric, one.time, one.value) for one in samples_of(done.stdout) if one.device != "w"]
    assert told == [
        row
        for second in range(3)
        for row in (
            ("w-port0", "wattmetre_power_watt", BEGIN + second, 24.5 if second < 2 else 9.5),
            ("w-port1", "wattmetre_power_watt", BEGIN + second, 124.5 if second < 2 else 109.5),
        )
    ]
    assert b"the-database" not in done.stderr


def test_a_file_is_deleted_only_when_its_rows_are_safe(tmp_path):
    (tmp_path / "logger").mkdir()
    file = tmp_path / "logger" / "a.csv"
    file.write_text(CSV)
    meter = {"driver": "csvftp", "name": "csv", "device": "csv", "root_dir": str(tmp_path / "logger"), "settle": 0,
             "purge": True, "every": "200ms"}  # fmt: skip
    put(tmp_path, meter)
    command = [str(Path(sys.executable).with_name("wattline")), "collect", "--config", "site.yaml", "--sink", "stdout"]
    with Path("/dev/full").open("wb") as full, (tmp_path / "full.log").open("wb") as log:
        child = subprocess.Popen(command, stdout=full, stderr=log, cwd=tmp_path)
        until = time.monotonic() + 30
        while b"No space left" not in (tmp_path / "full.log").read_bytes() and time.monotonic() < until:
            time.sleep(0.05)
        time_of_polls = time.monotonic() + 1
        while time.monotonic() < time_of_polls:
            assert file.exists()
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        assert child.wait(15) == 0
    assert file.exists(), "nobody has taken its rows"
    with Collecting("wattline", *command[1:], folder=tmp_path) as program:
        program.wait(lambda: not file.exists())
        program.stop()
    assert program.ended() == 0
    assert [(one.time, one.value) for one in program.samples("csv")] == [
        (1500262440, 200), (1500275040, 100), (1500300240, 300),
    ]  # fmt: skip


def test_it_ends_when_its_reader_leaves(tmp_path):
    put(tmp_path, dummy("a", 10))
    command = [str(Path(sys.executable).with_name("wattline")), "collect", "--config", "site.yaml", "--sink", "stdout"]
    ours, theirs = os.pipe()
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(command, stdout=theirs, stderr=log, cwd=tmp_path)
    os.close(theirs)
    assert os.read(ours, 1)
    os.close(ours)
    assert child.wait(30) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "say what to collect"),
        (("--kwapi", "none.conf"), "none.conf"),
        (("--config", "site.yaml", "--sink", "nonesuch"), "there is no sink 'nonesuch'"),
        (("--config", "empty.yaml"), "nothing to read"),
        (("--config", "site.yaml", "--metrics", "9100"), "--metrics"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, options, said):
    put(tmp_path, dummy("a", 10))
    (tmp_path / "empty.yaml").write_text("meters: []\n")
    done = ran("wattline", "collect", *options, folder=tmp_path)
    assert done.returncode in (1, 2)
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()

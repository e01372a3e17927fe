"""`wattline load`, `dump` and `store` as people call them, on the embedded store."""

import contextlib
import os
import subprocess
import sys
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from wattline.cli import wattline as commands
from wattline.errors import WattlineError

T = 1764000000


class Done(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes


def wattline(*arguments, cwd, stdin=b""):
    """Run a command in this process; an error that `main` prints as one line comes back as that line."""
    with contextlib.chdir(cwd):
        result = CliRunner(env={"WATTLINE_DATA": "wattline-data"}).invoke(commands, arguments, input=stdin)
    if isinstance(result.exception, WattlineError):
        return Done(1, result.stdout_bytes, str(result.exception).encode())
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Done(result.exit_code, result.stdout_bytes, result.stderr_bytes)


def wattline_process(*arguments, cwd):
    command = [sys.executable, "-c", "from wattline.cli import main; main()", *arguments]
    environment = {**os.environ, "WATTLINE_DATA": "wattline-data"}
    return subprocess.run(command, cwd=cwd, capture_output=True, timeout=120, check=False, env=environment)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pdu.csv").write_text(
        "time,device,metric,value,labels\n"
        f'2025-11-24T16:00:00Z,rack-1,power_watts,1.5,"{{""feed"": ""A""}}"\n'
        f"{T}.25,rack-1,power_watts,NaN,\n"
        f"{T + 1},node-1,fan_hertz,20,\n"
    )
    loaded = wattline("load", "pdu.csv", "--unit", "power_watts=kW", "--kind", "power_watts=gauge", cwd=tmp_path)
    assert loaded.returncode == 0, loaded.stderr
    assert b"loaded 3 samples of 3 series from 2025-11-24 16:00:00 UTC to 2025-11-24 16:00:01 UTC" in loaded.stdout
    again = wattline("load", "pdu.csv", "--unit", "power_watts=kW", "--kind", "power_watts=gauge", cwd=tmp_path)
    assert b"nothing new: the store had all of 3 samples of 3 series" in again.stdout
    return tmp_path


def test_what_was_loaded_is_dumped(folder):
    dumped = wattline("dump", "-", "--format", "csv", "--plain", cwd=folder)
    assert dumped.stdout.decode().splitlines() == [
        "time,device,metric,value,labels",
        '2025-11-24T16:00:00.000000Z,rack-1,power_watts,1500,"{""feed"":""A""}"',
        "2025-11-24T16:00:00.250000Z,rack-1,power_watts,NaN,{}",
        "2025-11-24T16:00:01.000000Z,node-1,fan_hertz,20,{}",
    ]
    assert b"dumped 3 samples of 3 series" in dumped.stderr


def test_a_part_is_dumped_by_globs_and_times(folder):
    select = (
        "--device",
        "rack-*",
        "--metric",
        "power_*",
        "--start",
        "2025-11-24T17:00:00.1+01:00",
        "--end",
        str(T + 9),
    )
    dumped = wattline("dump", "-", "--format", "ndjson", *select, cwd=folder)
    assert len(dumped.stdout.splitlines()) == 1
    assert b'"value":"NaN","labels":{},"unit":"W","kind":"gauge","run":1}' in dumped.stdout


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv", "a.csv.gz", "a.ndjson", "a.ndjson.zst"])
def test_a_dump_loaded_elsewhere_is_dumped_alike(folder, name):
    for arguments in (("dump", name), ("load", name, "--data", "other"), ("dump", f"again-{name}", "--data", "other")):
        done = wattline(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
    assert (folder / f"again-{name}").read_bytes() == (folder / name).read_bytes()
    assert not list(folder.glob("*.part"))


def test_standard_input_is_loaded(folder):
    text = f"time,device,metric,value\n{T + 5},node-1,fan_hertz,21\n".encode()
    loaded = wattline("load", "-", "--format", "csv", cwd=folder, stdin=text)
    assert b"loaded 1 sample of 1 series" in loaded.stdout


def test_a_bad_file_is_refused_and_nothing_of_it_stored(folder):
    (folder / "bad.csv").write_text(f"time,device,metric,value\n{T},x,y,1\nnoon,x,y,1\n")
    refused = wattline_process("load", "bad.csv", cwd=folder)
    assert refused.returncode == 1
    assert b"row 2: its time is neither ISO 8601 nor a number: 'noon'" in refused.stderr
    assert b"Traceback" not in refused.stderr
    assert wattline("dump", "-", "--format", "csv", "--device", "x", cwd=folder).returncode == 1
    skipped = wattline("load", "bad.csv", "--skip-bad", cwd=folder)
    assert skipped.returncode == 0
    assert b"left out 1 bad row, such as" in skipped.stderr


def test_checking_stores_nothing_and_makes_no_store(folder):
    checked = wattline("load", "pdu.csv", "--check", "--data", "none", cwd=folder)
    assert b"checked 3 samples" in checked.stdout
    assert not (folder / "none").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (("load", "none.csv"), 2, b"does not exist"),
        (("load", "-"), 2, b"say --format"),
        (("load", "pdu.csv", "--unit", "furlong"), 2, b"'furlong' is no unit"),
        (("load", "pdu.csv", "--kind", "m=gage"), 2, b"'gage' is no kind"),
        (("load", "pdu.csv", "--format", "parquet"), 1, b"cannot be read as parquet"),
        (("dump", "pdu.csv"), 2, b"--force replaces it"),
        (("dump", "x.xlsx"), 1, b"no format is known"),
        (("dump", "-", "--format", "csv", "--start", "noon"), 2, b"neither ISO 8601 nor seconds"),
        (("dump", "x.csv", "--data", "nowhere"), 1, b"there is no store in nowhere"),
        (("dump", "nowhere/x.csv"), 1, b"nowhere/x.csv.part: No such file or directory"),
        (("dump", "/dev/full", "--format", "csv"), 1, b"No space left on device"),
        (("new", "driver", "acme", "--folder", "pdu.csv/acme"), 1, b"Not a directory"),
        (("top", "--once", "--address", "ftp://127.0.0.1"), 2, b"begins with http://"),
        (("top", "--once", "--address", "http://127.0.0.1:1"), 1, b"no watts from http://127.0.0.1:1"),
        (("dump", "x.csv", "--device", "moon-*"), 1, b"no such series"),
        (("store", "stats", "--data", "nowhere"), 1, b"there is no store in nowhere"),
    ],
)
def test_a_mistake_has_one_plain_reason(folder, arguments, status, reason):
    done = wattline(*arguments, cwd=folder)
    assert done.returncode == status
    assert reason in done.stderr.replace(b"\n", b" ")
    assert not (folder / "x.csv").exists()


def test_stats_say_what_is_stored(folder):
    stats = wattline("store", "stats", cwd=folder).stdout.decode()
    figures = {line.split()[0]: line.split()[1] for line in stats.splitlines() if len(line.split()) > 1}
    assert figures["samples"] == "3"
    assert figures["series"] == "3"


def test_an_empty_state_in_csv_is_a_state_that_says_nothing(tmp_path):
    rows = (f"{T},top-1,occupant,,{{}},init,state", f"{T + 1},top-1,occupant,,{{}},,state")
    (tmp_path / "slots.csv").write_text("\n".join(["time,device,metric,value,labels,text,kind", *rows]))
    assert wattline("load", "slots.csv", cwd=tmp_path).returncode == 0
    rows = wattline("dump", "-", "--format", "ndjson", cwd=tmp_path).stdout.splitlines()
    assert [b'"text":"init"' in rows[0], b'"text":""' in rows[1]] == [True, True]


def test_a_time_without_offset_is_utc_and_a_date_its_midnight(folder):
    dumps = [
        wattline("dump", "-", "--format", "csv", "--start", start, "--end", end, cwd=folder).stdout
        for start, end in (
            ("2025-11-24T00:00:00Z", "2025-11-24T16:00:01Z"),
            ("2025-11-24", "2025-11-24 16:00:01"),
            ("2025-11-24", "2025-11-24T18:00:01+02:00"),
        )
    ]
    assert dumps[0].count(b"\n") > 1
    assert dumps[1:] == [dumps[0]] * 2

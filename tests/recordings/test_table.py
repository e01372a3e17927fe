"""The comparison of recordings: known values against ours, one of ours for each, with reasons for what is wrong."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import wattline.drivers.snmp
from wattline.errors import Misconfigured
from wattline.testing.recordings.reading import Reading
from wattline.testing.recordings.table import compared, failed, known_of, reasons_of, table
from wattline.testing.replay import ReplayAgent

HEAD = "#class\tindex\tdescr\toid\traw\tmultiplier\tdivisor\tvalue\tflag\n"


def known(tmp_path, *rows):
    (tmp_path / "it.expected.tsv").write_text(HEAD + "".join("\t".join(map(str, row)) + "\n" for row in rows))
    return known_of(tmp_path / "it.snmprec", "it")


def ours(*values):
    return [Reading(f"it/{i}", metric, (), unit, value) for i, (metric, unit, value) in enumerate(values)]


def test_each_of_ours_answers_one_of_theirs(tmp_path):
    rows = [("power", i, f"outlet {i}", f"1.3.{i}", 50, 1, 1, 50, "") for i in (1, 2)]
    lines = compared(known(tmp_path, *rows), ours(("power_watts", "W", 50.0)), ())
    assert [line.ours is not None for line in lines] == [True, False]
    assert failed(lines)


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [
        (("power_consumed", 3.6, 10), ("energy_joules", "J", 12_960_000.0)),
        (("power", 100, 1), ("apparent_power_va", "VA", 100.4)),
        (("humidity", 41, 1), ("humidity_ratio", "1", 0.41)),
        (("power_factor", 94, 1), ("power_factor_ratio", "1", 0.94)),
        (("load", 17.6, 10), ("load_ratio", "1", 0.176)),
        (("temperature", 20.17, 10), ("temperature_celsius", "Cel", 20.16666)),
    ],
)
def test_units_and_counts(tmp_path, theirs, mine):
    kind, value, divisor = theirs
    flag = "!" if kind == "temperature" else ""
    lines = compared(known(tmp_path, (kind, 1, "x", "1.3.1", 0, 1, divisor, value, flag)), ours(mine), ())
    assert not failed(lines)


def test_a_ratio_of_another_kind_is_no_answer(tmp_path):
    lines = compared(
        known(tmp_path, ("load", 1, "x", "1.3.1", 0, 1, 1, 41, "")), ours(("humidity_ratio", "1", 0.41)), ()
    )
    assert failed(lines)


def test_a_wrong_value_is_explained_and_takes_nothing_from_the_right_ones(tmp_path):
    (tmp_path / "why.yaml").write_text("- {file: i*, class: current, object: '1.3.1', value: 0, reason: no input}\n")
    rows = [("current", i, f"line {i}", f"1.3.{i}", 0, 1, 10, 0, "") for i in (1, 2)]
    lines = compared(known(tmp_path, *rows), ours(("current_amperes", "A", 0.0)), reasons_of(tmp_path / "why.yaml"))
    assert not failed(lines)
    text = "\n".join(table(lines, markdown=True))
    assert "| it | current line 1 | 0 | no input |" in text
    assert "current: 1 of 2 matched, 1 explained, 0 unmatched" in text


def test_files_that_are_wrong_are_named(tmp_path):
    (tmp_path / "why.yaml").write_text("- {why: x}\n")
    with pytest.raises(Misconfigured, match=r"why\.yaml"):
        reasons_of(tmp_path / "why.yaml")
    (tmp_path / "it.expected.tsv").write_text("power\t1\n")
    with pytest.raises(Misconfigured, match="no table of known values"):
        known_of(tmp_path / "it.snmprec", "it")


def test_the_program_reads_a_folder():
    [package] = wattline.drivers.snmp.__path__
    done = subprocess.run(
        [sys.executable, "-m", "wattline.testing.recordings", str(Path(package) / "testdata")],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "apc-rpdu2\tpower total\t1230" in done.stdout
    assert "0 unmatched" in done.stdout


def test_a_broken_recording_costs_itself_and_a_folder_that_is_none_is_said(tmp_path):
    [package] = wattline.drivers.snmp.__path__
    for good in (Path(package) / "testdata").glob("apc-rpdu2.*"):
        shutil.copy(good, tmp_path)
    (tmp_path / "gpu.xml").write_text('<?xml version="1.0" ?>\n<nvidia_smi_log>\n<gpu id="0">')
    program = [sys.executable, "-m", "wattline.testing.recordings"]
    done = subprocess.run([*program, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "gpu is left out, it is broken" in done.stderr
    assert "apc-rpdu2\t" in done.stdout
    none = subprocess.run([*program, str(tmp_path / "no")], capture_output=True, text=True, check=False, timeout=60)
    assert none.returncode == 2
    assert "is no folder" in none.stderr


def test_what_snmpwalk_printed_is_an_agent(tmp_path):
    path = tmp_path / "it.snmpwalk"
    path.write_text(
        ".1.3.6.1.2.1.1.1.0 = STRING: Linux it\n  second line\n"
        ".1.3.6.1.2.1.1.2.0 = OID: .1.3.6.1.4.1.8072.3.2.10\n"
        ".1.3.6.1.2.1.1.3.0 = Timeticks: (378496828) 43 days, 19:22:48.28\n"
        '.1.3.6.1.2.1.1.5.0 = STRING: "it"\n'
        ".1.3.6.1.4.1.9.1.0 = INTEGER: up(1)\n"
        ".1.3.6.1.4.1.9.2.0 = 161500\n"
        ".1.3.6.1.4.1.9.3.0 = Hex-STRING: 0A FF\n"
        ".1.3.6.1.4.1.9.4.0 = No more variables left in this MIB View (It is past the end of the MIB tree)\n"
    )
    objects = {".".join(map(str, arcs)): value for arcs, value in ReplayAgent.of(path).objects.items()}
    assert objects["1.3.6.1.2.1.1.1.0"] == (4, b"Linux it\n  second line")
    assert objects["1.3.6.1.2.1.1.3.0"][0] == 67
    assert objects["1.3.6.1.2.1.1.5.0"] == (4, b"it")
    assert objects["1.3.6.1.4.1.9.1.0"] == (2, b"\x01")
    assert objects["1.3.6.1.4.1.9.2.0"][0] == 2
    assert objects["1.3.6.1.4.1.9.3.0"] == (4, b"\x0a\xff")
    assert "1.3.6.1.4.1.9.4.0" not in objects

"""A wattmeter piped into the program: a promoted node at full rate, the rest as means, and an end with the input."""

import json
import subprocess
import sys
from collections import Counter

from wattline.runtime.promotions import FILE
from wattline.testing.program import Program, free_port

BEGIN = 1_795_179_600


def frames(start, count):
    """Frames of four ports at 50 Hz, the first `start` frames after the beginning."""
    for n in range(start, start + count):
        yield f"0,0,{BEGIN + n // 50}.{n % 50 * 2:02d},OK,{n % 50},{100 + n % 50},nan,\n"


def test_what_is_piped_in_is_stored_to_its_end_and_the_program_ends(tmp_path):
    (tmp_path / "map.yaml").write_text("node-1: [wattmetre-port1]\n")
    (tmp_path / "site.yaml").write_text(f"meters: [{{url: 'wattmetre://-', mapping: {tmp_path}/map.yaml}}]\n")
    (tmp_path / "none.yaml").write_text("meters: []\n")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / FILE).write_text(json.dumps([{"device": "node-1", "metric": "wattmetre_power_watt"}]))
    command = [sys.executable, "-m", "wattline", "up", "--config", str(tmp_path / "site.yaml")]
    command += ["--data", str(tmp_path / "store"), "--listen", f"127.0.0.1:{free_port()}"]
    piped = subprocess.run(
        command, input="".join(frames(0, 120)).encode(), capture_output=True, timeout=60, check=False
    )  # fmt: skip
    assert piped.returncode == 0, piped.stderr.decode()
    with Program("--config", str(tmp_path / "none.yaml"), data=tmp_path / "store") as up:
        rows = up.get(f"/api/samples?metric=power_watts&start={BEGIN}&end={BEGIN + 9}")
    assert Counter((row["device"], row["time"][17:19]) for row in rows) == {
        ("wattmetre-port0", "00"): 1,
        ("wattmetre-port0", "01"): 1,
        ("wattmetre-port0", "02"): 1,
        ("wattmetre-port1", "00"): 50,
        ("wattmetre-port1", "01"): 50,
        ("wattmetre-port1", "02"): 20,
    }
    assert rows[-1]["labels"] == {"_device_alias": "node-1"}

"""Two Yokogawa meters, read by `wattline up` and shown by `wattline bridge redfish`, as yoko2redfish showed them."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import yaml

from wattline.testing.program import Program, free_port

PATIENCE = 60.0


def answer(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as body:
        return json.load(body)


def waited(condition):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if found := condition():
                return found
        except urllib.error.URLError:
            pass
        time.sleep(0.05)
    raise AssertionError("nothing came")


def consumed(port, chassis):
    return answer(port, f"/redfish/v1/Chassis/{chassis}/Power")["PowerControl"][0]["PowerConsumedWatts"]


def test_two_meters_are_one_chassis_and_two(tmp_path):
    tool, site, data, port = tmp_path / "yokotool", tmp_path / "site.yaml", tmp_path / "store", free_port()
    tool.write_text("#!/bin/sh\nprintf 'P\\n12.6\\n'\n")
    tool.chmod(0o755)
    meters = [f"yokogawa:///dev/usbtmc{n}?pmtype=wt310&tool={tool}" for n in (1, 2)]
    site.write_text(yaml.safe_dump({"meters": [{"url": url, "name": f"yoko-{n}"} for n, url in enumerate(meters)]}))
    with Program("--config", str(site), data=data) as up:
        up.wait(lambda: len(up.get("/api/now")["devices"]) == 2)
        command = [sys.executable, "-m", "wattline", "bridge", "redfish", "--data", str(data)]
        bridge = subprocess.Popen([*command, "--listen", f"127.0.0.1:{port}"], stderr=subprocess.PIPE, text=True)
        try:
            assert waited(lambda: consumed(port, "1")) == 25
            assert consumed(port, "usbtmc2") == 13
            read = [sys.executable, "-m", "wattline", "read", f"redfish://127.0.0.1:{port}/?tls=false&device=yoko"]
            printed = subprocess.run(read, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
            assert [line.split()[:3] for line in printed.splitlines() if "power_watts" in line] == [
                ["yoko", "power_watts", "25"],
                ["yoko/usbtmc1", "power_watts", "12.6"],
                ["yoko/usbtmc2", "power_watts", "12.6"],
            ]
        finally:
            os.kill(bridge.pid, signal.SIGTERM)
            said = bridge.communicate(timeout=PATIENCE)[1]
    assert bridge.returncode == 0
    assert said.splitlines() == [f"A tree of Redfish chassis is on http://127.0.0.1:{port}/redfish/v1/. Ctrl-C stops."]

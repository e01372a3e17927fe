"""`wattline doctor` on meters whose faults are known: simulated, replayed, stored, dead."""

import asyncio
import json

import numpy as np
import pytest
from click.testing import CliRunner

from wattline.cli.doctor import doctor
from wattline.doctor.observed import Observed, Track
from wattline.doctor.verdict import verdict
from wattline.model import Column, Kind, Metric, Series
from wattline.testing.program import Program, free_port
from wattline.testing.replay import ReplayAgent
from wattline.units import Unit

SECOND = 1_000_000_000
START = 1_795_184_315 * SECOND
POWER = Metric("power_watts", Unit.WATT, Kind.GAUGE)
ENERGY = Metric("energy_joules", Unit.JOULE, Kind.COUNTER)
OID = "1.3.6.1.4.1.99999.1.1"


class Slow(ReplayAgent):
    """Renews its value at every third question."""

    def datagram_received(self, message, sender):
        count = len(self.requests) // 3
        self.put(OID, 1000 + 10 * (count * count % 37))
        super().datagram_received(message, sender)


async def run(*arguments):
    return await asyncio.to_thread(CliRunner().invoke, doctor, list(arguments))


def kinds(given):
    return {one["kind"]: one for one in given["findings"]}


def seen(every=1.0, power=None, register=None, column=Column(), window=None, **more):  # noqa: B008
    tracks = []
    for metric, values, own in ((POWER, power, Column(window=window)), (ENERGY, register, column)):
        if values is not None:
            time = START + np.arange(len(values)) * SECOND
            tracks.append(Track(Series.of("pdu", metric), own, time, np.asarray(values, float)))
    return Observed(meter="pdu", every=every, asked=100, tracks=tuple(tracks), **more)


def test_a_meter_with_a_register_that_agrees_has_the_best_grade():
    watts = 200 + 50 * np.sin(np.arange(600) / 9)
    told = verdict(seen(power=watts, register=np.cumsum(watts)))
    assert (told.grade, told.findings) == ("A", ())


@pytest.mark.parametrize(
    ("kind", "grade", "observed"),
    [
        ("no register", "B", seen(power=[200, 210] * 50)),
        ("resolution", "D", seen(power=np.arange(100) % 5 * 100)),
        ("refresh", "D", seen(power=np.repeat(np.arange(20) * 7 % 19 + 9000, 70))),
        ("agreement", "D", seen(power=[200.0] * 600, register=np.arange(600) * 400.0)),
        ("wrap", "D", seen(every=10, power=[1e4] * 9, register=[0.0] * 9, column=Column(range=1e5))),
        ("wrap", "C", seen(power=[1e4] * 9, register=[0.0] * 9, column=Column(range=1e7))),
        ("latency", "D", seen(power=[200.0] * 9, latency=np.full(9, 1.5))),
        ("clock", "C", seen(power=[200.0] * 9, offsets=np.full(9, -3.0))),
        ("failures", "D", seen(power=[200.0] * 9, failed=50, failure="no answer")),
        ("nothing", "E", Observed(meter="x", tracks=(Track(Series.of("x", Metric("t")), Column(),
                                                          np.array([START]), np.array([1.0])),))),
    ],
)  # fmt: skip
def test_each_fault_has_its_grade(kind, grade, observed):
    told = verdict(observed)
    assert {one.kind: one.grade for one in told.findings}[kind] == grade
    assert told.grade >= grade


def test_a_constant_load_is_told_nothing_of():
    assert {one.kind for one in verdict(seen(power=[200.0] * 300)).findings} == {"no register"}


async def test_a_value_that_is_renewed_every_third_reading_is_found():
    agent = Slow({})
    agent.put(OID, 1000)
    async with agent:
        url = f"snmp://public@127.0.0.1:{agent.port}/{OID}?unit=W&every=200ms"
        result = await run(url, "--seconds", "8", "--json")
    assert result.exit_code == 0, result.output
    [one] = json.loads(result.stdout)
    [device] = one["devices"]
    assert device["refresh"] == pytest.approx(0.6, rel=0.15)
    assert not device["refresh_at_most"]
    assert device["resolution"] == 10
    assert "loses nothing" in kinds(one)["refresh"]["mend"]


async def test_the_simulated_rack_is_judged(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    result = await run("sim://rack?servers=2", "--seconds", "2")
    assert result.exit_code == 0, result.output
    assert "sim-rack" in result.stdout
    assert "no register: gaps cost energy" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


async def test_a_dead_meter_has_no_grade_and_says_why():
    result = await run(f"snmp://public@127.0.0.1:{free_port()}/{OID}?unit=W", "--seconds", "5", "--json")
    assert result.exit_code == 1
    [one] = json.loads(result.stdout)
    assert one["grade"] is None
    assert "refused" in kinds(one)["dead"]["said"]


def test_what_is_stored_is_judged_while_it_is_written(tmp_path):
    with Program("--meter", "sim://rack?servers=2", data=tmp_path / "data") as up:
        up.wait(lambda: up.get("/api/status")["store"]["samples"] > 3 * up.get("/api/status")["store"]["series"])
        result = CliRunner().invoke(doctor, ["--data", str(up.data), "*pdu*", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told
    assert {one["devices"][0]["register"] for one in told} == {"energy_joules"}
    assert all(one["every"] == pytest.approx(1.0, abs=0.5) for one in told)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "--config site.yaml"), (["pdu-1"], "needs --config"), (["--data", "/nowhere"], "no store")],
)
async def test_wrong_arguments_are_told(arguments, said):
    result = await run(*arguments)
    assert result.exit_code != 0
    assert said in result.output + str(result.exception)

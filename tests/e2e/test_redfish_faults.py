"""Redfish services that refuse, fail, hang or show a strange certificate: the others keep their second."""

import asyncio

import yaml

from wattline.testing.certificate import Certificate
from wattline.testing.program import Program
from wattline.testing.redfish import Bmc, Fault, tree

SOUND = 20
FAULTS = {"broken": Fault.BROKEN, "hanging": Fault.HANG, "garbled": Fault.GARBAGE, "denied": Fault.DENIED}


def server():
    control = {"@odata.id": "#/PowerControl/0", "PowerConsumedWatts": 344}
    return tree(("1", {"Power": {"PowerControl": [control]}}, {}))


def meter(name, bmc, **options):
    given = {"host": "127.0.0.1", "port": bmc.port, "tls": False, "user": "admin", "password": "secret", **options}
    return {"driver": "redfish", "name": name, "device": name, "every": "1s", "wait": 1, **given}


async def test_services_that_go_wrong_delay_nobody_and_come_back(tmp_path):
    strange = Certificate.made_in(tmp_path)
    sound = {f"bmc-{n:02d}": Bmc(server(), user="admin", password="secret") for n in range(SOUND)}
    faulty = {name: Bmc(server(), user="admin", password="secret") for name in FAULTS}
    tls = Bmc(server(), user="admin", password="secret", tls=strange.server())
    for bmc in (*sound.values(), *faulty.values(), tls):
        await bmc.start()
    for name, fault in FAULTS.items():
        faulty[name].fault = fault
    meters = [meter(name, bmc) for name, bmc in (sound | faulty).items()] + [meter("strange", tls, tls=True)]
    site = tmp_path / "site.yaml"
    site.write_text(yaml.safe_dump({"meters": meters}))
    try:
        await asyncio.to_thread(watch, site, tmp_path / "store", faulty)
    finally:
        for bmc in (*sound.values(), *faulty.values(), tls):
            await bmc.stop()


def watch(site, data, faulty):
    with Program("--config", str(site), data=data) as up:

        def states():
            return {one["name"]: one for one in up.get("/api/meters")}

        wrong = {*FAULTS, "strange"}
        up.wait(lambda: all(states()[name]["state"] == "silent" for name in wrong))
        up.wait(lambda: all(one["polls"] >= 5 for name, one in states().items() if name not in wrong))
        told = states()
        good = [one for name, one in told.items() if name not in wrong]
        missed, polls = (sum(one[key] for one in good) for key in ("missed", "polls"))
        assert missed < polls / 10, f"{missed} ticks missed beside {polls} polls"
        for name, said in {
            "broken": "500", "hanging": "within", "garbled": "no JSON", "denied": "401", "strange": "not trusted",
        }.items():  # fmt: skip
            assert said in told[name]["error"], told[name]["error"]
            assert "secret" not in told[name]["error"]
        assert faulty["denied"].refusals == 0
        assert len([one for one in faulty["denied"].requests if one[0] == "POST"]) == 1
        counted = [line for line in up.fetch("/metrics").decode().splitlines() if "poll_failures" in line]
        assert any('cause="auth"' in line and not line.endswith(" 0.0") for line in counted), counted
        for bmc in faulty.values():
            bmc.fault = Fault.NONE
        back = [name for name in FAULTS if name != "denied"]
        up.wait(lambda: all(states()[name]["state"] == "speaking" for name in back))

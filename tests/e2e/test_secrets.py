"""No password gets out: sites whose meters hold unmistakable ones, against servers that accept them, refuse them, throw
them back at us, or are dead; then every place where a text of ours can be seen is searched for every spelling of them.
"""

import asyncio
import base64
import contextlib
import json
import os
import urllib.error
import urllib.request
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
import yaml
from aiohttp import web
from click.testing import CliRunner

from wattline.cli import wattline
from wattline.runtime.config import load
from wattline.runtime.registry import Registry
from wattline.testing import redfish
from wattline.testing.agents import Mosquitto, Snmpd, find_program
from wattline.testing.bmc import FakeBmc
from wattline.testing.bmc_board import Board
from wattline.testing.certificate import Certificate
from wattline.testing.collecting import Collecting
from wattline.testing.driver_suite import dead_port
from wattline.testing.ftp_server import WELCOME, FtpServer
from wattline.testing.program import Program, free_port
from wattline.testing.vendor_pages import VendorPages
from wattline.testing.web_server import WebServer

USER = "metering"
OID = "1.3.6.1.4.1.99999.1.1.0"
VALUES = [{"path": "watt", "unit": "W"}]
PAGES = ("redfish", "http", "json_url", "prometheus", "shelly", "rpimonitor", "ilo", "ilo_gui", "idrac8_gui",
         "intel_gui", "ibmc_gui")  # fmt: skip
"""Drivers that ask web servers."""
MOODS = ("thrown-back", "refused", "broken", "moved", "dead")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(
        None in map(find_program, ("openssl", "snmpd", "mosquitto")), reason="openssl, snmpd, mosquitto"
    ),
]


class Secrets:
    """Makes passwords, and remembers them."""

    def __init__(self):
        self.made = [WELCOME]

    def one(self, what):
        """Return a password that is good for every protocol, and that is nowhere by accident."""
        self.made.append(f"Zq{len(self.made):03d}@/%{what[:8]}+!?")
        return self.made[-1]

    def spellings(self):
        """Yield every password in every spelling, with a name for it."""
        for secret in self.made:
            yield secret, secret
            for safe in ("/", "", "@/!?"):  # the last as yarl leaves them
                yield secret, quote(secret, safe=safe)
                yield secret, quote(quote(secret, safe=safe))
            for text in (secret, f"{USER}:{secret}", f"logger:{secret}"):
                yield secret, base64.b64encode(text.encode()).decode().rstrip("=")
            yield secret, json.dumps(secret)[1:-1]


class Ports(NamedTuple):
    """Where the servers are: those that let us in by driver, the others by mood."""

    good: dict[str, int]
    moods: dict[str, int]
    dead: int


def site(ports, secrets):
    """Return driver blocks: each driver with each server that it may meet."""
    blocks = []

    def add(driver, mood, port, **options):
        options = {"user": USER, "password": secrets.one(driver)} | options
        blocks.append({"driver": driver, "name": f"{driver}-{mood}", "device": f"{driver}-{mood}", "host": "127.0.0.1",
                       "port": port, "every": "500ms", **options})  # fmt: skip

    special = {"http": {"values": VALUES, "tls": False}, "redfish": {"tls": False}}
    special |= {
        name: {"host": "http://127.0.0.1"} for name in ("ilo", "ilo_gui", "idrac8_gui", "intel_gui", "ibmc_gui")
    }
    for mood in MOODS:
        port = ports.moods.get(mood, ports.dead)
        for driver in PAGES:
            add(driver, mood, port, **special.get(driver, {}))
        for driver in ("http", "prometheus"):
            token = {"user": "", "password": "", "token": secrets.one("token")}
            add(driver, f"token-{mood}", port, **special.get(driver, {}), **token)
            asked = {"params": {"apikey": secrets.one("param")}}
            add(driver, f"param-{mood}", port, **special.get(driver, {}), **asked)
        for driver in ("mqtt", "nut", "csvftp"):
            add(driver, mood, port, **driver_options(driver))
        for driver in ("ipmi", "snmp"):
            add(driver, mood, ports.dead, **driver_options(driver, secrets))
        plain = {"user": "", "password": "", "community": secrets.one("community"), "oids": [{"oid": OID, "unit": "W"}]}
        add("snmp", f"community-{mood}", ports.dead if mood == "dead" else ports.good["snmp"], **plain)
    add("snmp", "wrong-key", ports.good["snmp"], **driver_options("snmp", secrets))
    add("ipmi", "wrong-key", ports.good["ipmi"], **driver_options("ipmi", secrets))
    add("redfish", "wrong-key", ports.good["redfish"], tls=False)
    add("mqtt", "wrong-key", ports.good["mqtt"], **driver_options("mqtt"))
    add("csvftp", "wrong-key", ports.good["csvftp"], user="logger", settle=0)
    add("csvftp", "let-in", ports.good["csvftp"], user="logger", password=WELCOME, settle=0)
    return blocks


def driver_options(driver, secrets=None):
    if driver == "snmp":
        return {"version": "3", "priv_password": secrets.one("privacy"), "oids": [{"oid": OID, "unit": "W"}]}
    if driver == "ipmi":
        return {"password": secrets.one("ipmi"), "kg": secrets.one("kg")}
    topics = [{"topic": "power/+", "unit": "W"}]
    return {"mqtt": {"topics": topics}, "nut": {"ups": "rack"}, "csvftp": {"wait": 1}}[driver]


def let_in(good, passwords):
    """Return blocks for the servers that know their passwords."""
    common = {"host": "127.0.0.1", "every": "500ms", "user": USER}
    sealed = {"version": "3", "priv_password": passwords["privacy"], "oids": [{"oid": OID, "unit": "W"}]}
    named = {"redfish": {"tls": False}, "ipmi": {}, "mqtt": driver_options("mqtt"), "snmp": sealed}
    named |= {name: {"host": "http://127.0.0.1"} for name in ("ilo", "ilo_gui", "idrac8_gui", "intel_gui", "ibmc_gui")}
    return [
        {"driver": driver, "name": f"{driver}-let-in", "device": f"{driver}-let-in", **common,
         "port": good["pages"] if driver not in good else good[driver],
         "password": passwords["pages" if driver not in passwords else driver], **options}
        for driver, options in named.items()
    ]  # fmt: skip


async def thrown_back(request):
    """Answer with all that was asked, in the status that the port stands for."""
    said = f"{request.method} {request.path_qs}\n{dict(request.headers)}\n{await request.text()}"
    return said, json.dumps(
        {"message": said, "error": {"message": said, "code": said}, "Messages": [{"MessageID": said}]}
    )


def answering(status):
    async def answer(request):
        said, text = await thrown_back(request)
        headers = {"Location": "/" + quote(said)} if status == 302 else {}
        return web.Response(text=text, status=status, content_type="application/json", headers=headers)

    return answer


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Run both programs over the sites, look everywhere, and return the secrets and what was seen by its place."""
    return asyncio.run(looked(tmp_path_factory.mktemp("secrets")))


async def looked(folder):
    secrets, seen = Secrets(), {}
    passwords = {
        name: secrets.one(name) for name in ("redfish", "ipmi", "mqtt", "snmp", "privacy", "pages", "community")
    }
    bmc = FakeBmc(Board(watts=200), users={USER: passwords["ipmi"]})
    chassis = redfish.Bmc(redfish.tree(("1", {"EnvironmentMetrics": {"PowerWatts": {"Reading": 5}}}, {})), user=USER,
                          password=passwords["redfish"])  # fmt: skip
    pages = VendorPages(user=USER, password=passwords["pages"])
    statuses = {"thrown-back": 200, "refused": 401, "broken": 500, "moved": 302}
    moods = {mood: WebServer(answering(status)) for mood, status in statuses.items()}
    async with AsyncExitStack() as servers:
        for one in (bmc, chassis, pages, *moods.values()):
            await servers.enter_async_context(one)
        with ExitStack() as stack:
            lines = [f'createUser {USER} SHA "{passwords["snmp"]}" AES "{passwords["privacy"]}"', f"rouser {USER} priv",
                     f'rocommunity "{passwords["community"]}"',
                     f"override .{OID} integer 230"]  # fmt: skip
            good = {
                "snmp": stack.enter_context(Snmpd(lines)).port, "ipmi": bmc.port, "redfish": chassis.port,
                "pages": pages.port, "mqtt": stack.enter_context(Mosquitto({USER: passwords["mqtt"]})).port,
                "csvftp": stack.enter_context(FtpServer(folder)).port,
            }  # fmt: skip
            ports = Ports(good, {mood: one.port for mood, one in moods.items()}, stack.enter_context(dead_port()))
            meters = [*site(ports, secrets), *let_in(good, passwords)]
            assert len({meter["name"] for meter in meters}) == len(meters)
            file = folder / "site.yaml"
            file.write_text(yaml.safe_dump({"log": "debug", "meters": meters}))
            await asyncio.to_thread(run_all, folder, file, seen, {meter["name"] for meter in meters})
            seen |= await asyncio.to_thread(commands, folder, ports, secrets, passwords["community"])
            await asyncio.to_thread(Certificate.made_in, folder)
    return secrets, seen


def run_all(folder, file, seen, names):
    """Run `up` and `collect` at once until every meter has been tried, and look at all that they show."""
    where = f"127.0.0.1:{free_port()}"
    collect = ("--config", file.name, "--data", "collected", "--sink", "stdout", "--metrics", where)
    with Program("--config", str(file), data=folder / "store") as up:
        with Collecting("wattline", "collect", *collect, folder=folder) as program:
            names = {name for name in names if not name.startswith("mqtt")}  # nobody publishes
            up.wait(lambda: {one["name"] for one in up.get("/api/meters") if one["polls"] or one["failed"]} >= names)
            program.wait(lambda: "ipmi-let-in" in program.lines.read_text())
            seen["meters"] = up.fetch("/api/meters")
            seen["figures of collect"] = fetched(f"http://{where}/metrics")
            seen |= {f"GET {path}": fetched(up.address + path) for path in routes(up)}
            seen |= {f"process {path}": path.read_bytes() for pid in (up.pid, program.pid) for path in processes(pid)}
        seen["log of collect"], seen["samples"] = program.log.read_bytes(), program.lines.read_bytes()
    seen["log of up"] = up.log.read_bytes()
    stored = [path for name in ("store", "collected") for path in (folder / name).rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite" for path in stored)
    seen |= {f"file {path.name}": path.read_bytes() for path in stored}


def routes(up):
    """Yield every GET route of the API, with a meter or a device of each kind where it wants one."""
    document = up.get("/api/openapi.json")
    for path, methods in document["paths"].items():
        if "get" not in methods:
            continue
        wanted = {one["name"] for one in methods["get"].get("parameters", ()) if one.get("required")}
        for name in ("redfish-refused", "ipmi-let-in"):
            filled = path
            for part in [part for part in wanted if f"{{{part}}}" in path]:
                filled = filled.replace(f"{{{part}}}", name)
            yield filled
            yield f"{filled}?device={name}&meter={name}&metric=power_watts"
    yield from ("/", "/api", "/api/openapi.json", "/metrics", "/meters", "/live")


def fetched(url):
    """Return what comes within two seconds; a stream is cut off then."""
    said = b""
    try:
        with urllib.request.urlopen(url, timeout=0.5) as answer, contextlib.suppress(TimeoutError):
            while piece := answer.read1(65_536):
                said += piece
                if len(said) > 1 << 22 or "event-stream" in answer.headers.get("Content-Type", ""):
                    break
    except urllib.error.HTTPError as error:
        said += error.read()
    except TimeoutError:
        pass
    return said


def processes(pid):
    """Yield the command lines and environments of a process and its children."""
    below = {pid}
    for one in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        with contextlib.suppress(OSError):
            parent = int((Path("/proc") / str(one) / "stat").read_text().rpartition(")")[2].split()[1])
            below |= {one} if parent in below else set()
    for one in below:
        yield from (Path("/proc") / str(one) / name for name in ("cmdline", "environ"))


def commands(folder, ports, secrets, community):
    """Run the commands that speak of meters, and return what they say; secrets come by file, as in real life."""
    said = {}

    runner = CliRunner()

    def run(*arguments):
        done = runner.invoke(wattline, [str(folder / one) if one.endswith(".yaml") else one for one in arguments])
        said[f"wattline {arguments[0]} {len(said)}"] = f"{done.output}{done.exception}".encode()

    run("check", "site.yaml")
    for driver in ("redfish", "prometheus", "json_url", "snmp", "ipmi"):
        password = secrets.one(driver)
        port = ports.moods["refused"] if driver in PAGES else ports.dead
        extra = {"ipmi": "&wait=0.1&kg=" + quote(secrets.one("kg"), safe=""), "snmp": "&wait=0.1&version=3",
                 "redfish": "&tls=false"}.get(driver, "")  # fmt: skip
        url = f"{driver}://{USER}:{quote(password, safe='')}@127.0.0.1:{port}/?device=x{extra}"
        run("read", url, "--timeout", "3")
        run("read", url + "&nonsense=1")
        run("read", url.replace(quote(password, safe=""), password))
    run("doctor", "--config", "site.yaml", "--seconds", "1", "redfish-refused", "snmp-wrong-key", "http-moved")
    (folder / "community").write_text(community)
    (folder / "bmc").write_text(secrets.one("bmc"))
    places = (
        f"--place=snmp={ports.good['snmp']}",
        f"--place=http={ports.moods['refused']}",
        "--wait=0.3",
        "--rate=500",
    )
    run("discover", "127.0.0.1", "--yes", *places, "--community", f"file:{folder}/community", "--bmc-user", USER,
        "--bmc-password", f"file:{folder}/bmc", "-o", "found.yaml")  # fmt: skip
    said["found.yaml"] = (folder / "found.yaml").read_bytes()
    address = f"snmp://{quote(secrets.one('bad'), safe='')}@h/1.3?community={secrets.one('bad')}&versio=3"
    bad = [{"driver": "redfish", "host": "a", "user": USER, "password": secrets.one("bad"), "wait": -1},
           {"driver": "snmp", "host": "a", "version": "3", "user": USER, "password": secrets.one("bad"), "auth": "crc"},
           {"url": f"ipmi://{USER}:{quote(secrets.one('bad'), safe='')}@h:99999999/"},
           {"url": address}]  # fmt: skip
    (folder / "bad.yaml").write_text(yaml.safe_dump({"meters": bad}))
    run("check", "bad.yaml")
    run("up", "--config", "bad.yaml")
    run("collect", "--config", "bad.yaml")
    said["repr"] = repr(load(folder / "site.yaml", Registry.installed())).encode()
    return said


def test_no_password_is_seen_anywhere_in_any_spelling(everything):
    secrets, seen = everything
    found = [(place, secret, spelling) for place, said in seen.items() for secret, spelling in secrets.spellings()
             if spelling.encode() in said]  # fmt: skip
    assert not found, "\n".join(f"{place}: {spelling}" for place, _, spelling in found)


def test_every_place_was_looked_at(everything):
    secrets, seen = everything
    assert len(secrets.made) > 100
    assert len(seen) > 60
    empty = [place for place, said in seen.items() if not said and not place.startswith("file ")]
    assert not empty, empty
    states = {one["name"]: one for one in json.loads(seen["meters"])}
    for name in ("redfish", "ipmi", "snmp", "ilo", "ilo_gui", "idrac8_gui", "intel_gui", "ibmc_gui"):
        assert states[f"{name}-let-in"]["state"] == "speaking", states[f"{name}-let-in"]
    assert states["mqtt-let-in"].get("cause") != "auth"
    assert states["redfish-refused"]["cause"] == states["redfish-wrong-key"]["cause"] == "auth"

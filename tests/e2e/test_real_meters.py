"""Real agents and a fake powercap tree through the whole program: what the API says equals what their own tools say."""

import re

import pytest
import yaml

from wattline.testing.agents import NodeExporter, Snmpd, find_program
from wattline.testing.powercap import Powercap
from wattline.testing.program import Program

WATTS = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7.1"
TENTHS = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.6.1"
NAMED = "node_textfile_power_watts"
MISSING = [name for name in ("snmpd", "snmpget", "prometheus-node-exporter") if find_program(name) is None]
pytestmark = [pytest.mark.peer, pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]

OIDS = [{"oid": WATTS, "unit": "W"}, {"oid": TENTHS, "unit": "dA"}]
SEALED = {"version": "3", "user": "sealed", "password": "signature-1", "priv_password": "sealing-wax-1"}


def values(up, device):
    """The newest value of every metric of a device, as the API says it."""
    rows = up.get(f"/api/samples?device={device}")
    return {row["metric"]: row["value"] for row in rows}


@pytest.fixture
def agent():
    with Snmpd([f"override {WATTS} integer 230", f"override {TENTHS} integer 17"]) as running:
        yield running


@pytest.fixture
def exporter():
    with NodeExporter() as running:
        running.write("power", f"# TYPE {NAMED} gauge\n{NAMED} 123.5\n")
        yield running


def told(agent, *options):
    """What snmpget says of both OIDs."""
    said = agent.tool("snmpget", *options, "-Oqv", WATTS, TENTHS)
    return [int(line) for line in said.split()]


def test_values_equal_those_of_the_agents_own_tools(agent, exporter, tmp_path):
    tree = Powercap(tmp_path / "powercap", packages=1)
    tree.set_count("intel-rapl:0", 2**32 - 10)
    plain = {"driver": "snmp", "host": "127.0.0.1", "port": agent.port, "oids": OIDS}
    site = tmp_path / "site.yaml"
    site.write_text(
        yaml.safe_dump(
            {
                "every": "200ms",
                "meters": [
                    {**plain, "name": "v2c", "device": "pdu-v2c"},
                    {**plain, **SEALED, "name": "v3", "device": "pdu-v3"},
                    {"url": f"prometheus://127.0.0.1:{exporter.port}/metrics/{NAMED}", "device": "node-7"},
                    {"driver": "rapl", "name": "rapl", "path": str(tree.root), "device": "here"},
                ],
            }
        )
    )
    with Program("--config", str(site), data=tmp_path / "store") as up:
        up.wait(lambda: all(meter["state"] == "speaking" for meter in up.get("/api/meters")))
        up.wait(lambda: values(up, "here/package-0"))
        watts, tenths = told(agent, "-v2c", "-c", "public")
        secured = ("-v3", "-l", "authPriv", "-u", "sealed", "-a", "SHA", "-A", "signature-1")
        assert [watts, tenths] == told(agent, *secured, "-x", "AES", "-X", "sealing-wax-1") == [230, 17]
        said = {"power_watts": watts, "current_amperes": tenths / 10}
        for device in ("pdu-v2c", "pdu-v3"):
            up.wait(lambda device=device: values(up, device) == said)

        page = re.search(rf"^{NAMED} (\S+)$", exporter.page(), re.MULTILINE)
        up.wait(lambda: values(up, "node-7") == {NAMED: float(page[1])})
        exporter.write("power", f"# TYPE {NAMED} gauge\n{NAMED} 77.25\n")
        up.wait(lambda: values(up, "node-7") == {NAMED: 77.25})

        before = values(up, "here/package-0")["energy_joules"]
        assert before == tree.microjoules("intel-rapl:0") / 1e6
        tree.advance("intel-rapl:0", joules=50.0)  # past the end of the register
        after = tree.microjoules("intel-rapl:0") / 1e6
        assert after < before
        up.wait(lambda: values(up, "here/package-0")["energy_joules"] == after)
        [energy] = up.get("/api/energy?device=here/package-0")["series"]
        assert energy["joules"] == pytest.approx(50.0, abs=1e-3)
        assert (energy["method"], energy["resets"]) == (["register"], 0)
        assert energy["lower"] <= 50.0 <= energy["upper"]

        now = {one["device"]: one["watts"] for one in up.get("/api/now")["devices"]}
        assert now["pdu-v2c"] == watts
        page = up.fetch("/metrics").decode()
        assert re.search(rf'^power_watts{{[^}}]*device="pdu-v3"[^}}]*}} {watts} \d+$', page, re.MULTILINE)

"""Every route answers what store, ledger and runtime say, and every wrong question gets one clear problem."""

import csv
import io
import json
import shutil
import subprocess
from decimal import Decimal

import pytest
from litestar.testing import TestClient

from wattline.api.app import View, create_app
from wattline.runtime.site import Site
from wattline.units import NANOSECONDS

START = "2026-11-20T13:00:00Z"
MINUTE = f"start={START}&end=2026-11-20T13:01:00Z"


def test_status(client):
    told = client.get("/api/status").json()
    assert told["meters"] == {"speaking": 1, "silent": 1, "waiting": 1}
    assert told["counters"] == {"wattline_missed_ticks_total": 2.0}
    assert told["uptime"] == 62.0
    assert (told["store"]["samples"], told["store"]["oldest"]) == (700, "2026-11-20T13:00:00.000001Z")


def test_meters(client):
    first, second, third = client.get("/api/meters").json()
    assert (first["state"], first["since"], first["error"], first["p50"]) == (
        "speaking", "2026-11-20T13:00:00.000000Z", None, pytest.approx(0.01, rel=1e-3),
    )  # fmt: skip
    assert (second["state"], second["cause"], second["error"]) == (
        "silent", "timeout", "pdu-2 did not answer within 1 s",
    )  # fmt: skip
    assert (third["state"], third["last"]) == ("waiting", None)
    assert [one["name"] for one in client.get("/api/meters?meter=*-2").json()] == ["pdu-2"]


def test_devices(client):
    told = {one["device"]: one for one in client.get("/api/devices").json()}
    assert list(told) == sorted(told)
    assert (told["rack-1"]["type"], told["rack-1"]["power"]) == ("rack", None)
    pdu = told["rack-1/pdu-1"]
    assert (pdu["parent"], pdu["power"]["metric"], pdu["energy"]["metric"]) == (
        "rack-1",
        "power_watts",
        "energy_joules",
    )
    assert [one["device"] for one in client.get("/api/devices?device=*/outlet-2").json()] == [
        "rack-1/pdu-1/outlet-2", "rack-1/pdu-2/outlet-2",
    ]  # fmt: skip


def test_series(client):
    told = client.get("/api/series?metric=inlet*&metric=power_watts&device=rack-1/pdu-1").json()
    assert [(one["metric"], one["unit"], one["kind"], one["period"]) for one in told] == [
        ("inlet_temperature_celsius", "Cel", "gauge", 1.0), ("power_watts", "W", "gauge", 1.0),
    ]  # fmt: skip
    assert told[0]["labels"] == {"slot": 1}
    assert client.get("/api/series?device=nobody").json() == []


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow"])
@pytest.mark.parametrize("more", ["", "&step=10s", "&metric=nothing", "&step=1m&metric=nothing"])
def test_formats_agree(client, form, more, rows_of):
    expected = rows_of(client.get(f"/api/samples?{MINUTE}{more}").content, "json")
    assert bool(expected) is ("nothing" not in more)
    answer = client.get(f"/api/samples?{MINUTE}{more}&format={form}")
    assert rows_of(answer.content, form) == expected
    types = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv",
             "arrow": "application/vnd.apache.arrow.stream"}  # fmt: skip
    assert answer.headers["content-type"].startswith(types[form])
    accepted = client.get(f"/api/samples?{MINUTE}{more}", headers={"Accept": types[form]})
    assert accepted.content == answer.content


def test_samples_are_those_of_the_window(client, rows_of):
    def times(query: str) -> list[str]:
        body = client.get(f"/api/samples?metric=power_watts&device=rack-1/pdu-1&format=csv&{query}").content
        return [row["time"] for row in rows_of(body, "csv")]

    assert len(times(MINUTE)) == 60
    assert len(times("")) == 60  # the last hour
    assert times("start=1795179600.000001&end=1795179601.000001") == ["2026-11-20T13:00:00.000001Z"]
    assert times("start=2026-11-20T14:00:59%2B01:00&end=1795179660") == ["2026-11-20T13:00:59.000001Z"]


def test_cells_are_those_of_whole_buckets(client):
    query = (
        "metric=power_watts&device=rack-1/pdu-1&step=1m&format=csv&start=2026-11-20T13:00:30Z&end=2026-11-20T13:00:31Z"
    )
    [row] = csv.DictReader(io.StringIO(client.get(f"/api/samples?{query}").text))
    assert (row["time"], row["count"], row["mean"]) == ("2026-11-20T13:00:00.000000Z", "60", "300.1")
    assert (float(row["joules"]), float(row["coverage"])) == (
        pytest.approx(300.1 * 59, abs=1e-5),
        pytest.approx(59 / 60),
    )


def test_energy_of_the_chosen_series(client):
    told = json.loads(client.get(f"/api/energy?{MINUTE}").content, parse_float=Decimal)
    rows = {one["device"]: one for one in told["series"]}
    assert [one["device"] for one in told["series"]] == sorted(rows)
    pdu, outlet = rows["rack-1/pdu-1"], rows["rack-1/pdu-1/outlet-2"]
    assert (pdu["metric"], pdu["method"], pdu["counted"]) == ("energy_joules", ["register"], True)
    assert (outlet["metric"], outlet["gaps"], outlet["counted"]) == ("power_watts", 1, False)
    assert pdu["joules"] == Decimal("17705.900000")
    assert pdu["lower"] <= pdu["joules"] <= pdu["upper"]
    assert told["total"]["joules"] == 2 * pdu["joules"]
    assert float(told["total"]["cost"]) == pytest.approx(float(told["total"]["kwh"]) * 0.25)
    assert told["total"]["currency"] == "EUR"


def test_energy_counts_nothing_twice(client):
    def counted(query: str) -> list[tuple[str, str]]:
        told = client.get(f"/api/energy?{MINUTE}&{query}").json()
        taken = [one for one in told["series"] if one["counted"]]
        total = sum(Decimal(str(one["joules"])) for one in taken)
        assert Decimal(str(told["total"]["joules"])) == total
        return [(one["device"], one["metric"]) for one in taken]

    assert counted("device=rack-1/pdu-1*&metric=*") == [("rack-1/pdu-1", "energy_joules")]
    assert counted("device=rack-1/pdu-1*&metric=power_watts") == [("rack-1/pdu-1", "power_watts")]
    assert counted("device=*outlet-*") == [
        (f"rack-1/pdu-{pdu}/outlet-{outlet}", "power_watts") for pdu in (1, 2) for outlet in (1, 2)
    ]


def test_energy_of_nothing_is_no_zero(client):
    told = client.get(f"/api/energy?{MINUTE}&device=nobody*").json()
    assert (told["series"], told["total"]) == ([], None)
    assert client.get(f"/api/energy?{MINUTE}&metric=inlet*").json()["total"] is None


def test_outages(client):
    [told] = client.get(f"/api/outages?{MINUTE}").json()
    assert told == {
        "meter": "pdu-1", "start": "2026-11-20T13:00:05.000000Z", "end": "2026-11-20T13:00:09.000000Z",
        "cause": "timeout", "detail": "no answer",
    }  # fmt: skip
    assert client.get(f"/api/outages?{MINUTE}&meter=pdu-2").json() == []
    assert client.get("/api/outages?start=0&end=1").json() == []


def test_now(client, wall):
    told = client.get("/api/now").json()
    assert told["watts"] == 600.2  # the PDUs: their outlets are part of them
    assert told["meters"] == {"speaking": 1, "silent": 1, "waiting": 1}
    assert [(one["device"], one["watts"]) for one in told["devices"][:3]] == [
        ("rack-1/pdu-1", 300.1), ("rack-1/pdu-2", 300.1), ("rack-1/pdu-1/outlet-2", 200.05),
    ]  # fmt: skip
    assert told["kwh_today"] == pytest.approx(2 * 300.1 * 59 / 3.6e6)
    assert told["cost_today"] == pytest.approx(told["kwh_today"] * 0.25)
    assert 0 < told["coverage_today"] < 0.01
    wall.now += 60 * NANOSECONDS
    later = client.get("/api/now").json()
    assert later["watts"] is None
    assert {one["watts"] for one in later["devices"]} == {None}
    assert later["devices"][0]["age"] == pytest.approx(63, abs=0.01)


def test_metrics(client, wall):
    page = client.get("/metrics")
    assert page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = page.text.splitlines()
    assert 'power_watts{device="rack-1/pdu-1"} 300.1 1795179659000' in lines
    assert "wattline_missed_ticks_total 2" in lines
    assert 'outlet_state{device="rack-1/pdu-2",state="on"} 1 1795179659000' in lines
    wall.now += 600 * NANOSECONDS
    assert "power_watts" not in client.get("/metrics").text


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (package prometheus)")
def test_promtool_finds_nothing_wrong_with_metrics(client):
    page, command = client.get("/metrics").text, ["promtool", "check", "metrics"]
    done = subprocess.run(command, input=page, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("path", ["/", "/device", "/meters", "/static/js/now.js"])
def test_pages(client, path):
    page = client.get(path)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-cache"
    assert client.get(path, headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == page.content


@pytest.mark.parametrize("name", ["nothing.js", "../app.py", "%2e%2e/app.py", ".hidden", "js", "%00", "a" * 5000])
def test_pages_that_are_not_there(client, name):
    page = client.get(f"/static/{name}")
    assert page.status_code == 404
    assert page.headers["content-type"] == "application/problem+json"


def test_every_answer_is_kept_safe(client):
    for path in ("/", "/api/now", "/nothing", "/api/samples?format=xml", "/metrics"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'self'")


def test_the_interface_describes_itself(client):
    document = client.get("/api/openapi.json").json()
    names = {one["name"] for one in document["paths"]["/api/samples"]["get"]["parameters"]}
    assert names == {"device", "metric", "start", "end", "step", "format", "Accept"}
    page = client.get("/api")
    assert all(path in page.text for path in document["paths"])
    assert "//" not in page.text.replace("http://", "").replace("https://", "")  # loads nothing from anywhere


BAD = [
    ("/api/samples?devise=x", 400, "devise", "did you mean 'device'"),
    ("/api/now?device=x", 400, "device", "takes none"),
    ("/api/samples?start=1&start=2", 400, "start", "once"),
    ("/api/samples?start=yesterday", 400, "start", "is no time"),
    ("/api/samples?end=2026-02-30", 400, "end", "is no time"),
    ("/api/samples?start=10&end=10", 400, "end", "after start"),
    ("/api/samples?start=2100-01-01", 400, "end", "after start"),
    ("/api/samples?start=9999-01-01", 400, "start", "years"),
    ("/api/samples?step=7s", 400, "step", "10 s"),
    ("/api/samples?step=soon", 400, "step", "duration"),
    ("/api/samples?format=xml", 400, "format", "json"),
    ("/api/samples?device=", 400, "device", "empty"),
    ("/api/energy?metric=", 400, "metric", "empty"),
    ("/api/energy?device=nobody", 404, "device", "'nobody'"),
    ("/api/energy?end=0&start=1", 400, "end", "after start"),
    ("/api/outages?start=x", 400, "start", "is no time"),
    ("/api/live?view=then", 400, "view", "'then'"),
    ("/api/live?device=", 400, "device", "empty"),
    ("/api/meters?meters=x", 400, "meters", "'meter'"),
    ("/api/nothing", 404, None, "/api/nothing"),
    ("/api/samples?" + "device=x&" * 1200, 400, None, "characters"),
]


@pytest.mark.parametrize(("path", "status", "parameter", "words"), BAD, ids=[path[:40] for path, *_ in BAD])
def test_bad_questions_get_one_clear_problem(client, path, status, parameter, words):
    answer = client.get(path)
    told = answer.json()
    assert answer.status_code == told["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert told.get("parameter") == parameter
    assert words in told["detail"]
    assert set(told) <= {"type", "title", "status", "detail", "parameter"}


def test_nothing_acceptable(client):
    answer = client.get("/api/samples", headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["parameter"]) == (406, "Accept")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_is_written(client, method):
    answer = client.request(method, "/api/samples")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")


def test_head_is_get_without_a_body(client):
    for path in ("/api/now", "/api/samples", "/", "/api/live"):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
    assert client.head("/nothing").status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8780", "127.0.0.1.evil.example", "10.0.0.1"])
def test_on_loopback_a_strange_name_is_refused(client, host):
    answer = client.get("/api/now", headers={"Host": host})
    assert (answer.status_code, answer.json()["parameter"]) == (421, "Host")


@pytest.mark.parametrize("host", ["localhost", "localhost:8780", "127.0.0.1:1", "[::1]:8780", "site.localhost"])
def test_on_loopback_its_own_names_are_taken(client, host):
    assert client.get("/api/now", headers={"Host": host}).status_code == 200


def test_beyond_loopback_any_name_is_taken(view):
    site = Site(listen="0.0.0.0:8780")
    wide = View(view.store, view.health, view.live, site, view.started, view.clock)
    with TestClient(create_app(wide), base_url="http://meters.example") as client:
        assert client.get("/api/now").status_code == 200


class Broken:
    """A store with a fault that no answer may show."""

    def statistics(self):
        raise RuntimeError("secret path /var/lib/x")

    def entries(self):
        raise RuntimeError("secret path /var/lib/x")


@pytest.mark.parametrize("path", ["/api/status", "/api/series", "/api/samples"])
def test_a_bug_of_ours_is_told_without_its_inside(view, path, caplog):
    broken = View(Broken(), view.health, view.live, view.site, view.started, view.clock)
    with TestClient(create_app(broken), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert "secret path" in caplog.text

"""Promotions are written by this machine alone, one clear problem at a time; `wattline promote` speaks to them."""

import pytest
from litestar.testing import TestClient

from wattline.api.app import create_app
from wattline.runtime.promotions import FILE, Promotions

ROUTE = "/api/promotions"
WISH = {"device": "node-1", "metric": "power_.*", "for": "1h", "owner": "job 7"}


def asked_from(view, host):
    """A client of an application that is asked from `host`."""
    app = create_app(view)

    async def told(scope, receive, send):
        await app({**scope, "client": (host, 50_000)} if scope["type"] == "http" else scope, receive, send)

    return TestClient(told, base_url="http://127.0.0.1:8780")


@pytest.fixture
def writer(view, wall, tmp_path):
    """A client on this machine, of a program that reads meters."""
    view.promotions = Promotions(tmp_path / FILE, wall)
    with asked_from(view, "127.0.0.1") as one:
        yield one


def test_a_promotion_is_added_listed_and_taken_back(writer):
    told = writer.post(ROUTE, json=WISH)
    assert (told.status_code, told.json()["until"]) == (200, "2026-11-20T14:01:02.000000Z")
    writer.post(ROUTE, json={"device": "node-1"})
    assert [(one["metric"], one["until"], one["owner"]) for one in writer.get(ROUTE).json()] == [
        (".*", None, ""),
        ("power_.*", "2026-11-20T14:01:02.000000Z", "job 7"),
    ]
    gone = writer.delete(ROUTE, params={"device": "node-1", "owner": "job 7"})
    assert (gone.status_code, [one["owner"] for one in gone.json()]) == (200, ["job 7"])
    assert len(writer.get(ROUTE).json()) == 1
    assert writer.delete(ROUTE, params={"device": "node-1"}).status_code == 200
    assert writer.delete(ROUTE, params={"device": "node-1"}).status_code == 404


def test_it_ends_when_its_time_has_come(writer, wall):
    writer.post(ROUTE, json={**WISH, "for": 90})
    wall.now += 89 * 10**9
    assert len(writer.get(ROUTE).json()) == 1
    wall.now += 10**9
    assert writer.get(ROUTE).json() == []


@pytest.mark.parametrize(
    ("wrong", "parameter", "says"),
    [
        ({"metric": "("}, "metric", "is no regular expression"),
        ({"metric": "(a+)+"}, "metric", "repeats a group"),
        ({"device": ""}, "device", "name of a device"),
        ({"for": "soon"}, "for", "is no duration"),
        ({"for": 0}, "for", "between 0 and ten years"),
        ({"fro": "1h"}, None, "fro"),
        ({"device": 5}, "device", "device"),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(writer, wrong, parameter, says):
    told = writer.post(ROUTE, json={**WISH, **wrong})
    assert told.status_code == 400
    assert says in told.json()["detail"]
    assert parameter in (None, told.json().get("parameter"))
    assert writer.get(ROUTE).json() == []


def test_no_json_is_no_promotion(writer):
    assert writer.post(ROUTE, content="device=node-1").status_code == 415
    assert writer.post(ROUTE, content="{", headers={"Content-Type": "application/json"}).status_code == 400
    assert writer.post(f"{ROUTE}?device=n", json=WISH).status_code == 400
    assert writer.delete(ROUTE).status_code == 400


@pytest.mark.parametrize(("body", "says"), [(b"", "a body of JSON is missing"), (b"[" * 100_000, "nested too deeply")])
def test_a_body_that_is_none_is_told(writer, body, says):
    told = writer.post(ROUTE, content=body, headers={"Content-Type": "application/json"})
    assert told.status_code == 400
    assert says in told.json()["detail"]


@pytest.mark.parametrize(
    "header", [{"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"Origin": "http://evil.example"}]
)
def test_a_proxy_and_a_strange_page_may_not_write(writer, header):
    assert writer.post(ROUTE, json=WISH, headers=header).status_code == 403
    assert writer.delete(ROUTE, params={"device": "n"}, headers=header).status_code == 403
    assert writer.get(ROUTE, headers=header).status_code == 200
    assert writer.post(ROUTE, json=WISH, headers={"Origin": "http://127.0.0.1:8780"}).status_code == 200


def test_another_machine_may_not_write(view, wall, tmp_path):
    view.promotions = Promotions(tmp_path / FILE, wall)
    with asked_from(view, "192.0.2.7") as stranger:
        told = stranger.post(ROUTE, json=WISH)
        assert told.status_code == 403
        assert "only this machine itself may write" in told.json()["detail"]


def test_a_program_without_meters_promotes_nothing(client):
    assert client.get(ROUTE).status_code == 404

"""What the reference says of routes and parameters is what there is."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"


def test_every_route_and_parameter_is_documented(client):
    text = PAGE.read_text()
    document = client.get("/api/openapi.json").json()
    assert set(re.findall(r"^\| `(/[a-z/]+)`", text, re.MULTILINE)) == set(document["paths"])
    table = text[text.index("## Parameters") : text.index("## Samples")]
    told = {
        name for row in re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE) for name in re.findall("`([a-z]+)`", row)
    }
    known = {one["name"] for path in document["paths"].values() for one in path["get"].get("parameters", ())}
    assert told == known - {"Accept"}


def test_every_field_of_energy_is_documented(client):
    text = PAGE.read_text()
    section = text[text.index("## Energy") : text.index("## Now")]
    [first, *_] = client.get("/api/energy").json()["series"]
    assert all(f"`{name}`" in section for name in first)

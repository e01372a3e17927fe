"""The interface over a store on disk says what it says over the one in memory."""

import pytest
from litestar.testing import TestClient

from wattline.api.app import View, create_app
from wattline.stores.sqlite.store import Sqlite, SqliteConfig

MINUTE = "start=2026-11-20T13:00:00Z&end=2026-11-20T13:01:00Z"


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow"])
async def test_samples(  # noqa: PLR0917 - each is a fixture
    view, client, form, tmp_path, batches, rows_of
):
    store = Sqlite(SqliteConfig(path=str(tmp_path / "site.sqlite")))
    await store.open()
    try:
        await store.write(batches)
        kept = View(store, view.health, view.live, view.site, view.started, view.clock)
        with TestClient(create_app(kept), base_url="http://127.0.0.1") as other:
            answers = [one.get(f"/api/samples?{MINUTE}&format={form}").content for one in (client, other)]
    finally:
        await store.close()
    expected, found = (rows_of(answer, form) for answer in answers)
    assert len(found) == 700
    assert found == expected

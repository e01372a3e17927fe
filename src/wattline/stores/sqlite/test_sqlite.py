import pytest

from wattline.stores.sqlite.store import Sqlite, SqliteConfig
from wattline.testing.store_suite import StoreSuite


class TestSqlite(StoreSuite):
    @pytest.fixture
    def factory(self, tmp_path):
        return lambda name: Sqlite(SqliteConfig(path=str(tmp_path / name)))

    def keep_house(self, opened):
        opened._runner.run(opened.store.settle())

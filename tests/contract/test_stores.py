"""Every store of ours keeps the contract."""

import pytest

from wattline.stores.sqlite.store import Sqlite, SqliteConfig
from wattline.testing.memory import MemoryStore
from wattline.testing.store_suite import StoreSuite


class TestMemory(StoreSuite):
    @pytest.fixture
    def factory(self):
        stores: dict[str, MemoryStore] = {}
        return lambda name: stores.setdefault(name, MemoryStore())


class TestSqlite(StoreSuite):
    @pytest.fixture
    def factory(self, tmp_path):
        return lambda name: Sqlite(SqliteConfig(path=str(tmp_path / f"{name}.sqlite")))

    def keep_house(self, opened):
        opened.run(opened.store.settle())

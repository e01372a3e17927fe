"""Every store of ours keeps the contract."""

import pytest

from wattline.testing.memory import MemoryStore
from wattline.testing.store_suite import StoreSuite


class TestMemory(StoreSuite):
    @pytest.fixture
    def factory(self):
        stores: dict[str, MemoryStore] = {}
        return lambda name: stores.setdefault(name, MemoryStore())

"""The contract, held against every store there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_workers import MemoryWorkers, SQLiteWorkers

from hookline.testing.store_contract import ContractClock, StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def workers(self, contract_clock: ContractClock) -> MemoryWorkers:  # type: ignore[override]
        return MemoryWorkers(contract_clock)


class TestSQLiteStore(StoreContract):
    @pytest.fixture
    def workers(self, contract_clock: ContractClock, tmp_path: Path) -> Iterator[SQLiteWorkers]:
        workers = SQLiteWorkers(contract_clock, tmp_path)
        yield workers
        workers.close()

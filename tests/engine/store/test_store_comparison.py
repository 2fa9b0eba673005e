"""The SQLite store and its in-memory twin under the same random units."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from store_workers import MemoryWorkers, SQLiteWorkers

from hookline.testing.store_contract import ContractClock
from hookline.testing.store_contract.compare import StoreComparison
from hookline.testing.store_contract.kit import Workers


class Comparison(StoreComparison):
    def make(self, clock: ContractClock) -> tuple[Workers, Workers]:
        self.folder = Path(tempfile.mkdtemp())
        self.sqlite = SQLiteWorkers(clock, self.folder)
        return MemoryWorkers(clock), self.sqlite

    def drop(self) -> None:
        self.sqlite.close()
        shutil.rmtree(self.folder)


Comparison.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestComparison = Comparison.TestCase

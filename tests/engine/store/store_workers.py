"""Workers of one database, as the contract suite wants them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hookline.store.memory import MemoryDatabase, MemoryStore
from hookline.store.port import Store
from hookline.store.sqlite import SQLiteStore
from hookline.testing.store_contract import ContractClock


class MemoryWorkers:
    """Several stores on one database in memory."""

    def __init__(self, clock: ContractClock) -> None:
        self._clock = clock
        self._database = MemoryDatabase()

    def start(self, name: str) -> Store:
        return MemoryStore(name, self._clock, self._database)

    def kill(self, store: Store) -> None:
        self._database.kill(store.worker)

    def interrupt(self) -> None:
        self._database.interrupt("the disk is full")

    def resume(self) -> None:
        self._database.resume()


class SQLiteWorkers:
    """Several stores on one file. Lock files work within a process as they do between processes."""

    def __init__(self, clock: ContractClock, folder: Path) -> None:
        self._clock = clock
        self.path = folder / "hookline.db"
        self._stores: list[SQLiteStore] = []
        self._locker = sqlite3.connect(self.path, isolation_level=None)

    def start(self, name: str) -> SQLiteStore:
        store = SQLiteStore(self.path, name, self._clock, busy_seconds=0.05)
        self._stores.append(store)
        return store

    def kill(self, store: Store) -> None:
        store.close()

    def interrupt(self) -> None:
        """Another program keeps the database locked."""
        self._locker.execute("BEGIN IMMEDIATE")

    def resume(self) -> None:
        self._locker.execute("ROLLBACK")

    def close(self) -> None:
        for store in self._stores:
            store.close()
        self._locker.close()

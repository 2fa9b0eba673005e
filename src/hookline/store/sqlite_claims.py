"""Claims in a SQLite database: what attempts under way have set aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from .limits import Cap, Claim, Claimed
from .sqlite_ledger import spent_query
from .sqlite_statements import Row, select

__all__ = ["Claims"]


class Claims:
    """Claims that are made and end in one transaction.

    The ends are gathered; whoever asks for a claim has them written first.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._released: list[Row] = []
        self._over: list[Row] = []

    def take(self, unit: Claim) -> Claimed:
        """Grant the claim or refuse it; that the worker holds the run is the caller's business."""
        for cap in unit.caps:
            taken = self._taken(unit, cap)
            if taken + unit.amounts.get(cap.name, 0.0) > cap.most + 1e-9:
                return Claimed(False, cap, taken)
        sql = "INSERT OR REPLACE INTO claims (name, run_id, path, attempt, amount) VALUES (?, ?, ?, ?, ?)"
        for name, amount in unit.amounts.items():
            self._db.execute(sql, [name, unit.run_id, unit.path, unit.attempt, amount])
        return Claimed(True)

    def _taken(self, unit: Claim, cap: Cap) -> float:
        sql = (
            "SELECT total(amount) FROM claims WHERE name = ?"
            " AND NOT (run_id = ? AND path = ? AND attempt = ?)"
        )
        own = [cap.name, unit.run_id, unit.path, unit.attempt]
        taken: float = cap.used + self._db.execute(sql, own).fetchone()[0]
        if cap.since is not None:
            taken += self._db.execute(*spent_query(cap.workflow, cap.since)).fetchone()[0]
        return taken

    def end_attempts(self, run_id: str, attempts: Iterable[tuple[str, int]]) -> None:
        self._released.extend((run_id, path, attempt) for path, attempt in attempts)

    def end_run(self, run_id: str) -> None:
        self._over.append((run_id,))

    def write(self) -> None:
        # Most attempts have no claim, and often there is none at all.
        if self._released or self._over:
            if self._db.execute("SELECT EXISTS (SELECT 1 FROM claims)").fetchone()[0]:
                select(self._db, "DELETE FROM claims WHERE (run_id, path, attempt) IN", self._released)
                select(self._db, "DELETE FROM claims WHERE run_id IN", self._over)
            self._released.clear()
            self._over.clear()

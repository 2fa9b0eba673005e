"""Claims in a SQLite database: what attempts under way have set aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from .limits import PARTS, Cap, Claim, Claimed, in_parts
from .sqlite_ledger import spent_query
from .sqlite_statements import Row, select

__all__ = ["Claims"]

_CLAIM = (
    "INSERT INTO claims (name, run_id, path, attempt, amount) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (name, run_id, path, attempt) DO UPDATE SET amount = excluded.amount"
)
_OTHERS = (
    "SELECT claimed.amount - coalesce(own.amount, 0) FROM claimed LEFT JOIN claims own"
    " ON own.name = claimed.name AND own.run_id = ?2 AND own.path = ?3 AND own.attempt = ?4"
    " WHERE claimed.name = ?1"
)
"""What others have claimed under a name. Nothing is added up here: see `schema`."""


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
        for name, amount in unit.amounts.items():
            self._db.execute(_CLAIM, [name, unit.run_id, unit.path, unit.attempt, in_parts(amount)])
        return Claimed(True)

    def _taken(self, unit: Claim, cap: Cap) -> float:
        others = self._db.execute(_OTHERS, [cap.name, unit.run_id, unit.path, unit.attempt]).fetchone()
        taken: float = cap.used + (others[0] / PARTS if others is not None else 0.0)
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

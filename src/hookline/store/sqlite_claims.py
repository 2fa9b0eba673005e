"""Claims in a SQLite database: what attempts under way have set aside."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import Any

from .limits import MONEY, PARTS, Cap, Claim, Claimed, in_parts
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
        self._owing: list[tuple[str, str, int]] = []
        self._over_but: list[tuple[str, Collection[tuple[str, int]]]] = []

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

    def end_attempts(
        self, run_id: str, attempts: Iterable[tuple[str, int]], owing: Collection[tuple[str, int]]
    ) -> None:
        owing = frozenset(owing)
        for path, attempt in attempts:
            ended = self._owing if (path, attempt) in owing else self._released
            ended.append((run_id, path, attempt))

    def end_run(self, run_id: str, owing: Collection[tuple[str, int]]) -> None:
        if owing:
            self._over_but.append((run_id, frozenset(owing)))
        else:
            self._over.append((run_id,))

    def write(self) -> None:
        # Most attempts have no claim, and often there is none at all.
        ended: tuple[list[Any], ...] = (self._released, self._over, self._owing, self._over_but)
        if not any(ended):
            return
        if self._db.execute("SELECT EXISTS (SELECT 1 FROM claims)").fetchone()[0]:
            select(self._db, "DELETE FROM claims WHERE (run_id, path, attempt) IN", self._released)
            select(self._db, "DELETE FROM claims WHERE run_id IN", self._over)
            for attempt in self._owing:
                self._end_all_but_money(attempt)
            for run_id, owing in self._over_but:
                self._end_all_but_owing(run_id, owing)
        for each in ended:
            each.clear()

    def _end_all_but_money(self, attempt: tuple[str, str, int]) -> None:
        sql = "DELETE FROM claims WHERE run_id = ? AND path = ? AND attempt = ? AND name NOT GLOB ?"
        self._db.execute(sql, [*attempt, f"{MONEY}*"])

    def _end_all_but_owing(self, run_id: str, owing: Collection[tuple[str, int]]) -> None:
        found = self._db.execute("SELECT DISTINCT path, attempt FROM claims WHERE run_id = ?", [run_id])
        for path, attempt in found.fetchall():
            if (path, attempt) in owing:
                self._end_all_but_money((run_id, path, attempt))
            else:
                sql = "DELETE FROM claims WHERE run_id = ? AND path = ? AND attempt = ?"
                self._db.execute(sql, [run_id, path, attempt])

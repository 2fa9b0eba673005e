"""The ledger in a SQLite database: what was spent, by day, workflow and model."""

from __future__ import annotations

import sqlite3
from typing import Any

from .rows import day_of
from .sqlite_statements import select
from .units import Charge

__all__ = ["Charges", "spent_query"]

_ADD = "INSERT INTO costs (day, workflow, model, called, usd, count, most) SELECT * FROM"
_TO = (
    " WHERE column1 IS NOT NULL ON CONFLICT (day, workflow, model, called) DO UPDATE SET"
    " usd = usd + excluded.usd, count = count + excluded.count, most = max(most, excluded.most)"
)


class Charges:
    """Charges of one transaction, added up before they are written."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._sums: dict[tuple[str, str, str, int], tuple[float, int, float]] = {}

    def add(self, charge: Charge) -> None:
        key = (day_of(charge.at), charge.workflow, charge.of, int(charge.called))
        usd, count, most = self._sums.get(key, (0.0, 0, 0.0))
        self._sums[key] = (usd + charge.usd, count + 1, max(most, charge.usd))

    def write(self) -> None:
        select(self._db, _ADD, [(*key, *value) for key, value in self._sums.items()], _TO)
        self._sums.clear()


def spent_query(workflow: str | None, since: float) -> tuple[str, list[Any]]:
    """What the ledger says from the day of `since` on: see `Store.spent`."""
    if workflow is None:
        return "SELECT total(usd) FROM costs WHERE day >= ? AND called = 0", [day_of(since)]
    return "SELECT total(usd) FROM costs WHERE workflow = ? AND day >= ?", [workflow, day_of(since)]

"""Forgetting: what retention and expiry remove from a SQLite database."""

from __future__ import annotations

import sqlite3

from .sqlite_statements import Row, select
from .units import Prune, Pruned

__all__ = ["KEYS_PER_RUN", "prune"]

KEYS_PER_RUN = 20
"""Expired dedupe keys forgotten for each run that may be: there are more events than runs."""


def prune(db: sqlite3.Connection, unit: Prune) -> tuple[Pruned, list[str]]:
    doomed = _finished(db, unit)
    runs = [(run_id,) for run_id, _ in doomed]
    for start in (
        "DELETE FROM history WHERE run_id IN",
        "DELETE FROM signals WHERE run_id IN",
        "DELETE FROM approvals WHERE run_id IN",
        "DELETE FROM runs WHERE id IN",
    ):
        select(db, start, runs)
    # The event of a run that was replayed stays as long as the run that it started.
    started = [(event_id, run_id) for run_id, event_id in doomed if event_id is not None]
    events = len(select(db, "DELETE FROM events WHERE (id, run_id) IN", started, " RETURNING 1"))
    sql = "DELETE FROM events WHERE gathering IS NOT NULL AND run_id IN"
    events += len(select(db, sql, runs, " RETURNING 1"))
    events += _prune_events(db, unit)
    return Pruned(len(doomed), events, _forget_expired(db, unit)), [run_id for run_id, _ in doomed]


def _forget_expired(db: sqlite3.Connection, unit: Prune) -> bool:
    """Forget what has expired, up to a limit; says whether there may be more."""
    limit = unit.limit * KEYS_PER_RUN
    keys = db.execute(
        "DELETE FROM dedupe WHERE (scope, key) IN"
        " (SELECT scope, key FROM dedupe WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        [unit.now, limit],
    ).rowcount
    # A start that would come by now holds nobody back: it says no more than no row.
    rates = db.execute(
        "DELETE FROM rates WHERE name IN (SELECT name FROM rates WHERE arrival <= ? LIMIT ?)",
        [unit.now, limit],
    ).rowcount
    kept = db.execute(
        "DELETE FROM kept WHERE key IN"
        " (SELECT key FROM kept WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
        [unit.now, unit.limit],
    ).rowcount
    return max(keys, rates) >= limit or kept >= unit.limit


def _prune_events(db: sqlite3.Connection, unit: Prune) -> int:
    """Forget events that started no run. Those that wait are received, and stay."""
    idle = "FROM events WHERE workflow = ? AND run_id IS NULL AND state <> 'received'"
    before = unit.finished_before if unit.events_before is None else unit.events_before
    bounds: list[tuple[float, int]] = [] if before is None else [(before, 0)]
    if unit.keep_events is not None:
        newest_that_goes = db.execute(
            f"SELECT received_at, n + 1 {idle} ORDER BY received_at DESC, n DESC LIMIT 1 OFFSET ?",
            [unit.workflow, unit.keep_events],
        ).fetchone()
        if newest_that_goes is not None:
            bounds.append(newest_that_goes)
    if not bounds:
        return 0
    oldest = f"SELECT n {idle} AND (received_at, n) < (?, ?) ORDER BY received_at, n LIMIT ?"
    return db.execute(
        f"DELETE FROM events WHERE n IN ({oldest})", [unit.workflow, *max(bounds), unit.limit]
    ).rowcount


def _finished(db: sqlite3.Connection, unit: Prune) -> list[Row]:
    """Id and event of the runs that go: too old, or behind the newest; the oldest first.

    One with a timer has left something behind that is not settled: it stays until that is.
    """
    bounds: list[tuple[float, int]] = []
    if unit.finished_before is not None:
        bounds.append((unit.finished_before, 0))
    if unit.keep is not None:
        newest_that_goes = db.execute(
            "SELECT finished_at, n + 1 FROM runs WHERE workflow = ? AND finished_at IS NOT NULL"
            " ORDER BY finished_at DESC, n DESC LIMIT 1 OFFSET ?",
            [unit.workflow, unit.keep],
        ).fetchone()
        if newest_that_goes is not None:
            bounds.append(newest_that_goes)
    if not bounds:
        return []
    return db.execute(
        "SELECT id, event_id FROM runs WHERE workflow = ? AND finished_at IS NOT NULL"
        " AND (finished_at, n) < (?, ?)"
        " AND NOT EXISTS (SELECT 1 FROM timers WHERE timers.run_id = runs.id)"
        " ORDER BY finished_at, n LIMIT ?",
        [unit.workflow, *max(bounds), unit.limit],
    ).fetchall()

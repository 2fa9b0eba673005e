"""Events that wait, in a SQLite database: the gatherings they are in and the turns they wait for."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from . import sqlite_rates as rates
from .sqlite_statements import Row, dump
from .units import Hold, Incoming, Release, Throttle

__all__ = ["Gatherings"]

_JOIN = (
    "INSERT INTO gatherings (id, name, scope, version, key, first_at, due_at, count, bytes)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version,"
    " due_at = excluded.due_at, count = excluded.count, bytes = excluded.bytes"
)
_SETTLE = "UPDATE events SET run_id = ?, state = ?, reason = ? WHERE gathering = ? AND gathering IS NOT NULL"


@dataclass(slots=True)
class _Gathering:
    """The newest gathering of a name, kept up to date while the transaction lasts."""

    id: str
    first_at: float
    due_at: float
    count: int
    bytes: int


class Gatherings:
    """The gatherings that one transaction touches."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._newest: dict[str, _Gathering | None] = {}
        self._joined: dict[str, Row] = {}

    def join(self, hold: Hold, incoming: Incoming, turn: float | None) -> tuple[str, float]:
        """The gathering that an event waits in, and when it is due; with a `turn`, one of its own."""
        now = incoming.received_at
        found = self._newest_of(hold.name) if turn is None else None
        if found is None or found.due_at <= now:
            found = _Gathering(hold.id, now, now + hold.longest if turn is None else turn, 0, 0)
            self._newest[hold.name] = found
        found.count += 1
        found.bytes += len(dump(incoming.data) or "") if hold.most_bytes is not None else 0
        if turn is None:
            found.due_at = found.first_at + hold.longest
            if hold.quiet is not None:
                found.due_at = min(found.due_at, now + hold.quiet)
            is_full = hold.most is not None and found.count >= hold.most
            if is_full or (hold.most_bytes is not None and found.bytes >= hold.most_bytes):
                found.due_at = now
        self._joined[found.id] = (
            found.id,
            hold.name,
            hold.scope,
            hold.version,
            hold.key,
            found.first_at,
            found.due_at,
            found.count,
            found.bytes,
        )
        return found.id, found.due_at

    def _newest_of(self, name: str) -> _Gathering | None:
        if name not in self._newest:
            sql = (
                "SELECT id, first_at, due_at, count, bytes FROM gatherings WHERE name = ?"
                " ORDER BY n DESC LIMIT 1"
            )
            row = self._db.execute(sql, [name]).fetchone()
            self._newest[name] = None if row is None else _Gathering(*row)
        return self._newest[name]

    def turn_at(self, throttle: Throttle, now: float) -> float | None:
        """When an event may start its run; None when that is now. A turn is taken if it can wait."""
        db, rate, per = self._db, throttle.rate, throttle.per
        earliest = turn = rates.earliest(db, throttle.name, rate, per, now)
        if throttle.hold is not None:
            start = rates.earliest(db, throttle.started, rate, per, now)
            turn = max(earliest, start)
            if turn <= now + rates.SLACK:
                rates.book(db, throttle.started, start + per)
        has_turn = turn <= now + rates.SLACK
        if has_turn or throttle.hold is not None:
            rates.book(db, throttle.name, earliest + per)
        return None if has_turn else turn

    def take(self, unit: Release) -> bool:
        """Remove a gathering that is to be released; says whether it could be."""
        db = self._db
        row = db.execute("SELECT name, count FROM gatherings WHERE id = ?", [unit.gathering]).fetchone()
        if row is None or row[1] != unit.count:
            return False
        if unit.throttle is not None:
            throttle = unit.throttle
            start = rates.earliest(db, throttle.started, throttle.rate, throttle.per, unit.now)
            if start > unit.now + rates.SLACK:
                db.execute("UPDATE gatherings SET due_at = ? WHERE id = ?", [start, unit.gathering])
                return False
            rates.book(db, throttle.started, start + throttle.per)
        db.execute("DELETE FROM gatherings WHERE id = ?", [unit.gathering])
        self._newest.pop(row[0], None)
        return True

    def settle(self, unit: Release, run_id: str | None, reason: str) -> None:
        """Say of the events of a gathering what became of them."""
        state = "received" if run_id is not None else "filtered"
        if run_id is not None and unit.chosen:
            replaced = f"replaced by {unit.chosen}, which came later"
            self._db.execute(_SETTLE, [run_id, "filtered", replaced, unit.gathering])
            chosen = [run_id, state, reason, unit.gathering, unit.chosen]
            self._db.execute(f"{_SETTLE} AND id = ?", chosen)
        else:
            self._db.execute(_SETTLE, [run_id, state, reason, unit.gathering])

    def write(self) -> None:
        if self._joined:
            self._db.executemany(_JOIN, self._joined.values())
            self._joined.clear()

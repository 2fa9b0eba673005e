"""Rates in a SQLite database: one row holds when the next start would come evenly spaced.

Generic cell rate algorithm: what was not used may be made up for by a burst.
"""

from __future__ import annotations

import sqlite3

from .limits import TakeTurns, Turns

__all__ = ["SLACK", "book", "earliest", "take_turns"]

SLACK = 1e-6
"""Seconds by which a turn may lie ahead and count as now: what sums of floats get wrong."""


def earliest(db: sqlite3.Connection, name: str, rate: int, per: float, now: float) -> float:
    """When the next start may come, of `rate` within `per` seconds each.

    If it may come now, that is a moment of the past.
    """
    return max(_arrival(db, name, now), now) - (per - per / rate)


def book(db: sqlite3.Connection, name: str, arrival: float) -> None:
    sql = "INSERT INTO rates VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET arrival = excluded.arrival"
    db.execute(sql, [name, arrival])


def take_turns(db: sqlite3.Connection, unit: TakeTurns) -> Turns:
    ahead = (unit.burst - 1) * unit.spacing
    arrival = max(_arrival(db, unit.name, unit.now), unit.now)
    if unit.not_before is not None:
        arrival = max(arrival, unit.not_before + ahead)
    book(db, unit.name, arrival + unit.count * unit.spacing)
    return Turns(arrival - ahead)


def _arrival(db: sqlite3.Connection, name: str, now: float) -> float:
    row = db.execute("SELECT arrival FROM rates WHERE name = ?", [name]).fetchone()
    arrival: float = row[0] if row else now
    return arrival

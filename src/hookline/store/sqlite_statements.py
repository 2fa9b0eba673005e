"""SQL statements over many rows at once, each of few texts, so that SQLite finds them prepared."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from hookline.core.json_text import json_encoder

__all__ = ["MAX_ROWS", "Row", "dump", "encode", "insert", "parts", "select", "update_runs"]

Json = Any
Row: TypeAlias = tuple[Any, ...]

MAX_ROWS = 256
"""Most rows in one statement; SQLite allows 32,766 parameters, the widest table has 20 columns."""

_STATEMENTS: dict[tuple[str, int], str] = {}

encode = json_encoder(allow_nan=True)


def dump(value: Json) -> str | None:
    """JSON text for a column; null is no text."""
    return None if value is None else encode(value)


def insert(db: sqlite3.Connection, into: str, rows: list[Row]) -> None:
    """Run ``<into> SELECT …`` over the rows, and empty the list."""
    for part, values in _padded(rows):
        sql = _STATEMENTS.get((into, part))
        if sql is None:
            marks = ",".join(["(" + ",".join("?" * len(rows[0])) + ")"] * part)
            sql = _STATEMENTS[(into, part)] = (
                f"{into} SELECT * FROM (VALUES {marks}) WHERE column1 IS NOT NULL"
            )
        db.execute(sql, values)
    rows.clear()


def select(db: sqlite3.Connection, start: str, rows: Sequence[Row], end: str = "") -> list[Row]:
    """Run ``<start> (SELECT * FROM (VALUES …)) <end>`` over the rows; what it returns, if anything.

    The ``SELECT`` around the values is what lets ``(a, b) IN`` use an index: for several columns SQLite
    does so only for one ``SELECT``, and values in more than one row count as several.
    """
    found: list[Row] = []
    for part, values in _padded(rows):
        sql = _STATEMENTS.get((start, part))
        if sql is None:
            marks = ",".join(["(" + ",".join("?" * len(rows[0])) + ")"] * part)
            sql = _STATEMENTS[(start, part)] = f"{start} (SELECT * FROM (VALUES {marks})){end}"
        found.extend(db.execute(sql, values).fetchall())
    return found


def update_runs(db: sqlite3.Connection, columns: str, rows: Sequence[Row]) -> None:
    """Set columns of runs; each row is a run's id and ten values, ``v.column2`` to ``v.column11``."""
    for part, values in _padded(rows):
        sql = _STATEMENTS.get((columns, part))
        if sql is None:
            row = "(?,?,?,?,?,?,?,?,?,?,?)"
            sql = _STATEMENTS[(columns, part)] = (
                f"UPDATE runs SET {columns} FROM (VALUES {','.join([row] * part)}) v"
                " WHERE runs.id = v.column1"
            )
        db.execute(sql, values)


def _padded(rows: Sequence[Row]) -> Iterator[tuple[int, list[Any]]]:
    """Rows in parts of up to `MAX_ROWS`, filled with nulls up to a power of two.

    So there are only nine texts of each statement, and SQLite finds them prepared. A row of nulls
    inserts nothing and matches nothing.
    """
    for part in parts(rows, MAX_ROWS):
        size = 1 << (len(part) - 1).bit_length()
        values = [value for row in part for value in row]
        values.extend([None] * ((size - len(part)) * len(part[0])))
        yield size, values


def parts(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]

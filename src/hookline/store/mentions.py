"""Which contents of the artifact store anything that is kept speaks of."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

from .port import Mentions

__all__ = ["find_mentions", "mentioned_in"]

_MARKS = ("artifact:", "$spill")
"""What stands in every text with a reference: a file's address, and a large value's place."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SPILLED = re.compile(r"""\{"\$spill": ?"([0-9a-f]{64})"\}""")
"""A large value's place in a history. The journal writes nothing else so, whatever is sent to it: in a text
the quotes are escaped, and in data the dollar sign is."""

_ROWS = 200
_NUMBERS = ("INTEGER", "REAL")


def mentioned_in(texts: Iterable[str]) -> tuple[set[str], set[str]]:
    """Digests in texts, and those of them that are large values."""
    digests: set[str] = set()
    spilled: set[str] = set()
    for text in texts:
        if any(mark in text for mark in _MARKS):
            digests.update(_DIGEST.findall(text))
            spilled.update(_SPILLED.findall(text))
    return digests, spilled


def find_mentions(db: sqlite3.Connection) -> Mentions:
    """Look through every column that may hold text, of whatever tables there are, in one snapshot.

    What no reference can stand in is passed over by SQLite itself.
    """
    digests: set[str] = set()
    spilled: set[str] = set()
    db.execute("BEGIN")
    try:
        (since,) = db.execute(
            "SELECT min(coalesce(started_at, created_at)) FROM runs WHERE status = 'running'"
        ).fetchone()
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            found_columns = db.execute(f'PRAGMA table_info("{table}")').fetchall()
            columns = [name for _, name, kind, *_ in found_columns if kind not in _NUMBERS]
            if not columns:
                continue
            tests = " OR ".join(f"instr(\"{column}\", '{mark}')" for column in columns for mark in _MARKS)
            names = ", ".join(f'CAST("{column}" AS TEXT)' for column in columns)
            rows = db.execute(f'SELECT {names} FROM "{table}" WHERE {tests}')
            while some := rows.fetchmany(_ROWS):
                found = mentioned_in(text for row in some for text in row if text)
                digests |= found[0]
                if table == "history":
                    spilled |= found[1]
    finally:
        db.execute("ROLLBACK")
    return Mentions(frozenset(digests), frozenset(spilled), since)

"""What SQLite's error codes mean for the store."""

from __future__ import annotations

import sqlite3

from .port import CorruptStore, StoreError, StoreUnavailable

__all__ = ["translate"]

_PASSING = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_BUSY: "the database is locked by another process",
    sqlite3.SQLITE_LOCKED: "the database is locked by another process",
    sqlite3.SQLITE_READONLY: "the database cannot be written: it is read-only",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_PERM: "no permission to use the database file",
    sqlite3.SQLITE_PROTOCOL: "the database is locked by another process",
}
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def translate(error: sqlite3.Error) -> StoreError:
    """Our error for SQLite's, by its code: the low byte names the class.

    A plain `StoreError` blames the statement or its values, not the database.
    """
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary in _PASSING:
        return StoreUnavailable(f"{_PASSING[primary]} ({error})")
    if primary in _BROKEN:
        return CorruptStore(f"the database is damaged or not a database ({error}); restore it from a backup")
    return StoreError(f"the database refuses this: {error}")

"""SQLite behind the store's port: one writer thread, many runs' records in one fsync.

Why it is built this way (measured, `docs/adr/0003-journal-and-group-commit.md`):

* One thread owns the writing connection and takes everything that is queued into one
  ``BEGIN IMMEDIATE … COMMIT``. While it waits for the disk the next group gathers.
* A group runs a *constant* number of statements, each over many rows. The interpreter lock is
  given up around every statement, and getting it back costs more than the statement.
* ``synchronous=FULL``: a commit has returned only after the log is on disk.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from . import port
from .liveness import WorkerLocks
from .port import (
    Approval,
    Chunk,
    CorruptStore,
    Definition,
    Done,
    EventRow,
    Health,
    Page,
    PutSignal,
    RunFilter,
    RunRow,
    Signal,
    StoreError,
    StoreUnavailable,
    Timer,
    Unit,
)
from .schema import MIGRATIONS
from .sqlite_group import MAX_ROWS, Group, parts

__all__ = ["SQLiteStore"]

log = logging.getLogger(__name__)

Json = Any
Row = tuple[Any, ...]

MAX_GROUP = 512
"""Most units in one transaction: a bound on how long a reader of the newest state waits."""

BUSY_MS = 2000
"""How long to wait for another process's write lock, in milliseconds."""

RETRY_SECONDS = 0.25
"""Pause before writing is tried again after the disk was full or the database locked."""

_RUN_COLUMNS = (
    "id, workflow, version, status, event_id, parent_run, parent_path, replay_of, created_at, started_at,"
    " finished_at, cost_usd, waiting_for, output, error, epoch, owner, concurrency_key"
)
_EVENT_COLUMNS = (
    "e.id, e.trigger, e.workflow, e.received_at, e.state, e.reason, e.dedupe_key, e.headers, e.body, e.data,"
    " e.run_id, r.status"
)


def _load(text: str | None) -> Json:
    return None if text is None else json.loads(text)


class SQLiteStore:
    """A database file.

    Args:
        path: The file; its folder is made.
        worker: A name never used before with this file.
        clock: Seconds since the epoch; used for expiry only.

    Raises:
        CorruptStore: The file is no database, is damaged, or was written by a newer version.
        StoreUnavailable: The file cannot be written.
    """

    def __init__(self, path: Path, worker: str, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.worker = worker
        self._clock = clock
        self._health = Health(True)
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self._units: queue.SimpleQueue[tuple[Unit, Done] | None] = queue.SimpleQueue()
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            self._prepare()
            self._locks = WorkerLocks(path.with_name(path.name + ".workers"), worker)
        except sqlite3.DatabaseError as error:
            raise _translate(error) from error
        except OSError as error:
            raise StoreUnavailable(f"{path}: {error.strerror or error}") from error
        self._thread = threading.Thread(target=self._write_loop, name="hookline-store", daemon=True)
        self._thread.start()

    # Opening ---------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=512)
        db.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        return db

    def _prepare(self) -> None:
        db = self._writer
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        db.execute("BEGIN IMMEDIATE")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            db.execute("ROLLBACK")
            raise CorruptStore(f"{self.path} was written by a newer version of Hookline")
        for migration in MIGRATIONS[version:]:
            for statement in migration.split(";"):
                if statement.strip():
                    db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
        # Checking a large file would hold up the start; its pages are checked as they are read.
        is_small = self.path.stat().st_size < 64 * 1024 * 1024
        if is_small and db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise CorruptStore(f"{self.path} is damaged; restore it from a backup")

    # Writing -----------------------------------------------------------------------------------

    def submit(self, unit: Unit, done: Done) -> None:
        if self._closed:
            done(StoreUnavailable("the store is closed"))
        else:
            self._units.put((unit, done))

    def health(self) -> Health:
        return self._health

    def flush(self) -> None:
        reached = threading.Event()
        probe = PutSignal("", "", "", "", None, 0.0)
        self._units.put((probe, lambda _: reached.set()))
        reached.wait()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._units.put(None)
        self._thread.join()
        self._locks.close()
        self._writer.close()
        with self._readers_lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()

    def _write_loop(self) -> None:
        kept: list[tuple[Unit, Done]] = []
        failed_at = float("-inf")
        closing = False
        while not (closing and not kept):
            gathered, ends = self._gather(wait=not kept and not closing)
            group, kept = kept + gathered, []
            closing = closing or ends
            pause = failed_at + RETRY_SECONDS - time.monotonic()
            if pause > 0:
                group = _refuse_intake(group, self._health.reason)
                if closing:
                    # What is kept is in the history already or will be found by recovery.
                    _answer_all(group, StoreUnavailable(self._health.reason))
                    return
                time.sleep(pause)
            if not group:
                continue
            try:
                answers = self._commit(group)
            except sqlite3.DatabaseError as error:
                reported = _translate(error)
                if self._health.ok:
                    log.error("%s: cannot write to %s: %s", reported.code, self.path, reported)
                self._health = Health(False, str(reported))
                if isinstance(reported, CorruptStore):
                    _answer_all(group, reported)
                    continue
                failed_at = time.monotonic()
                kept = _refuse_intake(group, str(reported))
                continue
            if not self._health.ok:
                log.warning("writing to %s works again", self.path)
                self._health = Health(True)
            for (_, done), answer in zip(group, answers, strict=True):
                done(answer)

    def _gather(self, *, wait: bool) -> tuple[list[tuple[Unit, Done]], bool]:
        """What is queued, up to a group's size, and whether the end was among it."""
        group: list[tuple[Unit, Done]] = []
        with contextlib.suppress(queue.Empty):
            while len(group) < MAX_GROUP:
                item = self._units.get(block=wait and not group)
                if item is None:
                    return group, True
                group.append(item)
        return group, False

    def _commit(self, group: Sequence[tuple[Unit, Done]]) -> list[Any]:
        db = self._writer
        try:
            db.execute("BEGIN IMMEDIATE")
            answers = Group(db, self._locks, self._clock()).apply([unit for unit, _ in group])
            db.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            _roll_back(db)
            if len(group) > 1:
                # One unit is wrong, and the others must not pay for it.
                return [answer for item in group for answer in self._commit([item])]
            log.exception("a unit breaks the database's rules: %r", type(group[0][0]).__name__)
            return [StoreError(f"the database refuses this: {error}")]
        except sqlite3.DatabaseError:
            # After "disk full" SQLite has rolled back by itself already.
            _roll_back(db)
            raise
        return answers

    # Reading ---------------------------------------------------------------------------------------

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        db = getattr(self._local, "db", None)
        if db is None:
            db = self._local.db = self._connect()
            db.execute("PRAGMA query_only = 1")
            with self._readers_lock:
                self._readers.append(db)
        try:
            rows: list[Row] = db.execute(sql, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise _translate(error) from error
        return rows

    def run(self, run_id: str) -> RunRow | None:
        rows = self._query(f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = ?", [run_id])
        return _run_row(rows[0]) if rows else None

    def runs(self, where: RunFilter, limit: int, cursor: str | None) -> Page:
        tests: list[tuple[str, Any]] = [
            ("n < ?", None if cursor is None else int(cursor)),
            ("workflow = ?", where.workflow),
            ("status = ?", where.status),
            ("created_at >= ?", where.since),
            ("created_at < ?", where.until),
        ]
        rows = self._page(f"SELECT n, {_RUN_COLUMNS} FROM runs", "n", tests, limit)
        return Page([_run_row(row[1:]) for row in rows[:limit]], _next(rows, limit))

    def _page(self, select: str, order: str, tests: list[tuple[str, Any]], limit: int) -> list[Row]:
        """The rows of one page and one more, which tells whether there is a next page."""
        given = [(test, value) for test, value in tests if value is not None]
        where = " AND ".join(test for test, _ in given) or "1"
        sql = f"{select} WHERE {where} ORDER BY {order} DESC LIMIT ?"
        return self._query(sql, [*(value for _, value in given), limit + 1])

    def history(self, run_id: str) -> list[Chunk]:
        sql = "SELECT seq, at, body, count FROM history WHERE run_id = ? ORDER BY seq"
        return [Chunk(*row) for row in self._query(sql, [run_id])]

    def definition(self, version: str) -> Definition | None:
        sql = "SELECT version, workflow, value, at FROM definitions WHERE version = ?"
        rows = self._query(sql, [version])
        return Definition(rows[0][0], rows[0][1], _load(rows[0][2]), rows[0][3]) if rows else None

    def event(self, event_id: str) -> EventRow | None:
        sql = f"SELECT {_EVENT_COLUMNS} FROM events e LEFT JOIN runs r ON r.id = e.run_id WHERE e.id = ?"
        rows = self._query(sql, [event_id])
        return _event_row(rows[0]) if rows else None

    def events(self, state: str | None, workflow: str | None, limit: int, cursor: str | None) -> Page:
        tests: list[tuple[str, Any]] = [
            ("e.n < ?", None if cursor is None else int(cursor)),
            ("e.state = ?", state),
            ("e.workflow = ?", workflow),
        ]
        select = f"SELECT e.n, {_EVENT_COLUMNS} FROM events e LEFT JOIN runs r ON r.id = e.run_id"
        rows = self._page(select, "e.n", tests, limit)
        return Page([_event_row(row[1:]) for row in rows[:limit]], _next(rows, limit))

    _APPROVAL = (
        "SELECT n, id, run_id, path, workflow, status, data, requested_at, due_at, decided_by, decided_at"
        " FROM approvals"
    )

    def approval(self, approval_id: str) -> Approval | None:
        rows = self._query(f"{self._APPROVAL} WHERE id = ?", [approval_id])
        return _approval_row(rows[0]) if rows else None

    def approvals(self, status: str | None, limit: int, cursor: str | None) -> Page:
        tests: list[tuple[str, Any]] = [
            ("n < ?", None if cursor is None else int(cursor)),
            ("status = ?", status),
        ]
        rows = self._page(self._APPROVAL, "n", tests, limit)
        return Page([_approval_row(row) for row in rows[:limit]], _next(rows, limit))

    def due_timers(self, now: float, limit: int) -> list[Timer]:
        sql = "SELECT run_id, path, due_at FROM timers WHERE due_at <= ? ORDER BY due_at LIMIT ?"
        return [Timer(*row) for row in self._query(sql, [now, limit])]

    def next_timer(self) -> float | None:
        due: float | None = self._query("SELECT min(due_at) FROM timers")[0][0]
        return due

    def signals(self, run_id: str) -> list[Signal]:
        sql = "SELECT id, run_id, kind, path, body, at FROM signals WHERE run_id = ? ORDER BY id"
        return [
            Signal(id_, run, kind, path, _load(body), at)
            for id_, run, kind, path, body, at in self._query(sql, [run_id])
        ]

    def signalled_runs(self, limit: int) -> list[str]:
        sql = (
            "SELECT DISTINCT s.run_id, r.owner FROM signals s JOIN runs r ON r.id = s.run_id"
            " ORDER BY s.id LIMIT ?"
        )
        rows = self._query(sql, [limit])
        return [run for run, owner in rows if self._is_free(owner)]

    def _is_free(self, owner: str | None) -> bool:
        return owner is None or owner == self.worker or not self._locks.is_alive(owner)

    def abandoned_runs(self, limit: int) -> list[str]:
        sql = (
            "SELECT id, owner FROM runs WHERE status = 'running' AND (owner IS NULL OR owner <> ?) ORDER BY n"
        )
        rows = self._query(sql, [self.worker])
        free = (run_id for run_id, owner in rows if owner is None or not self._locks.is_alive(owner))
        return list(itertools.islice(free, limit))

    def queued_keys(self, limit: int) -> list[str]:
        sql = "SELECT DISTINCT concurrency_key FROM runs WHERE status = 'queued' LIMIT ?"
        return [row[0] for row in self._query(sql, [limit])]

    def queued_run(self, concurrency_key: str) -> str | None:
        sql = "SELECT id FROM runs WHERE status = 'queued' AND concurrency_key = ? ORDER BY n LIMIT 1"
        rows = self._query(sql, [concurrency_key])
        return rows[0][0] if rows else None

    def open_runs(self) -> int:
        sql = "SELECT count(*) FROM runs WHERE status IN ('queued', 'running')"
        count: int = self._query(sql)[0][0]
        return count

    def seen(self, scope: str, keys: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for part in parts(list(keys), MAX_ROWS):
            marks = ",".join("?" * len(part))
            sql = f"SELECT key FROM dedupe WHERE scope = ? AND key IN ({marks})"
            found.update(row[0] for row in self._query(sql, [scope, *part]))
        return found

    def cursor(self, of: str) -> Json:
        rows = self._query("SELECT value FROM cursors WHERE name = ?", [of])
        return _load(rows[0][0]) if rows else None

    def setting(self, name: str, make: Callable[[], str]) -> str:
        sql = "SELECT value FROM settings WHERE name = ?"
        rows = self._query(sql, [name])
        if not rows:
            db = self._connect()
            try:
                db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", [name, make()])
            except sqlite3.DatabaseError as error:
                raise _translate(error) from error
            finally:
                db.close()
            rows = self._query(sql, [name])
        value: str = rows[0][0]
        return value


def _refuse_intake(group: list[tuple[Unit, Done]], reason: str) -> list[tuple[Unit, Done]]:
    """Answer those who can be told to come back; return the units that must not be lost."""
    kept = []
    for unit, done in group:
        if unit.is_intake:
            done(StoreUnavailable(reason))
        else:
            kept.append((unit, done))
    return kept


def _answer_all(group: Sequence[tuple[Unit, Done]], error: StoreError) -> None:
    for _, done in group:
        done(error)


def _roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        with contextlib.suppress(sqlite3.DatabaseError):
            db.execute("ROLLBACK")


_PASSING = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_BUSY: "the database is locked by another process",
    sqlite3.SQLITE_LOCKED: "the database is locked by another process",
    sqlite3.SQLITE_READONLY: "the database cannot be written: it is read-only",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_CANTOPEN: "the database file cannot be opened",
    sqlite3.SQLITE_PERM: "no permission to use the database file",
}
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA}


def _translate(error: sqlite3.Error) -> StoreError:
    """Our error for SQLite's, by its code: the low byte names the class."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary in _PASSING:
        return StoreUnavailable(f"{_PASSING[primary]} ({error})")
    if primary in _BROKEN:
        return CorruptStore(f"the database is damaged or not ours ({error})")
    return StoreError(str(error))


def _next(rows: Sequence[Row], limit: int) -> str | None:
    return str(rows[limit - 1][0]) if len(rows) > limit else None


def _run_row(row: Row) -> RunRow:
    values: list[Any] = [*row[:13], _load(row[13]), _load(row[14]), *row[15:]]
    return RunRow(*values)


def _event_row(row: Row) -> EventRow:
    id_, trigger, workflow, received_at, state, reason, key, headers, body, data, run_id, status = row
    return EventRow(
        id_,
        trigger,
        workflow,
        received_at,
        state,
        reason,
        key,
        json.loads(headers),
        body,
        _load(data),
        run_id,
        status,
    )


def _approval_row(row: Row) -> Approval:
    _, id_, run_id, path, workflow, status, data, requested_at, due_at, by, decided_at = row
    return Approval(
        id_, run_id, path, workflow, status, json.loads(data), requested_at, due_at, by, decided_at
    )


_: type[port.Store] = SQLiteStore

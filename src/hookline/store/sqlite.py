"""SQLite behind the store's port: one writer thread, many runs' records in one fsync.

Why it is built this way (measured, `docs/adr/0003-journal-and-group-commit.md`):

* One thread owns the writing connection (`sqlite_writer`) and commits in groups.
* A group runs a *constant* number of statements, each over many rows (`sqlite_statements`). The
  interpreter lock is given up around every statement, and getting it back costs more than the
  statement.
* ``synchronous=FULL``: a commit has returned only after the log is on disk.
* Readers take a connection from a pool, so that a server may start threads as it likes.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from math import inf
from pathlib import Path
from typing import Any

from . import cursors, port
from .liveness import WorkerLocks
from .mentions import find_mentions
from .port import (
    Approval,
    Chunk,
    CorruptStore,
    CostRow,
    Definition,
    Done,
    EventFilter,
    EventRow,
    Gathering,
    Health,
    Kept,
    Mentions,
    Page,
    RunFilter,
    RunRow,
    Signal,
    StoreUnavailable,
    Timer,
    Unit,
    day_of,
)
from .schema import APPLICATION_ID, ENDED_BADLY, MIGRATIONS, OPEN, statements
from .sqlite_errors import translate
from .sqlite_ledger import spent_query
from .sqlite_statements import MAX_ROWS, parts
from .sqlite_writer import Writer

__all__ = ["SQLiteStore"]

Json = Any
Row = tuple[Any, ...]

BUSY_SECONDS = 2.0
"""How long to wait for another process's write lock."""

CHECKED_BYTES = 64 * 1024 * 1024
"""Size up to which a file is checked whole at the start; a larger one would hold it up."""

_RUN_COLUMNS = (
    "id, workflow, version, status, event_id, parent_run, parent_path, replay_of, created_at, started_at,"
    " finished_at, cost_usd, waiting_for, output, error, epoch, owner, concurrency_key"
)
_EVENT_COLUMNS = (
    "e.id, e.trigger, e.workflow, e.received_at, e.state, e.reason, e.dedupe_key, e.headers, e.body, e.data,"
    " e.run_id, r.status, e.version, e.gathering, g.due_at, e.replay_of,"
    " (SELECT group_concat(x.run_id) FROM (SELECT run_id FROM events WHERE replay_of = e.id"
    " AND replay_of IS NOT NULL ORDER BY n) x)"
)
_LISTED_COLUMNS = _EVENT_COLUMNS.replace("e.body", "NULL")
_EVENTS = (
    "FROM events e LEFT JOIN runs r ON r.id = e.run_id"
    " LEFT JOIN gatherings g ON g.id = e.gathering AND e.run_id IS NULL"
)


def _load(text: str | None) -> Json:
    return None if text is None else json.loads(text)


class SQLiteStore:
    """A database file.

    Args:
        path: The file; its folder is made.
        worker: A name never used before with this file.
        clock: Seconds since the epoch; used for expiry and for when approvals were asked and given.
        busy_seconds: How long to wait while another process writes.

    Raises:
        CorruptStore: The file is no database, is damaged, is not Hookline's, or was written by a
            newer version. It is left as it is.
        StoreUnavailable: The file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        worker: str,
        clock: Callable[[], float] = time.time,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self.path = path
        self.worker = worker
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._closed = False
        self._idle_readers: list[sqlite3.Connection] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._connect()
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"{path}: {error}") from error
        try:
            self._prepare()
            self._locks = WorkerLocks(path.with_name(path.name + ".workers"), worker)
        except BaseException as error:
            self._db.close()
            if isinstance(error, CorruptStore):
                raise CorruptStore(f"{path}: {error}") from error
            if isinstance(error, sqlite3.Error):
                reported = translate(error)
                kind = StoreUnavailable if isinstance(reported, StoreUnavailable) else CorruptStore
                raise kind(f"{path}: {reported}") from error
            if isinstance(error, OSError):
                raise StoreUnavailable(f"{path}: {error.strerror or error}") from error
            raise
        self._writer = Writer(self._db, self._locks, clock, str(path))

    # Opening ---------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self.path,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )

    def _prepare(self) -> None:
        db = self._db
        version = self._version()
        if version == 0:
            # This has an effect only before the first page is written.
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        elif self.path.stat().st_size <= CHECKED_BYTES:
            found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise CorruptStore(f"the database is damaged ({found}); restore it from a backup")
        self._use_wal()
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        # Taking the lock also tells whether the file can be written at all.
        db.execute("BEGIN IMMEDIATE")
        try:
            self._migrate(self._version())
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def _migrate(self, version: int) -> None:
        if version == len(MIGRATIONS):
            return
        for migration in MIGRATIONS[version:]:
            for statement in statements(migration):
                self._db.execute(statement)
        self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _version(self) -> int:
        """How many migrations the file has had; it is not touched when it is not ours."""
        db = self._db
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
        is_empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        is_ours = db.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        if not is_ours and not (is_empty and version == 0):
            raise CorruptStore("this is the database of another program; choose another file")
        if version > len(MIGRATIONS):
            raise CorruptStore(
                f"the database was written by a newer version of Hookline (schema {version}, this one knows"
                f" {len(MIGRATIONS)}); start that version"
            )
        return version

    def _use_wal(self) -> None:
        # SQLite does not wait by itself when two processes make the same file at the same time.
        until = time.monotonic() + self._busy_seconds
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise
                time.sleep(0.01)

    # Writing -----------------------------------------------------------------------------------

    def submit(self, unit: Unit, done: Done) -> None:
        self._writer.submit(unit, done)

    def health(self) -> Health:
        return self._writer.health()

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._writer.close()
        self._locks.close()
        self._close_idle_readers()
        self._db.close()

    def limit_pages(self, pages: int) -> None:
        """Let the file grow to so many pages of 4 KiB; beyond that the disk counts as full."""
        self._db.execute(f"PRAGMA max_page_count = {int(pages)}").fetchone()

    # Reading ---------------------------------------------------------------------------------------

    def _query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            db = self._reader()
            try:
                rows: list[Row] = db.execute(sql, parameters).fetchall()
            except BaseException:
                db.close()
                raise
        except sqlite3.Error as error:
            raise translate(error) from error
        self._give_back(db)
        return rows

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._idle_readers.pop()
        except IndexError:
            db = self._connect()
            db.execute("PRAGMA query_only = 1")
            return db

    def _give_back(self, db: sqlite3.Connection) -> None:
        self._idle_readers.append(db)
        if self._closed:
            self._close_idle_readers()

    def _close_idle_readers(self) -> None:
        while self._idle_readers:
            try:
                db = self._idle_readers.pop()
            except IndexError:
                return
            db.close()

    def run(self, run_id: str) -> RunRow | None:
        rows = self._query(f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = ?", [run_id])
        return _run_row(rows[0]) if rows else None

    def runs(self, where: RunFilter, limit: int, cursor: str | None) -> Page:
        tests: list[tuple[str, Any]] = [
            ("workflow = ?", where.workflow),
            (_status_test(where.status), where.status),
            ("created_at >= ?", where.since),
            ("created_at < ?", where.until),
        ]
        if cursor is not None:
            tests.append(("(created_at, n) < (?, ?)", list(cursors.place(cursor))))
        rows = self._page(f"SELECT n, {_RUN_COLUMNS} FROM runs", "created_at DESC, n DESC", tests, limit)
        following = cursors.place_text(rows[limit - 1][9], rows[limit - 1][0]) if len(rows) > limit else None
        return Page([_run_row(row[1:]) for row in rows[:limit]], following)

    def _page(self, select: str, order: str, tests: list[tuple[str, Any]], limit: int) -> list[Row]:
        """The rows of one page and one more, which tells whether there is a next page."""
        given = [(test, value) for test, value in tests if value is not None]
        where = " AND ".join(test for test, _ in given) or "1"
        values: list[Any] = []
        for _, value in given:
            values.extend(value if isinstance(value, list) else [value])
        return self._query(f"{select} WHERE {where} ORDER BY {order} LIMIT ?", [*values, limit + 1])

    def history(self, run_id: str) -> list[Chunk]:
        sql = "SELECT seq, at, body, count FROM history WHERE run_id = ? ORDER BY seq"
        return [Chunk(*row) for row in self._query(sql, [run_id])]

    def definition(self, version: str) -> Definition | None:
        sql = "SELECT version, workflow, value, at FROM definitions WHERE version = ?"
        rows = self._query(sql, [version])
        return Definition(rows[0][0], rows[0][1], _load(rows[0][2]), rows[0][3]) if rows else None

    def last_versions(self) -> dict[str, str]:
        return dict(self._query("SELECT workflow, version FROM definitions ORDER BY at, version", []))

    def event(self, event_id: str) -> EventRow | None:
        sql = f"SELECT {_EVENT_COLUMNS} {_EVENTS} WHERE e.id = ?"
        rows = self._query(sql, [event_id])
        return _event_row(rows[0]) if rows else None

    def events(
        self,
        state: str | None,
        workflow: str | None,
        limit: int,
        cursor: str | None,
        where: EventFilter = EventFilter(),  # noqa: B008 - it cannot be changed
    ) -> Page:
        # Nearly all are "received": walking the newest finds them sooner than an index would.
        state_test = "e.state = ?" if state == "received" else "e.state = ? AND e.state <> 'received'"
        tests: list[tuple[str, Any]] = [
            ("e.n < ?", None if cursor is None else cursors.number(cursor)),
            (state_test, state),
            ("e.workflow = ?", workflow),
            ("e.trigger = ?", where.trigger),
            ("e.received_at >= ?", where.since),
            ("e.received_at < ?", where.until),
            ("e.dedupe_key = ?", where.key),
            ("r.status = ?", where.run_status),
            ("(e.replay_of IS NULL) = ?", 1 if where.originals else None),
        ]
        select = f"SELECT e.n, {_LISTED_COLUMNS} {_EVENTS}"
        rows = self._page(select, "e.n DESC", tests, limit)
        return Page([_event_row(row[1:]) for row in rows[:limit]], _next(rows, limit))

    def due_gatherings(self, now: float, limit: int) -> list[Gathering]:
        sql = (
            "SELECT id, scope, version, key, first_at, due_at, count FROM gatherings WHERE due_at <= ?"
            " ORDER BY due_at, n LIMIT ?"
        )
        return [Gathering(*row) for row in self._query(sql, [now, limit])]

    def next_gathering(self) -> float | None:
        due: float | None = self._query("SELECT min(due_at) FROM gatherings")[0][0]
        return due

    def gatherings(self) -> int:
        count: int = self._query("SELECT count(*) FROM gatherings")[0][0]
        return count

    def gathered(self, gathering: str, limit: int) -> list[EventRow]:
        sql = (
            f"SELECT {_LISTED_COLUMNS} {_EVENTS} WHERE e.gathering = ? AND e.gathering IS NOT NULL"
            " ORDER BY e.n DESC LIMIT ?"
        )
        return [_event_row(row) for row in reversed(self._query(sql, [gathering, limit]))]

    _APPROVAL = (
        "SELECT n, id, run_id, path, workflow, status, data, requested_at, due_at, decided_by, decided_at"
        " FROM approvals"
    )

    def approval(self, approval_id: str) -> Approval | None:
        rows = self._query(f"{self._APPROVAL} WHERE id = ?", [approval_id])
        return _approval_row(rows[0]) if rows else None

    def approvals(self, status: str | None, limit: int, cursor: str | None) -> Page:
        tests: list[tuple[str, Any]] = [
            ("n < ?", None if cursor is None else cursors.number(cursor)),
            ("status = ?", status),
        ]
        rows = self._page(self._APPROVAL, "n DESC", tests, limit)
        return Page([_approval_row(row) for row in rows[:limit]], _next(rows, limit))

    def due_timers(self, now: float, limit: int) -> list[Timer]:
        sql = (
            "SELECT run_id, path, due_at FROM timers WHERE due_at <= ? ORDER BY due_at, run_id, path LIMIT ?"
        )
        return [Timer(*row) for row in self._query(sql, [now, limit])]

    def next_timer(self, after: float = -inf) -> float | None:
        sql = "SELECT min(due_at) FROM timers WHERE due_at > ?"
        due: float | None = self._query(sql, [after])[0][0]
        return due

    def signals(self, run_id: str) -> list[Signal]:
        sql = "SELECT id, run_id, kind, path, body, at FROM signals WHERE run_id = ? ORDER BY id"
        return [
            Signal(id_, run, kind, path, _load(body), at)
            for id_, run, kind, path, body, at in self._query(sql, [run_id])
        ]

    def signalled_runs(self, limit: int) -> list[str]:
        sql = (
            "SELECT s.run_id, r.owner FROM signals s JOIN runs r ON r.id = s.run_id"
            " GROUP BY s.run_id ORDER BY min(s.id)"
        )
        return self._free(self._query(sql), limit, own=True)

    def abandoned_runs(self, limit: int) -> list[str]:
        sql = (
            f"SELECT id, owner FROM runs WHERE status = 'running' AND {OPEN}"
            " AND (owner IS NULL OR owner <> ?) ORDER BY created_at, n"
        )
        return self._free(self._query(sql, [self.worker]), limit, own=False)

    def _free(self, rows: Iterable[Row], limit: int, *, own: bool) -> list[str]:
        """The first runs that no other living worker has."""
        free: dict[str | None, bool] = {None: True, self.worker: own}
        found: list[str] = []
        for run_id, owner in rows:
            if len(found) == limit:
                break
            if owner not in free:
                free[owner] = not self._locks.is_alive(owner)
            if free[owner]:
                found.append(run_id)
        return found

    def queued_keys(self, limit: int, after: str = "") -> list[str]:
        sql = (
            "SELECT DISTINCT concurrency_key FROM runs WHERE status = 'queued'"
            " AND concurrency_key > ? ORDER BY concurrency_key LIMIT ?"
        )
        return [row[0] for row in self._query(sql, [after, limit])]

    def queued_run(self, concurrency_key: str, but: Collection[str] = ()) -> str | None:
        sql = (
            "SELECT id FROM runs WHERE status = 'queued' AND concurrency_key = ?"
            " AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY n LIMIT 1"
        )
        rows = self._query(sql, [concurrency_key, json.dumps(list(but))])
        return rows[0][0] if rows else None

    def open_runs(self) -> int:
        sql = f"SELECT count(*) FROM runs WHERE status IN ('queued', 'running') AND {OPEN}"
        count: int = self._query(sql)[0][0]
        return count

    def spent(self, workflow: str | None, since: float) -> float:
        total: float = self._query(*spent_query(workflow, since))[0][0]
        return total

    def costs(self, since: float, until: float) -> list[CostRow]:
        sql = (
            "SELECT day, workflow, model, usd, count, most FROM costs"
            " WHERE day >= ? AND day <= ? AND called = 0 ORDER BY day, workflow, model"
        )
        return [CostRow(*row) for row in self._query(sql, [day_of(since), day_of(until)])]

    def highest(self, of: str, since: float) -> float:
        sql = "SELECT max(most) FROM costs WHERE model = ? AND day >= ? AND called = 0"
        found: float | None = self._query(sql, [of, day_of(since)])[0][0]
        return found or 0.0

    def next_turn(self, name: str) -> float | None:
        rows = self._query("SELECT arrival FROM rates WHERE name = ?", [name])
        return rows[0][0] if rows else None

    def is_alive(self, worker: str) -> bool:
        return self._locks.is_alive(worker)

    def seen(self, scope: str, keys: Iterable[str]) -> set[str]:
        return set(self.started(scope, keys))

    def started(self, scope: str, keys: Iterable[str]) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for part in parts(list(keys), MAX_ROWS):
            marks = ",".join("?" * len(part))
            # A run that was started by several events together stands with each of them.
            sql = (
                "SELECT d.key, coalesce(d.run_id, e.run_id) FROM dedupe d"
                " LEFT JOIN events e ON e.id = d.event_id"
                f" WHERE d.scope = ? AND d.key IN ({marks}) AND d.expires_at > ?"
            )
            found.update(self._query(sql, [scope, *part, self._clock()]))
        return found

    def kept(self, key: str, now: float) -> Kept | None:
        sql = "SELECT key, output, expires_at FROM kept WHERE key = ? AND expires_at > ?"
        rows = self._query(sql, [key, now])
        return Kept(rows[0][0], _load(rows[0][1]), rows[0][2]) if rows else None

    def mentions(self) -> Mentions:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        try:
            # A connection of its own: the look takes a while, and goes through what may be no text.
            db = self._connect()
            try:
                db.execute("PRAGMA query_only = 1")
                db.text_factory = lambda content: content.decode("utf-8", "replace")
                return find_mentions(db)
            finally:
                db.close()
        except sqlite3.Error as error:
            raise translate(error) from error

    def cursor(self, of: str) -> Json:
        rows = self._query("SELECT value FROM cursors WHERE name = ?", [of])
        return _load(rows[0][0]) if rows else None

    def setting(self, name: str, make: Callable[[], str]) -> str:
        sql = "SELECT value FROM settings WHERE name = ?"
        rows = self._query(sql, [name])
        if not rows:
            try:
                db = self._connect()
                try:
                    db.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", [name, make()])
                finally:
                    db.close()
            except sqlite3.Error as error:
                raise translate(error) from error
            rows = self._query(sql, [name])
        value: str = rows[0][0]
        return value


def _status_test(status: str | None) -> str:
    """A test of the status that lets SQLite use the index that holds it."""
    if status in ("queued", "running", "waiting"):
        return f"status = ? AND {OPEN}"
    if status in ("failed", "canceled"):
        return f"status = ? AND {ENDED_BADLY}"
    return "status = ?"


def _next(rows: Sequence[Row], limit: int) -> str | None:
    return cursors.number_text(rows[limit - 1][0]) if len(rows) > limit else None


def _run_row(row: Row) -> RunRow:
    values: list[Any] = [*row[:13], _load(row[13]), _load(row[14]), *row[15:]]
    return RunRow(*values)


def _event_row(row: Row) -> EventRow:
    values: list[Any] = [*row]
    values[7], values[9] = json.loads(row[7]), _load(row[9])
    values[16] = tuple(row[16].split(",")) if row[16] else ()
    return EventRow(*values)


def _approval_row(row: Row) -> Approval:
    _, id_, run_id, path, workflow, status, data, requested_at, due_at, by, decided_at = row
    return Approval(
        id_, run_id, path, workflow, status, json.loads(data), requested_at, due_at, by, decided_at
    )


_: type[port.Store] = SQLiteStore

"""The thread that owns SQLite's writing connection.

It takes everything that is queued into one ``BEGIN IMMEDIATE … COMMIT``; while it waits for the
disk the next group gathers. When nothing can be written it refuses intake, keeps what accepted
runs depend on, and tries until writing works again: nobody has to send something to find out.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from hookline.crashpoints import crashpoint

from .liveness import WorkerLocks
from .port import CorruptStore, Done, Health, Outcome, Prune, StoreError, StoreUnavailable, Unit
from .sqlite_errors import translate
from .sqlite_group import Group

__all__ = ["Writer"]

log = logging.getLogger(__name__)

MAX_GROUP = 512
"""Most units in one transaction: a bound on how long a reader of the newest state waits."""

RETRY_SECONDS = 0.25
"""Pause before writing is tried again after the disk was full or the database locked."""

PROBE_BYTES = 64 * 1024
"""Written to find out whether there is space again; more than one group usually needs."""

FREED_PAGES = 2000
"""Most pages of 4 KiB given back to the disk at a time, so that others are not held up."""

_Item: TypeAlias = tuple[Unit | None, Done]
"""A unit and who waits for it. None instead of a unit only asks when its turn has come."""


class Writer:
    """Writes units in the order in which they come.

    Args:
        db: The writing connection; used by this thread alone.
        locks: Which workers live.
        clock: Seconds since the epoch.
        name: Of the database, for messages.
    """

    def __init__(
        self, db: sqlite3.Connection, locks: WorkerLocks, clock: Callable[[], float], name: str
    ) -> None:
        self._db = db
        self._locks = locks
        self._clock = clock
        self._name = name
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._health = Health(True)
        self._closed = False
        self._end: StoreError | None = None
        # During an outage: what is written when it is over, and who only waits for its end.
        self._kept: list[_Item] = []
        self._waiting: list[_Item] = []
        self._thread = threading.Thread(target=self._run, name="hookline-store", daemon=True)
        self._thread.start()

    # For any thread ------------------------------------------------------------------------------

    def submit(self, unit: Unit, done: Done) -> None:
        """Queue a unit; see `Store.submit`."""
        if self._closed:
            done(StoreUnavailable("the store is closed"))
        elif unit.is_intake and not self._health.ok:
            done(StoreUnavailable(self._health.reason))
        else:
            self._put((unit, done))

    def _put(self, item: _Item) -> None:
        self._queue.put(item)
        # The thread empties the queue when it ends; what came after that is answered here.
        if self._end is not None:
            self._answer_rest(self._end)

    def health(self) -> Health:
        return self._health

    def flush(self) -> None:
        """Wait until everything submitted so far has its answer."""
        reached = threading.Event()
        self._put((None, lambda _: reached.set()))
        reached.wait()

    def close(self) -> None:
        """Write what is queued and end the thread."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    # The thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        end: StoreError = StoreUnavailable("the store is closed")
        try:
            self._work()
        except CorruptStore as error:
            log.critical("%s: %s is not written any more: %s", error.code, self._name, error)
            end = error
        except BaseException as error:
            # Whatever it was: those who wait for an answer must not wait for ever.
            log.critical("S101: the writer of %s died", self._name, exc_info=True)
            end = StoreUnavailable(f"the writer died of {error!r}; restart the process")
        if not self._closed:
            self._health = Health(False, str(end))
        _answer_all(self._kept + self._waiting, end)
        self._end = end
        self._answer_rest(end)

    def _answer_rest(self, error: StoreError) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if item is not None:
                    _answer(item[1], error)

    def _work(self) -> None:
        ends = False
        while not ends:
            group, ends = self._gather()
            kept = self._write(group)
            if kept is not None:
                self._kept = kept
                ends = self._sit_out(ends)

    def _gather(self) -> tuple[list[_Item], bool]:
        """What is queued, up to a group's size, and whether the end was among it."""
        item = self._queue.get()
        group: list[_Item] = []
        with contextlib.suppress(queue.Empty):
            while item is not None:
                group.append(item)
                if len(group) == MAX_GROUP:
                    return group, False
                item = self._queue.get_nowait()
            return group, True
        return group, False

    def _write(self, group: Sequence[_Item]) -> list[_Item] | None:
        """Commit a group and answer it.

        Returns None, or when nothing can be written just now, the units that must not be lost.

        Raises:
            CorruptStore: The group has its answer, and nothing may be written any more.
        """
        try:
            answers = self._commit([unit for unit, _ in group if unit is not None])
        except BaseException as error:
            reported = translate(error) if isinstance(error, sqlite3.Error) else StoreError(repr(error))
            if isinstance(reported, StoreUnavailable):
                self._begin_outage(reported)
                return self._refuse_intake(group)
            if isinstance(reported, CorruptStore):
                # Before anybody hears of it: who does, and asks for the health, is told the same.
                self._health = Health(False, str(reported))
                _answer_all(group, reported)
                raise reported from error
            if len(group) > 1:
                return self._write_halves(group)
            log.error("%s: a unit cannot be written: %r", reported.code, type(group[0][0]), exc_info=error)
            _answer(group[0][1], reported)
            return None
        answer = iter(answers)
        for unit, done in group:
            _answer(done, next(answer) if unit is not None else True)
        return None

    def _write_halves(self, group: Sequence[_Item]) -> list[_Item] | None:
        """One unit of the group is wrong, and the others must not pay for it."""
        middle = len(group) // 2
        try:
            kept = self._write(group[:middle])
        except CorruptStore as error:
            _answer_all(group[middle:], error)
            raise
        if kept is not None:
            return kept + self._refuse_intake(group[middle:])
        return self._write(group[middle:])

    def _commit(self, units: Sequence[Unit]) -> list[Outcome]:
        if not units:
            return []
        db = self._db
        try:
            db.execute("BEGIN IMMEDIATE")
            answers = Group(db, self._locks, self._clock()).apply(units)
            crashpoint("group.written")
            db.execute("COMMIT")
        except BaseException:
            _roll_back(db)
            raise
        crashpoint("group.committed")
        if any(isinstance(unit, Prune) for unit in units):
            self._give_space_back()
        return answers

    def _give_space_back(self) -> None:
        # Not execute(): it takes one step, and this statement frees one page in each step. And not
        # in the transaction: executescript() commits it first.
        with contextlib.suppress(sqlite3.Error):
            self._db.executescript(f"PRAGMA incremental_vacuum({FREED_PAGES})")

    # While nothing can be written ----------------------------------------------------------------

    def _begin_outage(self, error: StoreUnavailable) -> None:
        if self._health.ok:
            log.error("%s: cannot write to %s: %s", error.code, self._name, error)
        self._health = Health(False, str(error))

    def _refuse_intake(self, group: Sequence[_Item]) -> list[_Item]:
        """Answer those who can be told to come back; return the units that must not be lost."""
        kept: list[_Item] = []
        for item in group:
            unit, done = item
            if unit is None:
                self._waiting.append(item)
            elif unit.is_intake:
                _answer(done, StoreUnavailable(self._health.reason))
            else:
                kept.append(item)
        return kept

    def _sit_out(self, ends: bool) -> bool:
        """Come back when writing works again, or when the store is closed; says which."""
        while True:
            if not ends:
                ends = self._wait(RETRY_SECONDS)
            if self._probe() and self._write_kept():
                log.warning("writing to %s works again", self._name)
                self._health = Health(True)
                for _, done in self._waiting:
                    _answer(done, True)
                self._waiting = []
                return ends
            if ends:
                # Their runs are on disk up to here and go on from here after the next start.
                _answer_all(self._kept + self._waiting, StoreUnavailable(self._health.reason))
                self._kept, self._waiting = [], []
                return True

    def _wait(self, seconds: float) -> bool:
        """Look after what is submitted during a pause; says whether the store is being closed."""
        until = time.monotonic() + seconds
        with contextlib.suppress(queue.Empty):
            while (left := until - time.monotonic()) > 0:
                item = self._queue.get(timeout=left)
                if item is None:
                    return True
                self._kept += self._refuse_intake([item])
        return False

    def _write_kept(self) -> bool:
        """Write what was kept, oldest first; says whether all of it has its answer."""
        while self._kept:
            group, self._kept = self._kept[:MAX_GROUP], self._kept[MAX_GROUP:]
            left = self._write(group)
            if left is not None:
                self._kept = left + self._kept
                return False
        return True

    def _probe(self) -> bool:
        """Whether there is space to write, found out by writing."""
        db = self._db
        try:
            db.execute("INSERT OR REPLACE INTO settings VALUES ('probe', zeroblob(?))", [PROBE_BYTES])
            db.execute("DELETE FROM settings WHERE name = 'probe'")
        except sqlite3.Error as error:
            _roll_back(db)
            reported = translate(error)
            if not isinstance(reported, StoreUnavailable):
                raise reported from error
            self._begin_outage(reported)
            return False
        return True


def _answer(done: Done, outcome: Outcome) -> None:
    try:
        done(outcome)
    except BaseException:
        # A caller's mistake must not stop what all the others depend on.
        log.exception("S100: a callback of the store failed")


def _answer_all(group: Sequence[_Item], error: StoreError) -> None:
    for _, done in group:
        _answer(done, error)


def _roll_back(db: sqlite3.Connection) -> None:
    # After "disk full" SQLite has rolled back by itself already.
    if db.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")

"""The store's in-memory twin: for tests, and for runs that nobody needs to keep.

It gives the same answers in the same order as a database, without a thread: a unit is applied
and answered before `submit` returns, on the caller's thread. Only when another unit is being
answered at that moment (by another thread, or further up the call stack) does its answer come a
little later, from there. So a test that submits from one thread needs not wait for anything.

Several stores on one `MemoryDatabase` are the workers of one database. `MemoryDatabase.kill`
ends one of them as SIGKILL ends a process, `interrupt` makes the disk full.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Any

from . import cursors, port
from .memory_tables import EventRecord, RunRecord, Tables, copied
from .mentions import mentioned_in
from .port import (
    Approval,
    Chunk,
    CostRow,
    Definition,
    Done,
    EventFilter,
    EventRow,
    Gathering,
    Health,
    Kept,
    Mentions,
    Outcome,
    Page,
    RunFilter,
    RunRow,
    Signal,
    StoreUnavailable,
    Timer,
    Unit,
    day_of,
)

__all__ = ["MemoryDatabase", "MemoryStore"]

log = logging.getLogger(__name__)

Json = Any


class MemoryDatabase:
    """What the workers of one database share."""

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self.tables = Tables(self.is_alive)
        self._alive: set[str] = set()
        self._queue: deque[tuple[MemoryStore, Unit | None, Done]] = deque()
        self._kept: list[tuple[MemoryStore, Unit | None, Done]] = []
        self._turn = threading.Lock()
        self._health = Health(True)

    def kill(self, worker: str) -> None:
        """End a worker without a word: what it submits from now on is neither written nor answered."""
        self.leave(worker)

    def interrupt(self, reason: str) -> None:
        """From now on nothing can be written."""
        self._health = Health(False, reason)

    def resume(self) -> None:
        """Writing works again; what had to be kept is written first."""
        with self.guard:
            self._health = Health(True)
            self._queue.extendleft(reversed(self._kept))
            self._kept.clear()
        self._work()

    def health(self) -> Health:
        return self._health

    # For the stores ------------------------------------------------------------------------------

    def join(self, worker: str) -> None:
        """A worker comes to life.

        Raises:
            StoreUnavailable: There is one of that name.
        """
        with self.guard:
            if worker in self._alive:
                raise StoreUnavailable(f"worker {worker} exists already")
            self._alive.add(worker)

    def leave(self, worker: str) -> None:
        """A worker is gone, and whatever it owned is free."""
        with self.guard:
            self._alive.discard(worker)

    def is_alive(self, worker: str) -> bool:
        return worker in self._alive

    def submit(self, store: MemoryStore, unit: Unit | None, done: Done) -> None:
        """Apply a unit in its turn. None instead of a unit only asks when its turn has come."""
        self._queue.append((store, unit, done))
        self._work()

    def drop_kept(self, store: MemoryStore, error: StoreUnavailable) -> None:
        """Answer what is kept for a store that is being closed."""
        with self.guard:
            mine = [item for item in self._kept if item[0] is store]
            self._kept = [item for item in self._kept if item[0] is not store]
        for _, _, done in mine:
            _answer(done, error)

    def _work(self) -> None:
        # Whoever has the turn also does what others queue meanwhile; who finds it taken goes on.
        while self._queue and self._turn.acquire(blocking=False):
            try:
                while self._queue:
                    self._step(*self._queue.popleft())
            finally:
                self._turn.release()

    def _step(self, store: MemoryStore, unit: Unit | None, done: Done) -> None:
        with self.guard:
            if not self.is_alive(store.worker):
                if unit is not None:
                    return
                outcome: Outcome = True
            elif not self._health.ok and unit is not None and unit.is_intake:
                outcome = StoreUnavailable(self._health.reason)
            elif not self._health.ok:
                self._kept.append((store, unit, done))
                return
            else:
                outcome = True if unit is None else self.tables.apply(unit, store.worker, store.clock())
        _answer(done, outcome)


def _answer(done: Done, outcome: Outcome) -> None:
    try:
        done(outcome)
    except Exception:
        log.exception("S100: a callback of the store failed")


class MemoryStore:
    """One worker's view of a database in memory.

    Args:
        worker: A name never used before with this database.
        clock: Seconds since the epoch; used for expiry and for when approvals were asked and given.
        database: Shared with other workers; one of its own when None.
    """

    def __init__(
        self,
        worker: str,
        clock: Callable[[], float] = time.time,
        database: MemoryDatabase | None = None,
    ) -> None:
        self.worker = worker
        self.clock = clock
        self.database = database if database is not None else MemoryDatabase()
        self.database.join(worker)
        self._tables = self.database.tables
        self._closed = False

    # Writing -----------------------------------------------------------------------------------------

    def submit(self, unit: Unit, done: Done) -> None:
        if self._closed:
            done(StoreUnavailable("the store is closed"))
        else:
            self.database.submit(self, unit, done)

    def health(self) -> Health:
        return self.database.health()

    def flush(self) -> None:
        reached = threading.Event()
        self.database.submit(self, None, lambda _: reached.set())
        reached.wait()

    def close(self) -> None:
        if self._closed:
            return
        if self.health().ok and self.database.is_alive(self.worker):
            self.flush()
        self._closed = True
        self.database.drop_kept(self, StoreUnavailable("the store is closed"))
        self.database.leave(self.worker)

    # Reading -----------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    def _runs(self) -> list[RunRecord]:
        self._check()
        with self.database.guard:
            return list(self._tables.runs.values())

    def run(self, run_id: str) -> RunRow | None:
        self._check()
        record = self._tables.runs.get(run_id)
        return _run_row(record) if record is not None else None

    def runs(self, where: RunFilter, limit: int, cursor: str | None) -> Page:
        found = [
            ((record.row.created_at, record.n), record)
            for record in self._runs()
            if where.workflow in (None, record.row.workflow)
            and where.status in (None, record.row.status)
            and (where.since is None or record.row.created_at >= where.since)
            and (where.until is None or record.row.created_at < where.until)
        ]
        rows, last = _page(found, limit, cursors.place(cursor) if cursor is not None else None)
        return Page(
            [_run_row(record) for record in rows], cursors.place_text(*last) if last is not None else None
        )

    def history(self, run_id: str) -> list[Chunk]:
        self._check()
        with self.database.guard:
            return list(self._tables.history.get(run_id, ()))

    def definition(self, version: str) -> Definition | None:
        self._check()
        found = self._tables.definitions.get(version)
        if found is None:
            return None
        return Definition(found.version, found.workflow, copied(found.value), found.at)

    def last_versions(self) -> dict[str, str]:
        self._check()
        with self.database.guard:
            found = sorted(
                (each.at, each.version, each.workflow) for each in self._tables.definitions.values()
            )
        return {workflow: version for _, version, workflow in found}

    def event(self, event_id: str) -> EventRow | None:
        self._check()
        with self.database.guard:
            record = self._tables.events.get(event_id)
            return self._event_row(record) if record is not None else None

    def events(
        self,
        state: str | None,
        workflow: str | None,
        limit: int,
        cursor: str | None,
        where: EventFilter = EventFilter(),  # noqa: B008 - it cannot be changed
    ) -> Page:
        self._check()
        with self.database.guard:
            found = [
                (record.n, record)
                for record in self._tables.events.values()
                if state in (None, record.state)
                and workflow in (None, record.incoming.workflow)
                and self._fits(record, where)
            ]
            page = _number_page(found, limit, cursor)
            rows = [dataclasses.replace(self._event_row(record), body=None) for record in page.rows]
            return Page(rows, page.next)

    def _fits(self, record: EventRecord, where: EventFilter) -> bool:
        incoming = record.incoming
        run = self._tables.runs.get(record.run_id or "")
        return (
            where.trigger in (None, incoming.trigger)
            and (where.since is None or incoming.received_at >= where.since)
            and (where.until is None or incoming.received_at < where.until)
            and where.key in (None, record.dedupe_key)
            and (where.run_status is None or (run is not None and run.row.status == where.run_status))
            and not (where.originals and incoming.replay_of is not None)
        )

    def due_gatherings(self, now: float, limit: int) -> list[Gathering]:
        self._check()
        with self.database.guard:
            found = sorted(
                (record.row.due_at, record.n, record.row)
                for record in self._tables.gatherings.values()
                if record.row.due_at <= now
            )
        return [row for _, _, row in found[:limit]]

    def next_gathering(self) -> float | None:
        self._check()
        with self.database.guard:
            return min((record.row.due_at for record in self._tables.gatherings.values()), default=None)

    def gatherings(self) -> int:
        self._check()
        return len(self._tables.gatherings)

    def gathered(self, gathering: str, limit: int) -> list[EventRow]:
        self._check()
        with self.database.guard:
            found = sorted(
                (record for record in self._tables.events.values() if record.gathering == gathering),
                key=lambda record: record.n,
            )
            return [dataclasses.replace(self._event_row(record), body=None) for record in found[-limit:]]

    def _event_row(self, record: EventRecord) -> EventRow:
        gathering = self._tables.gatherings.get(record.gathering or "")
        replays = sorted(
            (other.n, other.run_id)
            for other in self._tables.events.values()
            if other.incoming.replay_of == record.incoming.id and other.run_id is not None
        )
        run = self._tables.runs.get(record.run_id) if record.run_id is not None else None
        return EventRow(
            id=record.incoming.id,
            trigger=record.incoming.trigger,
            workflow=record.incoming.workflow,
            received_at=record.incoming.received_at,
            state=record.state,
            reason=record.reason,
            dedupe_key=record.dedupe_key,
            headers=dict(record.headers),
            body=record.body,
            data=copied(record.data),
            run_id=record.run_id,
            run_status=run.row.status if run is not None else None,
            version=record.incoming.version,
            gathering=record.gathering,
            due_at=gathering.row.due_at if gathering is not None else None,
            replay_of=record.incoming.replay_of,
            replays=tuple(run_id for _, run_id in replays),
        )

    def approval(self, approval_id: str) -> Approval | None:
        self._check()
        return self._tables.approvals.get(approval_id)

    def approvals(self, status: str | None, limit: int, cursor: str | None) -> Page:
        self._check()
        with self.database.guard:
            found = [
                (number, approval)
                for number, approval in enumerate(self._tables.approvals.values(), 1)
                if status in (None, approval.status)
            ]
        return _number_page(found, limit, cursor)

    def due_timers(self, now: float, limit: int) -> list[Timer]:
        self._check()
        with self.database.guard:
            due = sorted(
                (due_at, run_id, path)
                for (run_id, path), due_at in self._tables.timers.items()
                if due_at <= now
            )
        return [Timer(run_id, path, due_at) for due_at, run_id, path in due[:limit]]

    def next_timer(self, after: float = -math.inf) -> float | None:
        self._check()
        with self.database.guard:
            return min((due for due in self._tables.timers.values() if due > after), default=None)

    def signals(self, run_id: str) -> list[Signal]:
        self._check()
        with self.database.guard:
            found = sorted(self._tables.signals.get(run_id, {}).values(), key=lambda signal: signal.id)
        return [Signal(s.id, s.run_id, s.kind, s.path, copied(s.body), s.at) for s in found]

    def signalled_runs(self, limit: int) -> list[str]:
        self._check()
        with self.database.guard:
            waiting = sorted(
                (min(signal.id for signal in signals.values()), run_id)
                for run_id, signals in self._tables.signals.items()
                if signals
            )
            owners = [(run_id, self._tables.runs[run_id].row.owner) for _, run_id in waiting]
        return [run for run, owner in owners if owner == self.worker or self._is_free(owner)][:limit]

    def _is_free(self, owner: str | None) -> bool:
        return owner is None or not self.database.is_alive(owner)

    def abandoned_runs(self, limit: int) -> list[str]:
        found = sorted(
            (record.row.created_at, record.n, record.row.id)
            for record in self._runs()
            if record.row.status == "running"
            and record.row.owner != self.worker
            and self._is_free(record.row.owner)
        )
        return [run_id for _, _, run_id in found[:limit]]

    def queued_keys(self, limit: int, after: str = "") -> list[str]:
        keys = {record.row.concurrency_key for record in self._runs() if record.row.status == "queued"}
        return sorted(key for key in keys if key is not None and key > after)[:limit]

    def queued_run(self, concurrency_key: str, but: Collection[str] = ()) -> str | None:
        waiting = [
            (record.n, record.row.id)
            for record in self._runs()
            if record.row.status == "queued"
            and record.row.concurrency_key == concurrency_key
            and record.row.id not in but
        ]
        return min(waiting)[1] if waiting else None

    def open_runs(self) -> int:
        return sum(record.row.status in ("queued", "running") for record in self._runs())

    def spent(self, workflow: str | None, since: float) -> float:
        self._check()
        with self.database.guard:
            return self._tables.spent(workflow, since)

    def costs(self, since: float, until: float) -> list[CostRow]:
        self._check()
        with self.database.guard:
            rows = [row for key, row in self._tables.costs.items() if not key[3]]
        found = [row for row in rows if day_of(since) <= row.day <= day_of(until)]
        return sorted(found, key=lambda row: (row.day, row.workflow, row.of))

    def highest(self, of: str, since: float) -> float:
        days = (row for key, row in list(self._tables.costs.items()) if not key[3])
        return max((row.most for row in days if row.of == of and row.day >= day_of(since)), default=0.0)

    def next_turn(self, name: str) -> float | None:
        self._check()
        return self._tables.rates.get(name)

    def is_alive(self, worker: str) -> bool:
        return self.database.is_alive(worker)

    def seen(self, scope: str, keys: Iterable[str]) -> set[str]:
        self._check()
        now = self.clock()
        with self.database.guard:
            found = {key: self._tables.dedupe.get((scope, key)) for key in keys}
        return {key for key, entry in found.items() if entry is not None and entry[0].expires_at > now}

    def started(self, scope: str, keys: Iterable[str]) -> dict[str, str | None]:
        self._check()
        now = self.clock()
        with self.database.guard:
            found = {key: self._tables.dedupe.get((scope, key)) for key in keys}
            return {
                key: entry[2] or self._run_of(entry[1])
                for key, entry in found.items()
                if entry is not None and entry[0].expires_at > now
            }

    def _run_of(self, event_id: str | None) -> str | None:
        event = self._tables.events.get(event_id) if event_id is not None else None
        return event.run_id if event is not None else None

    def kept(self, key: str, now: float) -> Kept | None:
        self._check()
        with self.database.guard:
            found = self._tables.kept.get(key)
        if found is None or found.expires_at <= now:
            return None
        return Kept(found.key, copied(found.output), found.expires_at)

    def mentions(self) -> Mentions:
        self._check()
        with self.database.guard:
            tables = [value for value in vars(self._tables).values() if isinstance(value, dict)]
            digests, _ = mentioned_in(map(repr, tables))
            _, spilled = mentioned_in([repr(self._tables.history)])
            began = [
                row.created_at if row.started_at is None else row.started_at
                for row in (record.row for record in self._tables.runs.values())
                if row.status == "running"
            ]
        return Mentions(frozenset(digests), frozenset(spilled), min(began, default=None))

    def cursor(self, of: str) -> Json:
        self._check()
        return copied(self._tables.cursors.get(of))

    def setting(self, name: str, make: Callable[[], str]) -> str:
        self._check()
        with self.database.guard:
            if name not in self._tables.settings:
                self._tables.settings[name] = make()
            return self._tables.settings[name]


def _run_row(record: RunRecord) -> RunRow:
    row = record.row
    if row.output is None and row.error is None:
        return row
    return dataclasses.replace(row, output=copied(row.output), error=copied(row.error))


def _page(
    found: Iterable[tuple[tuple[float, int], Any]], limit: int, before: tuple[float, int] | None
) -> tuple[list[Any], tuple[float, int] | None]:
    """The newest rows behind a place, and the place of the last one if there are more."""
    rows = sorted(
        ((at, row) for at, row in found if before is None or at < before),
        key=lambda item: item[0],
        reverse=True,
    )
    return [row for _, row in rows[:limit]], rows[limit - 1][0] if len(rows) > limit else None


def _number_page(found: Iterable[tuple[int, Any]], limit: int, cursor: str | None) -> Page:
    before = (0.0, cursors.number(cursor)) if cursor is not None else None
    rows, last = _page((((0.0, number), row) for number, row in found), limit, before)
    return Page(rows, cursors.number_text(last[1]) if last is not None else None)


_: type[port.Store] = MemoryStore

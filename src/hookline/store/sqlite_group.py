"""The units of one SQLite transaction, gathered into few statements over many rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import sqlite_rates as rates
from .liveness import WorkerLocks
from .port import (
    OVERLAP,
    Accept,
    Accepted,
    Admission,
    Admit,
    Advance,
    ApprovalChange,
    Chunk,
    Claim,
    Claimed,
    Dedupe,
    Fenced,
    Incoming,
    NewRun,
    Prune,
    PutDefinition,
    PutSignal,
    Release,
    Released,
    RunSummary,
    TakeTurns,
    Unit,
)
from .sqlite_claims import Claims
from .sqlite_gatherings import Gatherings
from .sqlite_ledger import Charges
from .sqlite_prune import prune
from .sqlite_statements import Row, dump, encode, insert, select, update_runs

__all__ = ["Group"]


@dataclass(slots=True)
class _Known:
    """What is known of a run that a group touches, kept up to date by the group."""

    epoch: int
    owner: str | None
    length: int
    status: str
    is_finished: bool


class Group:
    """The units of one transaction, gathered into few statements over many rows."""

    def __init__(self, db: sqlite3.Connection, locks: WorkerLocks, now: float) -> None:
        self._db = db
        self._locks = locks
        self._now = now
        self._runs: dict[str, _Known] = {}
        self._keys: dict[tuple[str, str], tuple[str | None, str | None]] = {}
        self._events: list[Row] = []
        self._new_runs: list[Row] = []
        self._new_ids: set[str] = set()
        self._history: list[Row] = []
        self._updates: dict[str, Row] = {}
        self._restated: set[str] = set()
        self._versions: dict[str, str] = {}
        self._timers: dict[tuple[str, str], float | None] = {}
        self._untimed: set[str] = set()
        self._signals_done: list[Row] = []
        self._approvals: list[tuple[str, Row]] = []
        self._dedupe: list[Row] = []
        self._gatherings = Gatherings(db)
        self._charges = Charges(db)
        self._claims = Claims(db)

    def apply(self, units: Sequence[Unit]) -> list[Any]:
        self._look_up(units)
        answers = [self._unit(unit) for unit in units]
        self._write()
        return answers

    def _look_up(self, units: Sequence[Unit]) -> None:
        wanted_runs = {unit.run_id for unit in units if isinstance(unit, Advance | Admit | Claim)}
        for run_id, epoch, owner, length, status, is_finished in select(
            self._db,
            "SELECT id, epoch, owner, length, status, finished_at IS NOT NULL FROM runs WHERE id IN",
            [(run_id,) for run_id in wanted_runs],
        ):
            self._runs[run_id] = _Known(epoch, owner, length, status, bool(is_finished))
        self._look_up_keys(
            {
                (dedupe.scope, dedupe.key)
                for unit in units
                if isinstance(unit, Accept)
                for dedupe in (*(incoming.dedupe for incoming in unit.incoming), *unit.baseline)
                if dedupe is not None
            }
        )

    def _look_up_keys(self, wanted_keys: set[tuple[str, str]]) -> None:
        for scope, key, event_id, run_id, expires_at in select(
            self._db,
            "SELECT scope, key, event_id, run_id, expires_at FROM dedupe WHERE (scope, key) IN",
            list(wanted_keys),
        ):
            if expires_at > self._now:
                self._keys[(scope, key)] = (event_id, run_id)

    def _unit(self, unit: Unit) -> Any:
        match unit:
            case Advance():
                return self._advance(unit)
            case Accept():
                return self._accept(unit)
            case PutSignal():
                return self._put_signal(unit)
            case Release():
                self._write()
                return self._release(unit)
            case Admit():
                self._write()
                return self._admit(unit)
            case Claim():
                self._write()
                return self._claim(unit)
            case TakeTurns():
                return rates.take_turns(self._db, unit)
            case PutDefinition():
                self._db.execute(
                    "INSERT INTO definitions VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (version) DO UPDATE SET at = excluded.at",
                    [unit.version, unit.workflow, encode(unit.value), unit.at],
                )
                return True
            case Prune():
                self._write()
                pruned, forgotten = prune(self._db, unit)
                for run_id in forgotten:
                    self._runs.pop(run_id, None)
                return pruned

    # Taking in ------------------------------------------------------------------------------------

    def _accept(self, unit: Accept) -> list[Accepted]:
        answers = [self._incoming(incoming) for incoming in unit.incoming]
        for baseline in unit.baseline:
            if (baseline.scope, baseline.key) not in self._keys:
                self._take_key(baseline, None, None)
        if unit.cursor_of is not None:
            sql = "INSERT INTO cursors VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            self._db.execute(sql, [unit.cursor_of, encode(unit.cursor)])
        return answers

    def _incoming(self, incoming: Incoming) -> Accepted:
        run, state, reason = incoming.run, incoming.state, incoming.reason
        dedupe = incoming.dedupe
        first = self._keys.get((dedupe.scope, dedupe.key)) if dedupe is not None else None
        if first is not None:
            run, state, reason = None, "duplicate", f"the same as {first[0] or 'one seen before'}"
        elif run is not None and incoming.skip_if_open and self._has_open_run(incoming.workflow):
            run, state, reason = None, "filtered", OVERLAP
        hold, data, due_at = incoming.hold, incoming.data, None
        gathering: str | None = None
        if first is None and incoming.throttle is not None and run is not None:
            due_at = self._gatherings.turn_at(incoming.throttle, incoming.received_at)
            if due_at is None:
                data = None
            else:
                run, hold = None, incoming.throttle.hold
                if hold is None:
                    state, reason, due_at = "filtered", incoming.throttle.reason, None
        if hold is not None and first is None and state == "received":
            reason = hold.reason
            gathering, due_at = self._gatherings.join(hold, incoming, due_at)
        if dedupe is not None and first is None:
            self._take_key(dedupe, incoming.id, run.id if run else None)
        if run is not None:
            self._create(run)
        self._events.append(
            (
                incoming.id,
                incoming.trigger,
                incoming.workflow,
                incoming.received_at,
                state,
                reason,
                dedupe.key if dedupe else None,
                encode(dict(incoming.headers)),
                incoming.body if first is None else None,
                dump(data) if first is None else None,
                run.id if run else None,
                incoming.version,
                gathering,
                incoming.replay_of,
            )
        )
        if first is not None:
            return Accepted(first[0] or incoming.id, first[1], "duplicate")
        return Accepted(incoming.id, run.id if run else None, state, due_at)

    def _release(self, unit: Release) -> Released:
        if not self._gatherings.take(unit):
            return Released(False)
        run, reason = unit.run, unit.reason
        if run is not None and unit.skip_if_open and self._has_open_run(run.workflow):
            run, reason = None, OVERLAP
        if run is not None:
            self._create(run)
        run_id = run.id if run is not None else None
        self._gatherings.settle(unit, run_id, reason)
        return Released(True, run_id)

    def _take_key(self, dedupe: Dedupe, event_id: str | None, run_id: str | None) -> None:
        if dedupe.expires_at > self._now:
            self._keys[(dedupe.scope, dedupe.key)] = (event_id, run_id)
        self._dedupe.append((dedupe.scope, dedupe.key, event_id, run_id, dedupe.expires_at))

    def _has_open_run(self, workflow: str) -> bool:
        self._write()
        sql = "SELECT 1 FROM runs WHERE workflow = ? AND finished_at IS NULL LIMIT 1"
        return self._db.execute(sql, [workflow]).fetchone() is not None

    def _create(self, run: NewRun) -> None:
        turn, epoch = run.turn, 1 if run.owner else 0
        # What the run's first turn made true goes into the same row: nothing is written twice.
        owner = run.owner if turn is None else turn.owner
        summary = RunSummary(run.status, None, None, 0.0) if turn is None else turn.summary
        is_finished = summary.finished_at is not None
        self._runs[run.id] = _Known(epoch, owner, run.chunk.count, summary.status, is_finished)
        self._new_ids.add(run.id)
        self._new_runs.append(
            (
                run.id,
                run.workflow,
                run.version,
                summary.status,
                run.event_id,
                run.parent_run,
                run.parent_path,
                run.replay_of,
                run.created_at,
                summary.started_at,
                summary.finished_at,
                summary.cost_usd,
                summary.waiting_for,
                dump(summary.output),
                dump(summary.error),
                epoch,
                owner,
                run.concurrency_key,
                run.chunk.count,
            )
        )
        self._add_chunk(run.id, run.chunk)
        if turn is not None:
            self._follow(turn)

    def _add_chunk(self, run_id: str, chunk: Chunk) -> None:
        self._history.append((run_id, chunk.seq, chunk.at, chunk.count, chunk.body))

    def _put_signal(self, unit: PutSignal) -> bool:
        if not unit.run_id:
            return False
        sql = (
            "INSERT INTO signals (run_id, kind, path, key, body, at) SELECT ?, ?, ?, ?, ?, ?"
            " WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?) ON CONFLICT (run_id, key) DO NOTHING"
        )
        if self._signals_done or unit.run_id in self._new_ids:
            self._write()
        body = encode(unit.body)
        values = [unit.run_id, unit.kind, unit.path, unit.key, body, unit.at, unit.run_id]
        return self._db.execute(sql, values).rowcount == 1

    # Going on ------------------------------------------------------------------------------------------

    def _advance(self, unit: Advance) -> bool | Fenced:
        run_id, chunk, summary = unit.run_id, unit.chunk, unit.summary
        known = self._held(run_id, unit.expected_epoch)
        if isinstance(known, Fenced):
            return known
        if chunk is not None:
            if chunk.seq != known.length:
                return Fenced(f"run {run_id} has {known.length} events, so {chunk.seq} is not the next")
            self._add_chunk(run_id, chunk)
            known.length += chunk.count
        elif unit.length not in (None, known.length):
            return Fenced(f"run {run_id} has {known.length} events, and not {unit.length}")
        is_finished = summary.finished_at is not None
        if summary.status != known.status or is_finished or known.is_finished:
            self._restated.add(run_id)
        ends = is_finished and not known.is_finished
        known.epoch, known.owner = unit.epoch, unit.owner
        known.status, known.is_finished = summary.status, is_finished
        self._updates[run_id] = (
            run_id,
            summary.started_at,
            summary.cost_usd,
            summary.waiting_for,
            dump(summary.output),
            dump(summary.error),
            unit.epoch,
            unit.owner,
            known.length,
            summary.status,
            summary.finished_at,
        )
        if unit.version is not None:
            self._versions[run_id] = unit.version
        self._follow(unit)
        # Not where a run is created: nobody can have claimed anything for it yet.
        self._claims.end_attempts(run_id, unit.released, unit.owing)
        if ends:
            self._claims.end_run(run_id, unit.owing)
        return True

    def _held(self, run_id: str, epoch: int) -> _Known | Fenced:
        """The run, if it is in this epoch and no other worker's."""
        known = self._runs.get(run_id)
        if known is None:
            return Fenced(f"there is no run {run_id}")
        if known.epoch != epoch:
            return Fenced(f"run {run_id} is in epoch {known.epoch}, not {epoch}")
        owner = known.owner
        if owner is not None and owner != self._locks.name and self._locks.is_alive(owner):
            return Fenced(f"run {run_id} is with worker {owner}")
        return known

    def _follow(self, unit: Advance) -> None:
        """What comes of a run's turn besides its own row, its history and its claims."""
        run_id = unit.run_id
        if unit.clear_timers:
            self._untimed.add(run_id)
            for key in [key for key in self._timers if key[0] == run_id]:
                del self._timers[key]
        for path, due_at in unit.timers.items():
            self._timers[(run_id, path)] = due_at
        self._signals_done.extend((signal,) for signal in unit.signals)
        for change in unit.approvals:
            self._approval(run_id, change)
        for child in unit.children:
            self._create(child)
        for signal in unit.outbox:
            self._put_signal(signal)
        for event in unit.events:
            if event.dedupe is not None and (event.dedupe.scope, event.dedupe.key) not in self._keys:
                self._look_up_keys({(event.dedupe.scope, event.dedupe.key)})
            self._incoming(event)
        for kept in unit.kept:
            values = [kept.key, json.dumps(kept.output), kept.expires_at]
            self._db.execute("INSERT OR REPLACE INTO kept (key, output, expires_at) VALUES (?, ?, ?)", values)
        for charge in unit.charges:
            self._charges.add(charge)

    def _approval(self, run_id: str, change: ApprovalChange) -> None:
        # People decide them one by one, so they need no statement over many rows.
        if change.status == "pending":
            data = encode(change.data)
            row: Row = (change.id, run_id, change.path, data, self._now, change.due_at, run_id)
            self._approvals.append((_OPEN_APPROVAL, row))
        else:
            changed = None if change.data is None else encode(change.data)
            row = (change.status, changed, change.decided_by, self._now, change.id, change.status)
            self._approvals.append((_CLOSE_APPROVAL, row))

    def _admit(self, unit: Admit) -> Admission:
        db = self._db
        row = db.execute(
            "SELECT status, epoch, owner, concurrency_key FROM runs WHERE id = ?", [unit.run_id]
        ).fetchone()
        if row is None or row[0] != "queued":
            return Admission(False)
        _, epoch, owner, key = row
        if owner is not None and owner != unit.owner and self._locks.is_alive(owner):
            return Admission(False)
        if unit.max_running is not None and key is not None:
            sql = (
                "SELECT count(*) FROM runs WHERE concurrency_key = ? AND concurrency_key IS NOT NULL"
                " AND status IN ('running', 'waiting')"
            )
            if db.execute(sql, [key]).fetchone()[0] >= unit.max_running:
                return Admission(False)
        if unit.rate_key is not None:
            turn = rates.earliest(db, unit.rate_key, unit.rate, unit.rate_per, unit.now)
            if turn > unit.now + rates.SLACK:
                return Admission(False, retry_at=turn)
            rates.book(db, unit.rate_key, turn + unit.rate_per)
        sql = "UPDATE runs SET status = 'running', owner = ?, epoch = ? WHERE id = ?"
        db.execute(sql, [unit.owner, epoch + 1, unit.run_id])
        known = self._runs[unit.run_id]
        known.epoch, known.owner, known.status = epoch + 1, unit.owner, "running"
        return Admission(True, epoch + 1)

    def _claim(self, unit: Claim) -> Claimed | Fenced:
        known = self._held(unit.run_id, unit.epoch)
        if isinstance(known, Fenced):
            return known
        if known.is_finished:
            return Fenced(f"run {unit.run_id} is over")
        return self._claims.take(unit)

    # Statements over many rows -----------------------------------------------------------------------------

    def _write(self) -> None:
        insert(
            self._db, "INSERT OR REPLACE INTO dedupe (scope, key, event_id, run_id, expires_at)", self._dedupe
        )
        insert(
            self._db,
            "INSERT INTO events (id, trigger, workflow, received_at, state, reason, dedupe_key, headers,"
            " body, data, run_id, version, gathering, replay_of)",
            self._events,
        )
        insert(
            self._db,
            "INSERT INTO runs (id, workflow, version, status, event_id, parent_run, parent_path, replay_of,"
            " created_at, started_at, finished_at, cost_usd, waiting_for, output, error, epoch, owner,"
            " concurrency_key, length)",
            self._new_runs,
        )
        self._new_ids.clear()
        self._gatherings.write()
        insert(self._db, "INSERT INTO history (run_id, seq, at, count, body)", self._history)
        self._update_runs()
        for run_id, version in self._versions.items():
            self._db.execute("UPDATE runs SET version = ? WHERE id = ?", [version, run_id])
        self._versions.clear()
        self._write_timers()
        select(self._db, "DELETE FROM signals WHERE id IN", self._signals_done)
        self._signals_done.clear()
        for sql, row in self._approvals:
            self._db.execute(sql, row)
        self._approvals.clear()
        self._charges.write()
        self._claims.write()

    def _update_runs(self) -> None:
        # Most chunks leave the status as it is; without it in the statement no index is touched.
        update_runs(
            self._db, _SAME_STATUS, [row for key, row in self._updates.items() if key not in self._restated]
        )
        update_runs(self._db, _NEW_STATUS, [self._updates[run_id] for run_id in self._restated])
        self._updates.clear()
        self._restated.clear()

    def _write_timers(self) -> None:
        select(self._db, "DELETE FROM timers WHERE run_id IN", [(run_id,) for run_id in self._untimed])
        removed = [key for key, due_at in self._timers.items() if due_at is None]
        select(self._db, "DELETE FROM timers WHERE (run_id, path) IN", removed)
        kept = [(*key, due_at) for key, due_at in self._timers.items() if due_at is not None]
        insert(self._db, "INSERT OR REPLACE INTO timers (run_id, path, due_at)", kept)
        self._untimed.clear()
        self._timers.clear()


_SAME_STATUS = (
    "started_at = v.column2, cost_usd = v.column3, waiting_for = v.column4, output = v.column5,"
    " error = v.column6, epoch = v.column7, owner = v.column8, length = v.column9"
)
_NEW_STATUS = f"{_SAME_STATUS}, status = v.column10, finished_at = v.column11"

_OPEN_APPROVAL = (
    "INSERT INTO approvals (id, run_id, path, workflow, status, data, requested_at, due_at)"
    " SELECT ?, ?, ?, workflow, 'pending', ?, ?, ? FROM runs WHERE id = ?"
    " ON CONFLICT (id) DO UPDATE SET data = excluded.data WHERE status = 'pending'"
)
_CLOSE_APPROVAL = (
    "UPDATE approvals SET status = ?, data = coalesce(?, data), decided_by = coalesce(decided_by, ?),"
    " decided_at = coalesce(decided_at, ?) WHERE id = ? AND status IN ('pending', ?)"
)

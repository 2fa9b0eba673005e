"""The units of one SQLite transaction, gathered into few statements over many rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .liveness import WorkerLocks
from .port import (
    OVERLAP,
    Accept,
    Accepted,
    Admission,
    Admit,
    Advance,
    ApprovalChange,
    Cap,
    Charge,
    Chunk,
    Claim,
    Claimed,
    Dedupe,
    Fenced,
    Hold,
    Incoming,
    NewRun,
    Prune,
    Pruned,
    PutDefinition,
    PutSignal,
    Release,
    Released,
    RunSummary,
    TakeTurns,
    Throttle,
    Turns,
    Unit,
    day_of,
)

__all__ = ["MAX_ROWS", "Group", "dump", "parts", "spent_query"]

Json = Any
Row = tuple[Any, ...]

MAX_ROWS = 256
"""Most rows in one statement; SQLite allows 32,766 parameters, the widest table has 20 columns."""

KEYS_PER_RUN = 20
"""Expired dedupe keys forgotten for each run that may be: there are more events than runs."""


# json.dumps() with any option makes a new encoder for each call.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def dump(value: Json) -> str | None:
    """JSON text for a column; null is no text."""
    return None if value is None else _encode(value)


@dataclass(slots=True)
class _Known:
    """What is known of a run that a group touches, kept up to date by the group."""

    epoch: int
    owner: str | None
    length: int
    status: str
    is_finished: bool


@dataclass(slots=True)
class _Gathering:
    """The newest gathering of a name, kept up to date by the group."""

    id: str
    first_at: float
    due_at: float
    count: int
    bytes: int


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
        self._gatherings: dict[str, _Gathering | None] = {}
        self._joined: dict[str, Row] = {}
        self._charges: dict[tuple[str, str, str, int], tuple[float, int, float]] = {}
        self._released: list[Row] = []
        self._over: list[Row] = []

    def apply(self, units: Sequence[Unit]) -> list[Any]:
        self._look_up(units)
        answers = [self._unit(unit) for unit in units]
        self._write()
        return answers

    def _look_up(self, units: Sequence[Unit]) -> None:
        wanted_runs = {unit.run_id for unit in units if isinstance(unit, Advance | Admit | Claim)}
        for run_id, epoch, owner, length, status, is_finished in self._select(
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
        for scope, key, event_id, run_id, expires_at in self._select(
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
                return self._take_turns(unit)
            case PutDefinition():
                self._db.execute(
                    "INSERT INTO definitions VALUES (?, ?, ?, ?) ON CONFLICT (version) DO NOTHING",
                    [unit.version, unit.workflow, _encode(unit.value), unit.at],
                )
                return True
            case Prune():
                self._write()
                return self._prune(unit)

    # Taking in ------------------------------------------------------------------------------------

    def _accept(self, unit: Accept) -> list[Accepted]:
        answers = [self._incoming(incoming) for incoming in unit.incoming]
        for baseline in unit.baseline:
            if (baseline.scope, baseline.key) not in self._keys:
                self._take_key(baseline, None, None)
        if unit.cursor_of is not None:
            sql = "INSERT INTO cursors VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            self._db.execute(sql, [unit.cursor_of, _encode(unit.cursor)])
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
            due_at = self._turn_at(incoming.throttle, incoming.received_at)
            if due_at is None:
                data = None
            else:
                run, hold = None, incoming.throttle.hold
                if hold is None:
                    state, reason, due_at = "filtered", incoming.throttle.reason, None
        if hold is not None and first is None and state == "received":
            reason = hold.reason
            gathering, due_at = self._join(hold, incoming, due_at)
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
                _encode(dict(incoming.headers)),
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

    # Waiting ----------------------------------------------------------------------------------------

    def _join(self, hold: Hold, incoming: Incoming, turn: float | None) -> tuple[str, float]:
        """The gathering that an event waits in, and when it is due; with a `turn`, one of its own."""
        now = incoming.received_at
        found = self._newest(hold.name) if turn is None else None
        if found is None or found.due_at <= now:
            found = _Gathering(hold.id, now, now + hold.longest if turn is None else turn, 0, 0)
            self._gatherings[hold.name] = found
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

    def _newest(self, name: str) -> _Gathering | None:
        if name not in self._gatherings:
            sql = (
                "SELECT id, first_at, due_at, count, bytes FROM gatherings WHERE name = ?"
                " ORDER BY n DESC LIMIT 1"
            )
            row = self._db.execute(sql, [name]).fetchone()
            self._gatherings[name] = None if row is None else _Gathering(*row)
        return self._gatherings[name]

    def _turn_at(self, throttle: Throttle, now: float) -> float | None:
        """When an event may start its run; None when that is now. A turn is taken if it can wait."""
        rate, per = throttle.rate, throttle.per
        earliest = turn = self._earliest(throttle.name, rate, per, now)
        if throttle.hold is not None:
            start = self._earliest(throttle.started, rate, per, now)
            turn = max(earliest, start)
            if turn <= now + 1e-6:
                self._book(throttle.started, start + per)
        has_turn = turn <= now + 1e-6
        if has_turn or throttle.hold is not None:
            self._book(throttle.name, earliest + per)
        return None if has_turn else turn

    def _release(self, unit: Release) -> Released:
        db, run, reason = self._db, unit.run, unit.reason
        row = db.execute("SELECT name, count FROM gatherings WHERE id = ?", [unit.gathering]).fetchone()
        if row is None or row[1] != unit.count:
            return Released(False)
        if unit.throttle is not None:
            throttle = unit.throttle
            start = self._earliest(throttle.started, throttle.rate, throttle.per, unit.now)
            if start > unit.now + 1e-6:
                db.execute("UPDATE gatherings SET due_at = ? WHERE id = ?", [start, unit.gathering])
                return Released(False)
            self._book(throttle.started, start + throttle.per)
        db.execute("DELETE FROM gatherings WHERE id = ?", [unit.gathering])
        self._gatherings.pop(row[0], None)
        if run is not None and unit.skip_if_open and self._has_open_run(run.workflow):
            run, reason = None, OVERLAP
        if run is not None:
            self._create(run)
        run_id = run.id if run is not None else None
        settle = (
            "UPDATE events SET run_id = ?, state = ?, reason = ? WHERE gathering = ?"
            " AND gathering IS NOT NULL"
        )
        state = "received" if run is not None else "filtered"
        if run is not None and unit.chosen:
            replaced = f"replaced by {unit.chosen}, which came later"
            db.execute(settle, [run_id, "filtered", replaced, unit.gathering])
            db.execute(f"{settle} AND id = ?", [run_id, state, reason, unit.gathering, unit.chosen])
        else:
            db.execute(settle, [run_id, state, reason, unit.gathering])
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
        body = _encode(unit.body)
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
        is_finished = summary.finished_at is not None
        if summary.status != known.status or is_finished or known.is_finished:
            self._restated.add(run_id)
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
        """What comes of a run's turn besides its own row and history."""
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
            self._charge(charge)
        self._released.extend((run_id, path, attempt) for path, attempt in unit.released)
        if unit.summary.finished_at is not None:
            self._over.append((run_id,))

    def _charge(self, charge: Charge) -> None:
        key = (day_of(charge.at), charge.workflow, charge.of, int(charge.called))
        usd, count, most = self._charges.get(key, (0.0, 0, 0.0))
        self._charges[key] = (usd + charge.usd, count + 1, max(most, charge.usd))

    def _approval(self, run_id: str, change: ApprovalChange) -> None:
        # People decide them one by one, so they need no statement over many rows.
        if change.status == "pending":
            data = _encode(change.data)
            row: Row = (change.id, run_id, change.path, data, self._now, change.due_at, run_id)
            self._approvals.append((_OPEN_APPROVAL, row))
        else:
            changed = None if change.data is None else _encode(change.data)
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
            retry_at = self._take_rate(unit, unit.rate_key)
            if retry_at is not None:
                return Admission(False, retry_at=retry_at)
        sql = "UPDATE runs SET status = 'running', owner = ?, epoch = ? WHERE id = ?"
        db.execute(sql, [unit.owner, epoch + 1, unit.run_id])
        known = self._runs[unit.run_id]
        known.epoch, known.owner, known.status = epoch + 1, unit.owner, "running"
        return Admission(True, epoch + 1)

    def _take_rate(self, unit: Admit, name: str) -> float | None:
        """Generic cell rate algorithm: one row holds when the next start would come evenly spaced.

        A burst of up to `rate` starts may come at once; None when this one may start now.
        """
        earliest = self._earliest(name, unit.rate, unit.rate_per, unit.now)
        if earliest > unit.now + 1e-6:
            return earliest
        self._book(name, earliest + unit.rate_per)
        return None

    def _earliest(self, name: str, rate: int, per: float, now: float) -> float:
        """When the next start may come; up to now that is a moment of the past."""
        row = self._db.execute("SELECT arrival FROM rates WHERE name = ?", [name]).fetchone()
        return max(row[0] if row else now, now) - (per - per / rate)

    def _book(self, name: str, arrival: float) -> None:
        sql = "INSERT INTO rates VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET arrival = excluded.arrival"
        self._db.execute(sql, [name, arrival])

    # What there is only so much of -------------------------------------------------------------------

    def _claim(self, unit: Claim) -> Claimed | Fenced:
        known = self._held(unit.run_id, unit.epoch)
        if isinstance(known, Fenced):
            return known
        if known.is_finished:
            return Fenced(f"run {unit.run_id} is over")
        for cap in unit.caps:
            taken = self._taken(unit, cap)
            if taken + unit.amounts.get(cap.name, 0.0) > cap.most + 1e-9:
                return Claimed(False, cap, taken)
        sql = "INSERT OR REPLACE INTO claims (name, run_id, path, attempt, amount) VALUES (?, ?, ?, ?, ?)"
        for name, amount in unit.amounts.items():
            self._db.execute(sql, [name, unit.run_id, unit.path, unit.attempt, amount])
        return Claimed(True)

    def _taken(self, unit: Claim, cap: Cap) -> float:
        sql = (
            "SELECT total(amount) FROM claims WHERE name = ?"
            " AND NOT (run_id = ? AND path = ? AND attempt = ?)"
        )
        own = [cap.name, unit.run_id, unit.path, unit.attempt]
        taken: float = cap.used + self._db.execute(sql, own).fetchone()[0]
        if cap.since is not None:
            taken += self._db.execute(*spent_query(cap.workflow, cap.since)).fetchone()[0]
        return taken

    def _take_turns(self, unit: TakeTurns) -> Turns:
        db, ahead = self._db, (unit.burst - 1) * unit.spacing
        row = db.execute("SELECT arrival FROM rates WHERE name = ?", [unit.name]).fetchone()
        arrival = max(row[0] if row else unit.now, unit.now)
        if unit.not_before is not None:
            arrival = max(arrival, unit.not_before + ahead)
        sql = "INSERT INTO rates VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET arrival = excluded.arrival"
        db.execute(sql, [unit.name, arrival + unit.count * unit.spacing])
        return Turns(arrival - ahead)

    # Forgetting ------------------------------------------------------------------------------------------

    def _prune(self, unit: Prune) -> Pruned:
        doomed = self._finished(unit)
        runs = [(run_id,) for run_id, _ in doomed]
        for start in (
            "DELETE FROM history WHERE run_id IN",
            "DELETE FROM timers WHERE run_id IN",
            "DELETE FROM signals WHERE run_id IN",
            "DELETE FROM approvals WHERE run_id IN",
            "DELETE FROM runs WHERE id IN",
        ):
            self._select(start, runs)
        for run_id, _ in doomed:
            self._runs.pop(run_id, None)
        # The event of a run that was replayed stays as long as the run that it started.
        started = [(event_id, run_id) for run_id, event_id in doomed if event_id is not None]
        events = len(self._select("DELETE FROM events WHERE (id, run_id) IN", started, " RETURNING 1"))
        sql = "DELETE FROM events WHERE gathering IS NOT NULL AND run_id IN"
        events += len(self._select(sql, runs, " RETURNING 1"))
        events += self._prune_events(unit)
        return Pruned(len(doomed), events, self._forget_expired(unit))

    def _forget_expired(self, unit: Prune) -> bool:
        """Forget what has expired, up to a limit; says whether there may be more."""
        limit, db = unit.limit * KEYS_PER_RUN, self._db
        keys = db.execute(
            "DELETE FROM dedupe WHERE (scope, key) IN"
            " (SELECT scope, key FROM dedupe WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
            [unit.now, limit],
        ).rowcount
        # A start that would come by now holds nobody back: it says no more than no row.
        rates = db.execute(
            "DELETE FROM rates WHERE name IN (SELECT name FROM rates WHERE arrival <= ? LIMIT ?)",
            [unit.now, limit],
        ).rowcount
        kept = db.execute(
            "DELETE FROM kept WHERE key IN"
            " (SELECT key FROM kept WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)",
            [unit.now, unit.limit],
        ).rowcount
        return max(keys, rates) >= limit or kept >= unit.limit

    def _prune_events(self, unit: Prune) -> int:
        """Forget events that started no run. Those that wait are received, and stay."""
        idle = "FROM events WHERE workflow = ? AND run_id IS NULL AND state <> 'received'"
        before = unit.finished_before if unit.events_before is None else unit.events_before
        bounds: list[tuple[float, int]] = [] if before is None else [(before, 0)]
        if unit.keep_events is not None:
            newest_that_goes = self._db.execute(
                f"SELECT received_at, n + 1 {idle} ORDER BY received_at DESC, n DESC LIMIT 1 OFFSET ?",
                [unit.workflow, unit.keep_events],
            ).fetchone()
            if newest_that_goes is not None:
                bounds.append(newest_that_goes)
        if not bounds:
            return 0
        oldest = f"SELECT n {idle} AND (received_at, n) < (?, ?) ORDER BY received_at, n LIMIT ?"
        return self._db.execute(
            f"DELETE FROM events WHERE n IN ({oldest})", [unit.workflow, *max(bounds), unit.limit]
        ).rowcount

    def _finished(self, unit: Prune) -> list[Row]:
        """Id and event of the runs that go: too old, or behind the newest; the oldest first."""
        bounds: list[tuple[float, int]] = []
        if unit.finished_before is not None:
            bounds.append((unit.finished_before, 0))
        if unit.keep is not None:
            newest_that_goes = self._db.execute(
                "SELECT finished_at, n + 1 FROM runs WHERE workflow = ? AND finished_at IS NOT NULL"
                " ORDER BY finished_at DESC, n DESC LIMIT 1 OFFSET ?",
                [unit.workflow, unit.keep],
            ).fetchone()
            if newest_that_goes is not None:
                bounds.append(newest_that_goes)
        if not bounds:
            return []
        return self._db.execute(
            "SELECT id, event_id FROM runs WHERE workflow = ? AND finished_at IS NOT NULL"
            " AND (finished_at, n) < (?, ?) ORDER BY finished_at, n LIMIT ?",
            [unit.workflow, *max(bounds), unit.limit],
        ).fetchall()

    # Statements over many rows -----------------------------------------------------------------------------

    def _write(self) -> None:
        self._insert("INSERT OR REPLACE INTO dedupe (scope, key, event_id, run_id, expires_at)", self._dedupe)
        self._insert(
            "INSERT INTO events (id, trigger, workflow, received_at, state, reason, dedupe_key, headers,"
            " body, data, run_id, version, gathering, replay_of)",
            self._events,
        )
        self._insert(
            "INSERT INTO runs (id, workflow, version, status, event_id, parent_run, parent_path, replay_of,"
            " created_at, started_at, finished_at, cost_usd, waiting_for, output, error, epoch, owner,"
            " concurrency_key, length)",
            self._new_runs,
        )
        self._new_ids.clear()
        if self._joined:
            self._db.executemany(_JOIN, self._joined.values())
            self._joined.clear()
        self._insert("INSERT INTO history (run_id, seq, at, count, body)", self._history)
        self._update_runs()
        for run_id, version in self._versions.items():
            self._db.execute("UPDATE runs SET version = ? WHERE id = ?", [version, run_id])
        self._versions.clear()
        self._write_timers()
        self._select("DELETE FROM signals WHERE id IN", self._signals_done)
        self._signals_done.clear()
        for sql, row in self._approvals:
            self._db.execute(sql, row)
        self._approvals.clear()
        self._select(_ADD_COSTS, [(*key, *value) for key, value in self._charges.items()], _TO_COSTS)
        self._charges.clear()
        self._end_claims()

    def _end_claims(self) -> None:
        # Most attempts have no claim, and often there is none at all.
        if self._released or self._over:
            if self._db.execute("SELECT EXISTS (SELECT 1 FROM claims)").fetchone()[0]:
                self._select("DELETE FROM claims WHERE (run_id, path, attempt) IN", self._released)
                self._select("DELETE FROM claims WHERE run_id IN", self._over)
            self._released.clear()
            self._over.clear()

    def _update_runs(self) -> None:
        # Most chunks leave the status as it is; without it in the statement no index is touched.
        self._update(_SAME_STATUS, [row for key, row in self._updates.items() if key not in self._restated])
        self._update(_NEW_STATUS, [self._updates[run_id] for run_id in self._restated])
        self._updates.clear()
        self._restated.clear()

    def _update(self, columns: str, rows: Sequence[Row]) -> None:
        for part, values in _padded(rows):
            sql = _STATEMENTS.get((columns, part))
            if sql is None:
                row = "(?,?,?,?,?,?,?,?,?,?,?)"
                sql = _STATEMENTS[(columns, part)] = (
                    f"UPDATE runs SET {columns} FROM (VALUES {','.join([row] * part)}) v"
                    " WHERE runs.id = v.column1"
                )
            self._db.execute(sql, values)

    def _write_timers(self) -> None:
        self._select("DELETE FROM timers WHERE run_id IN", [(run_id,) for run_id in self._untimed])
        removed = [key for key, due_at in self._timers.items() if due_at is None]
        self._select("DELETE FROM timers WHERE (run_id, path) IN", removed)
        kept = [(*key, due_at) for key, due_at in self._timers.items() if due_at is not None]
        self._insert("INSERT OR REPLACE INTO timers (run_id, path, due_at)", kept)
        self._untimed.clear()
        self._timers.clear()

    def _insert(self, into: str, rows: list[Row]) -> None:
        for part, values in _padded(rows):
            sql = _STATEMENTS.get((into, part))
            if sql is None:
                marks = ",".join(["(" + ",".join("?" * len(rows[0])) + ")"] * part)
                sql = _STATEMENTS[(into, part)] = (
                    f"{into} SELECT * FROM (VALUES {marks}) WHERE column1 IS NOT NULL"
                )
            self._db.execute(sql, values)
        rows.clear()

    def _select(self, start: str, rows: Sequence[Row], end: str = "") -> list[Row]:
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
            found.extend(self._db.execute(sql, values).fetchall())
        return found


_SAME_STATUS = (
    "started_at = v.column2, cost_usd = v.column3, waiting_for = v.column4, output = v.column5,"
    " error = v.column6, epoch = v.column7, owner = v.column8, length = v.column9"
)
_NEW_STATUS = f"{_SAME_STATUS}, status = v.column10, finished_at = v.column11"

_JOIN = (
    "INSERT INTO gatherings (id, name, scope, version, key, first_at, due_at, count, bytes)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = excluded.version,"
    " due_at = excluded.due_at, count = excluded.count, bytes = excluded.bytes"
)
_OPEN_APPROVAL = (
    "INSERT INTO approvals (id, run_id, path, workflow, status, data, requested_at, due_at)"
    " SELECT ?, ?, ?, workflow, 'pending', ?, ?, ? FROM runs WHERE id = ?"
    " ON CONFLICT (id) DO UPDATE SET data = excluded.data WHERE status = 'pending'"
)
_CLOSE_APPROVAL = (
    "UPDATE approvals SET status = ?, data = coalesce(?, data), decided_by = coalesce(decided_by, ?),"
    " decided_at = coalesce(decided_at, ?) WHERE id = ? AND status IN ('pending', ?)"
)

_ADD_COSTS = "INSERT INTO costs (day, workflow, model, called, usd, count, most) SELECT * FROM"
_TO_COSTS = (
    " WHERE column1 IS NOT NULL ON CONFLICT (day, workflow, model, called) DO UPDATE SET"
    " usd = usd + excluded.usd, count = count + excluded.count, most = max(most, excluded.most)"
)

_STATEMENTS: dict[tuple[str, int], str] = {}


def spent_query(workflow: str | None, since: float) -> tuple[str, list[Any]]:
    """What the ledger says from the day of `since` on: see `Store.spent`."""
    if workflow is None:
        return "SELECT total(usd) FROM costs WHERE day >= ? AND called = 0", [day_of(since)]
    return "SELECT total(usd) FROM costs WHERE workflow = ? AND day >= ?", [workflow, day_of(since)]


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

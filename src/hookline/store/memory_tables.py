"""The rows of the in-memory store, and what each unit makes of them.

A unit is applied whole or not at all: every change notes how it is undone, and when the unit
fails half-way the notes are followed backwards.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from .port import (
    Accept,
    Accepted,
    Admission,
    Admit,
    Advance,
    Approval,
    ApprovalChange,
    Chunk,
    Dedupe,
    Definition,
    Fenced,
    Incoming,
    Kept,
    NewRun,
    Outcome,
    Prune,
    Pruned,
    PutDefinition,
    PutSignal,
    RunRow,
    Signal,
    StoreError,
    Unit,
)

__all__ = ["EventRecord", "RunRecord", "Tables", "copied"]

Json = Any
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def copied(value: Json) -> Json:
    """The value as it comes back from a database: through JSON, with nothing shared.

    Raises:
        TypeError, ValueError: It is not JSON, or holds half a character.
    """
    text = json.dumps(value)
    result = json.loads(text)
    json.dumps(value, ensure_ascii=False).encode()
    return result


@dataclasses.dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, its place among the others, and how many events its history has."""

    n: int
    row: RunRow
    length: int


@dataclasses.dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as it came in, its place among the others, and what became of it."""

    n: int
    incoming: Incoming
    state: str
    reason: str
    dedupe_key: str | None
    headers: dict[str, str]
    body: bytes | None
    data: Json
    run_id: str | None


class Tables:
    """Everything that is stored. Not safe for threads: its owner holds a lock.

    Args:
        is_alive: Whether a worker still exists.
    """

    def __init__(self, is_alive: Callable[[str], bool]) -> None:
        self._is_alive = is_alive
        self._undo: list[Callable[[], None]] = []
        self._last_number = 0
        self.runs: dict[str, RunRecord] = {}
        self.history: dict[str, list[Chunk]] = {}
        self.events: dict[str, EventRecord] = {}
        self.timers: dict[tuple[str, str], float] = {}
        self.signals: dict[str, dict[str, Signal]] = {}
        self.approvals: dict[str, Approval] = {}
        self.definitions: dict[str, Definition] = {}
        self.dedupe: dict[tuple[str, str], tuple[Dedupe, str | None, str | None]] = {}
        self.cursors: dict[str, Json] = {}
        self.kept: dict[str, Kept] = {}
        self.rates: dict[str, float] = {}
        self.settings: dict[str, str] = {}

    def apply(self, unit: Unit, worker: str, now: float) -> Outcome:
        """The unit's answer, or the error because of which nothing was changed."""
        try:
            return self._unit(unit, worker, now)
        except Exception as error:
            for undo in reversed(self._undo):
                undo()
            return error if isinstance(error, StoreError) else StoreError(repr(error))
        finally:
            self._undo.clear()

    def _unit(self, unit: Unit, worker: str, now: float) -> Outcome:
        match unit:
            case Advance():
                return self._advance(unit, worker, now)
            case Accept():
                return self._accept(unit, now)
            case PutSignal():
                return self._put_signal(unit)
            case Admit():
                return self._admit(unit)
            case PutDefinition():
                if unit.version not in self.definitions:
                    definition = Definition(unit.version, unit.workflow, copied(unit.value), unit.at)
                    self._set(self.definitions, unit.version, definition)
                return True
            case Prune():
                return self._prune(unit)

    # Changes that can be undone --------------------------------------------------------------------

    def _set(self, table: dict[Key, Value], key: Key, value: Value) -> None:
        self._remember(table, key)
        table[key] = value

    def _remove(self, table: dict[Key, Value], key: Key) -> None:
        if key in table:
            self._remember(table, key)
            del table[key]

    def _remember(self, table: dict[Key, Value], key: Key) -> None:
        if key in table:
            before = table[key]
            self._undo.append(lambda: table.__setitem__(key, before))
        else:
            self._undo.append(lambda: table.__delitem__(key))

    def _add_chunk(self, run_id: str, chunk: Chunk) -> None:
        chunks = self.history.get(run_id)
        if chunks is None:
            self._set(self.history, run_id, [chunk])
        else:
            chunks.append(chunk)
            self._undo.append(lambda: chunks.__delitem__(-1))

    def _next(self) -> int:
        self._last_number += 1
        return self._last_number

    # Taking in ----------------------------------------------------------------------------------------

    def _accept(self, unit: Accept, now: float) -> list[Accepted]:
        answers = [self._incoming(incoming, now) for incoming in unit.incoming]
        for baseline in unit.baseline:
            if self._seen(baseline, now) is None:
                self._set(self.dedupe, (baseline.scope, baseline.key), (baseline, None, None))
        if unit.cursor_of is not None:
            self._set(self.cursors, unit.cursor_of, copied(unit.cursor))
        return answers

    def _seen(self, dedupe: Dedupe, now: float) -> tuple[str | None, str | None] | None:
        found = self.dedupe.get((dedupe.scope, dedupe.key))
        return found[1:] if found is not None and found[0].expires_at > now else None

    def _incoming(self, incoming: Incoming, now: float) -> Accepted:
        run, dedupe = incoming.run, incoming.dedupe
        state: str = incoming.state
        reason = incoming.reason
        first = self._seen(dedupe, now) if dedupe is not None else None
        if first is not None:
            run, state, reason = None, "duplicate", f"the same as {first[0] or 'one seen before'}"
        elif run is not None and incoming.skip_if_open and self._has_open_run(incoming.workflow):
            run, state, reason = None, "filtered", "an earlier run is not finished (overlap: skip)"
        run_id = run.id if run is not None else None
        if dedupe is not None and first is None:
            self._set(self.dedupe, (dedupe.scope, dedupe.key), (dedupe, incoming.id, run_id))
        if run is not None:
            self._create(run)
        if incoming.id in self.events:
            raise StoreError(f"there is an event {incoming.id} already")
        record = EventRecord(
            n=self._next(),
            incoming=incoming,
            state=state,
            reason=reason,
            dedupe_key=dedupe.key if dedupe is not None else None,
            headers=copied(dict(incoming.headers)),
            body=incoming.body if first is None else None,
            data=copied(incoming.data) if first is None else None,
            run_id=run_id,
        )
        self._set(self.events, incoming.id, record)
        if first is not None:
            return Accepted(first[0] or incoming.id, first[1], "duplicate")
        return Accepted(incoming.id, run_id, "filtered" if state == "filtered" else incoming.state)

    def _has_open_run(self, workflow: str) -> bool:
        return any(
            record.row.workflow == workflow and record.row.finished_at is None
            for record in self.runs.values()
        )

    def _create(self, run: NewRun) -> None:
        if run.id in self.runs:
            raise StoreError(f"there is a run {run.id} already")
        row = RunRow(
            id=run.id,
            workflow=run.workflow,
            version=run.version,
            status=run.status,
            event_id=run.event_id,
            parent_run=run.parent_run,
            parent_path=run.parent_path,
            replay_of=run.replay_of,
            created_at=run.created_at,
            started_at=None,
            finished_at=None,
            cost_usd=0.0,
            waiting_for="",
            output=None,
            error=None,
            epoch=1 if run.owner else 0,
            owner=run.owner,
            concurrency_key=run.concurrency_key,
        )
        self._set(self.runs, run.id, RunRecord(self._next(), row, run.chunk.count))
        self._add_chunk(run.id, run.chunk)
        if run.turn is not None:
            assert run.owner is not None, "a run that takes its first turn has an owner"
            self._advance(run.turn, run.owner, run.created_at)

    def _put_signal(self, unit: PutSignal) -> bool:
        if unit.run_id not in self.runs:
            return False
        waiting = self.signals.get(unit.run_id)
        if waiting is None:
            waiting = {}
            self._set(self.signals, unit.run_id, waiting)
        if unit.key in waiting:
            return False
        body = copied(unit.body)
        signal = Signal(self._next(), unit.run_id, unit.kind, unit.path, body, unit.at)
        self._set(waiting, unit.key, signal)
        return True

    # Going on -----------------------------------------------------------------------------------------

    def _advance(self, unit: Advance, worker: str, now: float) -> bool:
        record = self.runs.get(unit.run_id)
        if record is None:
            raise Fenced(f"there is no run {unit.run_id}")
        row, length, chunk, summary = record.row, record.length, unit.chunk, unit.summary
        if row.epoch != unit.expected_epoch:
            raise Fenced(f"run {row.id} is in epoch {row.epoch}, not {unit.expected_epoch}")
        if row.owner is not None and row.owner != worker and self._is_alive(row.owner):
            raise Fenced(f"run {row.id} is with worker {row.owner}")
        if chunk is not None:
            if chunk.seq != length:
                raise Fenced(f"run {row.id} has {length} events, so {chunk.seq} is not the next")
            self._add_chunk(row.id, chunk)
            length += chunk.count
        row = dataclasses.replace(
            row,
            version=unit.version if unit.version is not None else row.version,
            status=summary.status,
            started_at=summary.started_at,
            finished_at=summary.finished_at,
            cost_usd=summary.cost_usd,
            waiting_for=summary.waiting_for,
            output=copied(summary.output),
            error=copied(summary.error),
            epoch=unit.epoch,
            owner=unit.owner,
        )
        self._set(self.runs, row.id, RunRecord(record.n, row, length))
        self._set_timers(unit)
        waiting = self.signals.get(row.id, {})
        for key in [key for key, signal in waiting.items() if signal.id in unit.signals]:
            self._remove(waiting, key)
        for change in unit.approvals:
            self._approval(row, change, now)
        for child in unit.children:
            self._create(child)
        for signal in unit.outbox:
            self._put_signal(signal)
        for kept in unit.kept:
            self._set(self.kept, kept.key, Kept(kept.key, copied(kept.output), kept.expires_at))
        return True

    def _set_timers(self, unit: Advance) -> None:
        if unit.clear_timers:
            for key in [key for key in self.timers if key[0] == unit.run_id]:
                self._remove(self.timers, key)
        for path, due_at in unit.timers.items():
            if due_at is None:
                self._remove(self.timers, (unit.run_id, path))
            else:
                self._set(self.timers, (unit.run_id, path), due_at)

    def _approval(self, run: RunRow, change: ApprovalChange, now: float) -> None:
        before = self.approvals.get(change.id)
        if change.status == "pending" and before is None:
            approval = Approval(
                id=change.id,
                run_id=run.id,
                path=change.path,
                workflow=run.workflow,
                status="pending",
                data=copied(change.data),
                requested_at=now,
                due_at=change.due_at,
                decided_by=None,
                decided_at=None,
            )
            self._set(self.approvals, change.id, approval)
        elif change.status != "pending" and before is not None and before.status == "pending":
            decided = dataclasses.replace(
                before, status=change.status, decided_by=change.decided_by, decided_at=now
            )
            self._set(self.approvals, change.id, decided)

    def _admit(self, unit: Admit) -> Admission:
        record = self.runs.get(unit.run_id)
        if record is None or record.row.status != "queued":
            return Admission(False)
        row = record.row
        if row.owner is not None and row.owner != unit.owner and self._is_alive(row.owner):
            return Admission(False)
        if unit.max_running is not None and row.concurrency_key is not None:
            open_runs = sum(
                other.row.concurrency_key == row.concurrency_key
                and other.row.status in ("running", "waiting")
                for other in self.runs.values()
            )
            if open_runs >= unit.max_running:
                return Admission(False)
        if unit.rate_key is not None:
            # Starts are spaced evenly; those that were not used may be made up for by a burst.
            spacing = unit.rate_per / unit.rate
            arrival = max(self.rates.get(unit.rate_key, unit.now), unit.now)
            earliest = arrival - (unit.rate_per - spacing)
            if earliest > unit.now + 1e-6:
                return Admission(False, retry_at=earliest)
            self._set(self.rates, unit.rate_key, arrival + spacing)
        row = dataclasses.replace(row, status="running", owner=unit.owner, epoch=row.epoch + 1)
        self._set(self.runs, row.id, RunRecord(record.n, row, record.length))
        return Admission(True, row.epoch)

    # Forgetting ---------------------------------------------------------------------------------------

    def _prune(self, unit: Prune) -> Pruned:
        finished = sorted(
            (record.row.finished_at, record.n, record.row)
            for record in self.runs.values()
            if record.row.workflow == unit.workflow and record.row.finished_at is not None
        )
        too_many = len(finished) - unit.keep if unit.keep is not None else 0
        doomed = [
            row
            for index, (finished_at, _, row) in enumerate(finished)
            if index < too_many or (unit.finished_before is not None and finished_at < unit.finished_before)
        ][: unit.limit]
        events = 0
        for row in doomed:
            event = self.events.get(row.event_id) if row.event_id is not None else None
            if event is not None and event.run_id == row.id:
                self._remove(self.events, event.incoming.id)
                events += 1
            self._forget(row.id)
        if unit.finished_before is not None:
            settled = sorted(
                (record.incoming.received_at, record.n, record.incoming.id)
                for record in self.events.values()
                if record.run_id is None
                and record.incoming.workflow == unit.workflow
                and record.incoming.received_at < unit.finished_before
            )
            for _, _, event_id in settled[: unit.limit]:
                self._remove(self.events, event_id)
                events += 1
        for key in [key for key, (dedupe, _, _) in self.dedupe.items() if dedupe.expires_at <= unit.now]:
            self._remove(self.dedupe, key)
        for name in [name for name, kept in self.kept.items() if kept.expires_at <= unit.now]:
            self._remove(self.kept, name)
        return Pruned(len(doomed), events)

    def _forget(self, run_id: str) -> None:
        self._remove(self.runs, run_id)
        self._remove(self.history, run_id)
        self._remove(self.signals, run_id)
        for key in [key for key in self.timers if key[0] == run_id]:
            self._remove(self.timers, key)
        for approval_id in [id_ for id_, approval in self.approvals.items() if approval.run_id == run_id]:
            self._remove(self.approvals, approval_id)

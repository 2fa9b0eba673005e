"""The rows of the in-memory store, and what each unit makes of them.

A unit is applied whole or not at all: every change notes how it is undone, and when the unit
fails half-way the notes are followed backwards.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from .limits import PARTS, in_parts
from .port import (
    MONEY,
    OVERLAP,
    Accept,
    Accepted,
    Admission,
    Admit,
    Advance,
    Approval,
    ApprovalChange,
    Charge,
    Chunk,
    Claim,
    Claimed,
    CostRow,
    Dedupe,
    Definition,
    Fenced,
    Gathering,
    Hold,
    Incoming,
    Kept,
    NewRun,
    Outcome,
    Prune,
    Pruned,
    PutDefinition,
    PutSignal,
    Release,
    Released,
    RunRow,
    Signal,
    StoreError,
    TakeTurns,
    Throttle,
    Turns,
    Unit,
    day_of,
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
    gathering: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class GatheringRecord:
    """A gathering, its place among the others, and the bytes of data in it."""

    n: int
    name: str
    row: Gathering
    bytes: int


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
        self.costs: dict[tuple[str, str, str, bool], CostRow] = {}
        self.claims: dict[str, dict[tuple[str, int, str], int]] = {}
        self.claimed: dict[str, int] = {}
        self.settings: dict[str, str] = {}
        self.gatherings: dict[str, GatheringRecord] = {}

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
            case Release():
                return self._release(unit)
            case Admit():
                return self._admit(unit)
            case Claim():
                return self._claim(unit, worker)
            case TakeTurns():
                return self._take_turns(unit)
            case PutDefinition():
                definition = Definition(unit.version, unit.workflow, copied(unit.value), unit.at)
                if unit.version in self.definitions:
                    definition = dataclasses.replace(self.definitions[unit.version], at=unit.at)
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
            data=copied(data) if first is None else None,
            run_id=run_id,
            gathering=gathering,
        )
        self._set(self.events, incoming.id, record)
        if first is not None:
            return Accepted(first[0] or incoming.id, first[1], "duplicate")
        return Accepted(incoming.id, run_id, "filtered" if state == "filtered" else incoming.state, due_at)

    # Waiting ------------------------------------------------------------------------------------------

    def _join(self, hold: Hold, incoming: Incoming, turn: float | None) -> tuple[str, float]:
        now = incoming.received_at
        same = [record for record in self.gatherings.values() if record.name == hold.name]
        found = max(same, key=lambda record: record.n) if same and turn is None else None
        if found is None or found.row.due_at <= now:
            begun = Gathering(hold.id, hold.scope, hold.version, hold.key, now, now, 0)
            found = GatheringRecord(self._next(), hold.name, begun, 0)
        count, size = found.row.count + 1, found.bytes
        if hold.most_bytes is not None and incoming.data is not None:
            size += len(json.dumps(incoming.data, separators=(",", ":"), ensure_ascii=False))
        due_at = turn
        if due_at is None:
            due_at = found.row.first_at + hold.longest
            if hold.quiet is not None:
                due_at = min(due_at, now + hold.quiet)
            is_full = hold.most is not None and count >= hold.most
            if is_full or (hold.most_bytes is not None and size >= hold.most_bytes):
                due_at = now
        row = dataclasses.replace(found.row, version=hold.version, due_at=due_at, count=count)
        self._set(self.gatherings, row.id, dataclasses.replace(found, row=row, bytes=size))
        return row.id, due_at

    def _turn_at(self, throttle: Throttle, now: float) -> float | None:
        earliest = turn = self._earliest(throttle.name, throttle, now)
        if throttle.hold is not None:
            start = self._earliest(throttle.started, throttle, now)
            turn = max(earliest, start)
            if turn <= now + 1e-6:
                self._set(self.rates, throttle.started, start + throttle.per)
        has_turn = turn <= now + 1e-6
        if has_turn or throttle.hold is not None:
            self._set(self.rates, throttle.name, earliest + throttle.per)
        return None if has_turn else turn

    def _earliest(self, name: str, throttle: Throttle, now: float) -> float:
        spacing = throttle.per / throttle.rate
        return max(self.rates.get(name, now), now) - (throttle.per - spacing)

    def _release(self, unit: Release) -> Released:
        record = self.gatherings.get(unit.gathering)
        if record is None or record.row.count != unit.count:
            return Released(False)
        if unit.throttle is not None:
            start = self._earliest(unit.throttle.started, unit.throttle, unit.now)
            if start > unit.now + 1e-6:
                later = dataclasses.replace(record, row=dataclasses.replace(record.row, due_at=start))
                self._set(self.gatherings, unit.gathering, later)
                return Released(False)
            self._set(self.rates, unit.throttle.started, start + unit.throttle.per)
        self._remove(self.gatherings, unit.gathering)
        run, reason = unit.run, unit.reason
        if run is not None and unit.skip_if_open and self._has_open_run(run.workflow):
            run, reason = None, OVERLAP
        if run is not None:
            self._create(run)
        run_id = run.id if run is not None else None
        for id_, event in list(self.events.items()):
            if event.gathering != unit.gathering:
                continue
            state, why = ("received", reason) if run is not None else ("filtered", reason)
            if run is not None and unit.chosen and id_ != unit.chosen:
                state, why = "filtered", f"replaced by {unit.chosen}, which came later"
            self._set(self.events, id_, dataclasses.replace(event, state=state, reason=why, run_id=run_id))
        return Released(True, run_id)

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
        record = self._held(unit.run_id, unit.expected_epoch, worker)
        row, length, chunk, summary = record.row, record.length, unit.chunk, unit.summary
        if chunk is not None:
            if chunk.seq != length:
                raise Fenced(f"run {row.id} has {length} events, so {chunk.seq} is not the next")
            self._add_chunk(row.id, chunk)
            length += chunk.count
        elif unit.length not in (None, length):
            raise Fenced(f"run {row.id} has {length} events, and not {unit.length}")
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
        for event in unit.events:
            self._incoming(event, now)
        for kept in unit.kept:
            self._set(self.kept, kept.key, Kept(kept.key, copied(kept.output), kept.expires_at))
        for charge in unit.charges:
            self._charge(charge)
        is_end = summary.finished_at is not None and record.row.finished_at is None
        for claim in list(self.claims.get(row.id, ())):
            if (is_end or claim[:2] in unit.released) and not (
                claim[2].startswith(MONEY) and claim[:2] in unit.owing
            ):
                self._set_claim(row.id, claim, None)
        return True

    def _held(self, run_id: str, epoch: int, worker: str) -> RunRecord:
        """The run, if it is in this epoch and no other worker's."""
        record = self.runs.get(run_id)
        if record is None:
            raise Fenced(f"there is no run {run_id}")
        row = record.row
        if row.epoch != epoch:
            raise Fenced(f"run {row.id} is in epoch {row.epoch}, not {epoch}")
        if row.owner is not None and row.owner != worker and self._is_alive(row.owner):
            raise Fenced(f"run {row.id} is with worker {row.owner}")
        return record

    def _charge(self, charge: Charge) -> None:
        key = (day_of(charge.at), charge.workflow, charge.of, charge.called)
        before = self.costs.get(key, CostRow(*key[:3], 0.0, 0, 0.0))
        row = CostRow(*key[:3], before.usd + charge.usd, before.count + 1, max(before.most, charge.usd))
        self._set(self.costs, key, row)

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
        elif before is not None and before.status in ("pending", change.status):
            changed = dataclasses.replace(
                before, data=before.data if change.data is None else copied(change.data)
            )
            if change.status != "pending":
                changed = dataclasses.replace(
                    changed,
                    status=change.status,
                    decided_by=before.decided_by or change.decided_by,
                    decided_at=now if before.decided_at is None else before.decided_at,
                )
            self._set(self.approvals, change.id, changed)

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

    # What there is only so much of ----------------------------------------------------------------

    def _claim(self, unit: Claim, worker: str) -> Claimed:
        if self._held(unit.run_id, unit.epoch, worker).row.finished_at is not None:
            raise Fenced(f"run {unit.run_id} is over")
        own = self.claims.get(unit.run_id, {})
        for cap in unit.caps:
            others = self.claimed.get(cap.name, 0) - own.get((unit.path, unit.attempt, cap.name), 0)
            taken = cap.used + others / PARTS
            if cap.since is not None:
                taken += self.spent(cap.workflow, cap.since)
            if taken + unit.amounts.get(cap.name, 0.0) > cap.most + 1e-9:
                return Claimed(False, cap, taken)
        for name, amount in unit.amounts.items():
            self._set_claim(unit.run_id, (unit.path, unit.attempt, name), in_parts(amount))
        return Claimed(True)

    def _set_claim(self, run_id: str, claim: tuple[str, int, str], amount: int | None) -> None:
        """Make, change or end a claim, and keep what is claimed under its name."""
        if run_id not in self.claims:
            self._set(self.claims, run_id, {})
        claims, name = self.claims[run_id], claim[2]
        claimed = self.claimed.get(name, 0) - claims.get(claim, 0)
        if amount is None:
            self._remove(claims, claim)
        else:
            self._set(claims, claim, amount)
            claimed += amount
        if not claims:
            self._remove(self.claims, run_id)
        self._set(self.claimed, name, claimed)
        if not claimed:
            self._remove(self.claimed, name)

    def spent(self, workflow: str | None, since: float) -> float:
        """See `Store.spent`."""
        return sum(
            row.usd
            for (day, of_workflow, _, called), row in self.costs.items()
            if day >= day_of(since) and (not called if workflow is None else of_workflow == workflow)
        )

    def _take_turns(self, unit: TakeTurns) -> Turns:
        ahead = (unit.burst - 1) * unit.spacing
        arrival = max(self.rates.get(unit.name, unit.now), unit.now)
        if unit.not_before is not None:
            arrival = max(arrival, unit.not_before + ahead)
        self._set(self.rates, unit.name, arrival + unit.count * unit.spacing)
        return Turns(arrival - ahead)

    # Forgetting ---------------------------------------------------------------------------------------

    def _prune(self, unit: Prune) -> Pruned:
        finished = sorted(
            (record.row.finished_at, record.n, record.row)
            for record in self.runs.values()
            if record.row.workflow == unit.workflow and record.row.finished_at is not None
        )
        unsettled = {run_id for run_id, _ in self.timers}
        too_many = len(finished) - unit.keep if unit.keep is not None else 0
        doomed = [
            row
            for index, (finished_at, _, row) in enumerate(finished)
            if index < too_many or (unit.finished_before is not None and finished_at < unit.finished_before)
            if row.id not in unsettled
        ][: unit.limit]
        events = 0
        for row in doomed:
            event = self.events.get(row.event_id) if row.event_id is not None else None
            if event is not None and event.run_id == row.id:
                self._remove(self.events, event.incoming.id)
                events += 1
            self._forget(row.id)
            gathered = [
                id_
                for id_, record in self.events.items()
                if record.gathering is not None and record.run_id == row.id
            ]
            for id_ in gathered:
                self._remove(self.events, id_)
                events += 1
        events += self._prune_events(unit)
        for key in [key for key, (dedupe, _, _) in self.dedupe.items() if dedupe.expires_at <= unit.now]:
            self._remove(self.dedupe, key)
        for name in [name for name, kept in self.kept.items() if kept.expires_at <= unit.now]:
            self._remove(self.kept, name)
        for name in [name for name, arrival in self.rates.items() if arrival <= unit.now]:
            self._remove(self.rates, name)
        return Pruned(len(doomed), events)

    def _prune_events(self, unit: Prune) -> int:
        idle = sorted(
            (record.incoming.received_at, record.n, record.incoming.id)
            for record in self.events.values()
            if record.run_id is None
            and record.state != "received"
            and record.incoming.workflow == unit.workflow
        )
        before = unit.finished_before if unit.events_before is None else unit.events_before
        too_many = len(idle) - unit.keep_events if unit.keep_events is not None else 0
        doomed = [
            event_id
            for index, (received_at, _, event_id) in enumerate(idle)
            if index < too_many or (before is not None and received_at < before)
        ][: unit.limit]
        for event_id in doomed:
            self._remove(self.events, event_id)
        return len(doomed)

    def _forget(self, run_id: str) -> None:
        self._remove(self.runs, run_id)
        self._remove(self.history, run_id)
        self._remove(self.signals, run_id)
        for key in [key for key in self.timers if key[0] == run_id]:
            self._remove(self.timers, key)
        for approval_id in [id_ for id_, approval in self.approvals.items() if approval.run_id == run_id]:
            self._remove(self.approvals, approval_id)

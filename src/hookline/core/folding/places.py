"""Finding the record that an event is about, and what several events do to records: part of `evolve`."""

from __future__ import annotations

from ..records import TERMINAL, RunState, StepRecord, parent_path

__all__ = [
    "add_cost",
    "begin_attempt",
    "beginning",
    "closable",
    "close",
    "open_attempt",
    "open_record",
    "record_of",
]


def record_of(state: RunState, path: str, at: float) -> StepRecord:
    """The record of a step, made if need be."""
    record = state.records.get(path)
    if record is None:
        record = StepRecord(path, attempt=state.attempts.get(path, 0), started_at=at)
        state.records[path] = record
        parent = state.records.get(parent_path(path))
        if parent is not None:
            parent.below[path] = None
    return record


def open_record(state: RunState, path: str) -> StepRecord | None:
    """The record of a step that is not done, or None."""
    record = state.records.get(path)
    return None if record is None or record.status in TERMINAL else record


def open_attempt(state: RunState, path: str, attempt: int) -> StepRecord | None:
    """The record of a step whose newest attempt is this one and has not ended, or None."""
    record = open_record(state, path)
    if record is None or record.attempt != attempt or record.status in ("failing", "retrying"):
        return None
    return record


def beginning(state: RunState, path: str, at: float) -> StepRecord | None:
    """The record of a step that may begin an attempt now, made if need be, or None."""
    record = state.records.get(path)
    if record is None:
        return record_of(state, path, at)
    return record if record.status == "retrying" else None


def begin_attempt(record: StepRecord, attempt: int, deadline: float | None) -> None:
    """What every attempt begins with."""
    record.status = "running"
    record.attempt = attempt
    record.tries += 1
    record.deadline = deadline
    record.waiting = None
    record.due_at = None
    record.error = None


def close(state: RunState, record: StepRecord, status: str, at: float) -> None:
    """A step is done; what comes of that is decided next."""
    record.status = status
    if record.phase == "catch":
        record.phase = "caught"
    record.finished_at = at
    record.waiting = None
    record.due_at = None
    record.wakes.clear()
    if status != "canceled":
        # What has come is the settlement's, if there is one.
        record.callbacks.clear()
    state.active.pop(record.path, None)
    state.executing.discard(record.path)
    state.canceling.pop(record.path, None)
    state.ready[record.path] = None


def closable(state: RunState, path: str, at: float) -> StepRecord | None:
    """The record to close, made if the step closes without having begun; None when it is done."""
    record = record_of(state, path, at)
    return None if record.status in TERMINAL and record.phase != "catch" else record


def add_cost(state: RunState, record: StepRecord | None, cost: float) -> None:
    """Count what a step has cost; the step may have been forgotten since, the run has paid for it."""
    if record is not None:
        record.cost += cost
    state.cost += cost

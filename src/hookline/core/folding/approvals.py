"""What happens to an approval that is open: part of `evolve`. Handlers as in `steps`."""

from __future__ import annotations

from .. import events as ev
from ..records import Asking, RunState, StepRecord
from .places import open_record

__all__ = [
    "approval_asking",
    "approval_decided",
    "approval_noted",
    "approval_settled",
]


def _open_approval(
    state: RunState, path: str, attempt: int | None = None
) -> tuple[StepRecord, Asking] | None:
    """The record of an approval that is open, and whom it asks."""
    record = open_record(state, path)
    if record is None or record.waiting is None or record.waiting.waits_for != "approval":
        return None
    if record.asking is None or (attempt is not None and record.attempt != attempt):
        return None
    return record, record.asking


def approval_asking(state: RunState, event: ev.ApprovalAsking, at: float) -> bool:
    found = _open_approval(state, event.path, event.attempt)
    if found is None or found[1].outcome or event.round <= found[1].round:
        return False
    record, asking = found
    assert record.waiting is not None
    asking.round, asking.reason = event.round, event.reason
    if event.reason == "escalation":
        asking.is_escalated = True
        asking.who.extend(each for each in event.who if each not in asking.who)
    record.waiting.until = event.until
    record.due_at = None
    if event.sends:
        state.executing.add(event.path)
    return True


def approval_noted(state: RunState, event: ev.ApprovalNoted, at: float) -> bool:
    found = _open_approval(state, event.path, event.attempt)
    if found is None:
        return False
    asking = found[1]
    asking.people.update(event.people or {})
    asking.tokens.update(event.tokens or {})
    asking.told.update(event.told or {})
    if event.done:
        if not asking.outcome:
            asking.problems = list(event.problems)
        state.executing.discard(event.path)
        if asking.outcome:
            state.ready[event.path] = None
    return True


def approval_decided(state: RunState, event: ev.ApprovalDecided, at: float) -> bool:
    record = open_record(state, event.path)
    if record is None or record.waiting is None or record.waiting.waits_for != "approval":
        return False
    if record.is_settled or (event.attempt and event.attempt != record.attempt):
        return False
    # What was decided in time counts, also when the process that was to hear of it was down.
    last = record.deadline if record.asked is None else record.waiting.until
    if record.due_at is not None and last is not None and record.due_at >= last and event.at >= last:
        return False
    if any(event.decider == earlier.decider for earlier in record.decisions):
        return False
    record.decisions.append(event)
    state.ready[event.path] = None
    return True


def approval_settled(state: RunState, event: ev.ApprovalSettled, at: float) -> bool:
    found = _open_approval(state, event.path, event.attempt)
    if found is None or found[1].outcome:
        return False
    record, asking = found
    asking.outcome = event.outcome
    record.due_at = None
    state.executing.add(event.path)
    return True

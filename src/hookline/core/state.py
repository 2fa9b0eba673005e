"""`evolve`, which folds a run's history into its state.

Invariants, each tested:

* `evolve` is total: any event in any order leaves a legal state. What comes too late (a second
  answer, a timer of a step that is done, the result of a canceled attempt) changes nothing.
* Folding a prefix and then the rest equals folding everything.
* ``ready`` names exactly the places where something can be decided. `decide` answers the first
  of them with at least one command, whose ``cause`` takes it off the list; so deciding always
  comes to an end, and costs nothing for the steps that are done.
* A step that is done stays done. Only its ``catch`` and ``finally`` may still change how it
  ended, and only a `RunResumed` opens what did not succeed.
* A run that is over stays over. What it left behind elsewhere is settled all the same, and what that
  cost is added to what it has cost.

`evolve` owns the state it is given and returns it changed: folding a history of n events costs n
steps, not n copies. Whoever needs the earlier state folds again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import events as ev
from . import settlements
from .records import (
    HELD,
    RUN_TERMINAL,
    TERMINAL,
    Asking,
    Branches,
    Ending,
    Loop,
    RunState,
    StepRecord,
    Waiting,
    parent_path,
)
from .reopen import drop_below, reopen_run
from .settlements import add_cost

__all__ = ["RUN_TERMINAL", "TERMINAL", "Entry", "RunState", "StepRecord", "evolve", "replay"]

_OF_THE_RUN = frozenset(
    {
        "run.created",
        "run.started",
        "run.cancel_requested",
        "run.resumed",
        "run.finished",
        "timer.fired",
        "block.entered",
        "block.finished",
        "cancel.ordered",
        "vars.set",
    }
)
"""Kinds of events that the path ``""`` may have; all others are about a step."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in its place in the history: its number from 0, and when it was recorded."""

    seq: int
    at: float
    event: ev.Event


def replay(entries: Iterable[Entry]) -> RunState:
    """Fold a whole history."""
    state = RunState()
    for entry in entries:
        evolve(state, entry.event, entry.at)
    return state


def evolve(state: RunState, event: ev.Event, at: float) -> RunState:
    """Fold one event in; `at` is when it was recorded, in seconds since the epoch."""
    state.seq += 1
    state.last_at = at
    if state.finished is not None and event.kind != "run.resumed":
        if event.kind in _AFTER_THE_END:
            _AFTER_THE_END[event.kind](state, event, at)
        return state
    if event.path == "" and event.kind not in _OF_THE_RUN:
        return state
    cause: str | None = getattr(event, "cause", None)
    was_ready = cause is not None and cause in state.ready
    if cause is not None and was_ready:
        del state.ready[cause]
    if not _HANDLERS[event.kind](state, event, at) and cause is not None and was_ready:
        # It came too late, and what was to be examined still is.
        state.ready[cause] = None
    return state


# Handlers return whether the event had its effect; False says that it came too late.


def _record(state: RunState, path: str, at: float) -> StepRecord:
    record = state.records.get(path)
    if record is None:
        record = StepRecord(path, attempt=state.attempts.get(path, 0), started_at=at)
        state.records[path] = record
        parent = state.records.get(parent_path(path))
        if parent is not None:
            parent.below[path] = None
    return record


def _open(state: RunState, path: str) -> StepRecord | None:
    """The record of a step that is not done, or None."""
    record = state.records.get(path)
    return None if record is None or record.status in TERMINAL else record


def _open_attempt(state: RunState, path: str, attempt: int) -> StepRecord | None:
    """The record of a step whose newest attempt is this one and has not ended, or None."""
    record = _open(state, path)
    if record is None or record.attempt != attempt or record.status in ("failing", "retrying"):
        return None
    return record


def _beginning(state: RunState, path: str, at: float) -> StepRecord | None:
    """The record of a step that may begin an attempt now, made if need be, or None."""
    record = state.records.get(path)
    if record is None:
        return _record(state, path, at)
    return record if record.status == "retrying" else None


def _begin_attempt(record: StepRecord, attempt: int, deadline: float | None) -> None:
    record.status = "running"
    record.attempt = attempt
    record.tries += 1
    record.deadline = deadline
    record.waiting = None
    record.due_at = None
    record.error = None


def _close(state: RunState, record: StepRecord, status: str, at: float) -> None:
    record.status = status
    if record.phase == "catch":
        record.phase = "caught"
    record.finished_at = at
    record.waiting = None
    record.due_at = None
    record.wakes.clear()
    record.callbacks.clear()
    state.active.pop(record.path, None)
    state.executing.discard(record.path)
    state.canceling.pop(record.path, None)
    state.ready[record.path] = None


def _closable(state: RunState, path: str, at: float) -> StepRecord | None:
    """The record to close, made if the step closes without having begun; None when it is done."""
    record = _record(state, path, at)
    return None if record.status in TERMINAL and record.phase != "catch" else record


def _run_created(state: RunState, event: ev.RunCreated, at: float) -> bool:
    if state.id:
        return False
    state.id = event.run
    state.workflow = event.workflow
    state.version = event.version
    state.trigger = event.trigger
    state.inputs = event.inputs
    state.event = event.event
    state.parent = event.parent
    state.replay_of = event.replay_of
    state.depth = event.depth
    state.created_at = event.created_at
    return True


def _run_started(state: RunState, event: ev.RunStarted, at: float) -> bool:
    if state.started_at is not None:
        return False
    state.started_at = at
    state.ready[""] = None
    return True


def _cancel_requested(state: RunState, event: ev.CancelRequested, at: float) -> bool:
    """What cleans up after the run's steps cannot be canceled, nor a run whose steps have ended."""
    root = state.records[""]
    if root.ending is not None or root.phase not in ("", "steps"):
        return False
    state.cancel = event
    state.ready[""] = None
    return True


def _run_finished(state: RunState, event: ev.RunFinished, at: float) -> bool:
    state.finished = event
    state.finished_at = at
    state.ready.clear()
    state.active.clear()
    state.executing.clear()
    state.canceling.clear()
    return True


def _run_resumed(state: RunState, event: ev.RunResumed, at: float) -> bool:
    if state.finished is None or state.finished.status == "succeeded":
        return False
    state.version = event.version
    state.finished = None
    state.finished_at = None
    state.cancel = None
    state.interruptions = 0
    if state.started_at is None:
        state.started_at = at
    reopen_run(state)
    return True


def _step_started(state: RunState, event: ev.StepStarted, at: float) -> bool:
    record = _beginning(state, event.path, at)
    if record is None:
        return False
    _begin_attempt(record, event.attempt, event.deadline)
    record.input = event.input
    record.data = None
    record.asked = None
    record.decisions.clear()
    record.notes = {}
    record.callbacks.clear()
    record.wakes.clear()
    record.wake = "start"
    record.woken_by = ""
    state.active[event.path] = None
    state.executing.add(event.path)
    return True


def _step_noted(state: RunState, event: ev.StepNoted, at: float) -> bool:
    record = _open_attempt(state, event.path, event.attempt)
    if record is None:
        return settlements.noted(state, event, at)
    record.notes.update(event.values)
    add_cost(state, record, event.cost)
    return True


def _step_logged(state: RunState, event: ev.StepLogged, at: float) -> bool:
    """A line for people."""
    return True


def _step_waiting(state: RunState, event: ev.StepWaiting, at: float) -> bool:
    if event.waits_for == "action":
        return _action_parked(state, event)
    if event.waits_for == "lookup":
        return _lookup_awaited(state, event)
    if event.waits_for in HELD or (event.waits_for == "approval" and event.path in state.executing):
        return _action_held(state, event)
    record = state.records.get(event.path)
    waiting = record.waiting if record is not None else None
    if record is None or record.status == "retrying":
        record = _record(state, event.path, at)
        _begin_attempt(record, event.attempt, event.deadline)
        record.decisions.clear()
        record.child = None
        record.asking = _asking(event.data, at) if event.waits_for == "approval" else None
    elif record.attempt != event.attempt or waiting is None or waiting.waits_for != event.waits_for:
        return False
    record.status = "waiting"
    record.input = event.data
    record.waiting = Waiting(event.waits_for, event.reason, event.until)
    state.active[event.path] = None
    if record.wakes and event.waits_for == "callback":
        state.ready[event.path] = None
    return True


def _asking(data: Any, at: float) -> Asking:
    who = data.get("who") if isinstance(data, dict) else None
    return Asking(at, who=[str(each) for each in who] if isinstance(who, list) else [])


def _action_parked(state: RunState, event: ev.StepWaiting) -> bool:
    record = _open_attempt(state, event.path, event.attempt)
    if record is None or event.path not in state.executing:
        return False
    record.status = "waiting"
    record.waiting = Waiting("action", event.reason, event.until)
    record.data = event.data
    add_cost(state, record, event.cost)
    state.executing.discard(event.path)
    if record.wakes:
        state.ready[event.path] = None
    return True


def _action_held(state: RunState, event: ev.StepWaiting) -> bool:
    record = _open_attempt(state, event.path, event.attempt)
    if record is None or event.path not in state.executing:
        return False
    record.status = "waiting"
    record.waiting = Waiting(event.waits_for, event.reason, event.until)
    if event.waits_for == "approval":
        record.asked = event.data
        record.decisions.clear()
        # The step's time is no measure for a person's; it begins anew with the decision.
        record.deadline = None
    add_cost(state, record, event.cost)
    state.executing.discard(event.path)
    if record.wakes and record.is_woken_by_callbacks:
        state.ready[event.path] = None
    return True


def _lookup_awaited(state: RunState, event: ev.StepWaiting) -> bool:
    record = _open_attempt(state, event.path, event.attempt)
    if record is None or record.status != "unknown":
        return False
    record.waiting = Waiting("lookup", event.reason, event.until)
    record.due_at = None
    if record.wakes:
        state.ready[event.path] = None
    return True


def _step_woken(state: RunState, event: ev.StepWoken, at: float) -> bool:
    record = _open_attempt(state, event.path, event.attempt)
    if record is None or record.waiting is None:
        return False
    if record.waiting.waits_for not in ("action", "lookup") and not record.is_held:
        return False
    record.status = "running"
    record.waiting = None
    record.due_at = None
    record.asked = None
    if event.deadline is not None:
        record.deadline = event.deadline
    record.wake = event.wake
    record.woken_by = event.callback
    if event.callback in record.wakes:
        record.wakes.remove(event.callback)
    state.executing.add(event.path)
    return True


def _callback_received(state: RunState, event: ev.CallbackReceived, at: float) -> bool:
    if settlements.called_back(state, event, at):
        return True
    record = state.records.get(event.path)
    # The address of a ``wait`` step is good for every attempt, and says attempt 0.
    if record is None:
        return event.attempt == 0 and state.early.setdefault(event.path, event) is event
    other_attempt = event.attempt != 0 and record.attempt != event.attempt
    if record.status in TERMINAL or record.is_container or other_attempt or event.id in record.callbacks:
        return False
    waits_for = record.waiting.waits_for if record.waiting is not None and record.status != "retrying" else ""
    if waits_for in ("approval", "run", "timer"):
        return False
    record.callbacks[event.id] = (event.body, event.headers)
    record.wakes.append(event.id)
    if waits_for and record.is_woken_by_callbacks:
        state.ready[event.path] = None
    return True


def _timer_fired(state: RunState, event: ev.TimerFired, at: float) -> bool:
    if settlements.due(state, event, at):
        return True
    record = _open(state, event.path)
    wanted = record.timer if record is not None else None
    if record is None or wanted is None or event.at < wanted:
        return False
    record.due_at = event.at
    state.ready[event.path] = None
    return True


def _turn_came(state: RunState, event: ev.TurnCame, at: float) -> bool:
    record = _open(state, event.path)
    if record is None or record.waiting is None or record.waiting.waits_for not in HELD:
        return False
    if record.due_at is not None:
        return False
    record.due_at = event.at
    state.ready[event.path] = None
    return True


def _open_approval(
    state: RunState, path: str, attempt: int | None = None
) -> tuple[StepRecord, Asking] | None:
    """The record of an approval that is open, and whom it asks."""
    record = _open(state, path)
    if record is None or record.waiting is None or record.waiting.waits_for != "approval":
        return None
    if record.asking is None or (attempt is not None and record.attempt != attempt):
        return None
    return record, record.asking


def _approval_asking(state: RunState, event: ev.ApprovalAsking, at: float) -> bool:
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


def _approval_noted(state: RunState, event: ev.ApprovalNoted, at: float) -> bool:
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


def _approval_decided(state: RunState, event: ev.ApprovalDecided, at: float) -> bool:
    record = _open(state, event.path)
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


def _approval_settled(state: RunState, event: ev.ApprovalSettled, at: float) -> bool:
    found = _open_approval(state, event.path, event.attempt)
    if found is None or found[1].outcome:
        return False
    record, asking = found
    asking.outcome = event.outcome
    record.due_at = None
    state.executing.add(event.path)
    return True


def _child_finished(state: RunState, event: ev.ChildFinished, at: float) -> bool:
    record = _open(state, event.path)
    if record is None or record.waiting is None or record.waiting.waits_for != "run":
        return False
    if record.child is not None or not isinstance(record.input, dict) or record.input.get("run") != event.run:
        return False
    record.child = event
    add_cost(state, record, event.cost)
    state.ready[event.path] = None
    return True


def _attempt_failed(state: RunState, event: ev.AttemptFailed, at: float) -> bool:
    record = _open_attempt(state, event.path, event.attempt)
    if record is None:
        return False
    record.status = "failing"
    record.error = event.error
    record.retry_after = event.retry_after
    record.retry_on = tuple(event.retry_on)
    record.waiting = None
    record.due_at = None
    state.executing.discard(event.path)
    state.ready[event.path] = None
    add_cost(state, record, event.cost)
    return True


def _attempt_unknown(state: RunState, event: ev.AttemptUnknown, at: float) -> bool:
    record = _open_attempt(state, event.path, event.attempt)
    if record is None or event.path not in state.executing:
        return False
    record.status = "unknown"
    record.error = event.error
    record.retry_after = event.until
    state.executing.discard(event.path)
    state.ready[event.path] = None
    add_cost(state, record, event.cost)
    return True


def _attempt_interrupted(state: RunState, event: ev.AttemptInterrupted, at: float) -> bool:
    if settlements.interrupted(state, event, at):
        return True
    if event.path not in state.executing:
        return False
    state.interruptions += 1
    record = state.records.get(event.path)
    if record is not None:
        record.interruptions += 1
    return True


def _step_retrying(state: RunState, event: ev.StepRetrying, at: float) -> bool:
    record = _open(state, event.path)
    if record is None or record.status not in ("failing", "unknown"):
        return False
    drop_below(state, record)
    record.status = "retrying"
    record.waiting = Waiting("timer", "the next attempt", event.at)
    record.due_at = None
    record.loop = record.branches = record.ending = None
    record.block = ""
    state.canceling.pop(event.path, None)
    state.active[event.path] = None
    return True


def _step_succeeded(state: RunState, event: ev.StepSucceeded, at: float) -> bool:
    record = _closable(state, event.path, at)
    if record is None:
        return False
    record.output = event.output
    record.caught = event.caught
    if event.caught is None:
        record.error = None
    add_cost(state, record, event.cost)
    _close(state, record, "succeeded", at)
    return True


def _step_failed(state: RunState, event: ev.StepFailed, at: float) -> bool:
    record = _closable(state, event.path, at)
    if record is None:
        return False
    record.error = event.error
    _close(state, record, "failed", at)
    return True


def _step_skipped(state: RunState, event: ev.StepSkipped, at: float) -> bool:
    if event.path in state.records:
        return False
    record = _record(state, event.path, at)
    record.phase = "done"
    _close(state, record, "skipped", at)
    return True


def _step_canceled(state: RunState, event: ev.StepCanceled, at: float) -> bool:
    record = _closable(state, event.path, at)
    if record is None:
        return False
    _close(state, record, "canceled", at)
    return True


def _step_copied(state: RunState, event: ev.StepCopied, at: float) -> bool:
    if event.path in state.records:
        return False
    record = _record(state, event.path, at)
    record.status = "skipped" if event.status == "skipped" else "succeeded"
    record.phase = "done"
    record.output = event.output
    record.finished_at = at
    if event.vars is not None:
        state.vars = event.vars
    return True


def _block_entered(state: RunState, event: ev.BlockEntered, at: float) -> bool:
    if event.path == "":
        return _own_block_entered(state, event)
    if event.block in ("catch", "finally"):
        record = state.records.get(event.path)
        if record is None or record.status not in TERMINAL:
            return False
        if record.phase not in (("",) if event.block == "catch" else ("", "caught")):
            return False
        record.phase = event.block
    else:
        record = _beginning(state, event.path, at)
        if record is None:
            return False
        _begin_attempt(record, event.attempt, event.deadline)
        record.block = event.block
        state.active.pop(event.path, None)
    state.ready[f"{event.path}.{event.block}[0]"] = None
    return True


def _own_block_entered(state: RunState, event: ev.BlockEntered) -> bool:
    root = state.records[""]
    before = {"steps": ("",), "on_error": ("steps done",), "finally": ("steps done", "on_error done")}
    if root.phase not in before.get(event.block, ()):
        return False
    root.phase = event.block
    root.status = "running"
    if event.block == "steps":
        root.deadline = event.deadline
    state.ready[f"{event.block}[0]"] = None
    return True


def _parallel_entered(state: RunState, event: ev.ParallelEntered, at: float) -> bool:
    record = _beginning(state, event.path, at)
    if record is None:
        return False
    _begin_attempt(record, event.attempt, event.deadline)
    record.branches = Branches(set(event.branches))
    state.active.pop(event.path, None)
    for name in event.branches:
        state.ready[f"{event.path}.parallel.{name}[0]"] = None
    return True


def _loop_entered(state: RunState, event: ev.LoopEntered, at: float) -> bool:
    record = _beginning(state, event.path, at)
    if record is None:
        return False
    _begin_attempt(record, event.attempt, event.deadline)
    record.loop = Loop(event.items, event.max_parallel, event.tolerant)
    state.active.pop(event.path, None)
    state.ready[event.path] = None
    return True


def _item_started(state: RunState, event: ev.ItemStarted, at: float) -> bool:
    record = _open(state, event.path)
    if record is None or record.loop is None or event.index != record.loop.next:
        return False
    record.loop.next += 1
    record.loop.open.add(event.index)
    state.ready[f"{event.path}.do[0]#{event.index}"] = None
    return True


def _block_finished(state: RunState, event: ev.BlockFinished, at: float) -> bool:
    record = state.records.get(event.path)
    if record is None:
        return False
    if event.path == "":
        return _own_block_finished(state, record, event)
    if event.block == "finally":
        if record.phase != "finally":
            return False
        record.phase = "done"
        if event.outcome == "failed" and record.status == "succeeded":
            # What the finally says about a step that had failed anyway would hide why.
            record.status = "failed"
            record.spoiled = True
            record.error = event.error
        state.ready[event.path] = None
        return True
    if record.status in TERMINAL:
        return False
    if record.loop is not None:
        return _item_finished(state, record, record.loop, event)
    return record.branches is not None and _branch_finished(state, record, record.branches, event)


def _own_block_finished(state: RunState, root: StepRecord, event: ev.BlockFinished) -> bool:
    """The run's ``steps`` give its outcome; a failing ``finally`` spoils a success."""
    never_entered = event.block == "steps" and root.phase == ""
    if root.phase != event.block and not never_entered:
        return False
    if event.block == "steps":
        root.outcome, root.output, root.error = event.outcome, event.output, event.error
        if root.ending is not None:
            root.outcome, root.output, root.error = root.ending.outcome, None, root.ending.error
        state.cancel = None
        root.due_at = None
    elif event.block == "finally" and event.outcome == "failed" and root.outcome == "succeeded":
        root.outcome, root.output, root.error = "failed", None, event.error
    root.status = "running"
    root.phase = f"{event.block} done"
    state.ready[""] = None
    return True


def _item_finished(state: RunState, record: StepRecord, loop: Loop, event: ev.BlockFinished) -> bool:
    index = event.index
    if index not in loop.open:
        return False
    loop.open.remove(index)
    if event.outcome == "succeeded":
        if loop.items is None:
            loop.results.clear()
        loop.results[index] = event.output
    elif event.outcome == "failed":
        loop.errors[index] = event.error or {}
    else:
        loop.canceled.add(index)
    fails = event.outcome == "failed" and not loop.tolerant
    if not loop.open or (record.ending is None and (fails or loop.has_more)):
        state.ready[record.path] = None
    return True


def _branch_finished(
    state: RunState, record: StepRecord, branches: Branches, event: ev.BlockFinished
) -> bool:
    name = event.block.removeprefix("parallel.")
    if name not in branches.open:
        return False
    branches.open.remove(name)
    if event.outcome == "succeeded":
        branches.results[name] = event.output
    elif event.outcome == "failed":
        branches.errors[name] = event.error or {}
    else:
        branches.canceled.add(name)
    if not branches.open or (event.outcome == "failed" and record.ending is None):
        state.ready[record.path] = None
    return True


def _cancel_ordered(state: RunState, event: ev.CancelOrdered, at: float) -> bool:
    record = state.records.get(event.path)
    if record is None or record.ending is not None or record.status != "running":
        return False
    if record.phase != "steps" if event.path == "" else not record.is_container:
        return False
    record.ending = Ending(event.outcome, event.error, str(event.error.get("message", "")))
    record.due_at = None
    state.canceling[event.path] = None
    if event.path == "":
        state.cancel = None
    parts = record.loop or record.branches
    if parts is not None and not parts.open:
        # Nothing is left below it whose end would lead to its own.
        state.ready[event.path] = None
    return True


def _stop_ordered(state: RunState, event: ev.StopOrdered, at: float) -> bool:
    record = _closable(state, event.path, at)
    if record is None:
        return False
    record.output = {"status": event.status, "reason": event.reason}
    _close(state, record, "succeeded", at)
    root = state.records[""]
    if root.ending is None and root.phase == "steps":
        root.ending = Ending(event.status, event.error, event.reason)
        state.canceling[""] = None
        # A cancel or a timeout that came at the same moment has what it wanted.
        state.cancel = None
        root.due_at = None
        state.ready.pop("", None)
    return True


def _vars_set(state: RunState, event: ev.VarsSet, at: float) -> bool:
    if event.path == "":
        # Those that a replay has copied are newer.
        state.vars = {**event.values, **state.vars}
        state.ready[""] = None
        return True
    record = _closable(state, event.path, at)
    if record is None:
        return False
    state.vars = {**state.vars, **event.values}
    record.output = event.values
    _close(state, record, "succeeded", at)
    return True


def _responded(state: RunState, event: ev.Responded, at: float) -> bool:
    record = _closable(state, event.path, at)
    if record is None:
        return False
    if state.response is None:
        state.response = event
    _close(state, record, "succeeded", at)
    return True


_HANDLERS: dict[str, Callable[[RunState, Any, float], bool]] = {
    ev.RunCreated.kind: _run_created,
    ev.RunStarted.kind: _run_started,
    ev.CancelRequested.kind: _cancel_requested,
    ev.RunResumed.kind: _run_resumed,
    ev.RunFinished.kind: _run_finished,
    ev.StepStarted.kind: _step_started,
    ev.StepNoted.kind: _step_noted,
    ev.StepLogged.kind: _step_logged,
    ev.StepWaiting.kind: _step_waiting,
    ev.StepWoken.kind: _step_woken,
    ev.CallbackReceived.kind: _callback_received,
    ev.TimerFired.kind: _timer_fired,
    ev.TurnCame.kind: _turn_came,
    ev.ApprovalAsking.kind: _approval_asking,
    ev.ApprovalNoted.kind: _approval_noted,
    ev.ApprovalDecided.kind: _approval_decided,
    ev.ApprovalSettled.kind: _approval_settled,
    ev.ChildFinished.kind: _child_finished,
    ev.ChildCharged.kind: settlements.child_charged,
    ev.AttemptFailed.kind: _attempt_failed,
    ev.AttemptUnknown.kind: _attempt_unknown,
    ev.AttemptInterrupted.kind: _attempt_interrupted,
    ev.SettlementOpened.kind: settlements.opened,
    ev.SettlementWaiting.kind: settlements.waiting,
    ev.SettlementClosed.kind: settlements.closed,
    ev.StepRetrying.kind: _step_retrying,
    ev.StepSucceeded.kind: _step_succeeded,
    ev.StepFailed.kind: _step_failed,
    ev.StepSkipped.kind: _step_skipped,
    ev.StepCanceled.kind: _step_canceled,
    ev.StepCopied.kind: _step_copied,
    ev.BlockEntered.kind: _block_entered,
    ev.ParallelEntered.kind: _parallel_entered,
    ev.LoopEntered.kind: _loop_entered,
    ev.ItemStarted.kind: _item_started,
    ev.BlockFinished.kind: _block_finished,
    ev.CancelOrdered.kind: _cancel_ordered,
    ev.StopOrdered.kind: _stop_ordered,
    ev.VarsSet.kind: _vars_set,
    ev.Responded.kind: _responded,
}

_AFTER_THE_END: dict[str, Callable[[RunState, Any, float], bool]] = {
    ev.SettlementOpened.kind: settlements.opened,
    ev.SettlementWaiting.kind: settlements.waiting,
    ev.SettlementClosed.kind: settlements.closed,
    ev.ChildCharged.kind: settlements.child_charged,
    ev.AttemptInterrupted.kind: settlements.interrupted,
    ev.StepNoted.kind: settlements.noted,
    ev.CallbackReceived.kind: settlements.called_back,
    ev.TimerFired.kind: settlements.due,
}
"""What still means something to a run that is over."""

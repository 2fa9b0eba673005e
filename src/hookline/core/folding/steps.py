"""What happens to one step and its attempts: part of `evolve`.

Every handler returns whether the event had its effect; False says that it came too late.
"""

from __future__ import annotations

from typing import Any

from .. import events as ev
from ..records import HELD, TERMINAL, Asking, RunState, Waiting
from ..reopen import drop_below
from . import settlements
from .places import add_cost, begin_attempt, beginning, closable, close, open_attempt, open_record, record_of

__all__ = [
    "attempt_failed",
    "attempt_interrupted",
    "attempt_unknown",
    "callback_received",
    "child_finished",
    "responded",
    "step_canceled",
    "step_copied",
    "step_failed",
    "step_logged",
    "step_noted",
    "step_retrying",
    "step_skipped",
    "step_started",
    "step_succeeded",
    "step_waiting",
    "step_woken",
    "timer_fired",
    "turn_came",
    "vars_set",
]


def step_started(state: RunState, event: ev.StepStarted, at: float) -> bool:
    record = beginning(state, event.path, at)
    if record is None:
        return False
    begin_attempt(record, event.attempt, event.deadline)
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


def step_noted(state: RunState, event: ev.StepNoted, at: float) -> bool:
    record = open_attempt(state, event.path, event.attempt)
    if record is None:
        return settlements.noted(state, event, at)
    record.notes.update(event.values)
    add_cost(state, record, event.cost)
    return True


def step_logged(state: RunState, event: ev.StepLogged, at: float) -> bool:
    """A line for people."""
    return True


def step_waiting(state: RunState, event: ev.StepWaiting, at: float) -> bool:
    if event.waits_for == "action":
        return _action_parked(state, event)
    if event.waits_for == "lookup":
        return _lookup_awaited(state, event)
    if event.waits_for in HELD or (event.waits_for == "approval" and event.path in state.executing):
        return _action_held(state, event)
    record = state.records.get(event.path)
    waiting = record.waiting if record is not None else None
    if record is None or record.status == "retrying":
        record = record_of(state, event.path, at)
        begin_attempt(record, event.attempt, event.deadline)
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
    record = open_attempt(state, event.path, event.attempt)
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
    record = open_attempt(state, event.path, event.attempt)
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
    record = open_attempt(state, event.path, event.attempt)
    if record is None or record.status != "unknown":
        return False
    record.waiting = Waiting("lookup", event.reason, event.until)
    record.due_at = None
    if record.wakes:
        state.ready[event.path] = None
    return True


def step_woken(state: RunState, event: ev.StepWoken, at: float) -> bool:
    record = open_attempt(state, event.path, event.attempt)
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


def callback_received(state: RunState, event: ev.CallbackReceived, at: float) -> bool:
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


def timer_fired(state: RunState, event: ev.TimerFired, at: float) -> bool:
    if settlements.due(state, event, at):
        return True
    record = open_record(state, event.path)
    wanted = record.timer if record is not None else None
    if record is None or wanted is None or event.at < wanted:
        return False
    record.due_at = event.at
    state.ready[event.path] = None
    return True


def turn_came(state: RunState, event: ev.TurnCame, at: float) -> bool:
    record = open_record(state, event.path)
    if record is None or record.waiting is None or record.waiting.waits_for not in HELD:
        return False
    if record.due_at is not None:
        return False
    record.due_at = event.at
    state.ready[event.path] = None
    return True


def child_finished(state: RunState, event: ev.ChildFinished, at: float) -> bool:
    settlements.child_charged(state, event, at)
    record = open_record(state, event.path)
    if record is None or record.waiting is None or record.waiting.waits_for != "run":
        return False
    if record.child is not None or not isinstance(record.input, dict) or record.input.get("run") != event.run:
        return False
    record.child = event
    state.ready[event.path] = None
    return True


def attempt_failed(state: RunState, event: ev.AttemptFailed, at: float) -> bool:
    record = open_attempt(state, event.path, event.attempt)
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


def attempt_unknown(state: RunState, event: ev.AttemptUnknown, at: float) -> bool:
    record = open_attempt(state, event.path, event.attempt)
    if record is None or event.path not in state.executing:
        return False
    record.status = "unknown"
    record.error = event.error
    record.retry_after = event.until
    state.executing.discard(event.path)
    state.ready[event.path] = None
    add_cost(state, record, event.cost)
    return True


def attempt_interrupted(state: RunState, event: ev.AttemptInterrupted, at: float) -> bool:
    if settlements.interrupted(state, event, at):
        return True
    if event.path not in state.executing:
        return False
    state.interruptions += 1
    record = state.records.get(event.path)
    if record is not None:
        record.interruptions += 1
    return True


def step_retrying(state: RunState, event: ev.StepRetrying, at: float) -> bool:
    record = open_record(state, event.path)
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


def step_succeeded(state: RunState, event: ev.StepSucceeded, at: float) -> bool:
    record = closable(state, event.path, at)
    if record is None:
        return False
    record.output = event.output
    record.caught = event.caught
    if event.caught is None:
        record.error = None
    add_cost(state, record, event.cost)
    close(state, record, "succeeded", at)
    return True


def step_failed(state: RunState, event: ev.StepFailed, at: float) -> bool:
    record = closable(state, event.path, at)
    if record is None:
        return False
    record.error = event.error
    close(state, record, "failed", at)
    return True


def step_skipped(state: RunState, event: ev.StepSkipped, at: float) -> bool:
    if event.path in state.records:
        return False
    record = record_of(state, event.path, at)
    record.phase = "done"
    close(state, record, "skipped", at)
    return True


def step_canceled(state: RunState, event: ev.StepCanceled, at: float) -> bool:
    record = closable(state, event.path, at)
    if record is None:
        return False
    close(state, record, "canceled", at)
    return True


def step_copied(state: RunState, event: ev.StepCopied, at: float) -> bool:
    if event.path in state.records:
        return False
    record = record_of(state, event.path, at)
    record.status = "skipped" if event.status == "skipped" else "succeeded"
    record.phase = "done"
    record.output = event.output
    record.finished_at = at
    if event.vars is not None:
        state.vars = event.vars
    return True


def vars_set(state: RunState, event: ev.VarsSet, at: float) -> bool:
    if event.path == "":
        # Those that a replay has copied are newer.
        state.vars = {**event.values, **state.vars}
        state.ready[""] = None
        return True
    record = closable(state, event.path, at)
    if record is None:
        return False
    state.vars = {**state.vars, **event.values}
    record.output = event.values
    close(state, record, "succeeded", at)
    return True


def responded(state: RunState, event: ev.Responded, at: float) -> bool:
    record = closable(state, event.path, at)
    if record is None:
        return False
    if state.response is None:
        state.response = event
    close(state, record, "succeeded", at)
    return True

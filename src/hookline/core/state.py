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
from .folding import approvals, blocks, settlements, steps
from .records import RUN_TERMINAL, TERMINAL, RunState, StepRecord
from .reopen import reopen_run

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


# What happens to the run itself; what happens in it is in `hookline.core.folding`.


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


_HANDLERS: dict[str, Callable[[RunState, Any, float], bool]] = {
    ev.RunCreated.kind: _run_created,
    ev.RunStarted.kind: _run_started,
    ev.CancelRequested.kind: _cancel_requested,
    ev.RunResumed.kind: _run_resumed,
    ev.RunFinished.kind: _run_finished,
    ev.StepStarted.kind: steps.step_started,
    ev.StepNoted.kind: steps.step_noted,
    ev.StepLogged.kind: steps.step_logged,
    ev.StepWaiting.kind: steps.step_waiting,
    ev.StepWoken.kind: steps.step_woken,
    ev.CallbackReceived.kind: steps.callback_received,
    ev.TimerFired.kind: steps.timer_fired,
    ev.TurnCame.kind: steps.turn_came,
    ev.ApprovalAsking.kind: approvals.approval_asking,
    ev.ApprovalNoted.kind: approvals.approval_noted,
    ev.ApprovalDecided.kind: approvals.approval_decided,
    ev.ApprovalSettled.kind: approvals.approval_settled,
    ev.ChildFinished.kind: steps.child_finished,
    ev.ChildCharged.kind: settlements.child_charged,
    ev.AttemptFailed.kind: steps.attempt_failed,
    ev.AttemptUnknown.kind: steps.attempt_unknown,
    ev.AttemptInterrupted.kind: steps.attempt_interrupted,
    ev.SettlementOpened.kind: settlements.opened,
    ev.SettlementWaiting.kind: settlements.waiting,
    ev.SettlementClosed.kind: settlements.closed,
    ev.StepRetrying.kind: steps.step_retrying,
    ev.StepSucceeded.kind: steps.step_succeeded,
    ev.StepFailed.kind: steps.step_failed,
    ev.StepSkipped.kind: steps.step_skipped,
    ev.StepCanceled.kind: steps.step_canceled,
    ev.StepCopied.kind: steps.step_copied,
    ev.BlockEntered.kind: blocks.block_entered,
    ev.ParallelEntered.kind: blocks.parallel_entered,
    ev.LoopEntered.kind: blocks.loop_entered,
    ev.ItemStarted.kind: blocks.item_started,
    ev.BlockFinished.kind: blocks.block_finished,
    ev.CancelOrdered.kind: blocks.cancel_ordered,
    ev.StopOrdered.kind: blocks.stop_ordered,
    ev.VarsSet.kind: steps.vars_set,
    ev.Responded.kind: steps.responded,
}

_AFTER_THE_END: dict[str, Callable[[RunState, Any, float], bool]] = {
    ev.SettlementOpened.kind: settlements.opened,
    ev.SettlementWaiting.kind: settlements.waiting,
    ev.SettlementClosed.kind: settlements.closed,
    ev.ChildFinished.kind: settlements.child_charged,
    ev.ChildCharged.kind: settlements.child_charged,
    ev.AttemptInterrupted.kind: settlements.interrupted,
    ev.StepNoted.kind: settlements.noted,
    ev.CallbackReceived.kind: settlements.called_back,
    ev.TimerFired.kind: settlements.due,
}
"""What still means something to a run that is over."""

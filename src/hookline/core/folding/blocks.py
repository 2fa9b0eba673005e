"""What happens to lists of steps, loops and branches: part of `evolve`. Handlers as in `steps`."""

from __future__ import annotations

from .. import events as ev
from ..records import TERMINAL, Branches, Ending, Loop, RunState, StepRecord
from .places import begin_attempt, beginning, closable, close, open_record

__all__ = [
    "block_entered",
    "block_finished",
    "cancel_ordered",
    "item_started",
    "loop_entered",
    "parallel_entered",
    "stop_ordered",
]


def block_entered(state: RunState, event: ev.BlockEntered, at: float) -> bool:
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
        record = beginning(state, event.path, at)
        if record is None:
            return False
        begin_attempt(record, event.attempt, event.deadline)
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


def parallel_entered(state: RunState, event: ev.ParallelEntered, at: float) -> bool:
    record = beginning(state, event.path, at)
    if record is None:
        return False
    begin_attempt(record, event.attempt, event.deadline)
    record.branches = Branches(set(event.branches))
    state.active.pop(event.path, None)
    for name in event.branches:
        state.ready[f"{event.path}.parallel.{name}[0]"] = None
    return True


def loop_entered(state: RunState, event: ev.LoopEntered, at: float) -> bool:
    record = beginning(state, event.path, at)
    if record is None:
        return False
    begin_attempt(record, event.attempt, event.deadline)
    record.loop = Loop(event.items, event.max_parallel, event.tolerant)
    state.active.pop(event.path, None)
    state.ready[event.path] = None
    return True


def item_started(state: RunState, event: ev.ItemStarted, at: float) -> bool:
    record = open_record(state, event.path)
    if record is None or record.loop is None or event.index != record.loop.next:
        return False
    record.loop.next += 1
    record.loop.open.add(event.index)
    state.ready[f"{event.path}.do[0]#{event.index}"] = None
    return True


def block_finished(state: RunState, event: ev.BlockFinished, at: float) -> bool:
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


def cancel_ordered(state: RunState, event: ev.CancelOrdered, at: float) -> bool:
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


def stop_ordered(state: RunState, event: ev.StopOrdered, at: float) -> bool:
    record = closable(state, event.path, at)
    if record is None:
        return False
    record.output = {"status": event.status, "reason": event.reason}
    close(state, record, "succeeded", at)
    root = state.records[""]
    if root.ending is None and root.phase == "steps":
        root.ending = Ending(event.status, event.error, event.reason)
        state.canceling[""] = None
        # A cancel or a timeout that came at the same moment has what it wanted.
        state.cancel = None
        root.due_at = None
        state.ready.pop("", None)
    return True

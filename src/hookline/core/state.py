"""The state of a run, and `evolve`, which folds its history into it.

Invariants, each tested:

* `evolve` is total: any event in any order leaves a legal state. What comes too late (a second
  answer, a timer of a step that is done, the result of a canceled attempt) changes nothing.
* Folding a prefix and then the rest equals folding everything.
* ``ready`` names exactly the places where something can be decided. `decide` answers the first
  of them with at least one command, whose ``cause`` takes it off the list; so deciding always
  comes to an end, and costs nothing for the steps that are done.
* A step that is done stays done. Only its ``catch`` and ``finally`` may still change how it
  ended, and only a `RunResumed` opens what did not succeed.

`evolve` owns the state it is given and returns it changed: folding a history of n events costs n
steps, not n copies. Whoever needs the earlier state folds again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from . import events as ev

__all__ = ["RUN_TERMINAL", "TERMINAL", "Entry", "RunState", "StepRecord", "evolve", "replay"]

Json = Any

TERMINAL = frozenset({"succeeded", "failed", "skipped", "canceled"})
"""Step statuses after which nothing happens to a step any more."""

RUN_TERMINAL = frozenset({"succeeded", "failed", "canceled"})


@dataclass(slots=True)
class Waiting:
    """What a step waits for, and until when (seconds since the epoch)."""

    waits_for: str
    reason: str
    until: float | None


@dataclass(slots=True)
class Loop:
    """Progress of a ``for_each`` or ``while``; `items` is None for ``while``."""

    items: list[Json] | None
    max_parallel: int
    next: int = 0
    active: int = 0
    results: dict[int, Json] = field(default_factory=dict)
    errors: dict[int, ev.Error] = field(default_factory=dict)


@dataclass(slots=True)
class Branches:
    """Progress of a ``parallel``."""

    names: tuple[str, ...]
    active: int = 0
    results: dict[str, Json] = field(default_factory=dict)
    errors: dict[str, ev.Error] = field(default_factory=dict)


@dataclass(slots=True)
class Ending:
    """How a container is to end once everything open below it has closed."""

    outcome: str
    error: ev.Error


@dataclass(slots=True)
class StepRecord:
    """What is known of one step (path ``""``: of the run's own lists of steps).

    Attributes:
        status: One of the step statuses of the run document, or ``failing``: an attempt has
            failed and the next command says what comes of it.
        attempt: Number of the newest attempt, from 1; `tries` counts those since the step
            began, for the retry policy.
        phase: ``""``, then ``catch`` or ``finally`` while that list runs, then ``done``.
        block: The list that a container runs at the moment.
        data: What a parked action left for itself.
        callbacks: Bodies and headers that came for this attempt, by delivery.
        wakes: Deliveries that have not woken the step yet, oldest first.
        due: The time in `waiting` or the deadline has come.
    """

    path: str
    status: str = "pending"
    attempt: int = 0
    tries: int = 0
    phase: str = ""
    block: str = ""
    input: Json = None
    output: Json = None
    error: ev.Error | None = None
    caught: ev.Error | None = None
    started_at: float | None = None
    finished_at: float | None = None
    deadline: float | None = None
    waiting: Waiting | None = None
    due: bool = False
    cost: float = 0.0
    data: Json = None
    wake: str = ""
    woken_by: str = ""
    notes: dict[str, Json] = field(default_factory=dict)
    callbacks: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    wakes: list[str] = field(default_factory=list)
    decisions: list[ev.ApprovalDecided] = field(default_factory=list)
    child: ev.ChildFinished | None = None
    retry_after: float | None = None
    retry_on: tuple[str, ...] = ()
    loop: Loop | None = None
    branches: Branches | None = None
    ending: Ending | None = None

    @property
    def is_container(self) -> bool:
        """Whether it runs lists of steps itself (its ``catch`` and ``finally`` do not count)."""
        return bool(self.block) or self.loop is not None or self.branches is not None


@dataclass(slots=True)
class RunState:
    """A run, as its history so far says.

    Attributes:
        records: Every step that has begun, by run-time path; ``""`` is the run itself.
        active: Paths of the steps (not containers) that are open.
        executing: Paths of those whose code is running (or was, when the process died).
        ready: Paths to examine, oldest first.
        canceling: Containers below which nothing new is started.
        attempts: Newest attempt of steps whose record was dropped to begin anew.
        interruptions: How often the process died while this run was executing something.
        finished: The run's `RunFinished`, once there is one.
    """

    id: str = ""
    workflow: str = ""
    version: str = ""
    trigger: Json = None
    inputs: Json = None
    event: str | None = None
    parent: dict[str, str] | None = None
    replay_of: str | None = None
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    seq: int = 0
    cost: float = 0.0
    vars: dict[str, Json] = field(default_factory=dict)
    response: ev.Responded | None = None
    cancel: ev.CancelRequested | None = None
    finished: ev.RunFinished | None = None
    interruptions: int = 0
    records: dict[str, StepRecord] = field(default_factory=lambda: {"": StepRecord("")})
    active: dict[str, None] = field(default_factory=dict)
    executing: set[str] = field(default_factory=set)
    ready: dict[str, None] = field(default_factory=dict)
    canceling: dict[str, None] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    early: dict[str, list[ev.CallbackReceived]] = field(default_factory=dict)
    last_at: float = 0.0

    @property
    def status(self) -> str:
        """The run's status as the run document gives it."""
        if self.finished:
            return self.finished.status
        if self.started_at is None:
            return "queued"
        return "running" if self.executing or self.ready or not self.active else "waiting"


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
    if event.kind in ev.COMMANDS:
        state.ready.pop(event.cause, None)  # type: ignore[union-attr]
    state.seq += 1
    state.last_at = at
    if state.finished is None or event.kind == "run.resumed":
        _HANDLERS[event.kind](state, event, at)
    return state


def _record(state: RunState, path: str, at: float) -> StepRecord:
    record = state.records.get(path)
    if record is None:
        record = state.records[path] = StepRecord(path, started_at=at)
        record.attempt = state.attempts.get(path, 0)
    return record


def _open(state: RunState, path: str) -> StepRecord | None:
    """The record of a step that is not done, or None."""
    record = state.records.get(path)
    return None if record is None or record.status in TERMINAL else record


def _begin_attempt(state: RunState, path: str, attempt: int, deadline: float | None, at: float) -> StepRecord:
    record = _record(state, path, at)
    record.status = "running"
    record.attempt = attempt
    record.tries += 1
    record.deadline = deadline
    record.waiting = None
    record.due = False
    record.error = None
    return record


def _close(state: RunState, record: StepRecord, status: str, at: float) -> None:
    record.status = status
    record.finished_at = at
    record.waiting = None
    record.due = False
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


def _add_cost(state: RunState, record: StepRecord, cost: float) -> None:
    if cost:
        record.cost += cost
        state.cost += cost


def _run_created(state: RunState, event: ev.RunCreated, at: float) -> None:
    if state.id:
        return
    state.id = event.run
    state.workflow = event.workflow
    state.version = event.version
    state.trigger = event.trigger
    state.inputs = event.inputs
    state.event = event.event
    state.parent = event.parent
    state.replay_of = event.replay_of
    state.created_at = event.created_at


def _run_started(state: RunState, event: ev.RunStarted, at: float) -> None:
    if state.id and state.started_at is None:
        state.started_at = at
        state.ready[""] = None


def _cancel_requested(state: RunState, event: ev.CancelRequested, at: float) -> None:
    root = state.records.get("")
    if root is not None and root.ending is None and root.phase != "finally":
        state.cancel = event
        state.ready[""] = None


def _run_finished(state: RunState, event: ev.RunFinished, at: float) -> None:
    state.finished = event
    state.finished_at = at
    state.ready.clear()
    state.active.clear()
    state.executing.clear()
    state.canceling.clear()


def _step_started(state: RunState, event: ev.StepStarted, at: float) -> None:
    if event.path in state.records and _open(state, event.path) is None:
        return
    record = _begin_attempt(state, event.path, event.attempt, event.deadline, at)
    record.input = event.input
    record.data = None
    record.notes = {}
    record.callbacks.clear()
    record.wakes.clear()
    record.wake = "start"
    state.active[event.path] = None
    state.executing.add(event.path)


def _step_noted(state: RunState, event: ev.StepNoted, at: float) -> None:
    record = _open(state, event.path)
    if record is not None and record.attempt == event.attempt:
        record.notes.update(event.values)


def _step_logged(state: RunState, event: ev.StepLogged, at: float) -> None:
    """A line for people."""


def _step_waiting(state: RunState, event: ev.StepWaiting, at: float) -> None:
    if event.path in state.records and _open(state, event.path) is None:
        return
    record = _record(state, event.path, at)
    if event.waits_for not in ("action", "lookup"):
        record.tries += record.attempt != event.attempt
        record.deadline = event.deadline
        record.input = event.data
    elif record.attempt != event.attempt:
        return
    record.attempt = event.attempt
    record.status = "unknown" if event.waits_for == "lookup" else "waiting"
    record.waiting = Waiting(event.waits_for, event.reason, event.until)
    record.due = False
    if event.waits_for != "lookup":
        record.data = event.data
    _add_cost(state, record, event.cost)
    state.active[event.path] = None
    state.executing.discard(event.path)
    if record.wakes:
        state.ready[event.path] = None


def _step_woken(state: RunState, event: ev.StepWoken, at: float) -> None:
    record = _open(state, event.path)
    if record is None:
        return
    record.status = "running"
    record.waiting = None
    record.due = False
    record.wake = event.wake
    record.woken_by = event.callback
    if event.callback in record.wakes:
        record.wakes.remove(event.callback)
    state.executing.add(event.path)


def _callback_received(state: RunState, event: ev.CallbackReceived, at: float) -> None:
    record = state.records.get(event.path)
    if record is None:
        state.early.setdefault(event.path, []).append(event)
        return
    # The address of a ``wait`` step is good for every attempt, and says attempt 0.
    other_attempt = event.attempt and record.attempt != event.attempt
    if record.status in TERMINAL or other_attempt or event.id in record.callbacks:
        return
    record.callbacks[event.id] = (event.body, event.headers)
    record.wakes.append(event.id)
    if record.status in ("waiting", "unknown"):
        state.ready[event.path] = None


def _timer_fired(state: RunState, event: ev.TimerFired, at: float) -> None:
    record = _open(state, event.path)
    if record is None:
        return
    wanted = record.waiting.until if record.waiting else record.deadline
    if record.waiting and record.deadline is not None and (wanted is None or record.deadline < wanted):
        wanted = record.deadline
    is_container = record.is_container or record.path == ""
    executes_itself = record.path in state.executing or (not record.waiting and not is_container)
    if wanted is None or event.at < wanted or executes_itself or record.ending is not None:
        return
    record.due = True
    state.ready[event.path] = None


def _approval_decided(state: RunState, event: ev.ApprovalDecided, at: float) -> None:
    record = _open(state, event.path)
    if record is None or record.waiting is None or record.waiting.waits_for != "approval":
        return
    if all(event.by != earlier.by for earlier in record.decisions):
        record.decisions.append(event)
        state.ready[event.path] = None


def _child_finished(state: RunState, event: ev.ChildFinished, at: float) -> None:
    record = _open(state, event.path)
    if record is None or record.waiting is None or record.waiting.waits_for != "run":
        return
    if record.input["run"] == event.run and record.child is None:
        record.child = event
        _add_cost(state, record, event.cost)
        state.ready[event.path] = None


def _attempt_failed(state: RunState, event: ev.AttemptFailed, at: float) -> None:
    record = _open(state, event.path)
    if record is None or record.attempt != event.attempt:
        return
    record.status = "failing"
    record.error = event.error
    record.retry_after = event.retry_after
    record.retry_on = tuple(event.retry_on)
    record.waiting = None
    record.due = False
    state.executing.discard(event.path)
    state.ready[event.path] = None
    _add_cost(state, record, event.cost)


def _attempt_unknown(state: RunState, event: ev.AttemptUnknown, at: float) -> None:
    record = _open(state, event.path)
    if record is None or record.attempt != event.attempt:
        return
    record.status = "unknown"
    record.error = event.error
    record.retry_after = event.until
    record.waiting = None
    state.executing.discard(event.path)
    state.ready[event.path] = None


def _attempt_interrupted(state: RunState, event: ev.AttemptInterrupted, at: float) -> None:
    if _open(state, event.path) is not None:
        state.interruptions += 1


def _step_retrying(state: RunState, event: ev.StepRetrying, at: float) -> None:
    record = _open(state, event.path)
    if record is None:
        return
    _drop_below(state, event.path)
    record.status = "retrying"
    record.waiting = Waiting("timer", "the next attempt", event.at)
    record.due = False
    record.loop = record.branches = record.ending = None
    record.block = ""
    state.executing.discard(event.path)
    state.canceling.pop(event.path, None)
    state.active[event.path] = None


def _step_succeeded(state: RunState, event: ev.StepSucceeded, at: float) -> None:
    record = _closable(state, event.path, at)
    if record is None:
        return
    record.output = event.output
    record.caught = event.caught
    if event.caught is None:
        record.error = None
    _add_cost(state, record, event.cost)
    _close(state, record, "succeeded", at)


def _step_failed(state: RunState, event: ev.StepFailed, at: float) -> None:
    record = _closable(state, event.path, at)
    if record is not None:
        record.error = event.error
        _close(state, record, "failed", at)


def _step_skipped(state: RunState, event: ev.StepSkipped, at: float) -> None:
    record = _closable(state, event.path, at)
    if record is not None:
        _close(state, record, "skipped", at)


def _step_canceled(state: RunState, event: ev.StepCanceled, at: float) -> None:
    record = _closable(state, event.path, at)
    if record is not None:
        _close(state, record, "canceled", at)


def _step_copied(state: RunState, event: ev.StepCopied, at: float) -> None:
    state.records[event.path] = StepRecord(
        event.path, "succeeded", phase="done", output=event.output, started_at=at, finished_at=at
    )


def _block_entered(state: RunState, event: ev.BlockEntered, at: float) -> None:
    if event.path == "":
        root = state.records[""]
        root.phase = event.block
        root.status = "running"
        if event.block == "steps":
            root.deadline = event.deadline
        state.ready[f"{event.block}[0]"] = None
        return
    if event.block in ("catch", "finally"):
        record = _record(state, event.path, at)
        record.phase = event.block
    else:
        record = _begin_attempt(state, event.path, event.attempt, event.deadline, at)
        record.block = event.block
        state.active.pop(event.path, None)
    state.ready[f"{event.path}.{event.block}[0]"] = None


def _parallel_entered(state: RunState, event: ev.ParallelEntered, at: float) -> None:
    record = _begin_attempt(state, event.path, event.attempt, event.deadline, at)
    record.branches = Branches(tuple(event.branches), active=len(event.branches))
    state.active.pop(event.path, None)
    for name in event.branches:
        state.ready[f"{event.path}.parallel.{name}[0]"] = None


def _loop_entered(state: RunState, event: ev.LoopEntered, at: float) -> None:
    record = _begin_attempt(state, event.path, event.attempt, event.deadline, at)
    record.loop = Loop(event.items, event.max_parallel)
    state.active.pop(event.path, None)
    state.ready[event.path] = None


def _item_started(state: RunState, event: ev.ItemStarted, at: float) -> None:
    record = _open(state, event.path)
    if record is None or record.loop is None:
        return
    record.loop.next = event.index + 1
    record.loop.active += 1
    state.ready[f"{event.path}.do[0]#{event.index}"] = None


def _block_finished(state: RunState, event: ev.BlockFinished, at: float) -> None:
    record = state.records.get(event.path)
    if record is None:
        return
    if event.path == "":
        _own_block_finished(record, event)
        state.ready[""] = None
    elif event.block == "finally":
        record.phase = "done"
        if event.outcome != "succeeded":
            record.status = "failed" if event.outcome == "failed" else "canceled"
            record.error = event.error
        state.ready[event.path] = None
    elif record.loop is not None:
        _item_finished(state, record, record.loop, event)
    elif record.branches is not None:
        _branch_finished(state, record, record.branches, event)


def _own_block_finished(root: StepRecord, event: ev.BlockFinished) -> None:
    """The run's ``steps`` give its outcome; a failing ``finally`` spoils a success."""
    if event.block == "steps" or (
        event.block == "finally" and event.outcome == "failed" and root.block == "succeeded"
    ):
        root.block = event.outcome
        root.output = event.output
        root.error = event.error
    root.phase = f"{event.block} done"


def _item_finished(state: RunState, record: StepRecord, loop: Loop, event: ev.BlockFinished) -> None:
    loop.active -= 1
    if event.outcome == "succeeded":
        loop.results[event.index] = event.output
        loop.errors.pop(event.index, None)
    else:
        loop.errors[event.index] = event.error or {"type": event.outcome}
    more = loop.items is None or loop.next < len(loop.items)
    failed = event.outcome == "failed" and record.ending is None
    if loop.active == 0 or failed or (more and record.ending is None):
        state.ready[record.path] = None


def _branch_finished(
    state: RunState, record: StepRecord, branches: Branches, event: ev.BlockFinished
) -> None:
    name = event.block.removeprefix("parallel.")
    branches.active -= 1
    if event.outcome == "succeeded":
        branches.results[name] = event.output
        branches.errors.pop(name, None)
    else:
        branches.errors[name] = event.error or {"type": event.outcome}
    if branches.active == 0 or (event.outcome == "failed" and record.ending is None):
        state.ready[record.path] = None


def _cancel_ordered(state: RunState, event: ev.CancelOrdered, at: float) -> None:
    record = state.records.get(event.path)
    if record is None or (event.path and record.status in TERMINAL):
        return
    record.ending = Ending(event.outcome, event.error)
    record.due = False
    state.canceling[event.path] = None
    if event.path == "":
        state.cancel = None


def _stop_ordered(state: RunState, event: ev.StopOrdered, at: float) -> None:
    record = _closable(state, event.path, at)
    if record is None:
        return
    record.output = {"status": event.status, "reason": event.reason}
    _close(state, record, "succeeded", at)
    root = state.records[""]
    if root.ending is None:
        root.ending = Ending("stopped", {"status": event.status, "reason": event.reason})
        state.canceling[""] = None


def _vars_set(state: RunState, event: ev.VarsSet, at: float) -> None:
    record = _closable(state, event.path, at)
    if record is not None:
        state.vars = {**state.vars, **event.values}
        record.output = event.values
        _close(state, record, "succeeded", at)


def _responded(state: RunState, event: ev.Responded, at: float) -> None:
    record = _closable(state, event.path, at)
    if record is not None:
        if state.response is None:
            state.response = event
        _close(state, record, "succeeded", at)


def _drop_below(state: RunState, path: str) -> None:
    """Forget the steps below a container that begins anew, but not how often they were tried."""
    prefix = f"{path}."
    for below in [name for name in state.records if name.startswith(prefix)]:
        _forget(state, below)


def _forget(state: RunState, path: str) -> None:
    record = state.records.pop(path)
    if record.attempt:
        state.attempts[path] = record.attempt
    state.active.pop(path, None)
    state.executing.discard(path)
    state.canceling.pop(path, None)
    state.ready.pop(path, None)
    state.early.pop(path, None)


def _run_resumed(state: RunState, event: ev.RunResumed, at: float) -> None:
    if state.finished is None or state.finished.status == "succeeded":
        return
    state.version = event.version
    state.finished = None
    state.finished_at = None
    state.cancel = None
    root = state.records[""]
    root.ending = None
    root.due = False
    root.deadline = None
    for path in [name for name in state.records if name.startswith(("on_error[", "finally["))]:
        _forget(state, path)
    if state.started_at is None:
        state.started_at = at
        state.ready[""] = None
        return
    root.phase, root.block = "steps", ""
    _reopen_block(state, "steps", "")


def _reopen_block(state: RunState, block: str, item: str) -> None:
    """Find where a list of steps broke off, and make that place ready."""
    index = 0
    while True:
        path = f"{block}[{index}]{item}"
        record = state.records.get(path)
        if record is None or record.status not in ("succeeded", "skipped"):
            break
        index += 1
    if record is not None and record.is_container and _reopen_container(state, record):
        return
    if record is not None:
        _drop_below(state, path)
        _forget(state, path)
    elif index > 0:
        # The list may have ended here: the step before it knows what comes next.
        path = f"{block}[{index - 1}]{item}"
    state.ready[path] = None


def _reopen_container(state: RunState, record: StepRecord) -> bool:
    """Open a container whose steps broke off; False when it failed by itself."""
    path = record.path
    broken: list[tuple[str, str]]
    if record.loop is not None:
        broken = [(f"{path}.do", f"#{index}") for index in sorted(record.loop.errors)]
    elif record.branches is not None:
        broken = [(f"{path}.parallel.{name}", "") for name in record.branches.errors]
    else:
        broken = [(f"{path}.{record.block}", "")]
        last = state.records.get(f"{path}.{record.block}[0]")
        if last is None:
            broken = []
    if not broken:
        return False
    for name in [n for n in state.records if n.startswith((f"{path}.catch[", f"{path}.finally["))]:
        _forget(state, name)
    record.status, record.phase = "running", ""
    record.error = record.ending = record.finished_at = record.deadline = None
    if record.loop is not None:
        record.loop.active = len(broken)
        record.loop.errors.clear()
        more = record.loop.items is not None and record.loop.next < len(record.loop.items)
        if more and record.loop.active < record.loop.max_parallel:
            state.ready[path] = None
    elif record.branches is not None:
        record.branches.active = len(broken)
        record.branches.errors.clear()
    for block, item in broken:
        _reopen_block(state, block, item)
    return True


_HANDLERS: dict[str, Callable[[RunState, Any, float], None]] = {
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
    ev.ApprovalDecided.kind: _approval_decided,
    ev.ChildFinished.kind: _child_finished,
    ev.AttemptFailed.kind: _attempt_failed,
    ev.AttemptUnknown.kind: _attempt_unknown,
    ev.AttemptInterrupted.kind: _attempt_interrupted,
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

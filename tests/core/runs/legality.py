"""What must hold of every state, and of every step from one state to the next."""

from __future__ import annotations

from collections.abc import Sequence

from hookline.core import events as ev
from hookline.core.plan import Plan
from hookline.core.records import TERMINAL, RunState, StepRecord, parent_path

STATUSES = {"pending", "running", "failing", "retrying", "waiting", "unknown"} | TERMINAL

CLOSINGS = ("step.succeeded", "step.failed", "step.skipped", "step.canceled", "stop.ordered", "responded")
"""Events that close a step."""


def illegal(state: RunState) -> list[str]:
    """What is wrong with a state, whatever history led to it."""
    wrong = []
    for path in state.executing:
        if path not in state.active:
            wrong.append(f"{path} is executed and not active")
    for path in state.active:
        record = state.records.get(path)
        if record is None:
            wrong.append(f"{path} is active and has no record")
        elif record.status in TERMINAL or record.status == "pending":
            wrong.append(f"{path} is active and {record.status}")
        elif record.is_container:
            wrong.append(f"{path} is active and a container")
    for path in state.canceling:
        record = state.records.get(path)
        if record is None or record.ending is None:
            wrong.append(f"{path} is canceling and has no ending")
    for path, record in state.records.items():
        if record.path != path:
            wrong.append(f"the record of {path} says {record.path}")
        wrong += [f"{path}: {reason}" for reason in _wrong_record(state, record)]
    return wrong


def _wrong_record(state: RunState, record: StepRecord) -> list[str]:
    wrong = []
    if record.status not in STATUSES:
        wrong.append(f"status {record.status!r}")
    if record.attempt < 0 or record.tries < 0 or record.cost < 0:
        wrong.append("a negative counter")
    if record.path and record.status == "pending":
        wrong.append("it has a record and never began")
    if record.status in TERMINAL and (record.waiting or record.due_at is not None or record.wakes):
        wrong.append(f"it is {record.status} and waits")
    if record.waiting and record.status not in ("waiting", "unknown", "retrying"):
        wrong.append(f"it waits and is {record.status}")
    if record.status in ("waiting", "retrying") and not record.waiting:
        wrong.append(f"it is {record.status} for nothing")
    if record.path in state.executing and record.status != "running" and record.asking is None:
        wrong.append(f"it is executed and {record.status}")
    loop = record.loop
    if loop is not None:
        done = {*loop.results, *loop.errors, *loop.canceled}
        if loop.open & done:
            wrong.append("an item is open and done")
        if any(not 0 <= index < loop.next for index in loop.open | done):
            wrong.append("an item is open or done that never started")
        if loop.items is not None and loop.next > len(loop.items):
            wrong.append("more items than the list has")
    wrong += [f"{path} below it has no record" for path in record.below if path not in state.records]
    return wrong


def illegal_at_rest(state: RunState) -> list[str]:
    """What is wrong with a state that `decide` has nothing more to say about."""
    wrong = illegal(state)
    if state.ready:
        wrong.append(f"{list(state.ready)} is ready")
    if state.finished is not None:
        wrong += [
            f"the run has ended and {path} is {record.status}"
            for path, record in state.records.items()
            if path and record.status not in TERMINAL
        ]
        return wrong
    if state.started_at is None:
        return wrong
    if not state.active:
        wrong.append("the run is open and nothing is active")
    for path in state.active:
        record = state.records[path]
        if path not in state.executing and (record.waiting is None or not record.waiting.waits_for):
            wrong.append(f"{path} is {record.status}, not executed and waits for nothing")
        if path not in state.executing and record.waiting is not None and record.timer is None:
            named = record.waiting.waits_for in ("action", "run", "callback")
            if not named:
                wrong.append(f"{path} waits for a {record.waiting.waits_for} that never comes")
    for record in state.records.values():
        if record.path and record.path not in state.records[parent_path(record.path)].below:
            wrong.append(f"the container of {record.path} does not know it")
        if record.loop is not None and len(record.loop.open) > record.loop.max_parallel:
            wrong.append(f"{record.path} has {len(record.loop.open)} items open")
        if record.is_container and record.status == "running" and not _has_open_below(state, record):
            wrong.append(f"{record.path} is open and nothing below it is")
    return wrong


def _has_open_below(state: RunState, record: StepRecord) -> bool:
    for path in record.below:
        below = state.records[path]
        if path in state.active or (below.status in TERMINAL and below.phase in ("catch", "finally")):
            return True
        if below.status not in TERMINAL:
            return True
    return False


def illegal_history(plan: Plan, events: Sequence[ev.Event]) -> list[str]:
    """What is wrong with a history, read event by event."""
    wrong = []
    closed: dict[str, str] = {}
    cleaning: dict[str, str] = {}
    ending: set[str] = set()
    before_resume: set[str] = set()
    for event in events:
        match event:
            case ev.RunResumed():
                before_resume |= closed.keys()
                closed.clear()
                cleaning.clear()
                ending.clear()
            case ev.StepRetrying():
                closed = {p: k for p, k in closed.items() if not p.startswith(f"{event.path}.")}
                cleaning = {p: k for p, k in cleaning.items() if not p.startswith(f"{event.path}.")}
                ending.discard(event.path)
            case ev.BlockEntered(block="catch" | "finally") if event.path:
                # Of a step that only its `finally` spoiled, only that is done again.
                if event.path not in closed and event.path not in before_resume:
                    wrong.append(f"{event.path} enters {event.block} before it is done")
                cleaning[event.path] = event.block
            case ev.CancelOrdered():
                if event.path in ending:
                    wrong.append(f"{event.path} is ordered to end twice")
                ending.add(event.path)
            case ev.StepStarted() | ev.LoopEntered() | ev.ParallelEntered() | ev.ItemStarted():
                wrong += _starts_below_the_ending(event.path, ending)
            case _ if event.kind in CLOSINGS or (event.kind == "vars.set" and event.path):
                if event.path in closed and cleaning.get(event.path) != "catch":
                    wrong.append(f"{event.path} is {event.kind} after it was {closed[event.path]}")
                cleaning.pop(event.path, None)
                closed[event.path] = event.kind
                ending.discard(event.path)
        if event.path:
            plan.locate(event.path)
    return wrong


def _starts_below_the_ending(path: str, ending: set[str]) -> list[str]:
    for container in ending:
        below = path.removeprefix(container) if container else f".{path}"
        inside = path != container and path.startswith(container) and below.startswith(".")
        cleans_up = ".finally[" in below or (container == "" and path.startswith(("on_error[", "finally[")))
        if inside and not cleans_up:
            return [f"{path} starts although {container or 'the run'} is ending"]
    return []

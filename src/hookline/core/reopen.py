"""Beginning anew: forgetting steps, and opening what did not succeed when a run is resumed.

Every function here costs what it forgets or opens, never the size of the run: a record knows
the steps below it.
"""

from __future__ import annotations

from .records import Loop, RunState, StepRecord, parent_path

__all__ = ["drop_below", "reopen_run"]


def drop(state: RunState, path: str) -> None:
    """Forget a step and those below it, but not how often they were tried."""
    record = state.records.pop(path)
    if record.attempt:
        state.attempts[path] = record.attempt
    for below in record.below:
        drop(state, below)
    state.active.pop(path, None)
    state.executing.discard(path)
    state.canceling.pop(path, None)
    state.ready.pop(path, None)
    state.early.pop(path, None)
    parent = state.records.get(parent_path(path))
    if parent is not None:
        parent.below.pop(path, None)


def drop_below(state: RunState, record: StepRecord, *blocks: str) -> None:
    """Forget the steps below a container that begins anew, or those of some of its lists."""
    start = f"{record.path}." if record.path else ""
    prefixes = tuple(f"{start}{block}[" for block in blocks)
    for path in list(record.below):
        if not blocks or path.startswith(prefixes):
            drop(state, path)


def reopen_run(state: RunState) -> None:
    """Go on from what did not succeed."""
    root = state.records[""]
    drop_below(state, root, "on_error", "finally")
    root.ending = root.due_at = root.deadline = None
    root.error = root.output = None
    root.outcome = ""
    if root.status == "pending":
        # It ended before its first step.
        root.phase = ""
        state.ready[""] = None
        return
    root.phase = "steps"
    _reopen_list(state, "steps", "")


def _reopen_list(state: RunState, block: str, item: str) -> None:
    """Find where a list of steps broke off, and make that place ready."""
    index = 0
    path = f"{block}[0]{item}"
    record = state.records.get(path)
    while record is not None and record.status in ("succeeded", "skipped"):
        index += 1
        path = f"{block}[{index}]{item}"
        record = state.records.get(path)
    if record is None:
        if index > 0:
            # The list may have ended here: the step before knows what comes next.
            path = f"{block}[{index - 1}]{item}"
    elif record.spoiled:
        _reopen_finally(state, record)
    elif record.is_container and _reopen_container(state, record):
        return
    else:
        drop(state, path)
    state.ready[path] = None


def _reopen_finally(state: RunState, record: StepRecord) -> None:
    """Only the ``finally`` failed: the step itself is not repeated."""
    drop_below(state, record, "finally")
    record.status = "succeeded"
    record.phase = "caught" if record.caught else ""
    record.error = record.caught
    record.spoiled = False


def _broken_off(loop: Loop) -> list[int]:
    """The items to open again: never more than ``max_parallel``, as they were open side by side.

    Where the loop tolerates errors, an item's error is its result, as it would have stayed had the
    loop come to its end. Opening those items too would open any number of them at once.
    """
    return sorted(loop.canceled if loop.tolerant else {*loop.errors, *loop.canceled})


def _reopen_container(state: RunState, record: StepRecord) -> bool:
    """Open a container whose steps broke off; False when it failed by itself and begins anew."""
    loop, branches, path = record.loop, record.branches, record.path
    items = _broken_off(loop) if loop is not None else []
    names = sorted({*branches.errors, *branches.canceled}) if branches is not None else []
    if loop is None and branches is None:
        failed_by_itself = f"{path}.{record.block}[0]" not in state.records
    else:
        failed_by_itself = record.status == "failed" and record.ending is None and not (items or names)
    if failed_by_itself:
        return False
    drop_below(state, record, "catch", "finally")
    record.status, record.phase, record.tries = "running", "", 1
    record.error = record.caught = record.output = None
    record.ending = record.due_at = record.finished_at = record.deadline = None
    if loop is not None:
        loop.open.update(items)
        loop.canceled.clear()
        if not loop.tolerant:
            loop.errors.clear()
        for item in items:
            _reopen_list(state, f"{path}.do", f"#{item}")
        if not items or (loop.items is not None and loop.has_more and len(loop.open) < loop.max_parallel):
            state.ready[path] = None
    elif branches is not None:
        branches.open.update(names)
        branches.errors.clear()
        branches.canceled.clear()
        for name in names:
            _reopen_list(state, f"{path}.parallel.{name}", "")
        if not names:
            state.ready[path] = None
    else:
        _reopen_list(state, f"{path}.{record.block}", "")
    return True

"""What should happen next in a run, as a pure function of definition, state and time.

`decide` answers the first entry of ``state.ready`` with the commands that deal with it. The
caller records each command, folds it in with `evolve`, and asks again until nothing is ready::

    while commands := decide(plan, state, now, callback_url):
        for command in commands:
            evolve(state, command, now)

It reads no clock, draws no random number and does no IO; the jitter of a retry is derived from
the run's id, the step and the attempt, so that deciding again gives the same commands.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from . import events as ev
from .expressions import ExpressionError, ValueTemplate
from .plan import Node, Plan, Retry
from .scope import CallbackUrl, Scope, scope_of, timestamp_text
from .state import TERMINAL, RunState, StepRecord

__all__ = ["DEFAULT_RETRY", "MAX_ITEMS", "child_run_id", "decide"]

Json = Any

MAX_ITEMS = 100_000
"""Most items of one ``for_each``; beyond it the list belongs in a file or in several runs."""

DEFAULT_RETRY = Retry(max_attempts=3, delay=1.0, backoff=2.0, max_delay=60.0)
"""Policy of a step without ``retry``, for the error types its action says are harmless to retry."""

JITTER = 0.2
"""Largest part of a delay by which it is lengthened, so that many runs do not retry at once."""


def decide(plan: Plan, state: RunState, now: float, callback_url: CallbackUrl) -> list[ev.Event]:
    """The commands that answer the first place in ``state.ready``; empty when nothing is ready.

    Args:
        plan: The version of the definition that `state` is pinned to.
        state: Not changed.
        now: Seconds since the epoch.
        callback_url: Makes the address that wakes an attempt.

    Raises:
        KeyError: The history has a step that `plan` does not: it is another version.
    """
    for path in state.ready:
        return _Decision(plan, state, now, callback_url).examine(path)
    return []


def child_run_id(run: str, path: str, attempt: int) -> str:
    """The id of the run that a ``call`` step starts: always the same for the same attempt."""
    digest = hashlib.sha256(f"{run}\n{path}\n{attempt}".encode()).hexdigest()
    return f"run_{digest[:26]}"


def _error(type_: str, code: str, message: str, hint: str, step: str) -> ev.Error:
    return {"type": type_, "code": code, "message": message, "hint": hint, "step": step}


def _below(prefix: str, path: str) -> bool:
    """Whether a step stands below a container (everything stands below the run, ``""``)."""
    return prefix == "" or (path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] == ".")


def _protected(prefix: str, path: str) -> bool:
    """Whether a step cleans up below a container that ends, and so may still run."""
    if prefix == "" and path.startswith(("finally[", "on_error[")):
        return True
    return ".finally[" in path[len(prefix) :]


class _Decision:
    """One call of `decide`."""

    __slots__ = ("callback_url", "now", "plan", "state")

    def __init__(self, plan: Plan, state: RunState, now: float, callback_url: CallbackUrl) -> None:
        self.plan = plan
        self.state = state
        self.now = now
        self.callback_url = callback_url

    def examine(self, path: str) -> list[ev.Event]:
        if path == "":
            return self._run()
        node, items = self.plan.locate(path)
        record = self.state.records.get(path)
        if record is None:
            return self._start(node, path, items, path)
        if record.status in TERMINAL:
            return self._closed(node, record, items)
        match record.status:
            case "failing":
                return self._failing(node, record)
            case "retrying":
                return self._begin(node, record.path, items, record.path)
            case "unknown" if record.waiting is None:
                return self._unknown(node, record)
            case "waiting" | "unknown":
                return self._waiting(node, record)
        return self._container(node, record)

    # The run itself ---------------------------------------------------------------------------

    def _run(self) -> list[ev.Event]:
        state, root = self.state, self.state.records[""]
        if root.status == "pending":
            if state.cancel is not None:
                return [ev.RunFinished("", "", "canceled", reason=state.cancel.reason)]
            timeout = self.plan.limits.timeout
            return [ev.BlockEntered("", "", "steps", deadline=timeout and self.now + timeout)]
        if state.cancel is not None:
            error = state.cancel.error or _error("canceled", "R102", state.cancel.reason, "", "")
            outcome = "failed" if state.cancel.error else "canceled"
            return [ev.CancelOrdered("", "", outcome, error), *self._cancels("", state.cancel.reason)]
        if root.due and root.ending is None:
            error = _error(
                "timeout",
                "R103",
                f"the run did not end within its limits.timeout of {self.plan.limits.timeout:g} s",
                "raise limits.timeout, or resume the run",
                "",
            )
            return [ev.CancelOrdered("", "", "failed", error), *self._cancels("", "the run timed out")]
        return self._after_own_block(root)

    def _after_own_block(self, root: StepRecord) -> list[ev.Event]:
        """One of the run's own lists has ended: the next one, or the end of the run."""
        phase = root.phase.removesuffix(" done")
        outcome, error, output, reason = root.block, root.error, root.output, ""
        status = outcome
        if root.ending is not None and not (outcome == "failed" and phase != "steps"):
            outcome, error, output = root.ending.outcome, root.ending.error, None
            status = outcome
            if outcome == "stopped":
                status, reason, error = error["status"], error["reason"], None
                if status == "failed":
                    error = _error("stopped", "R101", reason, "the workflow stopped itself", "")
        if phase == "steps" and outcome == "failed" and "on_error" in self.plan.blocks:
            return [ev.BlockEntered("", "", "on_error")]
        if phase != "finally" and "finally" in self.plan.blocks:
            return [ev.BlockEntered("", "", "finally")]
        if status == "canceled" and error is not None:
            reason = reason or error["message"]
        return [
            ev.RunFinished(
                "",
                "",
                status,
                output if status == "succeeded" else None,
                error if status != "succeeded" else None,
                reason,
            )
        ]

    def _cancels(self, prefix: str, reason: str) -> list[ev.Event]:
        """Stop every open step below a container, except those that clean up."""
        return [
            ev.StepCanceled(path, path, reason)
            for path in self.state.active
            if _below(prefix, path) and not _protected(prefix, path)
        ]

    def _refused(self, path: str) -> bool:
        """Whether a container around this step is ending, so that nothing new starts in it."""
        return any(_below(c, path) and not _protected(c, path) for c in self.state.canceling)

    # Beginning a step --------------------------------------------------------------------------

    def _start(self, node: Node, path: str, items: Sequence[int], cause: str) -> list[ev.Event]:
        if self.state.canceling and self._refused(path):
            return self._end_block(node, items, cause, "canceled", None, None)
        if node.when is not None:
            try:
                when = node.when.render(self._scope(node, items))
            except ExpressionError as error:
                return [self._expression_failed(path, cause, error, "when")]
            if when is False:
                return [ev.StepSkipped(path, cause)]
            if when is not True:
                return [self._not_a_bool(path, cause, "when", when)]
        return self._begin(node, path, items, cause)

    def _begin(self, node: Node, path: str, items: Sequence[int], cause: str) -> list[ev.Event]:
        """Begin an attempt: render what the step needs, and order it."""
        if self.state.canceling and self._refused(path):
            return [ev.StepCanceled(path, cause, "the steps around it are ending")]
        value: Json = None
        if node.input is not None:
            try:
                value = self._render(node.input, node, items)
            except ExpressionError as error:
                return [self._expression_failed(path, cause, error, node.kind)]
        record = self.state.records.get(path)
        attempt = (record.attempt if record else self.state.attempts.get(path, 0)) + 1
        deadline = None if node.timeout is None else self.now + node.timeout
        match node.kind:
            case "action":
                return [ev.StepStarted(path, cause, attempt, value, deadline)]
            case "if":
                if not isinstance(value, bool):
                    return [self._not_a_bool(path, cause, "if", value)]
                return self._enter(node, path, cause, "then" if value else "else", attempt, deadline)
            case "switch":
                block = node.options["cases"].get(_case_text(value), "default")
                return self._enter(node, path, cause, block, attempt, deadline)
            case "for_each":
                return self._enter_loop(node, path, cause, value, attempt, deadline)
            case "while":
                return [ev.LoopEntered(path, cause, None, attempt=attempt, deadline=deadline)]
            case "parallel":
                names = [
                    name.removeprefix("parallel.") for name in node.blocks if name.startswith("parallel.")
                ]
                branches = [name for name in names if node.blocks[f"parallel.{name}"]]
                return [ev.ParallelEntered(path, cause, branches, attempt, deadline)]
            case "wait":
                return [self._wait(node, path, cause, value, attempt, deadline)]
            case "approve":
                data = {**value, "form": node.options["form"], "quorum": node.options["quorum"]}
                who = ", ".join(map(str, value["who"]))
                reason = f"a decision by {who}"
                return [ev.StepWaiting(path, cause, attempt, "approval", reason, deadline, data, deadline)]
            case "call":
                child = child_run_id(self.state.id, path, attempt)
                data = {"workflow": node.options["workflow"], "input": value, "run": child}
                reason = f"the run {child} of {node.options['workflow']}"
                return [ev.StepWaiting(path, cause, attempt, "run", reason, deadline, data, deadline)]
            case "set":
                return [ev.VarsSet(path, cause, value)]
            case "respond":
                headers = {name: str(text) for name, text in value["headers"].items()}
                return [ev.Responded(path, cause, int(value["status"]), headers, value["body"])]
            case _:
                stop = ev.StopOrdered(path, cause, node.options["status"], str(value))
                return [stop, *(c for c in self._cancels("", "the workflow stopped") if c.path != path)]

    def _enter(
        self, node: Node, path: str, cause: str, block: str, attempt: int, deadline: float | None
    ) -> list[ev.Event]:
        if not node.blocks[block]:
            return [ev.StepSucceeded(path, cause)]
        return [ev.BlockEntered(path, cause, block, attempt, deadline)]

    def _enter_loop(
        self, node: Node, path: str, cause: str, items: Json, attempt: int, deadline: float | None
    ) -> list[ev.Event]:
        if not isinstance(items, list):
            message = f"for_each needs a list, not {_type_name(items)}"
            return [ev.StepFailed(path, cause, _error("bad_input", "R201", message, "", path))]
        if len(items) > MAX_ITEMS:
            message = f"for_each has {len(items)} items; {MAX_ITEMS} is the most"
            hint = "split the list over several runs with call"
            return [ev.StepFailed(path, cause, _error("bad_input", "R202", message, hint, path))]
        if not items:
            return [ev.StepSucceeded(path, cause, [])]
        return [ev.LoopEntered(path, cause, items, node.options["max_parallel"], attempt, deadline)]

    def _wait(
        self, node: Node, path: str, cause: str, value: Json, attempt: int, deadline: float | None
    ) -> ev.Event:
        if "callback" in node.options:
            early = self.state.early.get(path)
            if early:
                return ev.StepSucceeded(path, cause, _payload(early[0].body))
            return ev.StepWaiting(path, cause, attempt, "callback", "a callback", deadline, deadline=deadline)
        if "seconds" in node.options:
            until = self.now + node.options["seconds"]
        else:
            try:
                until = datetime.fromisoformat(str(value)).timestamp()
            except (ValueError, OverflowError):
                hint = 'write a time such as "2026-11-20T09:00:00Z"'
                message = f"wait until {value!r}: this is not a time"
                return ev.StepFailed(path, cause, _error("bad_input", "R203", message, hint, path))
        if until <= self.now:
            return ev.StepSucceeded(path, cause)
        if deadline is not None:
            until = min(until, deadline)
        reason = f"{timestamp_text(until)}"
        return ev.StepWaiting(path, cause, attempt, "timer", reason, until, deadline=deadline)

    # Going on with a step -------------------------------------------------------------------------

    def _waiting(self, node: Node, record: StepRecord) -> list[ev.Event]:
        """Something came for a step that waits."""
        path, attempt, waiting = record.path, record.attempt, record.waiting
        assert waiting is not None
        timed_out = record.due and record.deadline is not None and self.now >= record.deadline
        match waiting.waits_for:
            case "lookup":
                # However late it is, one look-up is owed to whoever may have paid for the attempt.
                if timed_out and record.wake == "lookup":
                    return [self._timed_out(node, record)]
                callback = record.wakes[0] if record.wakes else ""
                return [ev.StepWoken(path, path, attempt, "lookup", callback)]
            case "action":
                if timed_out:
                    return [self._timed_out(node, record)]
                if record.wakes:
                    return [ev.StepWoken(path, path, attempt, "callback", record.wakes[0])]
                return [ev.StepWoken(path, path, attempt, "timer")]
            case "timer":
                return [ev.StepSucceeded(path, path)]
            case "callback":
                if record.wakes:
                    body, _ = record.callbacks[record.wakes[0]]
                    return [ev.StepSucceeded(path, path, _payload(body))]
                if node.options["on_timeout"] == "continue":
                    return [ev.StepSucceeded(path, path, {"timed_out": True})]
                return [self._timed_out(node, record)]
            case "approval":
                return [self._approval(node, record)]
            case _:
                return [self._child(node, record, timed_out)]

    def _approval(self, node: Node, record: StepRecord) -> ev.Event:
        path, attempt = record.path, record.attempt
        approved = [d for d in record.decisions if d.decision == "approved"]
        rejected = next((d for d in record.decisions if d.decision != "approved"), None)
        if rejected is not None or (record.due and not len(approved) >= node.options["quorum"]):
            if rejected is None and node.options["on_timeout"] == "fail":
                return self._timed_out(node, record)
            by = rejected.by if rejected else ""
            if node.options["on_reject"] == "continue":
                return ev.StepSucceeded(path, path, _verdict("rejected", rejected, self.now))
            message = f"rejected by {by}" if by else "nobody approved in time, which counts as rejected"
            return ev.AttemptFailed(path, path, attempt, _error("rejected", "R204", message, "", path))
        if len(approved) >= node.options["quorum"]:
            return ev.StepSucceeded(path, path, _verdict("approved", approved[-1], self.now))
        # One more of the quorum: it goes on waiting, now for the others.
        missing = node.options["quorum"] - len(approved)
        waiting = record.waiting
        assert waiting is not None
        reason = f"{missing} more decision{'s' if missing > 1 else ''}"
        return ev.StepWaiting(
            path, path, attempt, "approval", reason, waiting.until, record.input, record.deadline
        )

    def _child(self, node: Node, record: StepRecord, timed_out: bool) -> ev.Event:
        child = record.child
        if child is None:
            assert timed_out
            return self._timed_out(node, record)
        if child.status == "succeeded":
            return ev.StepSucceeded(record.path, record.path, child.output)
        error = child.error or _error("canceled", "R102", f"the called run was {child.status}", "", "")
        error = {**error, "step": record.path, "run": child.run}
        return ev.AttemptFailed(record.path, record.path, record.attempt, error)

    def _unknown(self, node: Node, record: StepRecord) -> list[ev.Event]:
        """An attempt was sent and nobody knows what became of it."""
        path, error = record.path, record.error
        assert error is not None
        if node.on_unknown == "retry":
            return [ev.StepRetrying(path, path, record.attempt + 1, self.now)]
        until = record.retry_after
        late = record.deadline is not None and self.now >= record.deadline and record.wake == "lookup"
        if node.on_unknown == "fail" or until is None or late:
            return [ev.StepFailed(path, path, error)]
        reason = f"a look-up of what became of it: {error['message']}"
        return [ev.StepWaiting(path, path, record.attempt, "lookup", reason, until)]

    def _timed_out(self, node: Node, record: StepRecord) -> ev.Event:
        if record.status == "unknown" and record.error is not None:
            return ev.StepFailed(record.path, record.path, record.error)
        waits_for = record.waiting.reason if record.waiting else "its steps"
        message = f"{node.label} waited {node.timeout:g} s for {waits_for}"
        hint = "raise the step's timeout, or look at what it waits for"
        error = _error("timeout", "R205", message, hint, record.path)
        return ev.AttemptFailed(record.path, record.path, record.attempt, error)

    def _failing(self, node: Node, record: StepRecord) -> list[ev.Event]:
        """An attempt failed: another one, or the end of the step."""
        path, error = record.path, record.error
        assert error is not None
        policy = node.retry or DEFAULT_RETRY
        retried = policy.on if policy.on is not None else frozenset(record.retry_on)
        if node.retry is not None and policy.on is None and not record.retry_on:
            retried = frozenset({"rate_limited", "unavailable", "timeout"})
        refused = bool(self.state.canceling) and self._refused(path)
        if error["type"] not in retried or record.tries >= policy.max_attempts or refused:
            return [ev.StepFailed(path, path, error)]
        delay = min(policy.delay * policy.backoff ** (record.tries - 1), policy.max_delay)
        delay *= 1 + JITTER * _fraction(self.state.id, path, record.attempt)
        if record.retry_after is not None:
            delay = max(delay, record.retry_after)
        return [ev.StepRetrying(path, path, record.attempt + 1, self.now + delay)]

    def _container(self, node: Node, record: StepRecord) -> list[ev.Event]:
        path = record.path
        if record.due:
            error = _error("timeout", "R205", f"{node.label} did not end within {node.timeout:g} s", "", path)
            return [ev.CancelOrdered(path, path, "failed", error), *self._cancels(path, "timed out")]
        if record.branches is not None:
            return self._parallel(record)
        assert record.loop is not None
        return self._loop(node, record)

    def _parallel(self, record: StepRecord) -> list[ev.Event]:
        path, branches = record.path, record.branches
        assert branches is not None
        if branches.active:
            return self._give_up(record, branches.errors)
        if record.ending is not None or branches.errors:
            return [self._ended(record, branches.errors)]
        return [ev.StepSucceeded(path, path, {name: branches.results[name] for name in branches.names})]

    def _give_up(self, record: StepRecord, errors: dict[Any, ev.Error]) -> list[ev.Event]:
        """One part failed while others are open: stop them, then fail."""
        path = record.path
        error = next(error for error in errors.values() if error["type"] != "canceled")
        return [
            ev.CancelOrdered(path, path, "failed", error),
            *self._cancels(path, "another part of the step failed"),
        ]

    def _ended(self, record: StepRecord, errors: dict[Any, ev.Error]) -> ev.Event:
        """The end of a container that did not succeed."""
        path = record.path
        if record.ending is not None:
            outcome, error = record.ending.outcome, record.ending.error
        else:
            failed = next((e for e in errors.values() if e["type"] != "canceled"), None)
            outcome = "failed" if failed else "canceled"
            error = failed or {"message": "canceled"}
        if outcome == "failed":
            return ev.AttemptFailed(path, path, record.attempt, error)
        return ev.StepCanceled(path, path, error.get("message", outcome))

    def _loop(self, node: Node, record: StepRecord) -> list[ev.Event]:
        path, loop = record.path, record.loop
        assert loop is not None
        if record.ending is None and self.state.canceling and self._refused(f"{path}.do[0]"):
            canceled = _error("canceled", "R102", "the steps around it are ending", "", path)
            if loop.active:
                return [ev.CancelOrdered(path, path, "canceled", canceled)]
            return [ev.StepCanceled(path, path, canceled["message"])]
        errors = loop.errors if node.options.get("on_item_error", "fail") == "fail" else {}
        if record.ending is not None or errors:
            if loop.active == 0:
                return [self._ended(record, loop.errors)]
            return self._give_up(record, errors)
        if loop.items is None:
            return [self._iterate(node, record)]
        room = min(loop.max_parallel - loop.active, len(loop.items) - loop.next)
        if room > 0:
            return [ev.ItemStarted(path, path, loop.next + offset) for offset in range(room)]
        return [ev.StepSucceeded(path, path, _results(node, record))]

    def _iterate(self, node: Node, record: StepRecord) -> ev.Event:
        """The next iteration of a ``while``, or its end."""
        path, loop = record.path, record.loop
        assert loop is not None
        assert node.input is not None
        _, items = self.plan.locate(path)
        try:
            condition = node.input.render({**self._scope(node, items), "index": loop.next})
        except ExpressionError as error:
            return self._expression_failed(path, path, error, "while")
        if not isinstance(condition, bool):
            return self._not_a_bool(path, path, "while", condition)
        if not condition:
            return ev.StepSucceeded(path, path, loop.results.get(loop.next - 1))
        limit = node.options["max_iterations"]
        if loop.next >= limit:
            message = f"the condition is still true after {limit} iterations"
            hint = "raise max_iterations, or find out why the condition never becomes false"
            return ev.StepFailed(path, path, _error("timeout", "R206", message, hint, path))
        return ev.ItemStarted(path, path, loop.next)

    # Ending a step -----------------------------------------------------------------------------------

    def _closed(self, node: Node, record: StepRecord, items: Sequence[int]) -> list[ev.Event]:
        """A step is done: its ``catch``, its ``finally``, then the next step."""
        path = record.path
        if record.status == "failed" and record.phase == "" and "catch" in node.blocks:
            return [ev.BlockEntered(path, path, "catch")]
        if record.phase not in ("finally", "done") and "finally" in node.blocks:
            return [ev.BlockEntered(path, path, "finally")]
        if record.status == "failed":
            return self._end_block(node, items, path, "failed", None, record.error)
        if record.status == "canceled":
            return self._end_block(node, items, path, "canceled", None, None)
        if node.index + 1 < len(node.siblings):
            following = node.siblings[node.index + 1]
            return self._start(following, following.runtime_path(items), items, path)
        return self._end_block(node, items, path, "succeeded", self._block_output(node, items), None)

    def _block_output(self, node: Node, items: Sequence[int]) -> Json:
        """What a list of steps gives: the output of the last one that was not skipped."""
        for sibling in reversed(node.siblings):
            record = self.state.records.get(sibling.runtime_path(items))
            if record is not None and record.status == "succeeded":
                return record.output
        return None

    def _end_block(
        self,
        node: Node,
        items: Sequence[int],
        cause: str,
        outcome: str,
        output: Json,
        error: ev.Error | None,
    ) -> list[ev.Event]:
        """The list in which `node` stands has ended."""
        parent, block = node.parent, node.block_name
        if parent is None:
            if block == "steps" and outcome == "succeeded":
                outcome, output, error = self._run_output()
            return [ev.BlockFinished("", cause, block, outcome, output, error)]
        depth = len(parent.loops)
        path = parent.runtime_path(items[:depth])
        record = self.state.records[path]
        if block == "finally":
            return [ev.BlockFinished(path, cause, block, outcome, None, error)]
        if block == "catch":
            if outcome == "succeeded":
                return [ev.StepSucceeded(path, cause, output, caught=record.error)]
            if outcome == "failed":
                assert error is not None
                return [ev.StepFailed(path, cause, error)]
            return [ev.StepCanceled(path, cause, "canceled")]
        if record.loop is not None:
            return [ev.BlockFinished(path, cause, block, outcome, output, error, items[depth])]
        if record.branches is not None:
            return [ev.BlockFinished(path, cause, block, outcome, output, error)]
        if record.ending is not None:
            outcome, error = record.ending.outcome, record.ending.error
        if outcome == "succeeded":
            return [ev.StepSucceeded(path, cause, output)]
        if outcome == "failed":
            assert error is not None
            return [ev.AttemptFailed(path, cause, record.attempt, error)]
        return [ev.StepCanceled(path, cause, "canceled")]

    def _run_output(self) -> tuple[str, Json, ev.Error | None]:
        if self.plan.output is None:
            return "succeeded", None, None
        try:
            return "succeeded", self._render(self.plan.output, None, ()), None
        except ExpressionError as error:
            message = f"output: {error.message}"
            return "failed", None, _error("expression", error.code, message, error.hint, "")

    # Expressions ---------------------------------------------------------------------------------------

    def _scope(self, node: Node | None, items: Sequence[int]) -> Scope:
        return scope_of(self.plan, self.state, node, items, self.callback_url)

    def _render(self, template: ValueTemplate, node: Node | None, items: Sequence[int]) -> Json:
        return template.render({} if template.is_constant else self._scope(node, items))

    def _expression_failed(self, path: str, cause: str, error: ExpressionError, where: str) -> ev.Event:
        message = error.message if where == "action" else f"{where}: {error.message}"
        return ev.StepFailed(path, cause, _error("expression", error.code, message, error.hint, path))

    def _not_a_bool(self, path: str, cause: str, word: str, value: Json) -> ev.Event:
        message = f"{word} needs true or false, not {_type_name(value)}"
        hint = "compare with ==, or ask has(…)"
        return ev.StepFailed(path, cause, _error("expression", "R207", message, hint, path))


def _results(node: Node, record: StepRecord) -> list[Json]:
    """A loop's results in item order, as ``on_item_error`` wants them."""
    loop = record.loop
    assert loop is not None
    assert loop.items is not None
    collect = node.options["on_item_error"] == "collect"
    results: list[Json] = []
    for index in range(len(loop.items)):
        if index not in loop.errors:
            results.append(loop.results.get(index))
        elif collect:
            results.append({"error": loop.errors[index]})
    return results


def _verdict(decision: str, made: ev.ApprovalDecided | None, now: float) -> Json:
    return {
        "decision": decision,
        "by": made.by if made else None,
        "at": timestamp_text(made.at if made else now),
        "comment": made.comment if made else "",
        "form": made.form if made else None,
    }


def _payload(body: str) -> Json:
    """A callback's body: JSON where it is JSON, else its text."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _case_text(value: Json) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _type_name(value: Json) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _fraction(*parts: object) -> float:
    """A number in 0…1 that looks random but is always the same for the same parts."""
    return zlib.crc32("\n".join(map(str, parts)).encode()) / 0xFFFFFFFF

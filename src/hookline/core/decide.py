"""What should happen next in a run, as a pure function of definition, state and time.

`decide` answers the first entry of ``state.ready`` with the commands that deal with it. The
caller records each command, folds it in with `evolve`, and asks again until nothing is ready::

    while commands := decide(plan, state, now, callback_url):
        for command in commands:
            evolve(state, command, now)

The commands of one call belong together: they are recorded in one transaction or not at all.

It reads no clock, draws no random number and does no IO; the jitter of a retry is derived from
the run's id, the step and the attempt, so that deciding again gives the same commands.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from . import events as ev
from .approvals import Asks, shown_hash, tally, verdict
from .expressions import ExpressionError, ValueTemplate
from .plan import Node, Plan, Retry
from .records import TERMINAL, RunState, StepRecord
from .scope import CallbackUrl, Scope, scope_of, timestamp_text
from .units import MAX_DURATION, format_duration

__all__ = ["DEFAULT_RETRY", "MAX_ITEMS", "child_run_id", "decide"]

Json = Any

MAX_ITEMS = 100_000
"""Most items of one ``for_each``; beyond it the list belongs in a file or in several runs."""

DEFAULT_RETRY = Retry(max_attempts=3, delay=1.0, backoff=2.0, max_delay=60.0)
"""Policy of a step without ``retry``, for the error types its action says are harmless to retry."""

RETRIED_CONTROL_ERRORS = frozenset({"rate_limited", "unavailable", "timeout"})
"""What a control step with ``retry`` repeats without ``on``. An action says for itself what is harmless."""

MAX_RETRY_AFTER = 3600.0
"""Most seconds that a service can make a step wait before it is tried again."""

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
                return self._failing(node, record, items)
            case "retrying":
                return self._begin(node, path, items, path)
            case "unknown" if record.waiting is None:
                return self._unknown(node, record)
            case "waiting" | "unknown":
                return self._waiting(node, record)
        return self._container(node, record, items)

    # The run itself ---------------------------------------------------------------------------

    def _run(self) -> list[ev.Event]:
        state, root = self.state, self.state.records[""]
        if root.phase.endswith(" done"):
            return self._after_own_list(root)
        if root.status == "pending":
            return self._begin_run()
        if state.cancel is not None:
            outcome, reason = "canceled", state.cancel.reason
            error = _error("canceled", "R102", reason, "", "")
            if state.cancel.error is not None:
                outcome, error = "failed", state.cancel.error
        else:
            outcome, reason = "failed", "the run timed out"
            limit = format_duration(self.plan.limits.timeout or 0)
            message = f"the run did not end within {limit}, its limits.timeout"
            error = _error("timeout", "R103", message, "raise limits.timeout, or resume the run", "")
        return [ev.CancelOrdered("", "", outcome, error), *self._cancels(None, (), reason)]

    def _begin_run(self) -> list[ev.Event]:
        cancel = self.state.cancel
        if cancel is not None:
            status = "failed" if cancel.error else "canceled"
            return [ev.RunFinished("", "", status, None, cancel.error, cancel.reason)]
        commands: list[ev.Event] = []
        if self.plan.value.get("vars"):
            try:
                commands.append(ev.VarsSet("", "", self._render(self.plan.vars, None, ())))
            except ExpressionError as error:
                return [ev.BlockFinished("", "", "steps", "failed", None, _of_expression(error, "vars", ""))]
        timeout = self.plan.limits.timeout
        deadline = None if timeout is None else self.now + timeout
        return [*commands, ev.BlockEntered("", "", "steps", deadline=deadline)]

    def _after_own_list(self, root: StepRecord) -> list[ev.Event]:
        """One of the run's own lists has ended: the next one, or the end of the run."""
        status, reason = root.outcome, root.ending.reason if root.ending is not None else ""
        if root.phase == "steps done" and status == "failed" and "on_error" in self.plan.blocks:
            return [ev.BlockEntered("", "", "on_error")]
        if root.phase != "finally done" and "finally" in self.plan.blocks:
            return [ev.BlockEntered("", "", "finally")]
        output = root.output if status == "succeeded" else None
        return [ev.RunFinished("", "", status, output, root.error, reason)]

    def _cancels(
        self, node: Node | None, items: Sequence[int], reason: str, *, but: str = ""
    ) -> list[ev.Event]:
        """Stop every open step below a container (None: the run), except those that clean up."""
        return [ev.StepCanceled(path, path, reason) for path in self._open_below(node, items) if path != but]

    def _open_below(self, node: Node | None, items: Sequence[int]) -> Iterator[str]:
        """Paths of the open steps below a container, found without looking at items that are done."""
        if node is None:
            yield from self._open_in(self.plan.blocks.get("steps", ()), items)
            return
        for name, steps in node.blocks.items():
            if name == "do":
                loop = self.state.records[node.runtime_path(items)].loop
                for item in sorted(loop.open) if loop is not None else ():
                    yield from self._open_in(steps, (*items, item))
            elif name != "finally":
                yield from self._open_in(steps, items)

    def _open_in(self, steps: Sequence[Node], items: Sequence[int]) -> Iterator[str]:
        for step in steps:
            path = step.runtime_path(items)
            record = self.state.records.get(path)
            if path in self.state.active:
                yield path
            elif record is not None and (record.status not in TERMINAL or record.phase == "catch"):
                yield from self._open_below(step, items)

    def _refused(self, node: Node, items: Sequence[int]) -> bool:
        """Whether a container around this step is ending, so that nothing new starts in it."""
        if not self.state.canceling:
            return False
        while node.block_name != "finally":
            if node.parent is None:
                return node.block_name == "steps" and "" in self.state.canceling
            if node.parent.runtime_path(items) in self.state.canceling:
                return True
            node = node.parent
        return False

    # Beginning a step --------------------------------------------------------------------------

    def _start(self, node: Node, path: str, items: Sequence[int], cause: str) -> list[ev.Event]:
        if self._refused(node, items):
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
        if self._refused(node, items):
            return [ev.StepCanceled(path, cause, "the steps around it are ending")]
        value: Json = None
        if node.input is not None and node.kind != "while":
            try:
                value = self._render(node.input, node, items)
            except ExpressionError as error:
                return [self._expression_failed(path, cause, error, node.kind)]
        record = self.state.records.get(path)
        attempt = (record.attempt if record else self.state.attempts.get(path, 0)) + 1
        deadline = None if node.timeout is None else self.now + node.timeout
        if record is not None and record.tries:
            # The timeout is for all attempts together.
            deadline = record.deadline
        match node.kind:
            case "action":
                if self._is_over_budget(node):
                    return [self._over_budget(path, cause)]
                return [ev.StepStarted(path, cause, attempt, value, deadline)]
            case "if":
                if not isinstance(value, bool):
                    return [self._not_a_bool(path, cause, "if", value)]
                return self._enter(node, path, cause, "then" if value else "else", attempt, deadline)
            case "switch":
                block = node.options["cases"].get(_text(value), "default")
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
                if not branches:
                    return [ev.StepSucceeded(path, cause, dict.fromkeys(names))]
                return [ev.ParallelEntered(path, cause, branches, attempt, deadline)]
            case "wait":
                return [self._wait(node, path, cause, value, attempt, deadline)]
            case "approve":
                return self._ask(node, path, cause, value, attempt, deadline)
            case "call":
                child = child_run_id(self.state.id, path, attempt)
                data = {"workflow": node.options["workflow"], "input": value, "run": child}
                reason = f"the run {child} of {node.options['workflow']}"
                return [ev.StepWaiting(path, cause, attempt, "run", reason, deadline, data, deadline)]
            case "set":
                return [ev.VarsSet(path, cause, value)]
            case "respond":
                return [self._respond(path, cause, value)]
            case _:
                return self._stop(node, path, cause, _text(value))

    def _is_over_budget(self, node: Node) -> bool:
        """Whether the run has cost as much as it may; telling people about it is still allowed."""
        budget = self.plan.limits.budget_run
        cleans_up = node.path.startswith(("on_error", "finally"))
        # Where a person may allow more, only what costs something is held, when its price is known.
        may_be_allowed = self.plan.limits.on_over == "approve"
        return budget is not None and self.state.cost >= budget and not (cleans_up or may_be_allowed)

    def _over_budget(self, path: str, cause: str) -> ev.Event:
        spent, budget = self.state.cost, self.plan.limits.budget_run
        message = f"the run has cost {spent:.4f} USD (an estimate), and its budget is {budget:g} USD"
        hint = "raise limits.budget.run, and resume the run with its newest version"
        return ev.StepFailed(path, cause, _error("insufficient_credit", "R210", message, hint, path))

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
        tolerant = node.options["on_item_error"] != "fail"
        return [ev.LoopEntered(path, cause, items, node.options["max_parallel"], attempt, deadline, tolerant)]

    def _wait(
        self, node: Node, path: str, cause: str, value: Json, attempt: int, deadline: float | None
    ) -> ev.Event:
        if "callback" in node.options:
            early = self.state.early.get(path)
            if early is not None:
                return ev.StepSucceeded(path, cause, _payload(early.body))
            return ev.StepWaiting(path, cause, attempt, "callback", "a callback", deadline, deadline=deadline)
        if "seconds" in node.options:
            until = self.now + node.options["seconds"]
        else:
            try:
                until = _seconds(value)
            except ValueError:
                hint = 'write a time with its zone, such as "2026-11-20T09:00:00Z"'
                message = f"wait until {value!r}: this is not a time"
                return ev.StepFailed(path, cause, _error("bad_input", "R203", message, hint, path))
            if until > self.now + MAX_DURATION:
                message = f"wait until {value}: this is more than ten years away"
                return ev.StepFailed(path, cause, _error("bad_input", "R203", message, "", path))
        if until <= self.now:
            return ev.StepSucceeded(path, cause)
        return ev.StepWaiting(
            path, cause, attempt, "timer", f"{timestamp_text(until)}", until, None, deadline
        )

    def _respond(self, path: str, cause: str, value: Json) -> ev.Event:
        status = value["status"]
        if isinstance(status, str) and status.isascii() and status.isdigit():
            status = int(status)
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
            message = f"respond needs a status from 200 to 599, not {value['status']!r}"
            return ev.StepFailed(path, cause, _error("bad_input", "R208", message, "", path))
        headers = {name: _text(text) for name, text in value["headers"].items()}
        return ev.Responded(path, cause, status, headers, value["body"])

    def _stop(self, node: Node, path: str, cause: str, reason: str) -> list[ev.Event]:
        status, error = node.options["status"], None
        if status == "failed":
            error = _error("stopped", "R101", reason or "the workflow stopped itself", "", path)
        stop = ev.StopOrdered(path, cause, status, reason, error)
        if self.state.records[""].phase != "steps":
            return [stop]
        return [stop, *self._cancels(None, (), "the workflow stopped", but=path)]

    # Going on with a step -------------------------------------------------------------------------

    def _waiting(self, node: Node, record: StepRecord) -> list[ev.Event]:
        """Something came for a step that waits."""
        path, attempt, waiting = record.path, record.attempt, record.waiting
        assert waiting is not None
        match waiting.waits_for:
            case "lookup":
                # However late it is, one look-up is owed to whoever may have paid for the attempt.
                if record.is_overdue and record.wake == "lookup":
                    return [self._timed_out(node, record)]
                callback = record.wakes[0] if record.wakes else ""
                return [ev.StepWoken(path, path, attempt, "lookup", callback)]
            case "action":
                if record.is_overdue:
                    return [self._timed_out(node, record)]
                if record.wakes:
                    return [ev.StepWoken(path, path, attempt, "callback", record.wakes[0])]
                return [ev.StepWoken(path, path, attempt, "timer")]
            case "timer":
                if record.due_at is None or waiting.until is None or record.due_at < waiting.until:
                    return [self._timed_out(node, record)]
                return [ev.StepSucceeded(path, path)]
            case "callback":
                if record.wakes:
                    body, _ = record.callbacks[record.wakes[0]]
                    return [ev.StepSucceeded(path, path, _payload(body))]
                if node.options["on_timeout"] == "continue":
                    return [ev.StepSucceeded(path, path, None)]
                return [self._timed_out(node, record)]
            case "limit" | "identical":
                if record.is_overdue:
                    return [self._timed_out(node, record)]
                if record.wakes and record.is_woken_by_callbacks:
                    return [ev.StepWoken(path, path, attempt, "callback", record.wakes[0])]
                return [ev.StepWoken(path, path, attempt, record.wake, record.woken_by)]
            case "approval" if node.kind == "action":
                return [self._allowance(node, record)]
            case "approval":
                return [self._approval(node, record)]
            case _:
                return [self._child(node, record)]

    def _ask(
        self, node: Node, path: str, cause: str, value: Json, attempt: int, deadline: float | None
    ) -> list[ev.Event]:
        """Open an approval, and ask people if there is a way to reach them."""
        form, cost = node.options["form"], round(self.state.cost, 9)
        data = {
            **value,
            "form": form,
            "quorum": node.options["quorum"],
            "reject_quorum": node.options["reject_quorum"],
            "cost_usd": cost,
            "sha256": shown_hash(value.get("message"), value.get("show"), form, cost),
        }
        who = ", ".join(map(str, value["who"]))
        until = _earliest(node.options["asks"].next(self.now, self.now, escalated=False), deadline)
        waiting = ev.StepWaiting(
            path, cause, attempt, "approval", f"a decision by {who}", until, data, deadline
        )
        if not value.get("via"):
            return [waiting]
        return [waiting, ev.ApprovalAsking(path, path, attempt, 1, "first", until)]

    def _approval(self, node: Node, record: StepRecord) -> ev.Event:
        path, attempt, asking, waiting = record.path, record.attempt, record.asking, record.waiting
        assert asking is not None
        assert waiting is not None
        if asking.outcome:
            return self._decided(node, record, asking.outcome)
        count = tally(record.decisions, node.options["quorum"], node.options["reject_quorum"])
        outcome = count.outcome or ("expired" if record.is_overdue else "")
        if outcome and (asking.told or path in self.state.executing):
            return ev.ApprovalSettled(path, path, attempt, outcome, count.by.by if count.by else "")
        if outcome:
            return self._decided(node, record, outcome)
        if record.due_at is not None:
            asks: Asks = node.options["asks"]
            due = asks.due(asking.since, record.due_at, escalated=asking.is_escalated)
            data = record.input if isinstance(record.input, dict) else {}
            return ev.ApprovalAsking(
                path,
                path,
                attempt,
                asking.round + 1,
                due.reason,
                _earliest(due.then, record.deadline),
                data.get("escalate_to", ()) if due.reason == "escalation" else (),
                bool(data.get("via")),
            )
        # One more of the quorum: it goes on waiting, now for the others.
        reason = f"{count.missing} more decision{'s' if count.missing > 1 else ''}"
        return ev.StepWaiting(
            path, path, attempt, "approval", reason, waiting.until, record.input, record.deadline
        )

    def _allowance(self, node: Node, record: StepRecord) -> ev.Event:
        """A person was asked whether an action may cost more than the budget has left."""
        path, attempt = record.path, record.attempt
        decided = record.decisions[-1] if record.decisions else None
        if decided is not None and decided.decision == "approved":
            deadline = None if node.timeout is None else self.now + node.timeout
            return ev.StepWoken(path, path, attempt, record.wake, record.woken_by, deadline)
        who = f"{decided.by} did not allow it" if decided else "nobody allowed it in time"
        message = f"{node.label} would go over a budget, and {who}"
        hint = "raise the budget, and resume the run with its newest version; or resume it to ask again"
        return ev.AttemptFailed(
            path, path, attempt, _error("insufficient_credit", "R213", message, hint, path)
        )

    def _decided(self, node: Node, record: StepRecord, outcome: str) -> ev.Event:
        """The end of an approval."""
        path, attempt = record.path, record.attempt
        last = tally(record.decisions, node.options["quorum"], node.options["reject_quorum"]).by
        at = timestamp_text(last.at if last else self.now) or ""
        if outcome == "approved":
            return ev.StepSucceeded(path, path, verdict(outcome, last, record.decisions, at))
        if outcome == "expired" and node.options["on_timeout"] == "fail":
            return self._timed_out(node, record)
        if node.options["on_reject"] == "continue":
            return ev.StepSucceeded(path, path, verdict("rejected", last, record.decisions, at))
        message = f"rejected by {last.by}" if last else "nobody approved in time, which counts as rejected"
        return ev.AttemptFailed(path, path, attempt, _error("rejected", "R204", message, "", path))

    def _child(self, node: Node, record: StepRecord) -> ev.Event:
        child = record.child
        if child is None:
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
        if node.on_unknown == "retry" and record.tries < (node.retry or DEFAULT_RETRY).max_attempts:
            return [ev.StepRetrying(path, path, record.attempt + 1, self.now)]
        until = record.retry_after
        late = record.deadline is not None and self.now >= record.deadline and record.wake == "lookup"
        if node.on_unknown != "wait" or until is None or late:
            return [ev.StepFailed(path, path, error)]
        reason = f"a look-up of what became of it: {error['message']}"
        return [ev.StepWaiting(path, path, record.attempt, "lookup", reason, until)]

    def _timed_out(self, node: Node, record: StepRecord) -> ev.Event:
        if record.status == "unknown" and record.error is not None:
            return ev.StepFailed(record.path, record.path, record.error)
        waits_for = record.waiting.reason if record.waiting else "its steps"
        message = f"{node.label} waited {format_duration(node.timeout or 0)} for {waits_for}"
        hint = "raise the step's timeout, or look at what it waits for"
        error = _error("timeout", "R205", message, hint, record.path)
        return ev.AttemptFailed(record.path, record.path, record.attempt, error)

    def _failing(self, node: Node, record: StepRecord, items: Sequence[int]) -> list[ev.Event]:
        """An attempt failed: another one, or the end of the step."""
        path, error = record.path, record.error
        assert error is not None
        policy = node.retry or DEFAULT_RETRY
        retried = policy.on if policy.on is not None else frozenset(record.retry_on)
        if policy.on is None and node.retry is not None and node.kind != "action":
            retried = RETRIED_CONTROL_ERRORS
        if error["type"] not in retried or record.tries >= policy.max_attempts or self._refused(node, items):
            return [ev.StepFailed(path, path, error)]
        delay = min(policy.delay * policy.backoff ** (record.tries - 1), policy.max_delay)
        delay *= 1 + JITTER * _fraction(self.state.id, path, record.attempt)
        if record.retry_after is not None:
            delay = max(delay, min(record.retry_after, MAX_RETRY_AFTER))
        if record.deadline is not None and self.now + delay >= record.deadline:
            return [ev.StepFailed(path, path, error)]
        return [ev.StepRetrying(path, path, record.attempt + 1, self.now + delay)]

    def _container(self, node: Node, record: StepRecord, items: Sequence[int]) -> list[ev.Event]:
        path = record.path
        if record.due_at is not None and record.ending is None:
            message = f"{node.label} did not end within {format_duration(node.timeout or 0)}"
            error = _error("timeout", "R205", message, "raise the step's timeout", path)
            return [ev.CancelOrdered(path, path, "failed", error), *self._cancels(node, items, "timed out")]
        parts = record.loop or record.branches
        assert parts is not None
        fails = bool(parts.errors) and not (record.loop is not None and record.loop.tolerant)
        if not parts.open and (record.ending is not None or fails or parts.canceled):
            return [self._ended(record, next(iter(parts.errors.values())) if fails else None)]
        if fails:
            # One part failed while others are open: stop them, then fail.
            error = next(iter(parts.errors.values()))
            return [
                ev.CancelOrdered(path, path, "failed", error),
                *self._cancels(node, items, "another part of the step failed"),
            ]
        if record.branches is not None:
            names = [name.removeprefix("parallel.") for name in node.blocks if name.startswith("parallel.")]
            results = record.branches.results
            return [ev.StepSucceeded(path, path, {name: results.get(name) for name in names})]
        return self._loop(node, record, items)

    def _ended(self, record: StepRecord, error: ev.Error | None) -> ev.Event:
        """The end of a container that did not succeed."""
        path = record.path
        if record.ending is not None:
            error = record.ending.error if record.ending.outcome == "failed" else None
        if error is not None:
            return ev.AttemptFailed(path, path, record.attempt, error)
        return ev.StepCanceled(path, path, "the steps around it are ending")

    def _loop(self, node: Node, record: StepRecord, items: Sequence[int]) -> list[ev.Event]:
        path, loop = record.path, record.loop
        assert loop is not None
        if self._refused(node, items):
            canceled = _error("canceled", "R102", "the steps around it are ending", "", path)
            if loop.open:
                return [ev.CancelOrdered(path, path, "canceled", canceled)]
            return [ev.StepCanceled(path, path, canceled["message"])]
        if loop.items is None:
            return [self._iterate(node, record, items)]
        room = min(loop.max_parallel - len(loop.open), len(loop.items) - loop.next)
        if room > 0:
            return [ev.ItemStarted(path, path, loop.next + offset) for offset in range(room)]
        return [ev.StepSucceeded(path, path, _results(node, record))]

    def _iterate(self, node: Node, record: StepRecord, items: Sequence[int]) -> ev.Event:
        """The next iteration of a ``while``, or its end."""
        path, loop = record.path, record.loop
        assert loop is not None
        assert node.input is not None
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
        for index in range(node.index + 1, len(node.siblings)):
            # What has a record was copied by a replay: go on behind it.
            following = node.siblings[index]
            next_path = following.runtime_path(items)
            if next_path not in self.state.records:
                return self._start(following, next_path, items, path)
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
        path = parent.runtime_path(items)
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
            return "failed", None, _of_expression(error, "output", "")

    # Expressions ---------------------------------------------------------------------------------------

    def _scope(self, node: Node | None, items: Sequence[int]) -> Scope:
        return scope_of(self.plan, self.state, node, items, self.callback_url)

    def _render(self, template: ValueTemplate, node: Node | None, items: Sequence[int]) -> Json:
        return template.render({} if template.is_constant else self._scope(node, items))

    def _expression_failed(self, path: str, cause: str, error: ExpressionError, where: str) -> ev.Event:
        return ev.StepFailed(path, cause, _of_expression(error, "" if where == "action" else where, path))

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


def _earliest(*times: float | None) -> float | None:
    return min((time for time in times if time is not None), default=None)


def _of_expression(error: ExpressionError, where: str, step: str) -> ev.Error:
    message = f"{where}: {error.message}" if where else error.message
    return _error("expression", error.code, message, error.hint, step)


def _seconds(value: Json) -> float:
    """A time as text, in seconds since the epoch.

    Raises:
        ValueError: It is no time, or one without a zone, which would mean something else elsewhere.
    """
    if not isinstance(value, str):
        raise ValueError("not a text")
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError("no zone")
    return time.timestamp()


def _payload(body: str) -> Json:
    """A callback's body: JSON where it is JSON, else its text."""
    try:
        return json.loads(body, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return body


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not JSON")
    return number


def _text(value: Json) -> str:
    """A value as the text it is where expressions stand inside text."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def _type_name(value: Json) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")


def _fraction(*parts: object) -> float:
    """A number in 0…1 that looks random but is always the same for the same parts."""
    return zlib.crc32("\n".join(map(str, parts)).encode()) / 0xFFFFFFFF

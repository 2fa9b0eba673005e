"""What ``hookline dev`` tells: triggers and open runs at the start, then a line for each change of a run."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hookline.core.units import format_duration

from .output import say, status_text
from .progress import duration_text, may_operator_decide, say_how_to_decide

if TYPE_CHECKING:
    from hookline.core import events as ev
    from hookline.core.plan import Plan, TriggerPlan
    from hookline.core.records import RunState
    from hookline.engine.engine import Engine
    from hookline.engine.redaction import Redactor
    from hookline.sdk import Trigger
    from hookline.store.port import Store

__all__ = ["FailureLog", "RunLines", "open_runs_text", "trigger_lines"]

log = logging.getLogger(__name__)

MAX_COUNTED = 500
"""Open runs of one status that are counted; more are said to be more."""


class RunLines:
    """Says when a run begins, waits, goes on after an interruption, and ends.

    Args:
        address: Of the server whose pages show the runs.
    """

    def __init__(self, redactor: Redactor, address: str) -> None:
        self._redactor = redactor
        self._address = address
        self._known: set[str] = set()
        self._waiting: set[str] = set()

    def happened(self, state: RunState, events: Sequence[ev.Event]) -> None:
        """A run has moved on by these events.

        A run that ends or waits in its first turn gets that line only.
        """
        if state.id not in self._known and state.finished is None:
            self._known.add(state.id)
            if state.status != "waiting":
                self._line(state, "running")
        for event in events:
            match event.kind:
                case "run.resumed":
                    self._line(state, "running", "resumed")
                case "attempt.interrupted":
                    self._line(state, "running", f"{event.path} was interrupted and goes on")
        if state.finished is not None:
            self._known.discard(state.id)
            self._waiting.discard(state.id)
            if any(event.kind == "run.finished" for event in events):
                self._line(state, state.status, _ending(state))
            return
        if state.status != "waiting":
            self._waiting.discard(state.id)
        elif state.id not in self._waiting:
            self._waiting.add(state.id)
            self._line(state, "waiting", _waits(state))
        self._approvals(state, events)

    def _approvals(self, state: RunState, events: Sequence[ev.Event]) -> None:
        from hookline.engine.live import approval_id

        for path in dict.fromkeys(event.path for event in events if event.kind == "step.waiting"):
            record = state.records.get(path)
            if record is not None and record.waiting is not None and record.waiting.waits_for == "approval":
                id_ = approval_id(state.id, path, record.attempt)
                say_how_to_decide(id_, self._address, is_operators=may_operator_decide(record))

    def _line(self, state: RunState, status: str, about: str = "") -> None:
        line = f"{status_text(status, 10)} {state.workflow}  {state.id}  {self._redactor.redact_known(about)}"
        say(line.rstrip())


class FailureLog:
    """Logs each run that fails: a server has nobody who watches its terminal.

    Args:
        redactor: Masks what is secret in what went wrong.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def happened(self, state: RunState, events: Sequence[ev.Event]) -> None:
        """A run has moved on by these events."""
        if state.status == "failed" and any(event.kind == "run.finished" for event in events):
            about = self._redactor.redact_known(_ending(state))
            log.warning("%s of %s failed %s", state.id, state.workflow, about)


def _ending(state: RunState) -> str:
    finished = state.finished
    assert finished is not None
    took = "" if state.finished_at is None else f"after {duration_text(state.finished_at - state.created_at)}"
    if finished.error is None:
        return took
    error = finished.error
    where = f" at {error['step']}" if error.get("step") else ""
    return f"{took}{where}: {error.get('code')}: {error.get('message')}".strip()


def _waits(state: RunState) -> str:
    for path in state.active:
        record = state.records.get(path)
        if record is not None and record.waiting is not None:
            why = f" ({record.error.get('code')}: {record.error.get('message')})" if record.error else ""
            return f"at {path} for {record.waiting.reason}{why}"
    return ""


def open_runs_text(store: Store) -> str:
    """How many runs were left open, by status; empty when there are none."""
    from hookline.store.port import RunFilter

    counts = []
    total, is_more = 0, False
    for status in ("running", "waiting", "queued"):
        page = store.runs(RunFilter(status=status), MAX_COUNTED, None)
        total += len(page.rows)
        is_more = is_more or page.next is not None
        if page.rows:
            counts.append(f"{len(page.rows)}{'+' if page.next else ''} {status}")
    if not total:
        return ""
    noun = "run goes" if total == 1 and not is_more else "runs go"
    return f"{total}{'+' if is_more else ''} open {noun} on: {', '.join(counts)}"


def trigger_lines(engine: Engine, address: str, now: datetime) -> list[str]:
    """Every deployed trigger and what starts it, in order of the workflows.

    Args:
        now: With its time zone; the next time of a schedule is later.
    """
    paths = {(plan.name, each.index): path for path, (plan, each) in engine.workflows.hooks.items()}
    lines = []
    for _, plan in sorted(engine.workflows.plans.items()):
        for trigger in plan.triggers:
            path = paths.get((plan.name, trigger.index))
            hook = f"POST {address}/hooks/{path}" if path is not None else ""
            told = _trigger_text(plan, trigger, engine.registry.triggers.get(trigger.uses), hook, now)
            lines.append(f"{plan.name}: {told}")
    return lines


def _trigger_text(
    plan: Plan, trigger: TriggerPlan, declared: Trigger | None, hook: str, now: datetime
) -> str:
    from hookline.engine.trigger_states import watched
    from hookline.engine.workflows import followed

    if hook and (declared is None or declared.kind != "poll"):
        return hook
    if trigger.uses == "manual":
        return f"hookline run {plan.name}"
    if trigger.uses == "schedule":
        return _schedule_text(trigger.parameters, now)
    if names := followed(trigger, declared):
        return f"when a run of {', '.join(names)} has ended"
    if declared is None or declared.kind != "poll":
        return trigger.uses
    places = ", ".join(watched(trigger, declared))
    looks = f"{trigger.uses} looks{f' at {places}' if places else ''}"
    interval = trigger.parameters.get("interval")
    if hook or trigger.parameters.get("queue"):
        # Told, and so looking rarely; how rarely is the trigger's own affair.
        heard = [f"every {interval}"] if isinstance(interval, str) else ["now and then"]
        heard += ["and listens to a queue"] if trigger.parameters.get("queue") else []
        return " ".join([looks, *heard, *([f"and is told at {hook}"] if hook else [])])
    every = interval if isinstance(interval, str) else format_duration(declared.interval)
    return f"{looks} every {every}"


def _schedule_text(parameters: Any, now: datetime) -> str:
    ticks: Any = importlib.import_module("hookline._rooms.triggers._schedule.ticks")
    names = {"cron": "", "every": "", "time_zone": "UTC", "start_at": "", "end_at": ""}
    given = {name: parameters.get(name, default) for name, default in names.items()}
    tick: datetime | None = ticks.next_tick(ticks.Schedule.read(**given), now)
    following = "never again" if tick is None else f"next {tick.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    told = f"every {given['every']}" if given["every"] else f"cron {given['cron']} ({given['time_zone']})"
    return f"schedule {told}, {following}"

"""Taking an event in: what is stored, and the run it starts. Pure but for ids and the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import referencing
from jsonschema import Draft202012Validator

from hookline.core import events as ev
from hookline.core.batches import batch_event
from hookline.core.expressions import ExpressionError, ValueTemplate
from hookline.core.plan import Gather, Plan, Throttling, TriggerPlan
from hookline.core.scope import timestamp_text
from hookline.core.state import RunState, evolve
from hookline.core.units import format_duration
from hookline.store.port import (
    Advance,
    Dedupe,
    EventRow,
    Gathering,
    Hold,
    Incoming,
    NewRun,
    Release,
    Throttle,
)

from .ids import IdFactory
from .journal import Journal
from .live import LiveRun

__all__ = ["Draft", "Intake", "WrongInputs", "check_inputs", "rate_name", "trigger_scope"]

Json = Any

TRIGGER_MEMORY = 10 * 365 * 86400.0
"""How long a trigger remembers an event's key, in seconds: an object is uploaded once, ever."""

FOLLOWING = "workflow"
"""The trigger whose events come from the ends of runs."""

MOST_BYTES = 4 * 1024 * 1024
"""Bytes of data (as JSON) with which a gathering is due at once: one run has to carry them."""

WEBHOOK_MEMORY = 7 * 86400.0
"""How long a webhook remembers a sender's key, in seconds: longer than anyone retries."""


def trigger_scope(plan: Plan, trigger: TriggerPlan) -> str:
    """The name under which a trigger's cursor and keys are kept."""
    return f"{plan.name}/{trigger.id or trigger.index}"


class WrongInputs(Exception):
    """Values do not satisfy a workflow's declared inputs; `message` names the first that does not."""

    code = "R403"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def check_inputs(plan: Plan, inputs: Mapping[str, Json]) -> None:
    """Check values against the declared inputs.

    Raises:
        WrongInputs: One does not fit.
    """
    if plan.inputs is None:
        return
    validator = Draft202012Validator(dict(plan.inputs), registry=referencing.Registry())
    error = next(validator.iter_errors(dict(inputs)), None)
    if error is not None:
        where = "/".join(map(str, error.absolute_path))
        raise WrongInputs(f"inputs{'/' + where if where else ''}: {error.message[:200]}")


FirstTurn = Callable[[LiveRun], tuple[Sequence[ev.Event], Advance]]
"""Lets a new run go as far as it can by itself; see `hookline.engine.runner.Runner.first_turn`."""


@dataclass(slots=True)
class Draft:
    """An event on its way to the store, and the run that it will start.

    `remembered` is the event's own key where the workflow's ``limits.dedupe`` has the say, and what only a
    copy of it would share.
    """

    incoming: Incoming
    run: LiveRun | None
    remembered: Sequence[Dedupe] = ()


class Intake:
    """Makes drafts.

    Args:
        owner: This worker; the runs it accepts are its own from the start.
        seen: Which of these keys of a trigger are known; asked only for workflows with ``limits.dedupe``.
        over_budget: Why nothing more of a workflow is started, empty while there is money left.
    """

    def __init__(
        self,
        ids: IdFactory,
        journal: Journal,
        clock: Callable[[], float],
        owner: str,
        seen: Callable[[str, list[str]], set[str]] = lambda scope, keys: set(),
        over_budget: Callable[[Plan], str] = lambda plan: "",
    ) -> None:
        self._ids = ids
        self._seen = seen
        self.over_budget = over_budget
        self._journal = journal
        self._clock = clock
        self._owner = owner
        self.first_turn: FirstTurn | None = None

    def event(
        self,
        plan: Plan,
        trigger: TriggerPlan,
        data: Json,
        *,
        key: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        memory: float = TRIGGER_MEMORY,
        skip: str = "",
        overlap: str | None = None,
        depth: int = 0,
        left: bool = False,
        also: str = "",
    ) -> Draft:
        """An event of a trigger, filtered by its ``when`` and the workflow's ``limits.dedupe``.

        With ``debounce`` or ``batch`` it starts no run, and waits for others.

        Args:
            key: The event's identity within the trigger, empty when it has none.
            memory: Seconds for which the key is remembered.
            skip: A reason to record the event and start nothing.
            overlap: In place of the trigger's own ``overlap``.
            depth: How many workflows in a row have started each other.
            left: Its run is created later, by this or another process: the event waits for that, and what
                may be spent is looked at then.
            also: What only a copy of it shares; see `HookEvent`.

        Raises:
            ExpressionError: ``when`` or a key of the limits cannot be evaluated.
        """
        now = self._clock()
        event_id = self._ids.new("evt")
        scope = {"trigger": data, "inputs": {}, "vars": {}}
        state: Any = "received"
        reason = skip
        if skip or (trigger.when is not None and trigger.when.render(scope) is not True):
            state, reason = "filtered", skip or "the trigger's when is not true"
        elif not left and (refusal := self.over_budget(plan)):
            state, reason = "filtered", refusal
        dedupe = Dedupe(trigger_scope(plan, trigger), key, now + memory) if key else None
        remembered: list[Dedupe] = []
        if dedupe is not None and also and state == "received":
            copy = Dedupe(dedupe.scope, also, dedupe.expires_at)
            if self._seen(dedupe.scope, [key, also]) == {also}:
                # Somebody has taken a genuine request and given it another name.
                state, reason, dedupe = (
                    "duplicate",
                    "what is signed came before, under another identity",
                    None,
                )
            else:
                remembered.append(copy)
        limits = plan.limits
        if limits.dedupe_key is not None and state == "received":
            if dedupe is not None and self._seen(dedupe.scope, [key]):
                state, reason = "duplicate", "the same as one seen before"
            else:
                remembered += [dedupe] if dedupe is not None else []
            value = str(_text(limits.dedupe_key, scope))
            dedupe = Dedupe(f"{plan.name}/limits.dedupe", value, now + limits.dedupe_window)
            if state == "duplicate":
                dedupe = None
        run = hold = throttle = None
        overlap = overlap or trigger.parameters.get("overlap", "allow")
        if state == "received":
            if trigger.gather is not None:
                hold = self._hold(plan, trigger, trigger.gather, scope)
            elif left:
                hold = self._hand_over(plan, trigger)
            else:
                alone = overlap == "queue"
                run = self.run(plan, data, {}, event_id, scope, one_at_a_time=alone, depth=depth)
            if trigger.throttle is not None and not left:
                key_of = trigger.throttle.key
                turns = None if key_of is None else _text(key_of, scope)
                throttle = self._throttle(plan, trigger, trigger.throttle, turns)
        if hold is not None or throttle is not None:
            data = self._journal.masked(data)
        incoming = Incoming(
            id=event_id,
            trigger=trigger.uses,
            workflow=plan.name,
            received_at=now,
            state=state,
            reason=reason,
            dedupe=dedupe,
            headers=headers or {},
            body=body,
            data=data if run is None or throttle is not None else None,
            run=run[1] if run else None,
            skip_if_open=overlap == "skip",
            hold=hold,
            throttle=throttle,
            version=plan.version if run is None or throttle is not None else None,
        )
        return Draft(incoming, run[0] if run else None, remembered)

    def _hold(self, plan: Plan, trigger: TriggerPlan, gather: Gather, scope: Mapping[str, Json]) -> Hold:
        place = trigger_scope(plan, trigger)
        key = None if gather.key is None else _text(gather.key, scope)
        return Hold(
            self._ids.new("gth"),
            place if key is None else f"{place}/{key}",
            place,
            plan.version,
            "waits for its batch" if gather.quiet is None else "waits until no more events come",
            gather.longest,
            gather.quiet,
            key,
            gather.most,
            None if gather.most is None else MOST_BYTES,
        )

    def _hand_over(self, plan: Plan, trigger: TriggerPlan) -> Hold:
        id_, place = self._ids.new("gth"), trigger_scope(plan, trigger)
        return Hold(id_, f"left {id_}", place, plan.version, "waits for a server", 0.0)

    def _throttle(
        self, plan: Plan, trigger: TriggerPlan, throttling: Throttling, key: str | None
    ) -> Throttle:
        place = trigger_scope(plan, trigger)
        name = f"throttle {place}" if key is None else f"throttle {place}/{key}"
        hold = None
        if throttling.waits:
            hold = Hold(self._ids.new("gth"), name, place, plan.version, "waits for its turn", 0.0, key=key)
        reason = f"more than {throttling.rate} in {format_duration(throttling.per)}"
        return Throttle(name, throttling.rate, throttling.per, hold, reason)

    def release(
        self, plan: Plan, trigger: TriggerPlan, gathering: Gathering, events: Sequence[EventRow]
    ) -> tuple[LiveRun | None, Release]:
        """The run of events that have waited, and the unit that lets them go.

        Args:
            events: All of them, or the last one if that is all the run gets.
        """
        last = events[-1]
        if refusal := self.over_budget(plan):
            return None, Release(gathering.id, gathering.count, None, refusal)
        is_batch = trigger.gather is not None and trigger.gather.is_batch
        data = last.data
        if is_batch:
            times = (timestamp_text(row.received_at) or "" for row in (events[0], last))
            data = batch_event(
                [row.data for row in events], [row.id for row in events], gathering.key, *times
            )
        scope = {"trigger": data, "inputs": {}, "vars": {}}
        overlap = trigger.parameters.get("overlap", "allow")
        try:
            depth = max(_depth(row) for row in events)
            alone = overlap == "queue"
            live, new = self.run(plan, data, {}, last.id, scope, one_at_a_time=alone, depth=depth)
        except ExpressionError as error:
            return None, Release(gathering.id, gathering.count, None, error.message)
        throttle = None
        if trigger.throttle is not None and trigger.throttle.waits:
            throttle = self._throttle(plan, trigger, trigger.throttle, gathering.key)
        unit = Release(
            gathering.id,
            gathering.count,
            new,
            chosen=last.id if gathering.count > 1 and not is_batch else "",
            skip_if_open=overlap == "skip",
            throttle=throttle,
            now=self._clock(),
        )
        return live, unit

    def manual(
        self,
        plan: Plan,
        data: Json,
        inputs: Mapping[str, Json],
        *,
        source: str = "manual",
        replay_of: str | None = None,
        copied: Sequence[ev.Event] = (),
    ) -> Draft:
        """An event made by hand, by another run or by a replay."""
        event_id = self._ids.new("evt")
        scope = {"trigger": data, "inputs": inputs, "vars": {}}
        live, new = self.run(plan, data, inputs, event_id, scope, replay_of=replay_of, copied=copied)
        incoming = Incoming(event_id, source, plan.name, self._clock(), run=new)
        return Draft(incoming, live)

    def rejected(
        self, plan: Plan | None, uses: str, reason: str, headers: Mapping[str, str], data: Json = None
    ) -> Incoming:
        """A request that was refused: kept with its reason, without its body."""
        return Incoming(
            self._ids.new("evt"),
            uses,
            plan.name if plan else "",
            self._clock(),
            state="rejected",
            reason=reason,
            headers=headers,
            data=None if data is None else self._journal.masked(data),
            version=plan.version if plan else None,
        )

    def run(
        self,
        plan: Plan,
        trigger: Json,
        inputs: Mapping[str, Json],
        event_id: str | None,
        scope: Mapping[str, Json],
        *,
        run_id: str | None = None,
        parent: dict[str, str] | None = None,
        replay_of: str | None = None,
        copied: Sequence[ev.Event] = (),
        one_at_a_time: bool = False,
        depth: int = 0,
    ) -> tuple[LiveRun, NewRun]:
        """A new run: at once under way, or queued where the workflow has limits."""
        now = self._clock()
        limits = plan.limits
        # What a sender has put in must not reach summaries, approvals or another service either.
        trigger, inputs = self._journal.masked([trigger, {**_defaults(plan), **inputs}])
        scope = {**scope, "inputs": inputs}
        key = None
        if limits.concurrency is not None:
            key = _limit_name(plan, limits.concurrency_key, scope)
        elif limits.rate is not None:
            key = _limit_name(plan, limits.rate_key, scope)
        elif one_at_a_time:
            key = plan.name
        queued = key is not None
        created = ev.RunCreated(
            "",
            run_id or self._ids.new("run"),
            plan.name,
            plan.version,
            trigger,
            inputs,
            now,
            event_id,
            parent,
            replay_of,
            depth,
        )
        events: list[ev.Event] = [created, *copied]
        if not queued:
            events.append(ev.RunStarted("", now))
        state = RunState()
        for event in events:
            evolve(state, event, now)
        live = LiveRun(plan, state, epoch=0 if queued else 1, stored_epoch=0 if queued else 1)
        live.concurrency_key = key
        turn = None
        if not queued and self.first_turn is not None:
            decided, turn = self.first_turn(live)
            events.extend(decided)
        new = NewRun(
            id=created.run,
            workflow=plan.name,
            version=plan.version,
            created_at=now,
            chunk=self._journal.encode(0, now, events),
            status="queued" if queued else "running",
            event_id=event_id,
            parent_run=parent["run"] if parent else None,
            parent_path=parent["path"] if parent else None,
            replay_of=replay_of,
            concurrency_key=key,
            owner=None if queued else self._owner,
            turn=turn,
        )
        return live, new


def rate_name(plan: Plan, state: RunState) -> str:
    """The name of the rate limiter that a run counts against.

    Raises:
        ExpressionError: The rate's key cannot be evaluated.
    """
    scope = {"trigger": state.trigger, "inputs": state.inputs, "vars": {}}
    return _limit_name(plan, plan.limits.rate_key, scope)


def _depth(row: EventRow) -> int:
    """How many workflows in a row have started each other, of an event that has waited."""
    data = row.data if row.trigger == FOLLOWING else None
    found = data.get("depth") if isinstance(data, dict) else None
    return found if isinstance(found, int) else 0


def _limit_name(plan: Plan, key: ValueTemplate | None, scope: Mapping[str, Json]) -> str:
    return plan.name if key is None else f"{plan.name}/{_text(key, scope)}"


def _text(template: ValueTemplate, scope: Mapping[str, Json]) -> str:
    value = template.render(scope)
    if isinstance(value, dict | list) or value is None:
        raise ExpressionError("R211", "a key of the limits or of a trigger must be a text or a number")
    return str(value)


def _defaults(plan: Plan) -> dict[str, Json]:
    """Default values of the workflow's declared inputs."""
    properties = (plan.inputs or {}).get("properties", {})
    return {name: schema["default"] for name, schema in properties.items() if "default" in schema}

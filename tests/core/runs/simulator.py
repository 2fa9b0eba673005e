"""Executes a plan in memory: real `decide` and `evolve`, played actions, a clock that is moved by hand.

It is the engine reduced to its contract: facts are recorded, then everything ready is decided, then
what was ordered is performed. Every decision is checked: it answers the first ready place, it takes
it off the list, deciding again says the same, and nothing is raised.

A `Simulator` is given *actions*: per ``uses`` an `Outcome`, a list of outcomes used up one by one, or
a function of a `Call`. An action that is not named succeeds with its input as output.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookline.core import events as ev
from hookline.core.decide import decide
from hookline.core.plan import Plan, compile_plan
from hookline.core.records import TERMINAL, RunState, StepRecord
from hookline.core.state import Entry, evolve, replay

from .legality import illegal, illegal_at_rest, illegal_history

Json = Any
START = 1_000_000.0
MAX_ROUNDS = 100_000


@dataclass(frozen=True)
class Succeed:
    """The action returns `output`; None means its input."""

    output: Json = None
    cost: float = 0.0


@dataclass(frozen=True)
class Fail:
    """The action raises an error of this type."""

    type: str = "unavailable"
    retry_after: float | None = None
    retry_on: tuple[str, ...] = ()
    cost: float = 0.0


@dataclass(frozen=True)
class Park:
    """The action parks, until a callback or for this many seconds."""

    seconds: float | None = None
    data: Json = None
    cost: float = 0.0


@dataclass(frozen=True)
class Hold:
    """The action is held before it does anything: for its turn, for an identical one, or for a person."""

    waits_for: str = "limit"
    seconds: float = 30.0
    cost: float = 0.0


@dataclass(frozen=True)
class Unknown:
    """Nobody knows what became of it; looked up after this many seconds, None for never."""

    lookup_after: float | None = 60.0


@dataclass(frozen=True)
class Note:
    """The action keeps these values, and goes on with `then`."""

    values: Mapping[str, Json]
    then: Outcome


Outcome = Succeed | Fail | Park | Hold | Unknown | Note


@dataclass(frozen=True)
class Call:
    """One execution of an action's code.

    Attributes:
        wake: ``start``, ``callback``, ``timer`` or ``lookup``.
        body: The callback's, where one woke it.
        number: How often this path was executed before, interrupted executions included.
    """

    path: str
    attempt: int
    uses: str
    input: Json
    wake: str
    data: Json
    notes: Mapping[str, Json]
    body: str
    number: int


Player = Callable[[Call], Outcome]
Actions = Mapping[str, Outcome | Sequence[Outcome] | Player]


def callback_url(run: str, path: str, attempt: int) -> str:
    """Where callbacks of an attempt would go."""
    return f"https://hooks.test/{run}/{path}/{attempt}"


@dataclass
class Counts:
    """How much was asked of the core: the measure of its cost."""

    decisions: int = 0
    commands: int = 0
    facts: int = 0


@dataclass(eq=False)
class Simulator:
    """One run.

    Attributes:
        plan: What it executes; a definition is given to `simulate`.
        now: The clock, in seconds since the epoch.
        history: Everything recorded.
        effective: The events without facts about steps that were done already.
        calls: Every execution of an action, oldest first.
        waiting_calls: Paths whose code is to be executed, oldest first.
        strict: Check every state at rest; off where only counting matters.
        pure: Check that deciding again says the same and changes nothing.
    """

    plan: Plan
    actions: Actions = field(default_factory=dict)
    trigger: Json = None
    inputs: Json = None
    now: float = START
    strict: bool = True
    pure: bool = False
    state: RunState = field(default_factory=RunState)
    history: list[Entry] = field(default_factory=list)
    effective: list[ev.Event] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    waiting_calls: dict[str, None] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    crashes: int = 0

    # Recording --------------------------------------------------------------------------------

    @property
    def events(self) -> list[ev.Event]:
        return [entry.event for entry in self.history]

    def record(self, *facts: ev.Event) -> None:
        """Record facts without deciding anything."""
        for fact in facts:
            self.counts.facts += 1
            record = self.state.records.get(fact.path)
            if record is None or record.status not in TERMINAL:
                self.effective.append(fact)
            self._append(fact)

    def _append(self, event: ev.Event) -> None:
        self.history.append(Entry(len(self.history), self.now, event))
        evolve(self.state, event, self.now)

    def decide(self) -> None:
        """Decide until nothing is ready; what is ordered waits in `waiting_calls`."""
        for _ in range(MAX_ROUNDS):
            if not self.state.ready or not self.decide_once():
                break
        else:
            raise AssertionError(f"deciding does not end: {list(self.state.ready)[:5]}")
        self._check_rest()

    def decide_once(self) -> bool:
        """One decision; False when nothing is ready."""
        first = next(iter(self.state.ready), None)
        before = copy.deepcopy(self.state) if self.pure else None
        commands = decide(self.plan, self.state, self.now, callback_url)
        if before is not None:
            assert decide(self.plan, self.state, self.now, callback_url) == commands
            assert self.state == before, "decide has changed the state"
        self.counts.decisions += 1
        self.counts.commands += len(commands)
        assert bool(commands) == (first is not None), f"{first} is ready and nothing is said about it"
        if first is None:
            return False
        assert getattr(commands[0], "cause", None) == first, f"{commands[0]} does not answer {first}"
        for command in commands:
            self.effective.append(command)
            self._append(command)
            self._perform(command)
        return True

    def _perform(self, command: ev.Event) -> None:
        if isinstance(command, ev.StepStarted | ev.StepWoken | ev.ApprovalAsking | ev.ApprovalSettled):
            self.waiting_calls[command.path] = None
        for path in list(self.waiting_calls) if command.kind == "run.finished" else [command.path]:
            if path not in self.state.executing:
                self.waiting_calls.pop(path, None)

    def _check_rest(self) -> None:
        if self.strict:
            _none(illegal_at_rest(self.state))

    # Facts --------------------------------------------------------------------------------------

    def start(self) -> Simulator:
        """Create and start the run."""
        self.create()
        self.record(ev.RunStarted("", self.now))
        self.decide()
        return self

    def create(self, **more: Json) -> Simulator:
        """Create the run; it is queued."""
        self.record(
            ev.RunCreated(
                "", "run_1", self.plan.name, self.plan.version, self.trigger, self.inputs, self.now, **more
            )
        )
        return self

    def execute(self, path: str) -> Call:
        """Execute an action's code once, and record what came of it."""
        self.waiting_calls.pop(path, None)
        call = self.call(path)
        self.calls.append(call)
        asking = self.state.records[path].asking
        if asking is not None and path in self.state.executing:
            told = {f"{asking.round}/x": {"status": "sent"}}
            self.record(ev.ApprovalNoted(path, call.attempt, told=told))
            self.record(ev.ApprovalNoted(path, call.attempt, done=True))
            return call
        self._conclude(call, self._outcome(call))
        return call

    def call(self, path: str) -> Call:
        """How an action's code is called now."""
        record = self.state.records[path]
        node, _ = self.plan.locate(path)
        body, _ = record.callbacks.get(record.woken_by, ("", {}))
        number = sum(call.path == path for call in self.calls) if self.strict else 0
        return Call(
            path,
            record.attempt,
            node.uses,
            record.input,
            record.wake,
            record.data,
            dict(record.notes),
            body,
            number,
        )

    def _outcome(self, call: Call) -> Outcome:
        played = self.actions.get(call.uses, Succeed())
        if callable(played):
            return played(call)
        if isinstance(played, Sequence):
            return played[min(sum(c.uses == call.uses for c in self.calls) - 1, len(played) - 1)]
        return played

    def _conclude(self, call: Call, outcome: Outcome) -> None:
        path, attempt = call.path, call.attempt
        error = {"type": "", "code": "C900", "message": f"{call.uses} failed", "hint": "", "step": path}
        match outcome:
            case Note(values, then):
                self.record(ev.StepNoted(path, attempt, dict(values)))
                self._conclude(call, then)
            case Succeed(output, cost):
                self.record(ev.StepSucceeded(path, path, call.input if output is None else output, cost=cost))
            case Fail(type_, retry_after, retry_on, cost):
                error["type"] = type_
                self.record(ev.AttemptFailed(path, path, attempt, error, retry_after, retry_on, cost))
            case Park(seconds, data, cost):
                until = None if seconds is None else self.now + seconds
                self.record(
                    ev.StepWaiting(path, path, attempt, "action", "a callback", until, data, cost=cost)
                )
            case Hold(waits_for, seconds, cost):
                reason, until = "others come first", self.now + seconds
                data = {"who": ["ann"]} if waits_for == "approval" else None
                self.record(ev.StepWaiting(path, path, attempt, waits_for, reason, until, data, cost=cost))
            case Unknown(lookup_after):
                error["type"] = "unknown"
                until = None if lookup_after is None else self.now + lookup_after
                self.record(ev.AttemptUnknown(path, attempt, error, until))

    def callback(self, path: str, body: Json = None, *, id: str = "", attempt: int | None = None) -> None:
        """Somebody posts to the callback address of a step."""
        record = self.state.records.get(path)
        node, _ = self.plan.locate(path)
        if attempt is None:
            attempt = record.attempt if record is not None and node.kind == "action" else 0
        text = body if isinstance(body, str) else json.dumps(body)
        self.record(ev.CallbackReceived(path, attempt, id or f"d{len(self.history)}", text, {}))
        self.decide()

    def turn(self, path: str) -> None:
        """What a held action waits for has come."""
        self.record(ev.TurnCame(path, self.now))
        self.decide()

    def approve(self, path: str, by: str = "ann", *, decision: str = "approved", comment: str = "") -> None:
        """A person decides."""
        self.record(ev.ApprovalDecided(path, decision, by, self.now, comment))
        self.decide()

    def child(self, path: str, status: str = "succeeded", output: Json = None, cost: float = 0.0) -> None:
        """The run that a step called has ended."""
        error = {
            "type": "bad_input",
            "code": "C901",
            "message": "in the child",
            "hint": "",
            "step": "steps[0]",
        }
        self.record(
            ev.ChildFinished(
                path,
                self.state.records[path].input["run"],
                status,
                output,
                error if status == "failed" else None,
                cost,
            )
        )
        self.decide()

    def cancel(self, reason: str = "not needed", error: ev.Error | None = None) -> None:
        """Somebody wants the run to stop."""
        self.record(ev.CancelRequested("", reason, "ann", error))
        self.decide()

    def resume(self, plan: Plan | Mapping[str, Json] | None = None) -> None:
        """Go on with a run that has failed or was canceled, perhaps with another version."""
        if plan is not None:
            self.plan = plan if isinstance(plan, Plan) else compile_plan(plan)
        self.record(ev.RunResumed("", self.plan.version, self.now, "ann"))
        self.decide()

    # Time -----------------------------------------------------------------------------------------

    def timers(self) -> dict[str, float]:
        """Every timer that runs."""
        found = ((path, record.timer) for path, record in self.state.records.items())
        return {path: timer for path, timer in found if timer is not None}

    def fire(self, path: str, at: float | None = None) -> None:
        """A timer fires, now or at another time."""
        self.record(ev.TimerFired(path, self.now if at is None else at))
        self.decide()

    def advance(self, seconds: float) -> None:
        """Move the clock, firing each timer when it is due, and executing what that leads to."""
        end = self.now + seconds
        for _ in range(MAX_ROUNDS):
            due = min(((at, path) for path, at in self.timers().items() if at <= end), default=None)
            if due is None:
                break
            self.now = max(self.now, due[0])
            self.fire(due[1])
            self.settle()
        else:
            raise AssertionError("the timers do not end")
        self.now = max(self.now, end)

    def settle(self) -> None:
        """Decide and execute until everything waits or the run has ended."""
        self.decide()
        for _ in range(MAX_ROUNDS):
            if not self.waiting_calls:
                return
            self.execute(next(iter(self.waiting_calls)))
            self.decide()
        raise AssertionError("the actions do not end")

    def run(self) -> Simulator:
        """Start if need be, then go on through all timers until the run ends or waits for somebody."""
        if not self.history:
            self.start()
        self.settle()
        for _ in range(MAX_ROUNDS):
            timers = self.timers()
            if self.state.finished is not None or not timers:
                break
            self.advance(min(timers.values()) - self.now)
        self.check()
        return self

    def crash(self) -> None:
        """The process dies: the state is thrown away, the stored history is read and replayed.

        What was executed is recorded as interrupted, and will be executed again.
        """
        self.crashes += 1
        before = self.state
        self.history = [_stored(entry) for entry in self.history]
        self.state = replay(self.history)
        assert self.state == before, "the replayed state is another one"
        self.waiting_calls = {}
        for path in sorted(self.state.executing):
            self.record(ev.AttemptInterrupted(path, self.state.records[path].attempt))
            self.waiting_calls[path] = None
        self.decide()

    # Looking --------------------------------------------------------------------------------------

    def check(self) -> None:
        """Everything that must hold of the history so far."""
        _none(illegal_history(self.plan, self.effective))
        _none(illegal(self.state))

    @property
    def status(self) -> str:
        return self.state.status

    @property
    def output(self) -> Json:
        assert self.state.finished is not None
        return self.state.finished.output

    @property
    def error(self) -> ev.Error:
        assert self.state.finished is not None
        assert self.state.finished.error is not None
        return self.state.finished.error

    def step(self, path: str) -> StepRecord:
        return self.state.records[path]

    def statuses(self) -> dict[str, str]:
        """The status of every step that has a record."""
        return {path: record.status for path, record in self.state.records.items() if path}

    def executed(self) -> list[str]:
        """Paths whose code was executed, in order."""
        return [call.path for call in self.calls]

    def kinds(self, kind: str) -> list[ev.Event]:
        """The events of one kind."""
        return [event for event in self.events if event.kind == kind]

    def open_steps(self) -> list[str]:
        return [path for path in self.state.active if self.state.records[path].status not in TERMINAL]


def _none(wrong: list[str]) -> None:
    assert not wrong, "; ".join(wrong)


def _stored(entry: Entry) -> Entry:
    kind, path, data = ev.to_record(entry.event)
    return Entry(entry.seq, entry.at, ev.from_record(kind, path, json.loads(json.dumps(data))))


def simulate(*steps: Json, actions: Actions | None = None, **more: Json) -> Simulator:
    """A simulator for a workflow of these steps; keywords are keys of the workflow, `trigger` its event."""
    trigger, inputs = more.pop("event", None), more.pop("input", None)
    definition = {"name": "test", "steps": list(steps), **more}
    return Simulator(compile_plan(definition), actions or {}, trigger, inputs)


def do(id_: str | None = None, uses: str = "test.ok", **more: Json) -> dict[str, Json]:
    """An action step."""
    return {**({"id": id_} if id_ else {}), "uses": uses, **more}

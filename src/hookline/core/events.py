"""The events of a run's history: everything that may ever be written about it.

A run *is* its history; the state is a fold over it (`hookline.core.state.evolve`). Two kinds of
event stand in it:

* **facts** come from outside: a run was created, an attempt ended, a timer fired, somebody
  answered;
* **commands** are what `hookline.core.decide` says should happen next. A command is recorded
  as it was given, and performed only after the record is on disk. Recording and ordering are
  one and the same, so there is no moment in which one exists without the other.

Every event has ``path``, the step it is about (``""`` is the run itself). Commands also have
``cause``, the path whose examination led to them.

Each class is stored as its `kind`, its path, its cause and its other fields as JSON. New fields
must have defaults, and a kind is never given another meaning: histories outlive versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar, NamedTuple, TypeAlias, get_args

from .values import value

__all__ = [
    "COMMANDS",
    "KINDS",
    "ApprovalAsking",
    "ApprovalDecided",
    "ApprovalNoted",
    "ApprovalSettled",
    "AttemptFailed",
    "AttemptInterrupted",
    "AttemptUnknown",
    "BlockEntered",
    "BlockFinished",
    "CallbackReceived",
    "CancelOrdered",
    "CancelRequested",
    "ChildCharged",
    "ChildFinished",
    "Event",
    "ItemStarted",
    "LoopEntered",
    "ParallelEntered",
    "Responded",
    "RunCreated",
    "RunFinished",
    "RunResumed",
    "RunStarted",
    "SettlementClosed",
    "SettlementOpened",
    "SettlementWaiting",
    "StepCanceled",
    "StepCopied",
    "StepFailed",
    "StepLogged",
    "StepNoted",
    "StepRetrying",
    "StepSkipped",
    "StepStarted",
    "StepSucceeded",
    "StepWaiting",
    "StepWoken",
    "StopOrdered",
    "TimerFired",
    "TurnCame",
    "VarsSet",
    "from_record",
    "to_record",
]

Json: TypeAlias = Any
Error: TypeAlias = dict[str, Any]
"""``{"type", "code", "message", "hint", "step"}``."""


@value(frozen=True, slots=True)
class RunCreated:
    """Fact, always the first event.

    `parent` is ``{"run", "path"}`` when a step called it; `depth` says how many workflows in a row have
    started each other by their ends.
    """

    path: str
    run: str
    workflow: str
    version: str
    trigger: Json
    inputs: Json
    created_at: float
    event: str | None = None
    parent: dict[str, str] | None = None
    replay_of: str | None = None
    depth: int = 0
    kind: ClassVar[str] = "run.created"


@value(frozen=True, slots=True)
class RunStarted:
    """Fact: the run was given its place among the workflow's concurrent runs."""

    path: str
    at: float
    kind: ClassVar[str] = "run.started"


@value(frozen=True, slots=True)
class CancelRequested:
    """Fact: somebody (or the run's own deadline, with `error`) wants the run to stop."""

    path: str
    reason: str
    by: str = ""
    error: Error | None = None
    kind: ClassVar[str] = "run.cancel_requested"


@value(frozen=True, slots=True)
class RunResumed:
    """Fact: a failed or canceled run goes on from what did not succeed, under `version`."""

    path: str
    version: str
    at: float
    by: str = ""
    kind: ClassVar[str] = "run.resumed"


@value(frozen=True, slots=True)
class RunFinished:
    """Command: the run ends with `status` succeeded, failed or canceled."""

    path: str
    cause: str
    status: str
    output: Json = None
    error: Error | None = None
    reason: str = ""
    kind: ClassVar[str] = "run.finished"


@value(frozen=True, slots=True)
class StepStarted:
    """Command: execute this attempt of an action. Counted before it is executed.

    `deadline` is in seconds since the epoch, None without a limit.
    """

    path: str
    cause: str
    attempt: int
    input: Json
    deadline: float | None = None
    kind: ClassVar[str] = "step.started"


@value(frozen=True, slots=True)
class StepNoted:
    """Fact: the attempt keeps these values, for itself after a crash and for people.

    `cost` is what it has cost since its last fact.
    """

    path: str
    attempt: int
    values: dict[str, Json]
    cost: float = 0.0
    charges: dict[str, float] | None = None
    kind: ClassVar[str] = "step.noted"


@value(frozen=True, slots=True)
class StepLogged:
    """Fact: a line for people; it changes nothing."""

    path: str
    message: str
    values: dict[str, Json]
    kind: ClassVar[str] = "step.logged"


@value(frozen=True, slots=True)
class StepWaiting:
    """The step waits. A fact when an action parked or is held, a command when a control step waits.

    `waits_for` is ``action``, ``timer``, ``callback``, ``approval``, ``run`` or ``lookup``; of an
    action that is held in the middle of an attempt ``limit`` (others come first), ``identical`` (the
    same request is under way) or ``approval`` (a person must allow what it costs). `until` is when it
    is woken at the latest.
    """

    path: str
    cause: str
    attempt: int
    waits_for: str
    reason: str
    until: float | None = None
    data: Json = None
    deadline: float | None = None
    cost: float = 0.0
    charges: dict[str, float] | None = None
    kind: ClassVar[str] = "step.waiting"


@value(frozen=True, slots=True)
class StepWoken:
    """Command: let the parked action go on; `wake` is ``callback``, ``timer`` or ``recovered``.

    An action that was held goes on the way it was going about its attempt, which may be ``start``.
    `deadline` takes the place of the attempt's when it is not None.
    """

    path: str
    cause: str
    attempt: int
    wake: str
    callback: str = ""
    deadline: float | None = None
    kind: ClassVar[str] = "step.woken"


@value(frozen=True, slots=True)
class CallbackReceived:
    """Fact: somebody posted to the callback address of this attempt; `id` is this delivery's."""

    path: str
    attempt: int
    id: str
    body: str
    headers: dict[str, str]
    kind: ClassVar[str] = "callback.received"


@value(frozen=True, slots=True)
class TimerFired:
    """Fact: the time the step (or the run, path ``""``) waited for has come."""

    path: str
    at: float
    kind: ClassVar[str] = "timer.fired"


@value(frozen=True, slots=True)
class TurnCame:
    """Fact: what a held action waited for has come before its time."""

    path: str
    at: float
    kind: ClassVar[str] = "step.turn_came"


@value(frozen=True, slots=True)
class ApprovalAsking:
    """Command: ask people to decide, for the `round`-th time (from 1).

    `reason` is ``first``, ``reminder`` or ``escalation``; an escalation adds `who` to those who may
    decide. `until` is when people are asked again. `sends` is False when there is no way to reach
    them, so that the record is all there is to it.
    """

    path: str
    cause: str
    attempt: int
    round: int
    reason: str
    until: float | None = None
    who: Sequence[str] = ()
    sends: bool = True
    kind: ClassVar[str] = "approval.asking"

    def __post_init__(self) -> None:
        object.__setattr__(self, "who", tuple(self.who))


@value(frozen=True, slots=True)
class ApprovalNoted:
    """Fact: what asking has come to. `done` when the newest round, or the news of the end, is told.

    `people` are those who may decide, by id; `tokens` are hashes of the secrets given out, and whose
    they are; `told` are messages by their place, the newest state of each; `problems` are what stands
    in the way, for people.
    """

    path: str
    attempt: int
    people: dict[str, Json] | None = None
    tokens: dict[str, Json] | None = None
    told: dict[str, Json] | None = None
    problems: Sequence[str] = ()
    done: bool = False
    kind: ClassVar[str] = "approval.noted"

    def __post_init__(self) -> None:
        object.__setattr__(self, "problems", tuple(self.problems))


@value(frozen=True, slots=True)
class ApprovalDecided:
    """Fact: a person decided. `decision` is ``approved`` or ``rejected``.

    `by` is what people read, `person` the id under which nobody counts twice, `name` the person's
    name; `via` is how the decision came (``link``, ``operator``, a connection's name); `seen` is the
    SHA-256 of what was shown, see `hookline.core.approvals.shown_hash`; `attempt` is the one that was
    decided on, 0 for whichever is open.
    """

    path: str
    decision: str
    by: str
    at: float
    comment: str = ""
    form: Json = None
    person: str = ""
    name: str = ""
    via: str = ""
    seen: str = ""
    attempt: int = 0
    kind: ClassVar[str] = "approval.decided"

    @property
    def decider(self) -> str:
        """Who counts."""
        return self.person or self.by


@value(frozen=True, slots=True)
class ApprovalSettled:
    """Command: it is final; tell those who were asked, then end the step.

    `outcome` is ``approved``, ``rejected`` or ``expired``.
    """

    path: str
    cause: str
    attempt: int
    outcome: str
    by: str = ""
    kind: ClassVar[str] = "approval.settled"


@value(frozen=True, slots=True)
class ChildFinished:
    """Fact: the run that this step called has ended."""

    path: str
    run: str
    status: str
    output: Json = None
    error: Error | None = None
    cost: float = 0.0
    kind: ClassVar[str] = "child.finished"


@value(frozen=True, slots=True)
class ChildCharged:
    """Fact: a run that this step called has learned, after its end, that it cost so much more."""

    path: str
    run: str
    cost: float
    kind: ClassVar[str] = "child.charged"


@value(frozen=True, slots=True)
class AttemptFailed:
    """The attempt failed; a command for control steps, a fact for actions.

    `retry_after` is in seconds, where the service said so; `retry_on` are the error types
    retried when the workflow does not say. `owes` is False when the action has said that nothing it
    started goes on elsewhere or is still to be paid.
    """

    path: str
    cause: str
    attempt: int
    error: Error
    retry_after: float | None = None
    retry_on: Sequence[str] = ()
    cost: float = 0.0
    charges: dict[str, float] | None = None
    owes: bool = True
    kind: ClassVar[str] = "attempt.failed"

    def __post_init__(self) -> None:
        object.__setattr__(self, "retry_on", tuple(self.retry_on))


@value(frozen=True, slots=True)
class AttemptUnknown:
    """Fact: sent, and nobody knows what became of it.

    `until` is when it is looked up, None when the action has no look-up.
    """

    path: str
    attempt: int
    error: Error
    until: float | None = None
    cost: float = 0.0
    charges: dict[str, float] | None = None
    kind: ClassVar[str] = "attempt.unknown"


@value(frozen=True, slots=True)
class AttemptInterrupted:
    """Fact: the process died while the attempt was executed; counted against the run.

    With the path of a settlement (`hookline.core.records.settlement_key`) it is counted against that.
    """

    path: str
    attempt: int
    kind: ClassVar[str] = "attempt.interrupted"


@value(frozen=True, slots=True)
class SettlementOpened:
    """Fact: an attempt has ended and left something behind elsewhere; that is stopped and paid for now.

    It comes right behind the end of the attempt, and is ordered with it. `reason` is ``canceled``,
    ``failed`` (a time limit too) or ``unknown``; `uses` and `connection` are those of the step, which
    another version of the workflow may not have. `until` is when somebody else goes on with it, should
    this process die.
    """

    path: str
    attempt: int
    reason: str
    uses: str
    connection: str
    until: float
    kind: ClassVar[str] = "settlement.opened"


@value(frozen=True, slots=True)
class SettlementWaiting:
    """Fact: what an attempt left behind is not over, or could not be looked at; the next look is at `until`.

    `is_stopped` when it has been told to stop. `data` is kept for the next look.
    """

    path: str
    attempt: int
    reason: str
    until: float
    is_stopped: bool = False
    data: Json = None
    cost: float = 0.0
    charges: dict[str, float] | None = None
    kind: ClassVar[str] = "settlement.waiting"


@value(frozen=True, slots=True)
class SettlementClosed:
    """Fact: nothing that an attempt left behind goes on, and `cost` is what was still to be paid for it.

    `outcome` is ``settled``, or ``assumed``: it could not be found out, and what had been set aside
    for it is taken to have been spent.
    """

    path: str
    attempt: int
    outcome: str
    reason: str = ""
    cost: float = 0.0
    charges: dict[str, float] | None = None
    kind: ClassVar[str] = "settlement.closed"


@value(frozen=True, slots=True)
class StepRetrying:
    """Command: start attempt `attempt` at `at`."""

    path: str
    cause: str
    attempt: int
    at: float
    kind: ClassVar[str] = "step.retrying"


@value(frozen=True, slots=True)
class StepSucceeded:
    """The step is done; a fact for actions, a command for control steps.

    `caught` is the error that the step's ``catch`` dealt with. `charges` is what makes up `cost`, by
    model, where the action says so; here and in every other event that has it.
    """

    path: str
    cause: str
    output: Json = None
    caught: Error | None = None
    cost: float = 0.0
    charges: dict[str, float] | None = None
    kind: ClassVar[str] = "step.succeeded"


@value(frozen=True, slots=True)
class StepFailed:
    """Command: the step has failed for good."""

    path: str
    cause: str
    error: Error
    kind: ClassVar[str] = "step.failed"


@value(frozen=True, slots=True)
class StepSkipped:
    """Command: the step's ``when`` is false."""

    path: str
    cause: str
    kind: ClassVar[str] = "step.skipped"


@value(frozen=True, slots=True)
class StepCanceled:
    """Command: stop this step."""

    path: str
    cause: str
    reason: str
    kind: ClassVar[str] = "step.canceled"


@value(frozen=True, slots=True)
class StepCopied:
    """Fact, before `RunStarted`: a replay takes a step of the run's own list over from the run it repeats.

    `status` is ``succeeded`` or ``skipped``. `vars` are the workflow's variables as they were
    behind this step, None if nothing had set one.
    """

    path: str
    output: Json
    status: str = "succeeded"
    vars: dict[str, Json] | None = None
    kind: ClassVar[str] = "step.copied"


@value(frozen=True, slots=True)
class BlockEntered:
    """Command: run a list of steps that belongs to this step, such as ``then`` or ``catch``."""

    path: str
    cause: str
    block: str
    attempt: int = 1
    deadline: float | None = None
    kind: ClassVar[str] = "block.entered"


@value(frozen=True, slots=True)
class ParallelEntered:
    """Command: run these branches side by side."""

    path: str
    cause: str
    branches: Sequence[str]
    attempt: int = 1
    deadline: float | None = None
    kind: ClassVar[str] = "parallel.entered"

    def __post_init__(self) -> None:
        object.__setattr__(self, "branches", tuple(self.branches))


@value(frozen=True, slots=True)
class LoopEntered:
    """Command: begin a ``for_each`` over `items`, or a ``while`` (`items` is None).

    In a `tolerant` loop a failed item leaves the others alone.
    """

    path: str
    cause: str
    items: list[Json] | None
    max_parallel: int = 1
    attempt: int = 1
    deadline: float | None = None
    tolerant: bool = False
    kind: ClassVar[str] = "loop.entered"


@value(frozen=True, slots=True)
class ItemStarted:
    """Command: run the loop's ``do`` for this item or iteration."""

    path: str
    cause: str
    index: int
    kind: ClassVar[str] = "item.started"


@value(frozen=True, slots=True)
class BlockFinished:
    """Command: a list of steps has ended.

    `block` is ``do``, with `index`, ``parallel.<branch>``, ``finally``, or of the run
    ``steps``, ``on_error``, ``finally``. `outcome` is succeeded, failed, canceled or stopped.
    """

    path: str
    cause: str
    block: str
    outcome: str
    output: Json = None
    error: Error | None = None
    index: int = -1
    kind: ClassVar[str] = "block.finished"


@value(frozen=True, slots=True)
class CancelOrdered:
    """Command: everything open below this step is to stop; then the step ends with `error`."""

    path: str
    cause: str
    outcome: str
    error: Error
    kind: ClassVar[str] = "cancel.ordered"


@value(frozen=True, slots=True)
class StopOrdered:
    """Command: a ``stop`` step ends the run with this status; with `error` if that is ``failed``."""

    path: str
    cause: str
    status: str
    reason: str
    error: Error | None = None
    kind: ClassVar[str] = "stop.ordered"


@value(frozen=True, slots=True)
class VarsSet:
    """Command: a ``set`` step gives these variables new values; with path ``""``, their first ones."""

    path: str
    cause: str
    values: dict[str, Json]
    kind: ClassVar[str] = "vars.set"


@value(frozen=True, slots=True)
class Responded:
    """Command: a ``respond`` step answers the caller who waits."""

    path: str
    cause: str
    status: int
    headers: dict[str, str]
    body: Json
    kind: ClassVar[str] = "responded"


Event: TypeAlias = (
    RunCreated
    | RunStarted
    | CancelRequested
    | RunResumed
    | RunFinished
    | StepStarted
    | StepNoted
    | StepLogged
    | StepWaiting
    | StepWoken
    | CallbackReceived
    | TimerFired
    | TurnCame
    | ApprovalAsking
    | ApprovalNoted
    | ApprovalDecided
    | ApprovalSettled
    | ChildFinished
    | ChildCharged
    | AttemptFailed
    | AttemptUnknown
    | AttemptInterrupted
    | SettlementOpened
    | SettlementWaiting
    | SettlementClosed
    | StepRetrying
    | StepSucceeded
    | StepFailed
    | StepSkipped
    | StepCanceled
    | StepCopied
    | BlockEntered
    | ParallelEntered
    | LoopEntered
    | ItemStarted
    | BlockFinished
    | CancelOrdered
    | StopOrdered
    | VarsSet
    | Responded
)

_CLASSES: tuple[type[Event], ...] = get_args(Event)
KINDS: dict[str, type[Event]] = {cls.kind: cls for cls in _CLASSES}

_FIELDS: dict[str, tuple[tuple[str, Json], ...]] = {
    cls.kind: tuple((f.name, f.default) for f in fields(cls) if f.name != "path") for cls in _CLASSES
}
COMMANDS: frozenset[str] = frozenset(
    kind for kind, named in _FIELDS.items() if any(name == "cause" for name, _ in named)
)
"""Kinds that `decide` gives."""


class Record(NamedTuple):
    """An event as it is stored: `data` holds every field but the path that is not its default."""

    kind: str
    path: str
    data: dict[str, Json]


def to_record(event: Event) -> Record:
    """The stored form; `from_record` gives the event back."""
    path = event.path
    data = {}
    for name, default in _FIELDS[event.kind]:
        value = getattr(event, name)
        if value is not default and not (name == "cause" and value == path):
            data[name] = value
    return Record(event.kind, path, data)


def from_record(kind: str, path: str, data: dict[str, Json]) -> Event:
    """Read a stored event.

    Raises:
        ValueError: The kind is unknown: it was written by a newer version.
    """
    cls = KINDS.get(kind)
    if cls is None:
        raise ValueError(f"unknown kind of event {kind!r}; was it written by a newer version?")
    make: Any = cls
    if kind in COMMANDS and "cause" not in data:
        data = {"cause": path, **data}
    event: Event = make(path=path, **data)
    return event

"""What is known of a run: its state, and the record of each step.

Only `hookline.core.state` changes them; everybody else reads.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from . import events as ev

__all__ = [
    "HELD",
    "LOOKED_AT",
    "RUN_TERMINAL",
    "TERMINAL",
    "Asking",
    "Branches",
    "Ending",
    "Loop",
    "RunState",
    "Settlement",
    "StepRecord",
    "Waiting",
    "is_settlement_key",
    "parent_path",
    "settlement_key",
]

Json = Any

TERMINAL = frozenset({"succeeded", "failed", "skipped", "canceled"})
"""Step statuses after which nothing happens to a step any more."""

HELD = frozenset({"limit", "identical"})
"""What an action waits for in the middle of an attempt, without any step of its own."""

LOOKED_AT = frozenset({"action", "lookup", *HELD})
"""What is looked at again when its time comes, and may then go on waiting: the time is no end."""

RUN_TERMINAL = frozenset({"succeeded", "failed", "canceled"})


def parent_path(path: str) -> str:
    """The path of the step whose list a step stands in; ``""`` is the run.

    ``steps[3].do[0]#17`` stands in a list of ``steps[3]``, and so does ``steps[3].parallel.left[0]``.
    """
    return path.rpartition(".")[0].removesuffix(".parallel")


def settlement_key(path: str, attempt: int) -> str:
    """The name of what an attempt left behind, among the run's paths: ``steps[3]!2``."""
    return f"{path}!{attempt}"


def is_settlement_key(path: str) -> bool:
    """Whether it names what an attempt left behind, and no step."""
    return "!" in path


@dataclass(slots=True)
class Waiting:
    """What a step waits for, and until when (seconds since the epoch)."""

    waits_for: str
    reason: str
    until: float | None


@dataclass(slots=True)
class Loop:
    """Progress of a ``for_each`` or ``while``.

    Attributes:
        items: The list of a ``for_each``, None for ``while``.
        tolerant: Whether a failed item leaves the others alone.
        next: The number of the next item to start.
        open: Numbers of the items that run.
        results: Outputs of the items that succeeded; a ``while`` keeps only the last.
        errors: Errors of the items that failed.
        canceled: Numbers of the items that were stopped.
    """

    items: list[Json] | None
    max_parallel: int
    tolerant: bool = False
    next: int = 0
    open: set[int] = field(default_factory=set)
    results: dict[int, Json] = field(default_factory=dict)
    errors: dict[int, ev.Error] = field(default_factory=dict)
    canceled: set[int] = field(default_factory=set)

    @property
    def has_more(self) -> bool:
        """Whether there is an item to start; a ``while`` has to look."""
        return self.items is None or self.next < len(self.items)


@dataclass(slots=True)
class Branches:
    """Progress of a ``parallel``; its fields are those of a `Loop`, by the branch's name."""

    open: set[str]
    results: dict[str, Json] = field(default_factory=dict)
    errors: dict[str, ev.Error] = field(default_factory=dict)
    canceled: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Asking:
    """What is known of an approval that is open. Times in seconds since the epoch.

    Attributes:
        since: When it was asked for the first time.
        round: How often people were asked.
        reason: Why they were asked the last time.
        is_escalated: Whether further people were asked.
        who: Who may decide, as the workflow and the escalation name them.
        people: Those they were found to be, by id.
        tokens: Hashes of the secrets given out, and whose they are.
        told: Messages by their place.
        outcome: How it ended, once that is final.
    """

    since: float
    round: int = 0
    reason: str = ""
    is_escalated: bool = False
    who: list[str] = field(default_factory=list)
    people: dict[str, Json] = field(default_factory=dict)
    tokens: dict[str, Json] = field(default_factory=dict)
    told: dict[str, Json] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    outcome: str = ""


@dataclass(slots=True)
class Ending:
    """How a container (or the run) is to end once everything open below it has closed."""

    outcome: str
    error: ev.Error | None
    reason: str = ""


@dataclass(slots=True)
class StepRecord:
    """What is known of one step (path ``""``: of the run's own lists of steps).

    Attributes:
        status: One of the step statuses of the run document, or ``failing``: an attempt has
            failed and the next command says what comes of it.
        attempt: Number of the newest attempt, from 1; `tries` counts those since the step
            began, for the retry policy.
        interruptions: How often the process died while an attempt was executed; what the attempt
            had done by then may have been done again.
        phase: Of a step ``""``, then ``catch`` while that list runs and ``caught`` behind it,
            then ``finally`` while that runs, then ``done``. Of the run the list that runs,
            ``steps``, ``on_error`` or ``finally``, with `` done`` behind it once it has ended.
        block: The list that an ``if`` or ``switch`` runs.
        outcome: Of the run: how its ``steps`` ended.
        spoiled: It had succeeded before its ``finally`` failed.
        data: What a parked action left for itself.
        asked: What the person sees whose decision an action is held for, with ``approve``'s members.
        callbacks: Bodies and headers that came for this attempt, by delivery.
        wakes: Deliveries that have not woken the step yet, oldest first.
        due_at: When the timer fired that nothing has answered yet.
        asking: Of an ``approve`` step: whom it asks.
        below: Paths of the steps in its own lists that have a record.
    """

    path: str
    status: str = "pending"
    attempt: int = 0
    tries: int = 0
    interruptions: int = 0
    phase: str = ""
    block: str = ""
    outcome: str = ""
    spoiled: bool = False
    input: Json = None
    output: Json = None
    error: ev.Error | None = None
    caught: ev.Error | None = None
    started_at: float | None = None
    finished_at: float | None = None
    deadline: float | None = None
    waiting: Waiting | None = None
    due_at: float | None = None
    cost: float = 0.0
    data: Json = None
    asked: Json = None
    wake: str = ""
    woken_by: str = ""
    notes: dict[str, Json] = field(default_factory=dict)
    callbacks: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    wakes: list[str] = field(default_factory=list)
    decisions: list[ev.ApprovalDecided] = field(default_factory=list)
    asking: Asking | None = None
    child: ev.ChildFinished | None = None
    retry_after: float | None = None
    retry_on: tuple[str, ...] = ()
    loop: Loop | None = None
    branches: Branches | None = None
    ending: Ending | None = None
    below: dict[str, None] = field(default_factory=dict)

    @property
    def is_held(self) -> bool:
        """Whether an action is held in the middle of an attempt."""
        return self.waiting is not None and (self.waiting.waits_for in HELD or self.asked is not None)

    @property
    def is_woken_by_callbacks(self) -> bool:
        """Whether a callback that comes now wakes the step, or waits until it is no longer held."""
        # What a held action is in the middle of must not be forgotten over another delivery.
        return not self.is_held or self.wake in ("timer", "recovered")

    @property
    def is_container(self) -> bool:
        """Whether it runs lists of steps itself (its ``catch`` and ``finally`` do not count)."""
        return bool(self.block) or self.loop is not None or self.branches is not None

    @property
    def timer(self) -> float | None:
        """When a `TimerFired` means something to this step; None while none does.

        An attempt that is executed has no timer: whoever executes it keeps its deadline.
        """
        if self.due_at is not None or self.ending is not None or self.status in TERMINAL:
            return None
        if self.is_settled:
            return None
        if self.waiting is not None:
            times = [time for time in (self.waiting.until, self.deadline) if time is not None]
            return min(times, default=None)
        runs_steps = self.phase == "steps" if self.path == "" else self.is_container
        return self.deadline if runs_steps and self.status == "running" else None

    @property
    def is_settled(self) -> bool:
        """Whether it is an open approval whose outcome is final, and only the news of it is on its way."""
        is_open = self.waiting is not None and self.waiting.waits_for == "approval"
        return is_open and self.asking is not None and self.asking.outcome != ""

    @property
    def is_overdue(self) -> bool:
        """Whether the timer that fired was that of the deadline."""
        return self.due_at is not None and self.deadline is not None and self.due_at >= self.deadline


@dataclass(slots=True)
class Settlement:
    """What an attempt that is over left behind elsewhere. Times in seconds since the epoch.

    Attributes:
        reason: How the attempt ended: ``canceled``, ``failed`` or ``unknown``.
        uses, connection: Those of the step.
        input, data, notes: Those of the attempt, as it left them.
        since: When the attempt ended.
        due: When it is looked at next, or when somebody else goes on with the look that is under way.
        looks: How often somebody has begun to look.
        is_running: Whether somebody looks at it just now (or did, when the process died).
        is_stopped: Whether it has been told to stop.
        left: What the last look left for the next one.
        waits_for: For people, what it waits for.
        callbacks: Bodies and headers that came to the attempt's address, also since it ended, by delivery.
        is_told: Whether it came during the look that is under way.
        interruptions: How often the process died during a look.
    """

    path: str
    attempt: int
    reason: str
    uses: str
    connection: str
    input: Json
    data: Json
    notes: dict[str, Json]
    since: float
    due: float
    looks: int = 1
    is_running: bool = True
    is_stopped: bool = False
    left: Json = None
    waits_for: str = ""
    callbacks: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    is_told: bool = False
    interruptions: int = 0


@dataclass(slots=True)
class RunState:
    """A run, as its history so far says.

    Attributes:
        records: Every step that has begun, by run-time path; ``""`` is the run itself.
        active: Paths of the steps (not containers) that are open.
        executing: Paths of those whose code is running (or was, when the process died).
        ready: Paths to examine, oldest first. An OrderedDict because a dict takes a time
            proportional to the entries already removed to find its first.
        canceling: Containers below which nothing new is started.
        attempts: Newest attempt of steps whose record was dropped to begin anew.
        early: The first callback for each ``wait`` step that had not begun yet.
        interruptions: How often the process died while this run was executing something.
        settlements: What attempts that are over left behind, by `settlement_key`; they outlive the run's end.
        called: What each called run has cost, as far as it has said so.
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
    depth: int = 0
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
    ready: OrderedDict[str, None] = field(default_factory=OrderedDict)
    canceling: dict[str, None] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    early: dict[str, ev.CallbackReceived] = field(default_factory=dict)
    settlements: dict[str, Settlement] = field(default_factory=dict)
    called: dict[str, float] = field(default_factory=dict)
    last_at: float = 0.0

    @property
    def status(self) -> str:
        """The run's status as the run document gives it."""
        if self.finished:
            return self.finished.status
        if self.started_at is None:
            return "queued"
        return "running" if self.executing or self.ready or not self.active else "waiting"

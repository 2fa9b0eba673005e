"""What is written to a store: units that say what shall become true, and their answers.

Those that take a share of something are in `limits`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

from hookline.core.values import value

__all__ = [
    "OVERLAP",
    "Accept",
    "Accepted",
    "Advance",
    "ApprovalChange",
    "Charge",
    "Chunk",
    "Dedupe",
    "EventState",
    "Hold",
    "Incoming",
    "Kept",
    "NewRun",
    "Prune",
    "Pruned",
    "PutDefinition",
    "PutSignal",
    "Release",
    "Released",
    "RunSummary",
    "Throttle",
]

Json = Any
EventState = Literal["received", "duplicate", "filtered", "rejected"]

OVERLAP = "an earlier run is not finished (overlap: skip)"
"""Why an event whose trigger says ``overlap: skip`` starts nothing."""


@value(frozen=True, slots=True)
class Chunk:
    """Consecutive events of one run, recorded at one moment.

    Attributes:
        seq: Number of the first event in the run's history, from 0.
        at: When it was recorded, seconds since the epoch.
        body: JSON list of ``[kind, path, data]``.
        count: How many events it holds.
    """

    seq: int
    at: float
    body: str
    count: int


@value(frozen=True, slots=True)
class NewRun:
    """A run to be created. `chunk` holds its first events.

    Attributes:
        status: ``queued`` when it has to be admitted first, else ``running``.
        concurrency_key: Runs with the same key count together against their limits, and wait
            for each other in order. Set on every run that is queued.
        owner: Worker that will advance it, None for whoever comes first.
        turn: What its first events made true beyond its creation, applied with it; its chunk
            is None, for the events are in `chunk`.

    The run's epoch is 1 when `owner` is set, else 0.
    """

    id: str
    workflow: str
    version: str
    created_at: float
    chunk: Chunk
    status: Literal["queued", "running"] = "running"
    event_id: str | None = None
    parent_run: str | None = None
    parent_path: str | None = None
    replay_of: str | None = None
    concurrency_key: str | None = None
    owner: str | None = None
    turn: Advance | None = None


@value(frozen=True, slots=True)
class Dedupe:
    """An identity: within `scope`, `key` starts one run until `expires_at`."""

    scope: str
    key: str
    expires_at: float


@value(frozen=True, slots=True)
class Hold:
    """An event waits for others, and goes into one run with them.

    It joins the newest gathering of its name if that is not due at the moment of receipt, else it
    begins one. Times in seconds.

    Attributes:
        id: Of the gathering, if one is begun.
        name: Gatherings of the same name take events in one after the other.
        scope: The trigger, see `hookline.engine.intake.trigger_scope`.
        version: Of the workflow whose run it will be; the last event's counts.
        reason: What the event waits for, in words.
        longest: From the first event until it is due.
        quiet: From the last event until it is due, if that is earlier; None: that does not matter.
        most: So many events make it due at once.
        most_bytes: So many bytes of data (as JSON) make it due at once.
    """

    id: str
    name: str
    scope: str
    version: str
    reason: str
    longest: float
    quiet: float | None = None
    key: str | None = None
    most: int | None = None
    most_bytes: int | None = None


@value(frozen=True, slots=True)
class Throttle:
    """At most `rate` events of a name start a run within `per` seconds; unused turns may be made up for.

    Where events wait, turns are booked ahead under `name`, and starts are counted under `started`.

    Attributes:
        hold: An event without a turn books the next one and waits for it in a gathering of its own;
            None: it is filtered.
        reason: Why it is filtered.
    """

    name: str
    rate: int
    per: float
    hold: Hold | None = None
    reason: str = ""

    @property
    def started(self) -> str:
        return f"{self.name} started"


@value(frozen=True, slots=True)
class Incoming:
    """One event for the inbox, and the run it starts if it starts one.

    Attributes:
        reason: Why it was filtered or rejected.
        skip_if_open: Start nothing (state ``filtered``) while another run of the same workflow
            is not finished: ``overlap: skip`` of schedules.
        hold: It waits; it has `data` and no `run`.
        throttle: It has `data` and a `run`, which is created if the event has a turn at once.
        version: Of the workflow, for an event that starts no run by itself.
        replay_of: The event that is started again.
    """

    id: str
    trigger: str
    workflow: str
    received_at: float
    state: EventState = "received"
    reason: str = ""
    dedupe: Dedupe | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    data: Json = None
    run: NewRun | None = None
    skip_if_open: bool = False
    hold: Hold | None = None
    throttle: Throttle | None = None
    version: str | None = None
    replay_of: str | None = None


@value(frozen=True, slots=True)
class Accept:
    """Take events in; a polling trigger's cursor is stored together with what it found.

    Answer: one `Accepted` for each event.
    """

    incoming: Sequence[Incoming]
    cursor_of: str | None = None
    cursor: Json = None
    baseline: Sequence[Dedupe] = ()
    is_intake = True


@value(frozen=True, slots=True)
class Accepted:
    """What became of an event: its ids, or those of the event it repeats.

    `due_at` is when the gathering that it waits in is due, as far as is known now.
    """

    event_id: str
    run_id: str | None
    state: EventState
    due_at: float | None = None


@value(frozen=True, slots=True)
class RunSummary:
    """What lists show of a run; written with every `Advance`."""

    status: str
    started_at: float | None
    finished_at: float | None
    cost_usd: float
    waiting_for: str = ""
    output: Json = None
    error: Json = None


@value(frozen=True, slots=True)
class ApprovalChange:
    """An approval that is opened (`status` pending), goes on with other `data`, or is closed.

    The first status other than pending stays, and so does who decided. Data that is not None takes the
    place of what was there, unless the approval is closed with another status.
    """

    id: str
    path: str
    status: Literal["pending", "approved", "rejected", "expired", "canceled"]
    data: Json = None
    due_at: float | None = None
    decided_by: str | None = None


@value(frozen=True, slots=True)
class PutSignal:
    """Something for a run from outside its worker: a callback, a decision, a cancel request.

    `key` makes it unique within the run: a second one with the same key is dropped, until the
    first is taken in by an `Advance`. Nothing is stored for a run that does not exist.
    Answer: True when it was stored, False when it was there already.
    """

    run_id: str
    kind: str
    path: str
    key: str
    body: Json
    at: float
    is_intake = True


@value(frozen=True, slots=True)
class Kept:
    """A step's output that other runs may reuse until `expires_at`; the newest of a key counts."""

    key: str
    output: Json
    expires_at: float


@value(frozen=True, slots=True)
class Charge:
    """What a step has cost, for the ledger. The ledger outlives the run.

    Attributes:
        at: When it became known, seconds since the epoch; it counts for that day (UTC).
        of: The model or action it was for.
        called: It was spent by a run that this workflow called, where it is in the ledger already;
            it counts against this workflow's caps and nowhere else.
    """

    at: float
    workflow: str
    of: str
    usd: float
    called: bool = False


@value(frozen=True, slots=True)
class Advance:
    """A run goes on: its next chunk, and everything that follows from it.

    It is refused (`Fenced`) when another living worker owns the run, when the run is in another
    epoch than `expected_epoch`, or when the chunk is not the next of its history; without a chunk, when
    the history has not `length` events. Two workers that both raise an epoch may arrive at the same one.

    Attributes:
        expected_epoch, epoch: Written only while the run still has `expected_epoch`; then it
            has `epoch`.
        owner: Worker that goes on with the run, None when it is parked or done.
        chunk: May be None when only ownership changes.
        length: How many events the writer knows of, where there is no chunk; None: that is not compared.
        timers: Due time of each path that waits, or None to remove that path's timer.
        clear_timers: Remove all of the run's timers first.
        signals: Ids of the signals taken in by this chunk.
        children: Runs that a step calls.
        outbox: Signals to other runs, such as a finished child's to its parent.
        kept: Outputs to be reused by other runs.
        events: Taken in because of it, as an `Accept` takes them in.
        released: Attempts, as (path, attempt), whose claims end with this chunk. The end of the run
            ends all of its claims.
        owing: Those of them that are not yet paid for. Neither ends what they have set aside of money,
            which are their claims to names that begin with `MONEY`; a later chunk releases them.
        charges: What its steps have cost.

    Answer: True. It fails with `Fenced`.
    """

    run_id: str
    expected_epoch: int
    epoch: int
    owner: str | None
    summary: RunSummary
    chunk: Chunk | None = None
    length: int | None = None
    version: str | None = None
    timers: Mapping[str, float | None] = field(default_factory=dict)
    clear_timers: bool = False
    approvals: Sequence[ApprovalChange] = ()
    signals: Sequence[int] = ()
    children: Sequence[NewRun] = ()
    outbox: Sequence[PutSignal] = ()
    kept: Sequence[Kept] = ()
    events: Sequence[Incoming] = ()
    released: Sequence[tuple[str, int]] = ()
    owing: Sequence[tuple[str, int]] = ()
    charges: Sequence[Charge] = ()
    is_intake = False


@value(frozen=True, slots=True)
class Release:
    """A gathering is due: its events go into a run, and it is gone. Answer: `Released`.

    It is refused when there is no such gathering (another worker was first) or it does not have
    `count` events.

    Attributes:
        run: None: the events start nothing, for the `reason`.
        chosen: The event that the run is about; the others are filtered, as replaced by it. Empty
            when the run is about all of them.
        skip_if_open: As for `Incoming`.
        throttle: What the event waited for a turn of. After an outage many turns have passed, and
            the rate holds all the same: without room for one more start at `now` it is refused, and the
            gathering is due later.
    """

    gathering: str
    count: int
    run: NewRun | None
    reason: str = ""
    chosen: str = ""
    skip_if_open: bool = False
    throttle: Throttle | None = None
    now: float = 0.0
    is_intake = False


@value(frozen=True, slots=True)
class Released:
    """Whether the gathering was released, and the run that was created, if one was."""

    settled: bool
    run_id: str | None = None


@value(frozen=True, slots=True)
class PutDefinition:
    """Keep a version of a workflow for the runs that are pinned to it. Answer: True.

    Attributes:
        value: What it says; a version that is there already keeps its own.
        at: When it was put into force; the last time counts.
    """

    version: str
    workflow: str
    value: Json
    at: float
    is_intake = False


@value(frozen=True, slots=True)
class Prune:
    """Forget finished runs and settled events, and all that has expired. Answer: `Pruned`.

    Attributes:
        finished_before: Runs that ended earlier (seconds since the epoch), None for any age.
        keep: Runs beyond this many of the newest finished ones go too, whatever their age; None
            for any number.
        events_before: Events that started no run go when they came in earlier; None: as
            `finished_before`. Events that wait stay.
        keep_events: Beyond this many of the newest of them they go too; None for any number.
        limit: Most runs removed by one unit, and most events without a run, so that others are
            not held up. Come again when as many were removed.
    """

    workflow: str
    finished_before: float | None
    keep: int | None
    now: float
    limit: int = 500
    events_before: float | None = None
    keep_events: int | None = None
    is_intake = False


@value(frozen=True, slots=True)
class Pruned:
    """How many runs and events were removed.

    Attributes:
        has_more_expired: Some of what has expired was left for the next unit.
    """

    runs: int
    events: int
    has_more_expired: bool = field(default=False, compare=False)

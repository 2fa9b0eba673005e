"""The store's port: what the engine asks of a database, and no SQL.

Everything that is written goes through `Store.submit` as a **unit**: a plain record of what
shall become true, all of it or nothing. Units of many runs are committed together (group
commit), in the order in which they were submitted; the answer comes when they are on disk.

Invariants every store keeps (its contract tests are `hookline.testing.store_contract`):

* A unit is applied whole or not at all, and its answer is given after it is durable.
* An event's dedupe key is looked up and taken within the unit that stores the event.
* An event that waits joins its gathering within that unit too; a gathering that is due gets no more
  events, and is released once, into one run.
* A run's history grows by one chunk per unit, without gaps, and only under the run's current
  epoch: a worker that lost the run cannot write (it gets `Fenced`).
* When the disk is full or the database locked, units that took in something new fail with
  `StoreUnavailable` at once (the caller answers 503); units that advance accepted runs are kept
  and tried again until they succeed. Nothing that was accepted is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol, TypeAlias

__all__ = [
    "OVERLAP",
    "Accept",
    "Accepted",
    "Admission",
    "Admit",
    "Advance",
    "Approval",
    "ApprovalChange",
    "Cap",
    "Charge",
    "Chunk",
    "Claim",
    "Claimed",
    "CorruptStore",
    "CostRow",
    "Dedupe",
    "Definition",
    "Done",
    "EventFilter",
    "EventRow",
    "Fenced",
    "Gathering",
    "Health",
    "Hold",
    "Incoming",
    "Kept",
    "Mentions",
    "NewRun",
    "Outcome",
    "Page",
    "Prune",
    "Pruned",
    "PutDefinition",
    "PutSignal",
    "Release",
    "Released",
    "RunFilter",
    "RunRow",
    "RunSummary",
    "Signal",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "TakeTurns",
    "Throttle",
    "Timer",
    "Turns",
    "Unit",
    "day_of",
]

Json = Any
EventState = Literal["received", "duplicate", "filtered", "rejected"]

OVERLAP = "an earlier run is not finished (overlap: skip)"
"""Why an event whose trigger says ``overlap: skip`` starts nothing."""


class StoreError(Exception):
    """Base of what a store reports. `code` is a stable code."""

    code = "S100"


class StoreUnavailable(StoreError):
    """Nothing can be written just now (disk full, locked, read-only); nothing was lost."""

    code = "S101"


class CorruptStore(StoreError):
    """The database cannot be used; it is not touched any further."""

    code = "S102"


class Fenced(StoreError):
    """Another worker has the run, or it went on without us; what we know of it is out of date."""

    code = "S103"


# What is written --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Dedupe:
    """An identity: within `scope`, `key` starts one run until `expires_at`."""

    scope: str
    key: str
    expires_at: float


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Accept:
    """Take events in; a polling trigger's cursor is stored together with what it found.

    Answer: one `Accepted` for each event.
    """

    incoming: Sequence[Incoming]
    cursor_of: str | None = None
    cursor: Json = None
    baseline: Sequence[Dedupe] = ()
    is_intake = True


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of an event: its ids, or those of the event it repeats.

    `due_at` is when the gathering that it waits in is due, as far as is known now.
    """

    event_id: str
    run_id: str | None
    state: EventState
    due_at: float | None = None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What lists show of a run; written with every `Advance`."""

    status: str
    started_at: float | None
    finished_at: float | None
    cost_usd: float
    waiting_for: str = ""
    output: Json = None
    error: Json = None


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Kept:
    """A step's output that other runs may reuse until `expires_at`; the newest of a key counts."""

    key: str
    output: Json
    expires_at: float


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Advance:
    """A run goes on: its next chunk, and everything that follows from it.

    It is refused (`Fenced`) when another living worker owns the run, when the run is in another
    epoch than `expected_epoch`, or when the chunk is not the next of its history.

    Attributes:
        expected_epoch, epoch: Written only while the run still has `expected_epoch`; then it
            has `epoch`.
        owner: Worker that goes on with the run, None when it is parked or done.
        chunk: May be None when only ownership changes.
        timers: Due time of each path that waits, or None to remove that path's timer.
        clear_timers: Remove all of the run's timers first.
        signals: Ids of the signals taken in by this chunk.
        children: Runs that a step calls.
        outbox: Signals to other runs, such as a finished child's to its parent.
        kept: Outputs to be reused by other runs.
        events: Taken in because of it, as an `Accept` takes them in.
        released: Attempts, as (path, attempt), whose claims end with this chunk. The end of the run
            ends all of its claims.
        charges: What its steps have cost.

    Answer: True. It fails with `Fenced`.
    """

    run_id: str
    expected_epoch: int
    epoch: int
    owner: str | None
    summary: RunSummary
    chunk: Chunk | None = None
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
    charges: Sequence[Charge] = ()
    is_intake = False


@dataclass(frozen=True, slots=True)
class Admit:
    """Let a queued run start if the limits of its workflow allow it now.

    Attributes:
        max_running: Most runs with its concurrency key that may be open, None for no limit.
        rate_key: Name of the rate limiter, None for no limit.
        rate: Starts per `rate_per` seconds.

    Answer: an `Admission`.
    """

    run_id: str
    owner: str
    now: float
    max_running: int | None = None
    rate_key: str | None = None
    rate: int = 0
    rate_per: float = 60.0
    is_intake = False


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether the run may start (then under `epoch`), and if not, when to ask again.

    `retry_at` is None when a place has to become free first.
    """

    admitted: bool
    epoch: int = 0
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Cap:
    """A bound that a claim must keep.

    What counts is every claim of `name` (the attempt's own earlier one is replaced), `used`, and
    what the ledger says since the day of `since`: of `workflow`, or of all when that is None.
    """

    name: str
    most: float
    used: float = 0.0
    workflow: str | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """An attempt lays claim to something that there is only so much of: money, a place, a request.

    It replaces what the attempt claimed before under the same names. It is all granted or all
    refused, and lasts until the attempt or the run ends (`Advance`). It is refused with `Fenced`
    under the same conditions as an `Advance`.

    Attributes:
        epoch: The run's.
        amounts: How much of each name.
        caps: What must hold; claims without a cap are granted.

    Answer: a `Claimed`.
    """

    run_id: str
    path: str
    attempt: int
    epoch: int
    amounts: Mapping[str, float]
    caps: Sequence[Cap] = ()
    is_intake = False


@dataclass(frozen=True, slots=True)
class Released:
    """Whether the gathering was released, and the run that was created, if one was."""

    settled: bool
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """Whether a claim was granted; if not, the first cap in its way and how much of it is taken."""

    granted: bool
    cap: Cap | None = None
    taken: float = 0.0


@dataclass(frozen=True, slots=True)
class TakeTurns:
    """Take the next `count` turns of a rate that is shared by everybody with the same name.

    Generic cell rate algorithm: turns come `spacing` seconds apart, and those that were not used
    may be made up for by a burst of at most `burst`.

    Attributes:
        not_before: Nobody's next turn comes earlier; what a service asks for when it was asked too
            often. It may be given with a `count` of 0.

    Answer: a `Turns`.
    """

    name: str
    now: float
    count: int
    spacing: float
    burst: int = 1
    not_before: float | None = None
    is_intake = False


@dataclass(frozen=True, slots=True)
class Turns:
    """The first turn's time, which may lie in the past; the others follow `TakeTurns.spacing` apart."""

    first: float


@dataclass(frozen=True, slots=True)
class PutDefinition:
    """Keep a version of a workflow for the runs that are pinned to it. Answer: True."""

    version: str
    workflow: str
    value: Json
    at: float
    is_intake = False


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many runs and events were removed.

    Attributes:
        has_more_expired: Some of what has expired was left for the next unit.
    """

    runs: int
    events: int
    has_more_expired: bool = field(default=False, compare=False)


Unit: TypeAlias = Accept | Release | PutSignal | Advance | Admit | Claim | TakeTurns | PutDefinition | Prune
Outcome: TypeAlias = Any
"""The unit's answer, or a `StoreError` when it failed."""
Done: TypeAlias = Callable[[Outcome], None]


# What is read ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as lists show it."""

    id: str
    workflow: str
    version: str
    status: str
    event_id: str | None
    parent_run: str | None
    parent_path: str | None
    replay_of: str | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    cost_usd: float
    waiting_for: str
    output: Json
    error: Json
    epoch: int
    owner: str | None
    concurrency_key: str | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event of the inbox.

    Attributes:
        body: As it came; lists leave it out, for a page of them may be large.
        run_status: Its run's, for the states running and done.
        version: Of the workflow, of an event that started no run by itself.
        gathering: Where it waited, or waits if there is a `due_at`.
        replay_of: The event that was started again by this one.
        replays: Runs of the events that are replays of this one, oldest first.
    """

    id: str
    trigger: str
    workflow: str
    received_at: float
    state: str
    reason: str
    dedupe_key: str | None
    headers: Mapping[str, str]
    body: bytes | None
    data: Json
    run_id: str | None
    run_status: str | None
    version: str | None = None
    gathering: str | None = None
    due_at: float | None = None
    replay_of: str | None = None
    replays: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a list shows, beside their state and workflow; `since` is inclusive.

    Attributes:
        trigger: The trigger component.
        key: The dedupe key.
        run_status: Of the run they started.
        originals: Leave replays out.
    """

    trigger: str | None = None
    since: float | None = None
    until: float | None = None
    key: str | None = None
    run_status: str | None = None
    originals: bool = False


@dataclass(frozen=True, slots=True)
class Gathering:
    """Events that wait for their run. `key` is what its trigger's key gave, None without one."""

    id: str
    scope: str
    version: str
    key: str | None
    first_at: float
    due_at: float
    count: int


@dataclass(frozen=True, slots=True)
class Timer:
    """A path of a run that is to be woken at `due_at`."""

    run_id: str
    path: str
    due_at: float


@dataclass(frozen=True, slots=True)
class Signal:
    """A stored `PutSignal`."""

    id: int
    run_id: str
    kind: str
    path: str
    body: Json
    at: float


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval as lists show it."""

    id: str
    run_id: str
    path: str
    workflow: str
    status: str
    data: Json
    requested_at: float
    due_at: float | None
    decided_by: str | None
    decided_at: float | None


@dataclass(frozen=True, slots=True)
class CostRow:
    """What a workflow has spent on one model on one day (UTC, ``2026-11-20``).

    Attributes:
        count: How many charges make it up.
        most: The highest of them.
    """

    day: str
    workflow: str
    of: str
    usd: float
    count: int
    most: float


@dataclass(frozen=True, slots=True)
class Definition:
    """A stored version of a workflow."""

    version: str
    workflow: str
    value: Json
    at: float


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows. Times in seconds since the epoch; `since` is inclusive."""

    workflow: str | None = None
    status: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, newest first; `next` is the cursor of the following one."""

    rows: Sequence[Any]
    next: str | None


@dataclass(frozen=True, slots=True)
class Mentions:
    """One consistent look at everything that is kept.

    Attributes:
        digests: Every SHA-256 that stands anywhere beside a reference.
        spilled: Those of large values of histories, which may speak of others in their turn.
        running_since: When the first of the runs that are executing something began, None without one.
            What such a run has kept may not be mentioned yet.
    """

    digests: frozenset[str]
    spilled: frozenset[str]
    running_since: float | None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the store can be written; `reason` is for the operator."""

    ok: bool
    reason: str = ""


def day_of(moment: float) -> str:
    """The day in UTC of a moment in seconds since the epoch: ``2026-11-20``."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d")


class Store(Protocol):
    """A database. Every method may be called from any thread.

    `worker` names this process among those that share the database.
    """

    worker: str

    def submit(self, unit: Unit, done: Done) -> None:
        """Queue a unit; `done` gets its answer or a `StoreError`, on a thread of the store.

        What can be refused at once (the store is closed, or intake while nothing can be written)
        is refused on the caller's thread, before this returns. `done` must be quick.
        """

    def health(self) -> Health: ...

    def flush(self) -> None:
        """Wait until everything submitted so far has its answer."""

    def close(self) -> None:
        """Write what is queued, give up this worker's claims, and let go of the database."""

    # Reading: what is committed, without waiting for what is queued. It raises `StoreUnavailable`,
    # `CorruptStore`, and `ValueError` for a cursor that no page of that list gave.
    def run(self, run_id: str) -> RunRow | None: ...
    def runs(self, where: RunFilter, limit: int, cursor: str | None) -> Page: ...
    def history(self, run_id: str) -> list[Chunk]: ...
    def definition(self, version: str) -> Definition | None: ...
    def event(self, event_id: str) -> EventRow | None: ...
    def events(
        self,
        state: str | None,
        workflow: str | None,
        limit: int,
        cursor: str | None,
        where: EventFilter = ...,
    ) -> Page: ...
    def due_gatherings(self, now: float, limit: int) -> list[Gathering]:
        """Gatherings that are to be released, the earliest first."""

    def next_gathering(self) -> float | None:
        """When the earliest gathering is due."""

    def gatherings(self) -> int:
        """How many there are: runs that will be."""

    def gathered(self, gathering: str, limit: int) -> list[EventRow]:
        """The newest events of a gathering, in the order in which they were stored."""

    def approval(self, approval_id: str) -> Approval | None: ...
    def approvals(self, status: str | None, limit: int, cursor: str | None) -> Page: ...
    def due_timers(self, now: float, limit: int) -> list[Timer]: ...
    def next_timer(self) -> float | None:
        """When the earliest timer is due."""

    def signals(self, run_id: str) -> list[Signal]: ...
    def mentions(self) -> Mentions:
        """Which artifacts anything here refers to: histories, events, cached outputs, approvals, all."""

    def signalled_runs(self, limit: int) -> list[str]:
        """Runs that have signals and no living owner, or this worker as their owner."""

    def abandoned_runs(self, limit: int) -> list[str]:
        """Runs that are running and whose owner is gone (or never was), oldest first."""

    def queued_keys(self, limit: int, after: str = "") -> list[str]:
        """Concurrency keys under which runs wait to be admitted, in their order, behind `after`."""

    def queued_run(self, concurrency_key: str) -> str | None:
        """The run that has waited longest to be admitted under this key."""

    def open_runs(self) -> int:
        """How many runs are queued or running (not waiting): the backlog."""

    def spent(self, workflow: str | None, since: float) -> float:
        """US dollars in the ledger from the day of `since` on.

        Of a workflow, with the runs that it called; of all workflows, each charge once, when None.
        """

    def costs(self, since: float, until: float) -> list[CostRow]:
        """The ledger from the day of `since` to the day of `until`, by day, workflow and model."""

    def highest(self, of: str, since: float) -> float:
        """The highest single charge for a model since a day, 0 when there is none."""

    def next_turn(self, name: str) -> float | None:
        """When the next turn of a rate would come evenly spaced, None when it was never used."""

    def seen(self, scope: str, keys: Iterable[str]) -> set[str]:
        """Which of the keys are taken and not expired."""

    def started(self, scope: str, keys: Iterable[str]) -> dict[str, str | None]:
        """The run that each taken key started, None for one that started none."""

    def kept(self, key: str, now: float) -> Kept | None:
        """The output that is kept under a key, None when there is none or its time is over."""

    def cursor(self, of: str) -> Json: ...
    def is_alive(self, worker: str) -> bool:
        """Whether a worker that shares the database still exists."""

    def setting(self, name: str, make: Callable[[], str]) -> str:
        """A value kept with the database, made at the first use: the instance's own secret."""

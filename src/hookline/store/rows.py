"""What is read from a store, and what a list is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "Approval",
    "CostRow",
    "Definition",
    "EventFilter",
    "EventRow",
    "Gathering",
    "Health",
    "Mentions",
    "Page",
    "RunFilter",
    "RunRow",
    "Signal",
    "Timer",
    "day_of",
]

Json = Any


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
    """A stored version of a workflow, and when it was last put into force."""

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

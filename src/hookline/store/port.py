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

What is written is in `units` and, where it takes a share of something, in `limits`; what is read is
in `rows`. All of it is imported from here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from math import inf
from typing import Any, Protocol, TypeAlias

from .errors import CorruptStore, Fenced, StoreError, StoreUnavailable
from .limits import MONEY, Admission, Admit, Cap, Claim, Claimed, TakeTurns, Turns
from .rows import (
    Approval,
    CostRow,
    Definition,
    EventFilter,
    EventRow,
    Gathering,
    Health,
    Mentions,
    Page,
    RunFilter,
    RunRow,
    Signal,
    Timer,
    day_of,
)
from .units import (
    OVERLAP,
    Accept,
    Accepted,
    Advance,
    ApprovalChange,
    Charge,
    Chunk,
    Dedupe,
    Hold,
    Incoming,
    Kept,
    NewRun,
    Prune,
    Pruned,
    PutDefinition,
    PutSignal,
    Release,
    Released,
    RunSummary,
    Throttle,
)

__all__ = [
    "MONEY",
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

Unit: TypeAlias = Accept | Release | PutSignal | Advance | Admit | Claim | TakeTurns | PutDefinition | Prune
Outcome: TypeAlias = Any
"""The unit's answer, or a `StoreError` when it failed."""
Done: TypeAlias = Callable[[Outcome], None]


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
    def last_versions(self) -> dict[str, str]:
        """The version of each workflow that was put into force last, by the workflow's name."""

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
    def next_timer(self, after: float = -inf) -> float | None:
        """When the earliest timer is due that is due later than `after`."""

    def signals(self, run_id: str) -> list[Signal]: ...
    def mentions(self) -> Mentions:
        """Which artifacts anything here refers to: histories, events, cached outputs, approvals, all."""

    def signalled_runs(self, limit: int) -> list[str]:
        """Runs that have signals and no living owner, or this worker as their owner."""

    def abandoned_runs(self, limit: int) -> list[str]:
        """Runs that are running and whose owner is gone (or never was), oldest first."""

    def queued_keys(self, limit: int, after: str = "") -> list[str]:
        """Concurrency keys under which runs wait to be admitted, in their order, behind `after`."""

    def queued_run(self, concurrency_key: str, but: Collection[str] = ()) -> str | None:
        """The run that has waited longest to be admitted under this key, other than some."""

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

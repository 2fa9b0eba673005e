"""Starting events again: one, or all that a filter finds.

A replay is an event of its own, linked to the one it repeats. Several replays that belong together
have a name; under one name an event is started once, however often it is asked for: that is its
dedupe key, taken in the unit that stores the replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hookline.core.batches import batch_event
from hookline.core.plan import Plan
from hookline.core.scope import timestamp_text
from hookline.store.port import Accepted, Dedupe, EventFilter, EventRow, Store

from .errors import EngineError
from .intake import Draft, Intake
from .reading import RunReader
from .workflows import Plans

__all__ = ["MAX_SLICE", "Replays", "Selected", "Slice"]

Json = Any

MAX_SLICE = 10_000
"""Most events of one slice."""

REPLAY_MEMORY = 90 * 86400.0
"""How long a name remembers what was replayed under it, in seconds."""

PAGE = 200
"""Rows read at a time; each of them may hold a body."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Which events: as the list of events is filtered. Replays are never among them."""

    state: str | None = None
    workflow: str | None = None
    where: EventFilter = field(default_factory=EventFilter)


@dataclass(frozen=True, slots=True)
class Selected:
    """What a slice holds, oldest first.

    Attributes:
        events: Ids of those that can be replayed; of events that went into one run, the newest.
        matched: How many fit the filter.
        already: How many were replayed under the name before.
    """

    events: Sequence[str]
    matched: int
    already: int


class Replays:
    """Replays of an engine.

    Args:
        newest: The deployed version of a workflow; raises `EngineError`.
        manual: Makes a draft: of a plan, an event, inputs, the source, and the run that is replayed.
        take: Stores a draft.
    """

    def __init__(
        self,
        *,
        store: Store,
        reader: RunReader,
        plans: Plans,
        intake: Intake,
        clock: Callable[[], float],
        newest: Callable[[str], Plan],
        manual: Callable[[Plan, Json, Mapping[str, Json], str, str | None], Draft],
        take: Callable[[Draft], Accepted],
    ) -> None:
        self._store = store
        self._reader = reader
        self._plans = plans
        self._intake = intake
        self._clock = clock
        self._newest = newest
        self._manual = manual
        self._take = take

    def event(self, event_id: str, *, version: str = "original", name: str = "") -> Accepted:
        """Start an event again, as a new run.

        Args:
            version: ``original`` (the one its run had, or that was in force when it came) or ``latest``.
            name: Under one name an event is started once; the answer is then a duplicate's. Of events that
                went into one run, that run is replayed once.

        Raises:
            EngineError: No such event, or too little of it was kept, or the version is gone.
            Busy: Come back later.
        """
        row = self._store.event(event_id)
        if row is None:
            raise EngineError(f"there is no event {event_id!r}", code="R414", status=404)
        if not _is_replayable(row):
            raise EngineError(
                f"the event {event_id!r} cannot be replayed: {_why_not(row)}", code="R418", status=409
            )
        plan, data, inputs = self._again(row, version)
        if refusal := self._intake.over_budget(plan):
            raise EngineError(refusal, code="R415", status=409, hint="raise limits.budget.day")
        draft = self._manual(plan, data, inputs, "replay", _own_run(row))
        dedupe = None
        if name:
            dedupe = Dedupe(_scope(name), _identity(row), self._clock() + REPLAY_MEMORY)
        incoming = replace(draft.incoming, replay_of=event_id, dedupe=dedupe)
        return self._take(Draft(incoming, draft.run))

    def is_replayable(self, event_id: str) -> bool:
        """Whether there is enough of the event to start it again."""
        row = self._store.event(event_id)
        return row is not None and _is_replayable(row)

    def select(self, chosen: Slice, *, name: str = "", limit: int | None = None) -> Selected:
        """The events of a slice that are not yet replayed under a name.

        Args:
            limit: Most events, the oldest ones.

        Raises:
            EngineError: There are more than `MAX_SLICE`.
        """
        found: dict[str, str] = {}
        matched = 0
        cursor: str | None = None
        where = replace(chosen.where, originals=True)
        while True:
            page = self._store.events(chosen.state, chosen.workflow, PAGE, cursor, where)
            for row in page.rows:
                matched += 1
                if _is_replayable(row):
                    found.setdefault(_identity(row), row.id)
            if matched > MAX_SLICE:
                raise EngineError(
                    f"more than {MAX_SLICE} events fit",
                    code="R419",
                    status=422,
                    hint="narrow it with workflow, state, since and until",
                )
            if page.next is None:
                break
            cursor = page.next
        seen = self._store.seen(_scope(name), list(found)) if name else set()
        events = [event for identity, event in found.items() if identity not in seen][::-1]
        return Selected(events if limit is None else events[:limit], matched, len(seen))

    def _again(self, row: EventRow, version: str) -> tuple[Plan, Json, Mapping[str, Json]]:
        """The version, the event as it sees it, and the inputs."""
        run_id = _own_run(row)
        if run_id is None:
            plan = self._newest(row.workflow) if version == "latest" else self._kept(row)
            is_batch = _takes_batches(plan, row.trigger)
            return plan, _batch_of_one(row, row.data) if is_batch else row.data, {}
        state, original = self._reader.state(run_id)
        plan = self._newest(row.workflow) if version == "latest" else original
        data = state.trigger
        was_batch = row.gathering is not None and _takes_batches(original, row.trigger)
        if _takes_batches(plan, row.trigger) != was_batch:
            data = row.data if was_batch else _batch_of_one(row, data)
        return plan, data, state.inputs

    def _kept(self, row: EventRow) -> Plan:
        try:
            return self._plans.get(row.version or "")
        except KeyError:
            raise EngineError(
                f"the version that was in force for {row.id!r} is not kept",
                code="R418",
                status=409,
                hint="replay it with the version latest",
            ) from None


def _own_run(row: EventRow) -> str | None:
    """The run that was about this event; a replaced one is only linked to its run."""
    return row.run_id if row.state == "received" else None


def _is_replayable(row: EventRow) -> bool:
    if row.due_at is not None or row.state == "duplicate":
        return False
    return _own_run(row) is not None or (row.data is not None and bool(row.workflow))


def _why_not(row: EventRow) -> str:
    if row.due_at is not None:
        return "it still waits for its run"
    if row.state == "duplicate":
        return f"it is {row.reason}; replay that one"
    return "nothing of it was kept that a workflow could be started with"


def _identity(row: EventRow) -> str:
    return _own_run(row) or row.id


def _scope(name: str) -> str:
    return f"replay {name}"


def _takes_batches(plan: Plan, uses: str) -> bool:
    return any(
        trigger.uses == uses and trigger.gather is not None and trigger.gather.is_batch
        for trigger in plan.triggers
    )


def _batch_of_one(row: EventRow, data: Json) -> Json:
    moment = timestamp_text(row.received_at) or ""
    return batch_event([data], [row.id], None, moment, moment)

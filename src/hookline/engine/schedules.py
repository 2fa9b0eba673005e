"""Schedules from outside: when they tick, pausing them, and making up for a range of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hookline.core.expressions import ExpressionError
from hookline.core.plan import Plan, TriggerPlan
from hookline.sdk import ActionError, Pause, Trigger, TriggerEvent
from hookline.store.port import Accept, Accepted, Store, StoreError

from .errors import Busy, EngineError
from .intake import Draft, Intake, trigger_scope
from .reading import submit_and_wait
from .registry import Registry

__all__ = ["MAX_TICKS", "Schedules", "pause_of"]

Json = Any

MAX_TICKS = 1000
"""Most ticks that are told or gone through at a time."""

_FAR = timedelta(days=366 * 20)
_INSTANT = timedelta(microseconds=1)
_BACKFILL = "backfill:"
_STATES = {"received": "started", "duplicate": "ran"}


def pause_of(store: Store, scope: str) -> Pause | None:
    """The last time that a trigger was paused."""
    kept = store.cursor(_pause_name(scope))
    if not isinstance(kept, Mapping):
        return None
    until = kept.get("until")
    return Pause(datetime.fromisoformat(kept["since"]), datetime.fromisoformat(until) if until else None)


def _pause_name(scope: str) -> str:
    return f"{scope}#pause"


class Schedules:
    """What can be asked of the triggers that say when they tick.

    Args:
        plans: The deployed workflows.
        take: Stores an event with its run; raises `Busy`.
    """

    def __init__(
        self,
        *,
        store: Store,
        intake: Intake,
        registry: Registry,
        plans: Callable[[], Mapping[str, Plan]],
        plan: Callable[[str], Plan],
        take: Callable[[Draft], Accepted],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._intake = intake
        self._registry = registry
        self._plans = plans
        self._plan = plan
        self._take = take
        self._clock = clock

    def all(self) -> list[dict[str, Json]]:
        """Every schedule in force, with its next tick."""
        found = [
            self._document(plan, trigger, declared)
            for plan in self._plans().values()
            for trigger, declared in self._of(plan)
        ]
        return sorted(found, key=lambda each: (each["workflow"], each["trigger"]))

    def next(self, workflow: str, trigger: str | None, count: int) -> list[str]:
        """The times of the next ticks, in the schedule's own time zone.

        Raises:
            EngineError: R430, there is no such schedule.
        """
        _, found, declared = self._one(workflow, trigger)
        now = self._now()
        return [
            str(event.data["scheduled_at"])
            for event in _ticks(declared, found, now, now + _FAR, now, min(count, MAX_TICKS))
        ]

    def pause(self, workflow: str, trigger: str | None, by: str) -> dict[str, Json]:
        """Let no tick start anything until `resume`; one that is paused already stays as it is.

        Raises:
            EngineError: R430.
            Busy: It cannot be stored.
        """
        plan, found, declared = self._one(workflow, trigger)
        scope = trigger_scope(plan, found)
        before = pause_of(self._store, scope)
        if before is None or before.until is not None:
            self._keep(scope, {"since": self._now().isoformat(), "until": None, "by": by})
        return self._document(plan, found, declared)

    def resume(self, workflow: str, trigger: str | None, by: str) -> dict[str, Json]:
        """Let ticks start runs again, those from now on.

        Raises:
            EngineError: R430.
            Busy: It cannot be stored.
        """
        plan, found, declared = self._one(workflow, trigger)
        scope = trigger_scope(plan, found)
        before = pause_of(self._store, scope)
        if before is not None and before.until is None:
            since, until = before.since.isoformat(), self._now().isoformat()
            self._keep(scope, {"since": since, "until": until, "by": by})
        return self._document(plan, found, declared)

    def backfill(
        self,
        workflow: str,
        trigger: str | None,
        since: str,
        until: str,
        *,
        limit: int = MAX_TICKS,
        dry_run: bool = False,
    ) -> dict[str, Json]:
        """Start a run for the ticks of a range that have started none.

        Args:
            since, until: Dates, or times (without a zone: of the schedule's), both inclusive.
            limit: Most runs to be started; those that ran already are told and not counted.
            dry_run: Only say what would be started.

        Returns:
            ``ticks``: of each ``at``, ``run`` and ``state`` (``ran``, ``due``, ``started``, or ``skipped``
            when the trigger's ``when`` or a limit of the workflow lets it start nothing); ``next``: where to
            go on, or None when the range is through.

        Raises:
            EngineError: R430, or R431 for a range that cannot be made up for.
            Busy: The backlog is full; what was started stays so.
        """
        plan, found, declared = self._one(workflow, trigger)
        now = self._now()
        begin, end = _range(since, until, str(found.parameters.get("time_zone", "UTC")))
        if end < begin or begin > now:
            raise EngineError(
                "the range must begin before it ends, and in the past",
                code="R431",
                status=422,
                hint="a schedule fires what is still to come by itself",
            )
        scope = trigger_scope(plan, found)
        events = _ticks(declared, found, begin - _INSTANT, min(end, now), now, MAX_TICKS)
        known = self._store.started(
            scope, [name for event in events for name in (event.key, _BACKFILL + event.key)]
        )
        told: list[dict[str, Json]] = []
        started = 0
        for place, event in enumerate(events):
            run = known.get(event.key) or known.get(_BACKFILL + event.key)
            state = "ran" if run else "skipped" if _BACKFILL + event.key in known else "due"
            if state == "due" and started >= limit:
                return {"ticks": told, "next": events[place].key}
            if state == "due":
                started += 1
                if not dry_run:
                    # A tick that was missed, skipped or paused has its key and no run.
                    key = _BACKFILL + event.key if event.key in known else event.key
                    accepted = self._start(plan, found, event, key)
                    run, state = accepted.run_id, _STATES.get(accepted.state, "skipped")
            told.append({"at": event.data["scheduled_at"], "state": state, "run": run})
        more = len(events) == MAX_TICKS
        following = (datetime.fromisoformat(events[-1].key) + _INSTANT).isoformat() if more else None
        return {"ticks": told, "next": following}

    def _start(self, plan: Plan, trigger: TriggerPlan, event: TriggerEvent, key: str) -> Accepted:
        try:
            # A run of the past waits for its turn; `skip` would drop all but the first.
            draft = self._intake.event(plan, trigger, dict(event.data), key=key, overlap=_waiting(trigger))
        except ExpressionError as error:
            raise EngineError(error.message, code=error.code, status=422, hint=error.hint) from error
        return self._take(draft)

    def _of(self, plan: Plan) -> list[tuple[TriggerPlan, Trigger]]:
        pairs = [(trigger, self._registry.triggers.get(trigger.uses)) for trigger in plan.triggers]
        return [
            (trigger, declared)
            for trigger, declared in pairs
            if declared is not None and declared.ticks is not None
        ]

    def _one(self, workflow: str, name: str | None) -> tuple[Plan, TriggerPlan, Trigger]:
        plan = self._plan(workflow)
        found = self._of(plan)
        if name is not None:
            found = [each for each in found if name == _name(each[0])]
        if len(found) != 1:
            names = ", ".join(_name(trigger) for trigger, _ in self._of(plan))
            raise EngineError(
                f"the workflow {workflow!r} has {'more than one' if found else 'no such'} schedule",
                code="R430",
                status=404 if not found else 422,
                hint=f"name one of its triggers: {names}" if names else "see hookline schedules list",
            )
        return plan, *found[0]

    def _document(self, plan: Plan, trigger: TriggerPlan, declared: Trigger) -> dict[str, Json]:
        scope = trigger_scope(plan, trigger)
        pause, now = pause_of(self._store, scope), self._now()
        is_paused = pause is not None and pause.until is None
        problem, upcoming = "", []
        try:
            upcoming = list(_ticks(declared, trigger, now, now + _FAR, now, 1))
        except EngineError as error:
            problem = error.message
        last = self._store.cursor(scope)
        return {
            "workflow": plan.name,
            "trigger": _name(trigger),
            "uses": trigger.uses,
            "with": dict(trigger.parameters),
            "next": upcoming[0].data["scheduled_at"] if upcoming else None,
            "last_look": last if isinstance(last, str) else None,
            "paused": is_paused,
            "paused_since": pause.since.isoformat() if pause is not None and is_paused else None,
            "problem": problem,
        }

    def _keep(self, scope: str, value: Json) -> None:
        try:
            submit_and_wait(self._store, Accept([], cursor_of=_pause_name(scope), cursor=value))
        except StoreError as error:
            raise Busy(f"it cannot be stored: {error}", code=error.code) from error

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _range(since: str, until: str, time_zone: str) -> tuple[datetime, datetime]:
    """The first and the last instant; a date as the end is its whole day."""
    try:
        zone = ZoneInfo(time_zone)
        begin, end = (
            moment if moment.tzinfo else moment.replace(tzinfo=zone)
            for moment in (datetime.fromisoformat(since), datetime.fromisoformat(until))
        )
        if len(until) == len("2026-03-01"):
            end += timedelta(days=1) - _INSTANT
        return begin.astimezone(UTC), end.astimezone(UTC)
    except (ValueError, KeyError, OSError, OverflowError):
        raise EngineError(
            f"{since[:40]!r} to {until[:40]!r} is no range of time",
            code="R431",
            status=422,
            hint="write dates, or times such as 2026-03-01T09:00:00",
        ) from None


def _ticks(
    declared: Trigger, trigger: TriggerPlan, after: datetime, until: datetime, now: datetime, limit: int
) -> Sequence[TriggerEvent]:
    assert declared.ticks is not None
    try:
        found: Sequence[TriggerEvent] = declared.ticks(
            after, until, now, limit, **declared.bind(trigger.parameters)
        )
    except ActionError as error:
        raise EngineError(error.message, code=error.code, status=422, hint=error.hint) from error
    return found


def _name(trigger: TriggerPlan) -> str:
    return trigger.id or str(trigger.index)


def _waiting(trigger: TriggerPlan) -> str:
    return "allow" if trigger.parameters.get("overlap", "allow") == "allow" else "queue"

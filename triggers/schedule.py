"""Start a workflow by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Annotated, Any, Literal

from hookline.sdk import BadInput, Field, Poll, TriggerContext, TriggerEvent, parse_duration, trigger

from ._schedule.ticks import Schedule, latest, next_tick
from ._schedule.ticks import ticks as all_ticks

__all__ = ["schedule"]

MAX_TICKS = 1000
"""Most ticks that are made up for, or recorded one by one as skipped, after a long outage."""

_LONG = timedelta(days=1)
_AHEAD = timedelta(days=1)

_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "scheduled_at": {
            "type": "string",
            "format": "date-time",
            "description": "The time of the tick, in the schedule's time zone.",
        },
        "fired_at": {"type": "string", "format": "date-time", "description": "When it was noticed, in UTC."},
        "missed": {"type": "boolean", "description": "Whether it is made up for after an outage."},
        "time_zone": {"type": "string", "description": "The schedule's time zone."},
    },
    "required": ["scheduled_at", "fired_at", "missed", "time_zone"],
    "additionalProperties": False,
}


@trigger(
    "schedule",
    kind="poll",
    output=_EVENT,
    sample={
        "scheduled_at": "2026-03-02T09:00:00+01:00",
        "fired_at": "2026-03-02T08:00:00.012000Z",
        "missed": False,
        "time_zone": "Europe/Paris",
    },
)
def schedule(
    ctx: TriggerContext,
    cron: Annotated[
        str,
        Field(
            "Minute, hour, day of month, month and weekday; seconds may stand before them. Names (`mon-fri`, "
            "`jan`), `@daily` and the like, and `L` for the last day of a month are understood.",
            format="cron",
            examples=["30 9 * * mon-fri", "0 0 1 * *"],
        ),
    ] = "",
    every: Annotated[
        str,
        Field(
            "An interval instead of cron, counted from start_at, or else from 1970-01-01 00:00 UTC.",
            format="duration",
            examples=["15m", "1h"],
        ),
    ] = "",
    at: Annotated[
        list[str] | None,
        Field(
            "Single dates with their times instead of a pattern.",
            examples=[["2026-12-24T18:00:00", "2026-12-31T23:59:00"]],
        ),
    ] = None,
    time_zone: Annotated[
        str,
        Field(
            "Time zone of cron, and of at, start_at and end_at.",
            format="time-zone",
            examples=["Europe/Paris"],
        ),
    ] = "UTC",
    missed: Annotated[
        Literal["all", "last", "none"],
        Field(
            "What becomes of ticks while nothing was running.",
            options={
                "all": "Each of them starts a run, the newest thousand at most.",
                "last": "The newest one starts a run.",
                "none": "They are recorded and start nothing.",
            },
        ),
    ] = "last",
    overlap: Annotated[
        Literal["allow", "skip", "queue"],
        Field(
            "What a tick does while a run of the one before goes on.",
            options={
                "allow": "It starts another run beside it.",
                "skip": "It is recorded and starts nothing.",
                "queue": "Its run waits for the other one.",
            },
        ),
    ] = "allow",
    start_at: Annotated[
        str, Field("No tick before this.", format="date-time", examples=["2026-05-01T00:00:00"])
    ] = "",
    end_at: Annotated[str, Field("No tick after this.", format="date-time")] = "",
    jitter: Annotated[
        str,
        Field(
            "Let each run start up to this much later than its tick, so that many do not start together; "
            "always as much for the same tick.",
            advanced=True,
            format="duration",
            examples=["30s"],
        ),
    ] = "",
    grace: Annotated[
        str,
        Field("A tick that is noticed later than this was missed.", advanced=True, format="duration"),
    ] = "1m",
) -> Poll:
    """Schedule.

    Starts a run at the times of a cron expression, in regular intervals, or at single dates. The same tick
    never starts two runs. When clocks change, a daily time still comes once a day; a pattern whose hour
    is `*` follows the clock on the wall.
    """
    plan = Schedule.read(
        cron=cron,
        every=every,
        at=at or (),
        time_zone=time_zone,
        start_at=start_at,
        end_at=end_at,
        jitter=jitter or 0,
    )
    now = ctx.now().astimezone(UTC)
    before = _last_look(ctx.cursor, now)
    surely = max(before, now - plan.jitter)
    found = latest(plan, before, surely, MAX_TICKS)
    # In order, so that the cursor never passes over a tick whose time is still to come.
    latecomers = takewhile(lambda tick: plan.due(tick, ctx.workflow) <= now, all_ticks(plan, surely, now))
    due = [*found.ticks, *islice(latecomers, MAX_TICKS)]
    cursor = due[-1] if due else before
    held = [tick for tick in due if ctx.pause is not None and ctx.pause.covers(tick)]
    open_ticks = [tick for tick in due if tick not in held] if held else due
    late = timedelta(seconds=parse_duration(grace, name="grace"))
    # On time is the newest tick, if it is recent: whatever lies before another one was missed.
    is_recent = bool(open_ticks) and now - plan.due(open_ticks[-1], ctx.workflow) <= late
    on_time = open_ticks[-1:] if is_recent else []
    behind = open_ticks[: len(open_ticks) - len(on_time)]
    kept = {"all": len(behind), "last": 0 if on_time else 1, "none": 0}[missed]
    dropped, taken = behind[: len(behind) - kept], behind[len(behind) - kept :]

    def event(tick: datetime, was_missed: bool) -> TriggerEvent:
        return _event(plan, tick, now, time_zone, was_missed)

    reasons = dict.fromkeys(dropped, f"missed while nothing was running (missed: {missed})")
    reasons |= dict.fromkeys(held, "the schedule is paused")
    skipped = [(event(tick, True), reasons[tick]) for tick in due if tick in reasons]
    if found.first_left_out is not None and due:
        reason = f"missed, with every tick from then until {_utc(due[0])}: more than {MAX_TICKS}"
        skipped.insert(0, (event(found.first_left_out, True), reason))
    following = next_tick(plan, cursor)
    return Poll(
        events=[*(event(tick, True) for tick in taken), *(event(tick, False) for tick in on_time)],
        cursor=_utc(cursor),
        # A schedule that has ended is looked at once a day; its declaration may change.
        next_at=now + _LONG if following is None else plan.due(following, ctx.workflow),
        skipped=skipped,
    )


@schedule.on_ticks
def ticks(
    after: datetime, until: datetime, now: datetime, limit: int, **fields: Any
) -> Sequence[TriggerEvent]:
    """The ticks of a stretch of time, the oldest first."""
    time_zone = str(fields.get("time_zone", "UTC"))
    plan = Schedule.read(
        cron=fields.get("cron", ""),
        every=fields.get("every", ""),
        at=fields.get("at") or (),
        time_zone=time_zone,
        start_at=fields.get("start_at", ""),
        end_at=fields.get("end_at", ""),
    )
    found = islice(all_ticks(plan, after, until), limit)
    return [_event(plan, tick, now, time_zone, is_missed=tick < now) for tick in found]


def _event(plan: Schedule, tick: datetime, now: datetime, time_zone: str, is_missed: bool) -> TriggerEvent:
    data = {
        "scheduled_at": tick.astimezone(plan.zone).isoformat(),
        "fired_at": _utc(now),
        "missed": is_missed,
        "time_zone": time_zone,
    }
    return TriggerEvent(_utc(tick), data)


def _last_look(cursor: Any, now: datetime) -> datetime:
    if cursor is None:
        return now
    try:
        before = datetime.fromisoformat(cursor)
    except (TypeError, ValueError) as error:
        raise BadInput("the schedule's cursor cannot be read", hint="reset the trigger") from error
    # The clock was wrong by more than a day and has been set back: go on from here. Ticks that were had
    # already keep their keys and start nothing again.
    return min(before, now) if before - now > _AHEAD else before


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

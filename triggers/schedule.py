"""Start a workflow by the clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from hookline.sdk import BadInput, Field, Poll, TriggerContext, TriggerEvent, parse_duration, trigger

from ._schedule.ticks import Schedule, latest, next_tick

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
    time_zone: Annotated[
        str,
        Field(
            "Time zone of cron, and of start_at and end_at.", format="time-zone", examples=["Europe/Paris"]
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
    grace: Annotated[
        str,
        Field("A tick that is noticed later than this was missed.", advanced=True, format="duration"),
    ] = "1m",
) -> Poll:
    """Schedule.

    Starts a run at the times of a cron expression, or in regular intervals. The same tick never starts two
    runs. When clocks change, a daily time still comes once a day; a pattern whose hour is `*` follows
    the clock on the wall.
    """
    plan = Schedule.read(cron=cron, every=every, time_zone=time_zone, start_at=start_at, end_at=end_at)
    now = ctx.now().astimezone(UTC)
    before = _last_look(ctx.cursor, now)
    found = latest(plan, before, now, MAX_TICKS)
    due = found.ticks
    late = timedelta(seconds=parse_duration(grace, name="grace"))
    # On time is the newest tick, if it is recent: whatever lies before another one was missed.
    on_time = due[-1:] if due and now - due[-1] <= late else ()
    behind = due[: len(due) - len(on_time)]
    kept = {"all": len(behind), "last": 0 if on_time else 1, "none": 0}[missed]
    dropped, taken = behind[: len(behind) - kept], behind[len(behind) - kept :]

    def event(tick: datetime, was_missed: bool) -> TriggerEvent:
        return TriggerEvent(
            _utc(tick),
            {
                "scheduled_at": tick.astimezone(plan.zone).isoformat(),
                "fired_at": _utc(now),
                "missed": was_missed,
                "time_zone": time_zone,
            },
        )

    skipped = [
        (event(tick, True), f"missed while nothing was running (missed: {missed})") for tick in dropped
    ]
    if found.first_left_out is not None:
        reason = f"missed, with every tick from then until {_utc(due[0])}: more than {MAX_TICKS}"
        skipped.insert(0, (event(found.first_left_out, True), reason))
    return Poll(
        events=[*(event(tick, True) for tick in taken), *(event(tick, False) for tick in on_time)],
        cursor=_utc(due[-1] if due else before),
        next_at=_next_look(plan, due, before, now),
        skipped=skipped,
    )


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


def _next_look(plan: Schedule, due: Sequence[datetime], before: datetime, now: datetime) -> datetime:
    following = next_tick(plan, due[-1] if due else max(before, now))
    # A schedule that has ended is looked at once a day; its declaration may change.
    return following if following is not None else now + _LONG


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""When a schedule ticks: pure functions of the declaration and the time."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hookline.sdk import BadInput, parse_duration

from .cron import Cron

__all__ = ["Latest", "Schedule", "latest", "next_tick", "ticks"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_MAX_JITTER = timedelta(hours=1)

MAX_DATES = 1000
"""Single dates of one schedule."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that was read.

    Attributes:
        cron: The expression, or None.
        every: The interval, or None. Its ticks are counted from `start`, and from 1970 without one, so
            that they are the same on every machine and after every restart.
        start, end: The first and last instant at which there may be a tick.
        dates: Single instants in place of a pattern, in order.
        jitter: How much later than its tick an event may be.
    """

    zone: ZoneInfo
    cron: Cron | None = None
    every: timedelta | None = None
    start: datetime | None = None
    end: datetime | None = None
    dates: tuple[datetime, ...] = ()
    jitter: timedelta = timedelta()

    @classmethod
    def read(
        cls,
        *,
        cron: str,
        every: str | float,
        time_zone: str,
        start_at: str,
        end_at: str,
        at: Sequence[str] = (),
        jitter: str | float = 0,
    ) -> Schedule:
        """Read a declaration.

        Raises:
            BadInput: It makes no sense.
        """
        zone = _zone(time_zone)
        if [bool(cron), bool(every), bool(at)].count(True) != 1:
            raise BadInput(
                "a schedule has one of cron, every and at",
                hint='write "every": "15m" or "cron": "0 9 * * *"',
            )
        if len(at) > MAX_DATES:
            raise BadInput(f"at: more than {MAX_DATES} dates", hint="write a pattern, or a second trigger")
        moments = [_moment(each, zone, "at") for each in at]
        dates = tuple(sorted({moment for moment in moments if moment is not None}))
        longest = timedelta(seconds=parse_duration(jitter, name="jitter"))
        if longest > _MAX_JITTER:
            raise BadInput("jitter is more than an hour", hint="use at most 1h")
        interval = timedelta(seconds=parse_duration(every, name="every")) if every else None
        if interval is not None and interval < _SECOND:
            raise BadInput(f"every: {every!r} is less than a second", hint="use at least 1s")
        start, end = _moment(start_at, zone, "start_at"), _moment(end_at, zone, "end_at")
        if start is not None and end is not None and end < start:
            raise BadInput("end_at is before start_at", hint="exchange them")
        return cls(zone, Cron(cron, zone) if cron else None, interval, start, end, dates, longest)

    def due(self, tick: datetime, name: str) -> datetime:
        """When a tick's event is to be given: the same on every machine, another for every name."""
        digest = hashlib.sha256(f"{name}\n{tick.isoformat()}".encode()).digest()
        return tick + self.jitter * (int.from_bytes(digest[:6]) / 2**48)


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest ticks of a stretch of time.

    Attributes:
        ticks: In order.
        first_left_out: The first tick of the stretch that is not among them; None when all are.
    """

    ticks: tuple[datetime, ...]
    first_left_out: datetime | None = None


def next_tick(schedule: Schedule, after: datetime) -> datetime | None:
    """The first tick later than `after`, in UTC; None when there is none."""
    if schedule.start is not None:
        after = max(after, schedule.start - timedelta(microseconds=1))
    if schedule.every is not None:
        origin = schedule.start or _EPOCH
        found: datetime | None = origin + ((after - origin) // schedule.every + 1) * schedule.every
    elif schedule.cron is not None:
        found = schedule.cron.after(after)
    else:
        place = bisect.bisect_right(schedule.dates, after)
        found = schedule.dates[place] if place < len(schedule.dates) else None
    return None if found is None or (schedule.end is not None and found > schedule.end) else found


def ticks(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """Every tick later than `after` and not later than `until`, in UTC and in order."""
    found = next_tick(schedule, after)
    while found is not None and found <= until:
        yield found
        found = next_tick(schedule, found)


def latest(schedule: Schedule, after: datetime, until: datetime, limit: int) -> Latest:
    """The newest ticks of a stretch that may be years long, without counting through all of it."""
    span = timedelta(hours=1)
    while True:
        start = max(after, until - span)
        found = tuple(ticks(schedule, start, until))
        if len(found) > limit or start <= after:
            break
        span *= 2
    kept = found[-limit:]
    first = next_tick(schedule, after)
    complete = not kept or first is None or first >= kept[0]
    return Latest(kept, None if complete else first)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{name[:60]!r} is not a time zone", hint='write "UTC" or "Europe/Paris"') from error


def _moment(text: str, zone: ZoneInfo, name: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(
            f"{name}: {text[:60]!r} is not a date and time", hint='write "2026-05-01T09:00:00"'
        ) from error
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)

"""Cron as people know it, in local time.

APScheduler finds the times on the wall clock. Around it, two things that it does otherwise:
weekdays count from Sunday and days are joined by *or* when both are given, as in Vixie cron; and a
change of the clocks neither loses nor doubles a tick:

- The hour field is ``*`` or ``*/n``: the pattern follows the wall clock. The hour that comes twice
  has its ticks twice, the hour that is skipped has none.
- Otherwise every time of the pattern happens once a day. A time that is skipped is made up for at the
  instant it would have been, a time that comes twice counts the first time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from apscheduler.triggers.cron import CronTrigger

from hookline.sdk import BadInput

__all__ = ["Cron"]

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:\*|[0-9]{1,4}(?:-[0-9]{1,4})?)(?:/[0-9]{1,4})?", re.ASCII)
_WEEKDAY = re.compile(r"(?:\*|([0-7])(?:-([0-7]))?)(?:/([1-7]))?", re.ASCII)
_MAX_LENGTH = 200
_HINT = 'write minute, hour, day, month and weekday, such as "30 9 * * mon-fri"'
_DAY = timedelta(days=1)
_STEP = timedelta(microseconds=1)


class Cron:
    """A cron expression in a time zone.

    Args:
        text: Five fields (minute, hour, day of month, month, weekday), six with seconds before
            them, or a name such as ``@daily``.

    Raises:
        BadInput: It is no cron expression, or no time ever matches it.
    """

    def __init__(self, text: str, zone: tzinfo) -> None:
        self._zone = zone
        fields = _NICKNAMES.get(text.strip().lower(), text).lower().split()
        if len(text) > _MAX_LENGTH or len(fields) not in (5, 6):
            raise BadInput(f"{text[:60]!r} is not a cron expression: it needs five or six fields", hint=_HINT)
        second, minute, hour, day, month, weekday = fields if len(fields) == 6 else ["0", *fields]
        self._follows_clock = hour.startswith("*")
        times = {
            "second": _numbers(second, "second"),
            "minute": _numbers(minute, "minute"),
            "hour": _numbers(hour, "hour"),
            "month": _numbers(_named(month, _MONTHS, 1), "month"),
        }
        on_day = {"day": "last" if day == "l" else _numbers(day.replace("?", "*"), "day")}
        on_weekday = {"day_of_week": _weekdays(_named(weekday.replace("?", "*"), _WEEKDAYS, 0))}
        if day.startswith(("*", "?")) or weekday.startswith(("*", "?")):
            alternatives = [on_day | on_weekday]
        else:
            alternatives = [on_day, on_weekday]
        try:
            self._walls = [CronTrigger(**times, **days, timezone=UTC) for days in alternatives]
        except ValueError as error:
            raise BadInput(f"{text[:60]!r} is not a cron expression: {error}", hint=_HINT) from error
        if self._next_wall(datetime(2000, 1, 1)) is None:
            raise BadInput(f"{text[:60]!r} never happens: there is no such day", hint=_HINT)

    def after(self, moment: datetime) -> datetime | None:
        """The first tick later than `moment`, in UTC; None when there is none any more."""
        best: datetime | None = None
        slack = self._shift(moment)
        start = self._wall(moment) - slack
        for wall in self._walls_from(start):
            for instant in self._instants(wall):
                if instant > moment and (best is None or instant < best):
                    best = instant
            # Near a change of the clocks, a later time on the wall can be the earlier instant.
            if best is not None and wall > best.astimezone(self._zone).replace(tzinfo=None) + self._shift(
                best
            ):
                break
        return best

    def _walls_from(self, wall: datetime) -> Iterator[datetime]:
        following = self._next_wall(wall)
        while following is not None:
            yield following
            following = self._next_wall(following + _STEP)

    def _next_wall(self, wall: datetime) -> datetime | None:
        """The first matching time on the wall that is not before `wall`."""
        found = [each.get_next_fire_time(None, wall.replace(tzinfo=UTC)) for each in self._walls]
        matches = [each.replace(tzinfo=None) for each in found if each is not None]
        return min(matches, default=None)

    def _instants(self, wall: datetime) -> list[datetime]:
        first = wall.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
        if not self._follows_clock:
            return [first]
        second = wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC)
        both = [first] if first == second else [first, second]
        return [each for each in both if self._wall(each) == wall]

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=None)

    def _shift(self, moment: datetime) -> timedelta:
        """How far the clocks are moved around `moment`."""
        before = (moment - _DAY - timedelta(hours=2)).astimezone(self._zone).utcoffset()
        behind = (moment + _DAY + timedelta(hours=2)).astimezone(self._zone).utcoffset()
        return abs((behind or timedelta()) - (before or timedelta()))


def _numbers(field: str, name: str) -> str:
    parts = field.split(",")
    if not all(_PART.fullmatch(part) for part in parts):
        raise BadInput(f"{field[:40]!r} is not a {name} of a cron expression", hint=_HINT)
    return field


def _named(field: str, names: tuple[str, ...], first: int) -> str:
    return re.sub(
        r"[a-z]+",
        lambda found: str(names.index(found[0]) + first) if found[0] in names else found[0],
        field,
    )


def _weekdays(field: str) -> str:
    """APScheduler counts from Monday and knows no range over the weekend: name every day."""
    chosen: set[int] = set()
    for part in field.split(","):
        match = _WEEKDAY.fullmatch(part)
        if match is None:
            raise BadInput(f"{field[:40]!r} is not a weekday of a cron expression", hint=_HINT)
        step = int(match[3] or 1)
        first = int(match[1] or 0)
        last = int(match[2]) if match[2] else (6 if match[1] is None or match[3] else first)
        if last < first:
            last += 7
        chosen.update(day % 7 for day in range(first, last + 1, step))
    return ",".join(_WEEKDAYS[day] for day in sorted(chosen))

"""Timestamps and durations: reading, writing, and their accessors.

Formats: RFC 3339 for timestamps; for durations numbers with the units h, m, s, ms, us and ns
(CEL language definition, "Timezones" and "Standard definitions").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from hookline.core.expressions.errors import Fault, shorten
from hookline.core.expressions.operators import make_duration, make_timestamp
from hookline.core.expressions.values import Duration, Frame, Timestamp, no_overload

__all__ = ["ACCESSORS", "duration_text", "parse_duration", "parse_timestamp", "timestamp_text"]

_SECOND: Final = 10**9
_MAX_TEXT: Final = 64
_ZONE_STEPS: Final = 50
# A name that is not known is looked for in several places.
_UNKNOWN_ZONE_STEPS: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:([Zz])|([+-])([0-9]{2}):([0-9]{2}))"
)
_DURATION_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_OFFSET: Final = re.compile(r"([+-]?)([0-9]{2}):([0-9]{2})")
_ZONE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")


def parse_timestamp(text: str) -> Timestamp:
    """The timestamp written in RFC 3339, to the nanosecond."""
    match = _RFC3339.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise Fault(
            "X211", f'"{shorten(text)}" is not a timestamp', "write it as 2026-01-31T09:30:00Z (RFC 3339)"
        )
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise Fault("X212", f'"{shorten(text)}" is not a date in the years 1 to 9999') from None
    seconds = _whole_seconds(moment)
    if match[9]:
        offset = int(match[10]) * 3600 + int(match[11]) * 60
        if int(match[10]) > 23 or int(match[11]) > 59:
            raise Fault("X211", f'"{shorten(text)}" has an impossible offset')
        seconds += offset if match[9] == "-" else -offset
    return make_timestamp(seconds * _SECOND + int((match[7] or "").ljust(9, "0")))


def _whole_seconds(moment: datetime) -> int:
    elapsed = moment - _EPOCH
    return elapsed.days * 86_400 + elapsed.seconds


def parse_duration(text: str) -> Duration:
    """The duration written as ``1h30m``, ``-1.5s`` or ``250ms``."""
    body = text[1:] if text[:1] in ("-", "+") else text
    total = 0
    position = 0
    if len(text) <= _MAX_TEXT and body != "0":
        while position < len(body):
            match = _DURATION_PART.match(body, position)
            if match is None or not (match[1] or match[2]):
                break
            fraction = match[2] or ""
            total += int(match[1] + fraction or "0") * _UNITS[match[3]] // 10 ** len(fraction)
            position = match.end()
    if body != "0" and (not body or position < len(body)):
        hint = "the units are h, m, s, ms, us and ns: write 168h for 7 days" if body[-1:] in "dw" else ""
        raise Fault("X211", f'"{shorten(text)}" is not a duration', hint or "write it as 90s or 1h30m")
    return make_duration(-total if text[:1] == "-" else total)


def _fraction(ns: int) -> str:
    return f".{ns:09d}".rstrip("0") if ns else ""


def timestamp_text(value: Timestamp) -> str:
    """RFC 3339 in UTC with as many digits as needed: ``2026-01-31T09:30:00.5Z``."""
    seconds, ns = divmod(value.ns, _SECOND)
    moment = _EPOCH + timedelta(seconds=seconds)
    # isoformat and not strftime: the latter does not pad years below 1000 on every platform.
    return f"{moment.replace(tzinfo=None).isoformat()}{_fraction(ns)}Z"


def duration_text(value: Duration) -> str:
    """Seconds with as many digits as needed: ``90s``, ``-1.5s``."""
    seconds, ns = divmod(abs(value.ns), _SECOND)
    return f"{'-' if value.ns < 0 else ''}{seconds}{_fraction(ns)}s"


def _zone(frame: Frame, name: str) -> tzinfo:
    frame.charge(_ZONE_STEPS)
    if name == "UTC":
        return UTC
    match = _OFFSET.fullmatch(name) if len(name) <= _MAX_TEXT else None
    if match is not None and int(match[2]) <= 23 and int(match[3]) <= 59:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    zone = _named_zone(name) if len(name) <= _MAX_TEXT and _ZONE_NAME.fullmatch(name) else None
    if zone is None:
        frame.charge(_UNKNOWN_ZONE_STEPS)
        raise Fault(
            "X217", f'there is no time zone "{shorten(name)}"', "use Europe/Berlin or +02:00, for example"
        )
    return zone


@lru_cache(maxsize=1024)
def _named_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # KeyError: unknown; ValueError and OSError: a folder or another file of the database.
        return None


def _local(frame: Frame, value: Timestamp, zone: str | None) -> datetime:
    moment = _EPOCH + timedelta(seconds=value.ns // _SECOND)
    if zone is None:
        return moment
    try:
        return moment.astimezone(_zone(frame, zone))
    except OverflowError:
        raise Fault("X212", "the local time is outside the years 1 to 9999") from None


def _calendar(name: str, read: Callable[[datetime], int]) -> Callable[..., object]:
    def run(frame: Frame, value: object, zone: object = None) -> object:
        if isinstance(value, Timestamp) and (zone is None or type(zone) is str):
            return read(_local(frame, value, zone))
        raise no_overload(f"{name}()", value, hint=_accessor_hint(value))

    return run


def _clock(name: str, read: Callable[[datetime], int], unit: int) -> Callable[..., object]:
    """Accessors that durations have too: there they give the whole duration in that unit."""
    of_timestamp = _calendar(name, read)

    def run(frame: Frame, value: object, *zone: object) -> object:
        if isinstance(value, Duration) and not zone:
            whole = abs(value.ns) // unit
            return -whole if value.ns < 0 else whole
        return of_timestamp(frame, value, *zone)

    return run


def _accessor_hint(value: object) -> str:
    return "convert the text first with timestamp()" if type(value) is str else ""


def _milliseconds(frame: Frame, value: object, zone: object = None) -> object:
    if isinstance(value, Duration) and zone is None:
        part = abs(value.ns) % _SECOND // 10**6
        return -part if value.ns < 0 else part
    if isinstance(value, Timestamp) and (zone is None or type(zone) is str):
        if zone is not None:
            _zone(frame, zone)
        return value.ns % _SECOND // 10**6
    raise no_overload("getMilliseconds()", value, hint=_accessor_hint(value))


ACCESSORS: Final[dict[str, Callable[..., object]]] = {
    "getFullYear": _calendar("getFullYear", lambda moment: moment.year),
    "getMonth": _calendar("getMonth", lambda moment: moment.month - 1),
    "getDate": _calendar("getDate", lambda moment: moment.day),
    "getDayOfMonth": _calendar("getDayOfMonth", lambda moment: moment.day - 1),
    "getDayOfWeek": _calendar("getDayOfWeek", lambda moment: moment.isoweekday() % 7),
    "getDayOfYear": _calendar("getDayOfYear", lambda moment: moment.timetuple().tm_yday - 1),
    "getHours": _clock("getHours", lambda moment: moment.hour, 3600 * _SECOND),
    "getMinutes": _clock("getMinutes", lambda moment: moment.minute, 60 * _SECOND),
    "getSeconds": _clock("getSeconds", lambda moment: moment.second, _SECOND),
    "getMilliseconds": _milliseconds,
}
"""The accessors; each takes an optional time zone where the value is a timestamp."""

"""Sizes and durations as they are written in a trigger's ``with``."""

from __future__ import annotations

import re
from datetime import timedelta

from hookline.sdk import BadInput

__all__ = ["duration", "size"]

_DURATION_UNITS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|[wdhms])", re.ASCII)
_SIZE_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_SIZE_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?([kmgt]?i?b)", re.ASCII | re.IGNORECASE)


def duration(value: str | float, *, name: str) -> timedelta:
    """Read ``"90s"``, ``"10m"`` or ``"1h30m"``; a number is taken as seconds.

    Args:
        name: The parameter, for the message.

    Raises:
        BadInput: It is no duration.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 10**9:
        return timedelta(seconds=value)
    text = value if isinstance(value, str) else ""
    parts = list(_DURATION_PART.finditer(text))
    units = [_DURATION_UNITS[part[2]] for part in parts]
    if not parts or "".join(part[0] for part in parts) != text or units != sorted(set(units), reverse=True):
        raise BadInput(
            f"{name}: {value!r} is not a duration", hint='write "90s", "10m", "2h", "7d" or "1h30m"'
        )
    seconds = sum(float(part[1]) * unit for part, unit in zip(parts, units, strict=True))
    if seconds > 3650 * 86400:
        raise BadInput(f"{name}: {value!r} is longer than ten years", hint="use at most 3650d")
    return timedelta(seconds=seconds)


def size(value: str | int, *, name: str) -> int:
    """Read ``"25MB"`` or ``"25MiB"``; a number is taken as bytes.

    Args:
        name: The parameter, for the message.

    Raises:
        BadInput: It is no size.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadInput(f"{name}: {value!r} is not a size", hint='write "500KB", "25MB" or "25MiB"')
    return int(float(match[1]) * _SIZE_UNITS[match[2].lower()])

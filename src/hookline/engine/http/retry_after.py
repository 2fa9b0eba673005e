"""The ``Retry-After`` header (RFC 9110, 10.2.3), whatever is in it."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["MAX_RETRY_AFTER", "parse_retry_after"]

MAX_RETRY_AFTER = 3600.0
"""Longest wait that is believed, in seconds."""

_SECONDS = re.compile(r"([+-]?)(\d+(?:\.\d*)?)", re.ASCII)


def parse_retry_after(header: str | None, now: float) -> float | None:
    """Seconds to wait, between 0 and `MAX_RETRY_AFTER`; None without a readable header.

    Args:
        header: The header's value: seconds or an HTTP date.
        now: The time, in seconds since 1970 (UTC).
    """
    text = (header or "").strip()
    if not text or len(text) > 100:
        return None
    if match := _SECONDS.fullmatch(text):
        return 0.0 if match[1] == "-" else min(float(match[2]), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)

"""Cursors of paged lists, as text."""

from __future__ import annotations

import math

__all__ = ["number", "number_text", "place", "place_text"]


def number(cursor: str) -> int:
    """Cursor of a list in order of arrival.

    Raises:
        ValueError: It is none.
    """
    # int() would also take signs, blanks, underscores and digits of other scripts.
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise ValueError(f"{cursor[:40]!r} is no cursor of this list")
    return int(cursor)


def number_text(value: int) -> str:
    return str(value)


def place(cursor: str) -> tuple[float, int]:
    """Cursor of a list in order of time: seconds since the epoch, then arrival.

    Raises:
        ValueError: It is none.
    """
    time_text, _, number_part = cursor.partition("_")
    try:
        at = float(time_text)
    except ValueError:
        at = math.nan
    if not math.isfinite(at):
        raise ValueError(f"{cursor[:40]!r} is no cursor of this list")
    return at, number(number_part)


def place_text(at: float, value: int) -> str:
    return f"{at!r}_{value}"

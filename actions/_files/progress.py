"""Telling how far a long transfer is, in the step's log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

from hookline.sdk import BadInput, Context

__all__ = ["capped", "followed", "in_words", "too_large"]

FIRST_LINE = timedelta(seconds=10)
"""A line is written after so long, then after twice as long, and so on: what is quick says nothing,
and what takes a day writes a dozen lines. Whoever looks at the step sees every second."""

_EVERY = timedelta(seconds=1)

_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_STEP = 1000


def in_words(size: float) -> str:
    """A size for people: ``2.4 GB``."""
    unit = 0
    while size >= _STEP and unit < len(_UNITS) - 1:
        size /= _STEP
        unit += 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{size:.0f} {_UNITS[unit]}"


async def followed(
    ctx: Context, pieces: AsyncIterator[bytes], what: str, total: int | None
) -> AsyncIterator[bytes]:
    """The same pieces; the step shows how many bytes there were, and its log says so from time to time.

    Args:
        what: ``Copying cat.mp4``.
        total: Bytes to come, None while unknown.
    """
    done, pause = 0, FIRST_LINE
    start = last = shown = ctx.now()
    async for piece in pieces:
        yield piece
        done += len(piece)
        now = ctx.now()
        if now - shown < _EVERY:
            continue
        shown = now
        speed = done / (now - start).total_seconds()
        of = f" of {in_words(total)} ({done * 100 // total} %)" if total else ""
        text = f"{what}: {in_words(done)}{of}, {in_words(speed)}/s"
        ctx.progress(text, replace=True)
        if now - last >= pause:
            last, pause = now, pause * 2
            ctx.log(text, bytes=done, total=total)


async def capped(pieces: AsyncIterator[bytes], what: str, limit: int) -> AsyncIterator[bytes]:
    """The same pieces, as long as there are not more than `limit` bytes.

    Raises:
        BadInput: C026.
    """
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > limit:
            raise too_large(what, limit)
        yield piece


def too_large(what: str, limit: int) -> BadInput:
    """C026, for a file that is known to be too large."""
    return BadInput(f"{what} is larger than {limit} bytes", code="C026", hint="raise max_bytes")

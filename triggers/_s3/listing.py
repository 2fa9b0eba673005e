"""Going through a listing, over several looks where it is long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from .look import Look
from .store import Position

__all__ = ["MAX_PAGES", "go_through"]

MAX_PAGES = 20
"""Pages of one look; the next look goes on behind them at once."""


async def go_through(look: Look, position: Position, *, remember: bool) -> Position:
    """Go on with the listing, or begin with it.

    Args:
        remember: This is the first look, and what is there already starts nothing.

    Raises:
        ActionError: The store cannot be asked.
    """
    wanted = look.wanted
    after, until, since = position.after, position.until, position.since
    first, token, is_complete = remember, "", False
    for _ in range(MAX_PAGES):
        page = await look.store.list_page(
            wanted.bucket, wanted.prefix, token, start_after="" if token else after
        )
        now = page.at or look.ctx.now()
        if first:
            # All of the first page was there before. Of later ones only what is older than it: what is
            # uploaded while a long listing goes on must not be lost.
            until = now
            since = now if wanted.is_told else None
        taken = await look.take(page.objects, now, datetime.max.replace(tzinfo=UTC) if first else until)
        first = False
        after = page.objects[taken - 1].key if taken else after
        token = page.next
        is_complete = not token and taken == len(page.objects)
        if is_complete or taken < len(page.objects):
            break
    if not is_complete:
        return replace(position, after=after, until=until, since=since, unlisted=False)
    listed = look.ctx.now() if wanted.is_told else None
    return replace(position, after="", until=None, since=since, listed=listed, unlisted=False)

"""One look of the trigger: the listing when it is its time, and the queue always."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hookline.sdk import ActionError, Poll, TriggerContext

from .listing import go_through
from .look import Look, Wanted
from .queue import MAX_WAITING, Taken, take
from .store import Position, Queue, Store

__all__ = ["IDLE", "Ways", "look_once"]

IDLE = timedelta(seconds=1)
"""Pause after a queue gave nothing: not every queue holds a request as long as it is asked to."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How uploads are learned of.

    Attributes:
        queue: The queue's address or ARN, ``""`` for none.
        visibility: How long messages are hidden from others while they are dealt with.
        lists: Whether the listing is gone through.
        every: Time between two listings, where notifications come too.
        remember: What is there at the first look starts nothing.
    """

    queue: str
    visibility: timedelta
    lists: bool
    every: timedelta
    remember: bool


async def look_once(ctx: TriggerContext, wanted: Wanted, ways: Ways) -> Poll:
    """Look.

    Raises:
        ActionError: Neither way could be gone, or the only one could not.
    """
    store: Store = ctx.connection
    position = Position.read(ctx.cursor)
    look = Look(ctx, store, wanted)
    if ways.lists and _is_time(ctx, wanted, ways, position):
        try:
            position = await go_through(look, position, remember=ways.remember and position.unlisted)
        except ActionError as error:
            if not ways.queue:
                raise
            # The queue goes on; what the listing would find is found later.
            look = Look(ctx, store, wanted, problem=error.message)
    queue = store.queue(ways.queue) if ways.queue else None
    taken = Taken()
    if queue is not None and len(position.waiting) < MAX_WAITING:
        try:
            taken = await _take(queue, ctx, look, ways, position)
        except ActionError as error:
            if not look.has_found:
                raise
            look.problem = error.message
    left = await look.learn([*position.waiting, *taken.waiting], position, keeps=True)
    position = replace(position, waiting=tuple(left))
    return Poll(
        events=look.events,
        baseline=look.baseline,
        skipped=look.skipped,
        unreadable=taken.unreadable,
        cursor=position.to_json(),
        next_at=_next(ctx, wanted, ways, position, look, taken),
        acknowledge=(lambda: queue.delete(taken.messages)) if queue is not None and taken.messages else None,
        problem=look.problem,
    )


def _is_time(ctx: TriggerContext, wanted: Wanted, ways: Ways, position: Position) -> bool:
    if not wanted.is_told or position.is_listing or ctx.woken or position.listed is None:
        return True
    return ctx.now() - position.listed >= ways.every


async def _take(queue: Queue, ctx: TriggerContext, look: Look, ways: Ways, position: Position) -> Taken:
    now = ctx.now()
    until: datetime | None = None
    if look.has_found or position.is_listing:
        # What is found already is not kept waiting for more.
        until = now
    elif position.waiting:
        until = min(each.due for each in position.waiting)
    return await take(queue, look.wanted.bucket, now=now, until=until, visibility=ways.visibility)


def _next(
    ctx: TriggerContext, wanted: Wanted, ways: Ways, position: Position, look: Look, taken: Taken
) -> datetime | None:
    now = ctx.now()
    if position.is_listing:
        # A listing that is not through goes on at once.
        return now
    if ways.queue:
        return now if taken.messages else now + IDLE
    if not wanted.is_told:
        return None
    return (position.listed or now) + ways.every

"""Messages of a queue: taken, read, and handed on with what nobody can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hookline.sdk import ActionError, Unreadable

from .notices import read
from .store import Message, Queue, Waiting

__all__ = ["MAX_MESSAGES", "MAX_WAITING", "WAIT", "Taken", "take"]

MAX_MESSAGES = 100
"""Messages of one look, stored in one unit."""
MAX_WAITING = 1000
"""Objects that wait to be looked at; with so many, nothing more is taken from the queue."""

_BATCH = 10
WAIT = 20.0
"""Seconds that an empty queue may hold a request; SQS holds it no longer."""


@dataclass(slots=True)
class Taken:
    """What was in the queue.

    Attributes:
        messages: To be deleted once everything else is kept.
    """

    messages: list[Any] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


async def take(
    queue: Queue, bucket: str, *, now: datetime, until: datetime | None, visibility: timedelta
) -> Taken:
    """Take what is in the queue, up to `MAX_MESSAGES`.

    Args:
        until: How long the first message may be waited for, None for as long as the queue allows.

    Raises:
        ActionError: The queue cannot be asked.
    """
    wait = WAIT if until is None else min(max((until - now).total_seconds(), 0.0), WAIT)
    hidden = visibility.total_seconds()
    taken = Taken()
    batch: Sequence[Any] = await queue.receive(limit=_BATCH, wait=wait, visibility=hidden)
    while batch:
        taken.messages += batch
        if len(batch) < _BATCH or len(taken.messages) >= MAX_MESSAGES:
            break
        try:
            batch = await queue.receive(limit=_BATCH, wait=0, visibility=hidden)
        except ActionError:
            # What was taken so far is dealt with first.
            break
    for message in taken.messages:
        _read(message, bucket, now, taken)
    return taken


def _read(message: Message, bucket: str, now: datetime, taken: Taken) -> None:
    body = message.body.encode("utf-8", "replace")
    try:
        told = read(body)
    except ValueError as error:
        taken.unreadable.append(Unreadable(f"message:{message.id}", f"it cannot be read: {error}", body))
        return
    problems = list(told.problems)
    for notice in told.notices:
        if notice.bucket == bucket:
            taken.waiting.append(Waiting(notice, now, now))
        else:
            problems.append(f"it is about the bucket {notice.bucket[:63]}; this trigger watches {bucket}")
    if problems:
        reason = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else "")
        taken.unreadable.append(Unreadable(f"message:{message.id}", reason, body))

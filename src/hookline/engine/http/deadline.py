"""One deadline over many awaits: a peer that sends a byte now and then gains no time by it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["Deadline", "DeadlinePassed"]

T = TypeVar("T")


class DeadlinePassed(Exception):
    """The time is over."""


class Deadline:
    """A moment on the given clock.

    Args:
        now: Monotonic seconds.
        seconds: From now.
    """

    def __init__(self, now: Callable[[], float], seconds: float) -> None:
        self._now = now
        self._started = now()
        self._ends = self._started + seconds

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._now() - self._started

    async def run(self, step: Callable[[], Awaitable[T]]) -> T:
        """Await `step()`, canceling it when the time is over.

        Raises:
            DeadlinePassed: The time is over.
        """
        remaining = self._ends - self._now()
        if remaining <= 0:
            raise DeadlinePassed
        try:
            async with asyncio.timeout(remaining) as scope:
                return await step()
        except TimeoutError:
            if scope.expired():
                raise DeadlinePassed from None
            raise

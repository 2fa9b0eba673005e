"""Places of attempts that are executed at the same time, and giving them up while an attempt only waits."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from types import TracebackType

__all__ = ["Slot", "rest"]


class Slot:
    """A place among those of a semaphore, for as long as the block lasts.

    Args:
        places: One for each attempt that may be executed.
    """

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._is_held = False
        self.task: asyncio.Task[object] | None = None

    async def __aenter__(self) -> Slot:
        await self.take()
        self.task = asyncio.current_task()
        _SLOT.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_up()

    async def take(self) -> None:
        """Wait for a place."""
        await self._places.acquire()
        self._is_held = True

    def give_up(self) -> None:
        """Let somebody else have it; nothing when it was given up already."""
        if self._is_held:
            self._is_held = False
            self._places.release()


_SLOT: ContextVar[Slot | None] = ContextVar("hookline_slot", default=None)
"""That of the attempt whose code runs."""


async def rest(seconds: float) -> None:
    """Sleep. An attempt that does has no place meanwhile; one that has other things under way keeps it."""
    slot = _SLOT.get()
    if slot is None or slot.task is not asyncio.current_task():
        await asyncio.sleep(seconds)
        return
    slot.give_up()
    # Canceled in here, it goes without a place, and gives none back.
    await asyncio.sleep(seconds)
    await slot.take()

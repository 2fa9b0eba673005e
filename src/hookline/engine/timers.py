"""Looking at the store's timers when the next of them is due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from math import inf

from hookline.store.port import Store, StoreError

__all__ = ["AGAIN_SECONDS", "TIMER_BATCH", "Timers"]

log = logging.getLogger(__name__)

TIMER_BATCH = 500
"""Due timers taken at a time."""

AGAIN_SECONDS = 1.0
"""After which timers are looked at again that are due and could not be taken."""


class Timers:
    """Has the timers fired that are due. Used on the engine's loop only.

    Args:
        fire: Lets a run know that the times of these paths have come, at a moment; False when it knows, or is
            not ours to tell.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], fire: Callable[[str, Sequence[str], float], bool]
    ) -> None:
        self._store = store
        self._clock = clock
        self._fire = fire
        self._batch = TIMER_BATCH
        self._handle: asyncio.TimerHandle | None = None
        self._next_look = inf
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin on the running loop; before that nothing is looked at."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Look at nothing more."""
        self._loop = None
        self._forget()

    def _forget(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle, self._next_look = None, inf

    def expect(self, due: float) -> None:
        """Make sure that the timers are looked at no later than `due`."""
        if due >= self._next_look or self._loop is None:
            return
        self._forget()
        self._next_look = due
        self._handle = self._loop.call_later(max(due - self._clock(), 0.0), self.look)

    def catch_up(self) -> None:
        """Look at what others have stored, or what became due while the loop's own time stood still.

        Raises:
            StoreError: The timers cannot be read.
        """
        following = self._store.next_timer()
        if following is not None and following <= self._clock():
            # The machine slept, or its clock was set.
            self.look()
        elif following is not None:
            self.expect(following)

    def look(self) -> None:
        """Have what is due fired."""
        self._forget()
        now = self._clock()
        try:
            due = self._store.due_timers(now, self._batch)
            following = self._store.next_timer(now)
        except StoreError as error:
            log.warning("%s: timers cannot be read: %s", error.code, error)
            return
        of_runs: dict[str, list[str]] = {}
        for timer in due:
            of_runs.setdefault(timer.run_id, []).append(timer.path)
        fired = [self._fire(run_id, paths, now) for run_id, paths in of_runs.items()]
        is_full = len(due) == self._batch
        # Timers that are another worker's, or of a run that cannot go on just now, stay: look past them.
        self._batch = self._batch * 2 if is_full and not any(fired) else TIMER_BATCH
        if any(fired) or is_full:
            self.expect(now + 0.005)
        elif due:
            self.expect(min(following or inf, now + AGAIN_SECONDS))
        elif following is not None:
            self.expect(following)

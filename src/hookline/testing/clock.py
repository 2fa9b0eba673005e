"""Time as an argument: now, and calls to be made later."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock", "Timer", "rfc3339"]


@dataclass(order=True, slots=True)
class Timer:
    """A call due at `due` (Unix seconds). `cancel` makes it never happen."""

    due: float
    number: int
    callback: Callable[[], None] = field(compare=False)
    canceled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Do not call."""
        self.canceled = True


class Clock(Protocol):
    """What stand-ins ask for time. Timers must return quickly and may be called from any thread."""

    def now(self) -> float:
        """Unix time in seconds."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, `delay` seconds from now."""

    def advance(self, seconds: float) -> None:
        """Move `now` forward; timers that become due are called."""

    def stop(self) -> None:
        """Make no further calls."""


class SystemClock:
    """The machine's clock, which `advance` can put ahead (to let an hour of retention pass, for instance)."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._heap: list[Timer] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def now(self) -> float:
        return time.time() + self._offset

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        with self._changed:
            timer = Timer(self.now() + delay, next(self._numbers), callback)
            heapq.heappush(self._heap, timer)
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="stand-in-clock", daemon=True)
                self._thread.start()
            self._changed.notify()
            return timer

    def advance(self, seconds: float) -> None:
        with self._changed:
            self._offset += seconds
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(10)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopped and (not self._heap or self._heap[0].due > self.now()):
                    self._changed.wait(self._heap[0].due - self.now() if self._heap else None)
                if self._stopped:
                    return
                timer = heapq.heappop(self._heap)
            if not timer.canceled:
                timer.callback()


class ManualClock:
    """A clock that stands still until `advance`.

    Args:
        start: Unix time in seconds at the beginning.
    """

    def __init__(self, start: float = 1_795_000_000.0) -> None:
        self._now = start
        self._heap: list[Timer] = []
        self._numbers = itertools.count()
        self._guard = threading.RLock()
        self.settle: Callable[[], None] = lambda: None
        """Called after each timer; waits for the work it began, so that timers made by that work are seen."""

    def now(self) -> float:
        with self._guard:
            return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        with self._guard:
            timer = Timer(self._now + delay, next(self._numbers), callback)
            heapq.heappush(self._heap, timer)
            return timer

    def advance(self, seconds: float) -> None:
        self.settle()
        with self._guard:
            target = self._now + seconds
        while (timer := self._next_until(target)) is not None:
            if not timer.canceled:
                timer.callback()
                self.settle()
        with self._guard:
            self._now = target

    def stop(self) -> None:
        with self._guard:
            self._heap.clear()

    def _next_until(self, target: float) -> Timer | None:
        with self._guard:
            if not self._heap or self._heap[0].due > target:
                return None
            timer = heapq.heappop(self._heap)
            self._now = max(self._now, timer.due)
            return timer


def rfc3339(moment: float, digits: int = 6) -> str:
    """`moment` (Unix seconds) in UTC with `digits` fractional digits, ending in ``Z``."""
    nanoseconds = round(moment * 1_000_000) * 1000
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{f'{fraction:09d}'[:digits]}Z"

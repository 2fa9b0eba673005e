"""How often: the rate of a hook, and how many refused requests of a flood are kept.

Both are of this process alone and are forgotten when it ends.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Pace", "Paces", "Refusals", "whole_seconds"]

KEPT_AT_ONCE = 20
"""Refused requests of one hook that are recorded one by one before they are thinned out."""

KEPT_EVERY = 30.0
"""Seconds for each further refused request that is recorded while a flood lasts."""

MAX_NAMES = 10_000
"""Names that are remembered; a flood of new ones shares the pace of the last."""


@dataclass(frozen=True, slots=True)
class Pace:
    """`count` at once, and then evenly so many in `seconds`."""

    count: int
    seconds: float


class Paces:
    """Counts by name, by the generic cell rate algorithm: one number for each name.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, name: str, pace: Pace) -> float:
        """Count one; 0 when there was room, else the seconds until there is."""
        now, each = self._clock(), pace.seconds / pace.count
        with self._lock:
            if len(self._full_at) > MAX_NAMES:
                self._full_at = {key: at for key, at in self._full_at.items() if at > now}
            # A clock that was set back must not lock anybody out for longer than a full span.
            full_at = min(max(self._full_at.get(name, now), now), now + pace.seconds)
            wait = full_at + each - now - pace.seconds
            if wait > each * 1e-6:
                return wait
            self._full_at[name] = full_at + each
            return 0.0


class Refusals:
    """Which refused requests are recorded: all of a few, few of a flood.

    A flood must not fill the disk; what it hides must not go unnoticed. So those that are left out are
    counted, and the next one that is recorded says how many there were.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._paces = Paces(clock)
        self._left_out: dict[str, int] = {}
        self._lock = threading.Lock()

    def noted(self, name: str, reason: str) -> str | None:
        """The reason to record a request of this hook with, None when it is only counted."""
        if self._paces.take(name, Pace(KEPT_AT_ONCE, KEPT_AT_ONCE * KEPT_EVERY)) > 0:
            with self._lock:
                self._left_out[name] = self._left_out.get(name, 0) + 1
            return None
        with self._lock:
            left_out = self._left_out.pop(name, 0)
        return f"{reason} (and {left_out} more before it that were not recorded)" if left_out else reason


def whole_seconds(wait: float) -> int:
    """For ``Retry-After``, at least one."""
    return max(math.ceil(wait), 1)

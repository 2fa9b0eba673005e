"""Ids: a prefix that says what it is, then 28 hexadecimal digits that sort by time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

__all__ = ["IdFactory"]


class IdFactory:
    """Makes ids of 48 bits of time (milliseconds) and 64 random bits; any thread may ask.

    They name things and give no right to anything, so it is enough that nobody else has the same ones. The
    operating system is asked once and not for each of them: every question to it lets the other threads
    have the interpreter first.

    Args:
        clock: Seconds since the epoch.
        random_bytes: ``os.urandom``, or a stand-in in tests.
    """

    def __init__(self, clock: Callable[[], float], random_bytes: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._random = Random(random_bytes(32))

    def new(self, prefix: str) -> str:
        """``run_019a…``: unique, and later ones sort behind earlier ones."""
        return f"{prefix}_{int(self._clock() * 1000):012x}{self._random.getrandbits(64):016x}"

"""Ids: a prefix that says what it is, then 26 characters that sort by the time they were made."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["IdFactory"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, as in ULID


class IdFactory:
    """Makes ids of 48 bits of time (milliseconds) and 80 random bits.

    Args:
        clock: Seconds since the epoch.
        random_bytes: ``os.urandom``, or a stand-in in tests.
    """

    def __init__(self, clock: Callable[[], float], random_bytes: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._random_bytes = random_bytes

    def new(self, prefix: str) -> str:
        """``run_01k…``: unique, and later ones sort behind earlier ones."""
        milliseconds = int(self._clock() * 1000) & 0xFFFFFFFFFFFF
        number = (milliseconds << 80) | int.from_bytes(self._random_bytes(10))
        text = ""
        for _ in range(26):
            text = _ALPHABET[number & 31] + text
            number >>= 5
        return f"{prefix}_{text}"

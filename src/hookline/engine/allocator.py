"""What the C library's allocator is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["ARENAS", "few_arenas"]

ARENAS = 2
"""Heaps that threads share. glibc gives each of dozens of threads one of its own, which keep what they
once needed: a large file that passes from thread to thread then takes a multiple of its buffers. Where
one thread runs at a time, more of them save nothing."""

_M_ARENA_MAX = -8
"""Source: glibc, malloc.h."""


def few_arenas(environment: Mapping[str, str], mallopt: Callable[[int, int], int] | None = None) -> bool:
    """Have all threads share few heaps, unless ``MALLOC_ARENA_MAX`` says how many; whether it was told.

    Only glibc knows the word; elsewhere nothing happens.

    Args:
        mallopt: The function of the C library.
    """
    if "MALLOC_ARENA_MAX" in environment:
        return False
    if mallopt is None:
        import ctypes

        try:
            mallopt = ctypes.CDLL(None).mallopt
        except (OSError, AttributeError, TypeError):
            return False
    return mallopt(_M_ARENA_MAX, ARENAS) == 1

"""The wall clock and the time of the engine's event loop in one.

Every delay in an engine (timers, timeouts, sweeps, polling) passes when a test calls `Clock.advance` and
not before.
"""

from __future__ import annotations

import asyncio


class Clock:
    """Wall clock and loop time; `advance` moves both, `jump` only the wall clock."""

    def __init__(self, start: float = 1_795_000_000.0) -> None:
        self._wall = start
        self._elapsed = 1000.0
        self._loops: list[Loop] = []

    def __call__(self) -> float:
        return self._wall

    def elapsed(self) -> float:
        return self._elapsed

    def new_loop(self) -> Loop:
        loop = Loop(self)
        self._loops.append(loop)
        return loop

    def advance(self, seconds: float) -> None:
        self._wall += seconds
        self._elapsed += seconds
        self._loops = [loop for loop in self._loops if not loop.is_closed()]
        for loop in self._loops:
            loop.call_soon_threadsafe(lambda: None)

    def jump(self, seconds: float) -> None:
        self._wall += seconds


class Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        self._lab_clock = clock
        super().__init__()

    def time(self) -> float:
        return self._lab_clock.elapsed()

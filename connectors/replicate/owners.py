"""Which attempt a prediction belongs to, as far as this process has seen."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Owners"]

KEPT = 20_000
"""More than are made in the minutes that a lost one is looked for; the oldest are forgotten."""


class Owners:
    """Attempts by the predictions that they made or found."""

    def __init__(self) -> None:
        self._attempts: dict[str, str] = {}

    def set(self, job: str, attempt: str) -> None:
        """An attempt knows a prediction to be its own."""
        if job not in self._attempts and len(self._attempts) >= KEPT:
            del self._attempts[next(iter(self._attempts))]
        self._attempts[job] = attempt

    def others(self, attempt: str) -> Iterator[str]:
        """The predictions that are known to be another attempt's."""
        return (job for job, each in self._attempts.items() if each != attempt)

"""Holding an attempt before it does anything: it becomes a row again, and begins anew later."""

from __future__ import annotations

from typing import Any, Literal

from hookline.core import events as ev

__all__ = ["Hold"]

Json = Any


class Hold(BaseException):
    """Raised through an action's code, to stop it before it has had any effect.

    It is no `Exception`, as `asyncio.CancelledError` is none: no action may take it for a failure.

    Args:
        waits_for: See `hookline.core.events.StepWaiting`.
        reason: For people, what it waits for.
        until: When it is woken at the latest, seconds since the epoch.
        data: What a person is shown who is asked.
    """

    def __init__(
        self,
        waits_for: Literal["limit", "identical", "approval"],
        reason: str,
        until: float,
        data: Json = None,
    ) -> None:
        super().__init__(reason)
        self.waits_for = waits_for
        self.reason = reason
        self.until = until
        self.data = data

    def event(
        self, path: str, attempt: int, cost: float = 0.0, charges: dict[str, float] | None = None
    ) -> ev.StepWaiting:
        """The fact that an attempt is held."""
        return ev.StepWaiting(
            path,
            path,
            attempt,
            self.waits_for,
            self.reason,
            self.until,
            self.data,
            cost=cost,
            charges=charges,
        )

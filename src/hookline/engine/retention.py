"""Forgetting finished runs that nobody wants to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hookline.core.plan import Plan
from hookline.core.units import parse_duration
from hookline.store.port import Prune, Store, StoreError

from .settings import Settings

__all__ = ["RETENTION_SECONDS", "retain"]

RETENTION_SECONDS = 600.0
"""How often finished runs that are too old are looked for."""


def retain(plan: Plan, settings: Settings, store: Store, clock: Callable[[], float]) -> None:
    """Have the finished runs removed that this workflow does not want to keep."""
    age, count = plan.retention_age, plan.retention_count
    if age is None and settings["retention_age"]:
        age = parse_duration(settings["retention_age"])
    if count is None and settings["retention_count"]:
        count = settings.integer("retention_count")
    if age is None and count is None:
        return
    now = clock()
    unit = Prune(plan.name, None if age is None else now - age, count, now)

    def again(answer: Any) -> None:
        if not isinstance(answer, StoreError) and answer.runs >= unit.limit:
            store.submit(unit, again)

    store.submit(unit, again)

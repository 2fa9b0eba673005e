"""Forgetting finished runs, and events, that nobody wants to keep."""

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


def retain(plan: Plan | None, settings: Settings, store: Store, clock: Callable[[], float]) -> None:
    """Have the finished runs and the events removed that a workflow does not want to keep.

    None instead of a plan is about the events that were meant for no workflow, and about what expires by
    itself (keys, cached outputs), whether anybody wants to forget anything else or not.
    """
    now = clock()
    ages = (None, None) if plan is None else (plan.retention_age, plan.retention_events_age)
    counts = (None, None) if plan is None else (plan.retention_count, plan.retention_events_count)
    before, events_before = (
        None if (seconds := _seconds(settings, name, age)) is None else now - seconds
        for name, age in zip(("retention_age", "retention_events_age"), ages, strict=True)
    )
    keep, keep_events = (
        settings.integer(name) if count is None and settings[name] else count
        for name, count in zip(("retention_count", "retention_events_count"), counts, strict=True)
    )
    if plan is not None and (before, events_before, keep, keep_events) == (None, None, None, None):
        return
    name = "" if plan is None else plan.name
    unit = Prune(name, before, keep, now, events_before=events_before, keep_events=keep_events)

    def again(answer: Any) -> None:
        if isinstance(answer, StoreError):
            return
        if answer.has_more_expired or max(answer.runs, answer.events) >= unit.limit:
            store.submit(unit, again)

    store.submit(unit, again)


def _seconds(settings: Settings, name: str, given: float | None) -> float | None:
    return parse_duration(settings[name]) if given is None and settings[name] else given

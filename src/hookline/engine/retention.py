"""Forgetting finished runs, and events, that nobody wants to keep."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from hookline.core.diagnostics import DefinitionError
from hookline.core.plan import Plan
from hookline.core.units import parse_duration
from hookline.store.port import Prune, Store, StoreError

from .settings import Settings
from .workflows import Plans

__all__ = ["RETENTION_SECONDS", "retain", "retain_withdrawn"]

RETENTION_SECONDS = 600.0
"""How often finished runs that are too old are looked for."""


def retain_withdrawn(
    plans: Plans, deployed: Collection[str], retain: Callable[[str, Plan | None], None]
) -> None:
    """Have forgotten what workflows have left behind that are not deployed any more, or not just now.

    Their last version still has the say, and the installation where it says nothing: neither does what was
    to be forgotten stay for ever, nor is anything lost because a file was away or broken for an hour.

    Raises:
        StoreError: It cannot be read which there are.
    """
    for name, version in plans.last_versions().items():
        if name not in deployed:
            try:
                plan = plans.get(version)
            except (KeyError, DefinitionError):
                plan = None
            retain(name, plan)


def retain(
    name: str, plan: Plan | None, settings: Settings, store: Store, clock: Callable[[], float]
) -> None:
    """Have the finished runs and the events removed that a workflow does not want to keep.

    Args:
        name: Of the workflow; ``""`` is about the events that were meant for none, and about what expires by
            itself (keys, cached outputs), whether anybody wants to forget anything else or not.
        plan: Its version, as far as it is known.
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
    if name and (before, events_before, keep, keep_events) == (None, None, None, None):
        return
    unit = Prune(name, before, keep, now, events_before=events_before, keep_events=keep_events)

    def again(answer: Any) -> None:
        if isinstance(answer, StoreError):
            return
        if answer.has_more_expired or max(answer.runs, answer.events) >= unit.limit:
            store.submit(unit, again)

    store.submit(unit, again)


def _seconds(settings: Settings, name: str, given: float | None) -> float | None:
    return parse_duration(settings[name]) if given is None and settings[name] else given

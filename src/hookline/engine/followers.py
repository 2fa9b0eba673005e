"""Workflows that start when another one's run has ended.

What follows is drafted while the run's last turn is, and stored in the unit that finishes the run:
there is no moment at which one is true without the other, and no list that could be read too late.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from hookline.core import events as ev
from hookline.core.expressions import ExpressionError
from hookline.core.plan import Plan, TriggerPlan
from hookline.core.scope import timestamp_text
from hookline.core.state import RunState
from hookline.store.port import StoreError

from .intake import Draft, Intake
from .registry import Registry
from .workflows import Workflows

__all__ = ["MAX_CHAIN", "Followers"]

log = logging.getLogger(__name__)

Json = Any

MAX_CHAIN = 10
"""Most workflows in a row that start each other: validation may not know of a circle."""


class Followers:
    """Drafts the events of ``workflow`` triggers.

    Attributes:
        are_left: Their runs are for another process to execute: this one ends with the run it is about.
    """

    def __init__(self, workflows: Workflows, registry: Registry, intake: Intake) -> None:
        self._workflows = workflows
        self._registry = registry
        self._intake = intake
        self.are_left = False

    def of(self, state: RunState, finished: ev.RunFinished) -> Sequence[Draft]:
        """The events that the end of a run is to other workflows; any thread may ask."""
        following = self._workflows.followers.get(state.workflow)
        if following is None:
            return ()
        ended = _document(state, finished)
        drafts = (self._draft(plan, trigger, ended) for plan, trigger in following)
        return [draft for draft in drafts if draft is not None]

    def _draft(self, plan: Plan, trigger: TriggerPlan, ended: dict[str, Json]) -> Draft | None:
        declared = self._registry.triggers[trigger.uses]
        try:
            data = declared.run(ended, **declared.bind(trigger.parameters))
            if data is None:
                return None
            skip = ""
            if ended["depth"] > MAX_CHAIN:
                skip = f"more than {MAX_CHAIN} workflows in a row have started each other"
            return self._event(plan, trigger, data, skip, ended["depth"])
        except ExpressionError as error:
            return self._rejected(plan, trigger, error.message, ended)
        except Exception as error:
            # The end of a run must not fail because of those who want to know of it.
            log.exception("R309: the trigger %s of %s", trigger.uses, plan.name)
            return self._rejected(plan, trigger, f"{type(error).__name__}; the log says more", ended)

    def _event(self, plan: Plan, trigger: TriggerPlan, data: Json, skip: str, depth: int) -> Draft:
        try:
            return self._intake.event(plan, trigger, data, skip=skip, depth=depth, left=self.are_left)
        except StoreError as error:
            # The end cannot wait until it is known what may be spent; the event can.
            log.warning("%s: %s begins later: %s", error.code, plan.name, error)
            return self._intake.event(plan, trigger, data, skip=skip, depth=depth, left=True)

    def _rejected(self, plan: Plan, trigger: TriggerPlan, reason: str, data: Json) -> Draft:
        return Draft(self._intake.rejected(plan, trigger.uses, reason, {}, data), None)


def _document(state: RunState, finished: ev.RunFinished) -> dict[str, Json]:
    return {
        "run": state.id,
        "workflow": state.workflow,
        "version": state.version,
        "status": finished.status,
        "output": finished.output,
        "error": finished.error,
        "event": state.event,
        "replay_of": state.replay_of,
        "cost_usd": round(state.cost, 9),
        "created_at": timestamp_text(state.created_at),
        "started_at": timestamp_text(state.started_at),
        "finished_at": timestamp_text(state.finished_at),
        "depth": state.depth + 1,
    }
